"""Reads images and videos in a process of its own.

Demuxers and decoders are native code that reads what anybody uploaded. A crash of theirs, or memory or time
without end, ends that process and not the stack; what came of it is a `Look` either way. The process gets
paths, a limit on each of time, memory and pixels, and none of the stack's environment. It reads one file after
the other, as starting takes longer than most images do.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import msgspec

from layernext.model import media_type_of
from layernext.stack.media.found import Look, NotAugmentable, Picture
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
from layernext.wire.augmentations import Augmentation

IMAGE_KIND = 5
VIDEO_KIND = 4
SECONDS = 120
"""For one file; of a large video most of it goes into counting frames."""

POLL_SECONDS = 0.2
MAX_FILES = 1_000
"""That one process reads: what a library leaks ends with it."""

MAX_REPLY_BYTES = 4 << 20
_KEPT_ENVIRONMENT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "SYSTEMROOT")
_reply_decoder: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(LookReply | PictureReply)
_Replies: TypeAlias = "queue.Queue[bytes | None]"


class _Ended(Exception):
    """The process ended, or had to be ended; the text says why."""


class Decoder:
    """Reads files; a context manager, used by one thread at a time. Its process starts with the first file."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._replies: _Replies = queue.Queue()
        self._files = 0

    def __enter__(self) -> Decoder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def look_into(
        self, path: Path, kind: int, alive: Callable[[], None], *, only_size: bool = False
    ) -> Look:
        """Read a file. What cannot be read gives a `Look` with a failure.

        Args:
            path: of the file; any content.
            kind: of its collection: 5 images, 4 videos, 7 other files.
            alive: called a few times a second while it takes long; what it raises ends the look.
            only_size: of an image read the first bytes only, for its type and size.
        """
        media_type = media_type_of(path)
        if kind == IMAGE_KIND:
            return self._read(path, Look(content_type=media_type), None, alive, only_size=only_size)
        if kind != VIDEO_KIND:
            return Look(content_type=media_type)
        if not media_type.startswith("video/"):
            return Look(content_type=media_type, failure="it is not an MP4 or Matroska video")
        return self._read(path, Look(content_type=media_type), media_type, alive)

    def augment(
        self,
        path: Path,
        folder: Path,
        augmentations: Sequence[Augmentation],
        *,
        seed: int,
        name: str,
        alive: Callable[[], None],
    ) -> list[Picture]:
        """Make pictures of an image: each is a file in `folder`, named by its place in the list.

        Args:
            path: of the image; any content.
            folder: that they are written to; empty.
            augmentations: each makes one picture.
            seed, name: decide, with the augmentation, every number drawn.
            alive: called a few times a second while it takes long; what it raises ends the work.

        Raises:
            NotAugmentable: the image cannot be decoded, or is larger than what is augmented.
        """
        request = AugmentRequest(
            os.fsencode(path.resolve()),
            os.fsencode(folder.resolve()),
            tuple(augmentations),
            seed,
            name,
        )
        while True:
            is_first = self._start()
            pictures: list[Picture] = []
            failure: str | None = None
            try:
                for reply in self._replies_to(request, alive):
                    assert isinstance(reply, PictureReply)  # noqa: S101 - as was asked for
                    failure = reply.failure
                    if reply.picture is not None:
                        pictures.append(reply.picture)
            except _Ended as ended:
                if is_first:
                    raise NotAugmentable(str(ended)) from ended
                continue
            if failure is not None:
                raise NotAugmentable(failure)
            return pictures

    def _read(
        self,
        path: Path,
        look: Look,
        video_type: str | None,
        alive: Callable[[], None],
        *,
        only_size: bool = False,
    ) -> Look:
        request = InspectRequest(os.fsencode(path.resolve()), video_type, only_size)
        while True:
            is_first = self._start()
            try:
                for reply in self._replies_to(request, alive):
                    assert isinstance(reply, LookReply)  # noqa: S101 - as was asked for
                    look = reply.look
            except _Ended as ended:
                if not is_first:
                    continue  # files before it may be to blame: it gets a process of its own
                noun = "image" if video_type is None else "video"
                return Look(
                    content_type=look.content_type,
                    width=look.width,
                    height=look.height,
                    failure=f"it is not a readable {noun}: {ended}",
                )
            return look

    def _replies_to(self, request: Request, alive: Callable[[], None]) -> Iterator[Reply]:
        try:
            self._send(request)
            while True:
                reply = self._receive(alive)
                yield reply
                if reply.is_last:
                    return
        except BaseException:
            self._end()  # its answer would be taken for that to the next file
            raise

    def _start(self) -> bool:
        """Have a process; whether it is a new one."""
        if self._process is not None and (
            self._process.poll() is not None or self._files >= MAX_FILES
        ):
            self._end()
        self._files += 1
        if self._process is not None:
            return False
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        # Modules come from where they are installed, not from the folder in which the stack was started.
        environment["PYTHONSAFEPATH"] = "1"
        environment["OPENBLAS_NUM_THREADS"] = "1"  # each takes memory, and none is used
        self._process = subprocess.Popen(
            [sys.executable, "-m", "layernext.stack.media.decoder_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self._replies = queue.Queue()
        threading.Thread(
            target=_gather, args=(self._process, self._replies), name="decoder", daemon=True
        ).start()
        return True

    def _send(self, request: Request) -> None:
        assert self._process is not None and self._process.stdin is not None  # noqa: S101, PT018
        try:
            write_frame(self._process.stdin, msgspec.msgpack.encode(request))
        except OSError as error:
            raise _Ended(self._reason()) from error

    def _receive(self, alive: Callable[[], None]) -> Reply:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            try:
                content = self._replies.get(timeout=POLL_SECONDS)
            except queue.Empty:
                alive()
                continue
            if content is None:
                raise _Ended(self._reason())
            try:
                return _reply_decoder.decode(content)
            except msgspec.DecodeError as error:
                raise _Ended("it made the decoder fail") from error
        raise _Ended(f"reading it took longer than {SECONDS} seconds")

    def _reason(self) -> str:
        """Why the process ended by itself."""
        assert self._process is not None  # noqa: S101
        try:
            status = self._process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            return "it made the decoder fail"
        if status == -getattr(signal, "SIGXCPU", 0) and status:
            return "reading it takes too long"
        if status == -getattr(signal, "SIGKILL", 0) and status:
            return "the decoder was ended, most likely for lack of memory"
        if status < 0:
            return f"it made the decoder crash (signal {-status})"
        return "it made the decoder fail"

    def _end(self) -> None:
        if self._process is None:
            return
        process, self._process, self._files = self._process, None, 0
        process.kill()
        process.wait()
        assert process.stdin is not None  # noqa: S101
        with suppress(OSError):  # a request that it did not read
            process.stdin.close()


def _gather(process: subprocess.Popen[bytes], replies: _Replies) -> None:
    """Hand on what the process answers, and None at its end; waiting for a pipe needs a thread on Windows."""
    assert process.stdout is not None  # noqa: S101
    with process.stdout as stream:
        while (content := read_frame(stream, MAX_REPLY_BYTES)) is not None:
            replies.put(content)
    replies.put(None)
