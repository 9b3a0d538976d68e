"""Looks into one video, in a process of its own.

Demuxers and decoders are native code that reads what anybody uploaded. A crash of theirs, or memory or time
without end, ends that process and not the stack; what came of it is a `Look` either way. The process gets the
path, a limit on each of time, memory and pixels, and none of the stack's environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from layernext.stack.media.content_type import type_by_bytes
from layernext.stack.media.found import Look

SECONDS = 120
"""For a look into one video, most of it for counting the frames of a large one."""

POLL_SECONDS = 0.2
_KEPT_ENVIRONMENT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "SYSTEMROOT")
_read_look = msgspec.json.Decoder(Look).decode


def look_into_video(path: Path, alive: Callable[[], None]) -> Look:
    """What a video is, and its poster frame.

    Args:
        path: of the file; any content.
        alive: called a few times a second; what it raises ends the look.
    """
    kind = type_by_bytes(path)
    if not kind.startswith("video/"):
        return Look(content_type=kind, failure="it is no MP4 or Matroska video")
    answer, status = _ask(path, kind, alive)
    if status is None:
        why = f"looking into it took longer than {SECONDS} seconds"
    elif status < 0:
        why = f"it made the decoder crash (signal {-status})"
    else:
        try:
            return _read_look(answer)
        except msgspec.DecodeError:
            why = "it made the decoder fail"
    return Look(content_type=kind, failure=f"it is no readable video: {why}")


def _ask(path: Path, kind: str, alive: Callable[[], None]) -> tuple[bytes, int | None]:
    """What the process answered, and how it ended; None if it had to be ended."""
    environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    # Modules come from where they are installed, not from the folder in which the stack was started.
    environment["PYTHONSAFEPATH"] = "1"
    command = [
        sys.executable,
        "-m",
        "layernext.stack.media.video_process",
        str(path.resolve()),
        kind,
    ]
    with subprocess.Popen(  # noqa: S603 - our own module; the path is the stack's
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as process:
        try:
            until = time.monotonic() + SECONDS
            while time.monotonic() < until:
                with suppress(subprocess.TimeoutExpired):
                    answer, _ = process.communicate(timeout=POLL_SECONDS)
                    return answer, process.returncode
                alive()
        finally:
            process.kill()
    return b"", None
