"""One file from its URL: resumed by ranges, verified, and never seen half-written."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from layernext.client.files.in_flight import ByteCount
from layernext.client.files.reading import Stopped
from layernext.client.files.remote import RemoteFile, fresh_url
from layernext.client.transport import Incoming, Transport
from layernext.errors import ConnectionFailed, DataError, InvalidRequest, NotAllowed, Problem

logger = logging.getLogger("layernext.client.files")

MAX_BREAKS = 5
"""Breaks of one file without a byte in between before it is given up."""
DAMAGED_TIMES = 2
PIECE_BYTES = 1 << 20
FLUSHED_BYTES = 16 << 20
"""After so many bytes the system is asked to begin to write them, so that the disk works meanwhile."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


@dataclass(frozen=True)
class Fetched:
    """A file that came: its SHA-256, and its ETag if that is something else."""

    checksum: str
    tag: str | None


class Unchanged(Exception):
    """The stack says that the file here is the one it has."""


class _Restart(Exception):
    """What is there is of no use; from the first byte."""


class Fetcher:
    """Fetches files; safe to use from many threads.

    Args:
        transport: to the stack.
        count: told of the bytes that come.
        stop: set when the download ends early.
    """

    def __init__(self, transport: Transport, count: ByteCount, stop: threading.Event) -> None:
        self._transport, self._count, self._stop = transport, count, stop

    def fetch(self, remote: RemoteFile, part: Path, known_tag: str | None) -> Fetched:
        """Bring a file to `part`, flushed to the disk.

        Args:
            remote: the file.
            part: where it goes; what it has from an earlier call is used if the checksum is known.
            known_tag: ETag of the file that is here.

        Raises:
            Unchanged: `known_tag` is the file's tag.
            DataError: the file arrived damaged every time.
            LayerNextError, OSError: it could not be had, or not be written.
        """
        if remote.checksum is None:
            # Nobody can say whether an earlier part is of the same content.
            part.unlink(missing_ok=True)
        damaged = 0
        while True:
            attempt = _Attempt(self, remote, part, known_tag)
            try:
                return attempt.run()
            except _Restart as restart:
                self._count.add(-attempt.counted)
                part.unlink(missing_ok=True)
                damaged += 1
                if damaged == DAMAGED_TIMES:
                    raise DataError(Problem(remote.name, str(restart))) from None
                logger.warning("%s: %s; starting again", remote.name, restart)

    @property
    def transport(self) -> Transport:
        """To the stack."""
        return self._transport

    def tell(self, count: int) -> None:
        """Count bytes.

        Raises:
            Stopped: the download has ended.
        """
        if self._stop.is_set():
            raise Stopped
        self._count.add(count)

    def should_stop(self) -> bool:
        """Whether the download has ended."""
        return self._stop.is_set()


class _Attempt:
    """One file, from wherever its part has come to, through breaks of the connection."""

    def __init__(
        self, fetcher: Fetcher, remote: RemoteFile, part: Path, known_tag: str | None
    ) -> None:
        self._fetcher, self._remote, self._part = fetcher, remote, part
        self._known_tag = known_tag
        self._url = remote.url
        self._digest = hashlib.sha256()
        self._size: int | None = remote.size
        self._tag: str | None = remote.checksum
        self._at = 0
        self._has_begun = False
        self.counted = 0

    def run(self) -> Fetched:
        with self._part.open("ab") as file:
            self._take_up(file.tell())
            breaks = renewals = 0
            while not self._is_whole():
                before = self._at
                try:
                    self._stream(file.fileno())
                    error: Exception = EOFError("the answer ended early")
                except ConnectionFailed as broken:
                    error = broken
                except NotAllowed:
                    # The URL has grown old.
                    renewals += 1
                    if renewals > 1 or self._remote.unique_name is None:
                        raise
                    self._url = fresh_url(self._fetcher.transport, self._remote.unique_name)
                    continue
                if self._is_whole():
                    break
                breaks = 0 if self._at > before else breaks + 1
                if breaks > MAX_BREAKS or self._size is None:
                    raise error if isinstance(error, ConnectionFailed) else _Restart(str(error))
                logger.warning(
                    "%s was interrupted at byte %d: %s", self._remote.name, self._at, error
                )
            file.flush()
            os.fsync(file.fileno())
        return self._verified()

    def _take_up(self, size: int) -> None:
        """Count what an earlier call left."""
        if not size:
            return
        if self._size is not None and size > self._size:
            raise _Restart("received more bytes than the file has")
        with self._part.open("rb", buffering=0) as file:
            while piece := file.read(PIECE_BYTES):
                self._digest.update(piece)
                self._count(len(piece))
        self._at = size

    def _count(self, size: int) -> None:
        self._fetcher.tell(size)
        self.counted += size

    def _is_whole(self) -> bool:
        has_asked = self._has_begun or self._known_tag is None
        return has_asked and self._size is not None and self._at == self._size

    def _stream(self, descriptor: int) -> None:
        headers: dict[str, str] = {}
        if self._at:
            headers["Range"] = f"bytes={self._at}-"
            if self._tag is not None:
                headers["If-Range"] = f'"{self._tag}"'
        elif self._known_tag is not None:
            headers["If-None-Match"] = f'"{self._known_tag}"'
        transport = self._fetcher.transport
        should_stop = self._fetcher.should_stop
        with (
            ThreadPoolExecutor(1, thread_name_prefix="layernext-hash") as hasher,
            transport.get_signed(self._url, headers, should_stop=should_stop) as incoming,
        ):
            hashed: Future[None] = hasher.submit(self._digest.update, b"")
            self._begin(incoming)
            begun = self._at
            for piece in _gathered(incoming.pieces):
                if self._size is not None and self._at + len(piece) > self._size:
                    raise _Restart(f"received more than its {self._size} bytes")
                # Hashed beside the writing, and the next piece comes meanwhile.
                hashed.result()
                hashed = hasher.submit(self._digest.update, piece)
                _write_all(descriptor, piece)
                self._at += len(piece)
                if self._at - begun >= FLUSHED_BYTES and hasattr(os, "posix_fadvise"):
                    size = self._at - begun
                    os.posix_fadvise(descriptor, begun, size, os.POSIX_FADV_DONTNEED)
                    begun = self._at
                self._count(len(piece))
            hashed.result()
            if self._size is None:
                self._size = self._at

    def _begin(self, incoming: Incoming) -> None:
        """Check that the answer begins where we stopped."""
        if incoming.status == 304:  # noqa: PLR2004 - the status itself
            raise Unchanged
        self._has_begun = True
        if incoming.headers.get("content-encoding", "identity") != "identity":
            raise InvalidRequest(
                "the file was sent compressed, which was not requested", status=200
            )
        length = incoming.headers.get("content-length", "")
        size = int(length) if re.fullmatch(r"\d{1,18}", length) else None
        if self._at:
            match = _CONTENT_RANGE.fullmatch(incoming.headers.get("content-range", ""))
            is_ours = incoming.status == 206 and match and int(match[1]) == self._at  # noqa: PLR2004
            if not is_ours:
                raise _Restart("the server cannot send only the rest of the file")
            return
        if incoming.status != 200:  # noqa: PLR2004
            raise InvalidRequest(
                f"the file's URL answered {incoming.status}", status=incoming.status
            )
        if size is not None:
            if self._remote.size is not None and size != self._remote.size:
                raise _Restart(f"has {size} bytes, the stack says {self._remote.size}")
            self._size = size
        tag = incoming.headers.get("etag", "")
        if self._remote.checksum is None and tag.startswith('"'):
            self._tag = tag.strip('"') or None

    def _verified(self) -> Fetched:
        checksum = self._digest.hexdigest()
        right = self._tag if _SHA256.fullmatch(self._tag or "") else None
        if right is not None and right != checksum:
            raise _Restart("arrives damaged")
        return Fetched(checksum, None if self._tag == checksum else self._tag)


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Larger pieces: fewer writes, and hashes in one go."""
    waiting: list[bytes] = []
    size = 0
    try:
        for piece in pieces:
            waiting.append(piece)
            size += len(piece)
            if size >= PIECE_BYTES:
                yield b"".join(waiting)
                waiting, size = [], 0
    except ConnectionFailed:
        # What came before the break is good.
        yield b"".join(waiting)
        raise
    yield b"".join(waiting)


def _write_all(descriptor: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(descriptor, left) :]
