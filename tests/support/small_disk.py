"""A stack whose data is on a disk of its own, so small that it can be filled to the last byte."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.stack_process import COMMAND, free_port

MOUNT = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'


def _mounting() -> list[str] | None:
    """The command under which a disk can be mounted that only its children see; None if there is none."""
    if shutil.which("unshare") is None:
        return None
    for command in (["unshare", "-m"], ["unshare", "-rm"], ["sudo", "-n", "unshare", "-m"]):
        probe = [*command, "sh", "-c", MOUNT, "sh", "1m", "/mnt", "true"]
        with suppress(OSError):
            if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
                return command
    return None


@dataclass
class SmallDisk:
    """The disk, seen from outside."""

    arguments: tuple[str, str, str]
    root: Path

    def fill(self) -> None:
        """Leave not a byte."""
        with suppress(OSError), (self.root / "ballast").open("ab", buffering=0) as file:
            for piece in (bytes(1 << 20), bytes(4096), b"x"):
                with suppress(OSError):
                    while True:
                        file.write(piece)

    def make_room(self) -> None:
        """Take away what filled it."""
        (self.root / "ballast").unlink()

    def free_bytes(self) -> int:
        found = os.statvfs(self.root)
        return found.f_bavail * found.f_frsize


@contextmanager
def stack_on_small_disk(folder: Path, size: str) -> Iterator[SmallDisk]:
    """A stack on a disk of `size`, such as ``64m``. Skips where nothing can be mounted, but not in CI."""
    mounting = _mounting()
    if mounting is None:
        if os.environ.get("CI"):
            pytest.fail("no small disk can be mounted here: unshare is missing or not allowed")
        pytest.skip("no small disk can be mounted here: unshare is missing or not allowed")
    place, port = folder / "disk", free_port()
    place.mkdir()
    serve = [*COMMAND, "serve", "--data", str(place), "--port", str(port), "--json", "--quiet"]
    with (folder / "key").open("wb") as key, (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*mounting, "sh", "-c", MOUNT, "sh", size, str(place), *serve], stdout=key, stderr=log
        )
    try:
        url, until = f"http://127.0.0.1:{port}", time.monotonic() + 180
        while True:
            try:
                urllib.request.urlopen(f"{url}/ready", timeout=1).close()
                break
            except OSError:
                if time.monotonic() > until or process.poll() is not None:
                    raise RuntimeError((folder / "log").read_text()) from None
                time.sleep(0.05)
        made = json.loads((folder / "key").read_text())
        root = Path(f"/proc/{process.pid}/root{place}")
        yield SmallDisk((made["api_key"], made["secret"], url), root)
        assert process.poll() is None, (folder / "log").read_text()
    finally:
        process.terminate()
        process.wait(180)
