"""Wheels that tests install: the checkout's, built anew, and published ones, downloaded once."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOWNLOADS = ROOT / ".venv-wheels"


def build(source: Path, target: Path, *options: str) -> None:
    """Build wheel and source archive of the checkout, or of an unpacked archive.

    Args:
        source: the folder with `pyproject.toml`.
        target: the folder to build into.
        options: of the build tool: ``-t wheel`` builds only the wheel.
    """
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target), *options]
    subprocess.run(command, cwd=source, check=True, capture_output=True)


def published_wheel(requirement: str) -> Path:
    """The wheel of an exact requirement, ``name==1.2.3``; later calls need no network."""
    folder = DOWNLOADS / requirement
    DOWNLOADS.mkdir(exist_ok=True)
    # Whoever comes second waits; the lock of a process that was killed is free.
    with (DOWNLOADS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=DOWNLOADS) as temporary:
                pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
                subprocess.run([*pip, "--dest", temporary, requirement], check=True)
                folder.mkdir()
                for wheel in Path(temporary).iterdir():
                    wheel.rename(folder / wheel.name)
    (wheel,) = folder.glob("*.whl")
    return wheel
