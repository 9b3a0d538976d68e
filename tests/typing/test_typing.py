"""The type checker accepts what users write, and nothing that is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_calls() -> None:
    """Every line of calls.py has the type it says, and each marked mistake is one."""
    command = [sys.executable, "-m", "mypy", "tests/typing/calls.py"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout
