"""A run is streamed up and down: memory does not grow with its file (faults 90, 110)."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.support.stack_process import StackProcess

MIB = 1 << 20
IMAGES, BOXES = 8_000, 60

# Prints how much memory of its own the process had at most, over what it had before the call.
SCRIPT = """
import re, sys, layernext
key, secret, url, what, collection, path = sys.argv[1:]

def own():
    with open("/proc/self/status") as file:
        return int(re.search(r"RssAnon:\\s+(\\d+) kB", file.read())[1]) * 1024

with layernext.LayerNextClient(key, secret, url) as client:
    client.get_all_labels()
    before = most = own()

    def note(*_):
        global most
        most = max(most, own())

    if what == "up":
        client.upload_modelrun_from_json(collection, "run", path, "rectangle", progress=note)
    else:
        client.download_to_file(collection, ["run"], path, progress=note)
    print(most - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_file(native_stack: StackProcess, tmp_path: Path) -> None:
    """50 MB of JSON up and down in less memory than the file has, and back as it was."""
    source, target = tmp_path / "run.json", tmp_path / "back.json"
    box = '{"bbox":[217.62,240.54,38.99,57.75],"label":"kitchen","confidence":0.30611335805442985}'
    boxes = ",".join([box] * BOXES)
    with source.open("w") as file:
        file.write('{"images":[')
        for n in range(IMAGES):
            file.write(f'{"," if n else ""}{{"image":"{n:06}.jpg","annotations":[{boxes}]}}')
        file.write("]}")
    assert source.stat().st_size > 40 * MIB
    collection = f"yard-{uuid.uuid4().hex[:8]}"
    for what, path in (("up", source), ("down", target)):
        command = [
            sys.executable,
            "-c",
            SCRIPT,
            *native_stack.arguments,
            what,
            collection,
            str(path),
        ]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert 0 <= int(done.stdout) < 40 * MIB, what
    assert json.loads(target.read_text()) == json.loads(source.read_text())
