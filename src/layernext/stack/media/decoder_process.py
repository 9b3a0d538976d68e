"""The process that reads files that anybody uploaded; see `decoder`, which starts it and talks to it.

It takes a `Request` after the other from its standard input, and answers each with `Reply` messages.
"""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from layernext.stack.media.found import Look
from layernext.stack.media.image import read_image

IMAGE_MEMORY_BYTES = 2 << 30
"""Of address space: twice what a decoded image may take, as decoders keep copies."""

VIDEO_MEMORY_BYTES = 3 << 30
"""Of address space, about 300 MB of which the libraries take; a frame of 8K needs some 50 MB, and a decoder keeps
up to 17."""

CPU_SECONDS = 110
HEAD_BYTES = 4
_OUT_OF_MEMORY_SCORE = "1000"


class Request(msgspec.Struct, frozen=True, array_like=True):
    """A file to read.

    Attributes:
        path: as bytes: names of files need not be text.
        video_type: the media type of a video; None of an image.
    """

    path: bytes
    video_type: str | None


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """What came of a request; the last of its replies has ``is_last``."""

    is_last: bool
    look: Look


def read_frame(stream: IO[bytes], max_bytes: int) -> bytes | None:
    """The next message; None at the end of the stream, or if it is not a message."""
    head = stream.read(HEAD_BYTES)
    size = int.from_bytes(head, "big")
    if len(head) < HEAD_BYTES or size > max_bytes:
        return None
    content = stream.read(size)
    return content if len(content) == size else None


def write_frame(stream: IO[bytes], content: bytes) -> None:
    """Send a message."""
    stream.write(len(content).to_bytes(HEAD_BYTES, "big") + content)
    stream.flush()


def _limit(memory_bytes: int) -> None:
    """Limit what the next file may take, where the system can."""
    with suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - not on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = int(used.ru_utime + used.ru_stime) + CPU_SECONDS
        for kind, limit in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, memory_bytes)):
            hard = resource.getrlimit(kind)[1]
            soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.setrlimit(kind, (soft, hard))


def _serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    def report(look: Look, *, is_last: bool = False) -> None:
        write_frame(replies, msgspec.msgpack.encode(Reply(is_last, look)))

    while (content := read_frame(requests, 1 << 20)) is not None:
        request = msgspec.msgpack.decode(content, type=Request)
        path = os.fsdecode(request.path)
        if request.video_type is None:
            _limit(IMAGE_MEMORY_BYTES)
            look = read_image(Path(path), report)
        else:
            _limit(VIDEO_MEMORY_BYTES)
            # Only for videos: it takes long to load.
            video = importlib.import_module("layernext.stack.media.video")
            look = video.read_video(path, request.video_type)
        report(look, is_last=True)


def _main() -> None:
    # What a library prints must not get between the replies.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # If the machine runs out of memory, the system ends this process and not the stack.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OUT_OF_MEMORY_SCORE, encoding="ascii")
    with suppress(KeyboardInterrupt):
        _serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    _main()
