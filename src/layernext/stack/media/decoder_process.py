"""The process that reads files that anybody uploaded; see `decoder`, which starts it and talks to it.

It reads requests from its standard input, and answers each with replies. Modules that only some requests need
are loaded with the first of these: most processes read one small image.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from layernext.stack.media.found import NotAugmentable
from layernext.stack.media.image import read_image
from layernext.stack.media.messages import (
    AugmentRequest,
    InspectRequest,
    LookReply,
    PictureReply,
    Reply,
    Request,
    read_frame,
    write_frame,
)

IMAGE_MEMORY_BYTES = 2 << 30
"""Of address space: twice what a decoded image may take, as decoders keep copies."""

VIDEO_MEMORY_BYTES = 3 << 30
"""Of address space, about 300 MB of which the libraries take; a frame of 8K needs some 50 MB, and a decoder keeps
up to 17."""

AUGMENT_MEMORY_BYTES = 4 << 30
"""Of address space: an image of 100 megapixels as numbers, with the noise for each, takes 2 GB."""

CPU_SECONDS = 110
_OUT_OF_MEMORY_SCORE = "1000"


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
    def send(reply: Reply) -> None:
        write_frame(replies, msgspec.msgpack.encode(reply))

    decode = msgspec.msgpack.Decoder(Request).decode
    while (content := read_frame(requests, 1 << 20)) is not None:
        request = decode(content)
        if isinstance(request, AugmentRequest):
            _augment(request, send)
        else:
            _inspect(request, send)


def _inspect(request: InspectRequest, send: Callable[[Reply], None]) -> None:
    path = os.fsdecode(request.path)
    if request.video_type is None:
        _limit(IMAGE_MEMORY_BYTES)
        look = read_image(
            Path(path),
            lambda look: send(LookReply(False, look)),
            only_size=request.only_size,
        )
    else:
        _limit(VIDEO_MEMORY_BYTES)
        look = _load("video").read_video(path, request.video_type)
    send(LookReply(True, look))


def _augment(request: AugmentRequest, send: Callable[[Reply], None]) -> None:
    module = _load("picture")
    try:
        _limit(AUGMENT_MEMORY_BYTES)
        image = module.open_image(Path(os.fsdecode(request.path)))
        for number, augmentation in enumerate(request.augmentations):
            _limit(AUGMENT_MEMORY_BYTES)
            picture, content = module.augment(image, augmentation, request.seed, request.name)
            Path(os.fsdecode(request.folder), str(number)).write_bytes(content)
            send(PictureReply(False, picture))
    except NotAugmentable as error:
        send(PictureReply(True, failure=str(error)))
    except Exception:  # noqa: BLE001 - decoders raise anything at damaged content; the stack logs it
        send(PictureReply(True, failure=traceback.format_exc()))
    else:
        send(PictureReply(True))


def _load(name: str) -> Any:
    return importlib.import_module(f"layernext.stack.media.{name}")


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
