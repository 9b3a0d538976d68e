"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from layernext.stack.memory import release_memory

SCRIPT = """
import threading
from pathlib import Path
from layernext.stack.memory import release_memory

def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

kept = []
def work():
    # Most of it is freed, but what stays between lets no arena shrink by itself.
    blocks = [bytes(8_000) for _ in range(4_000)]
    kept.append(blocks[::100])

threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
before = resident_mib()
release_memory()
print(before, resident_mib())
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the allocator is not glibc's"
)
def test_fragmented_memory_is_given_back() -> None:
    """What threads have freed between blocks that stay is not the process's any more."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True
    )
    before, after = map(float, done.stdout.split())
    assert before - after > 50


def test_may_be_called_any_time() -> None:
    for _ in range(3):
        release_memory()
