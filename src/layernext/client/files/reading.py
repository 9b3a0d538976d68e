"""Files as they are read for an upload: in pieces, hashed on the way, and unchanged or an error."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator

from layernext.client.files.in_flight import ByteCount
from layernext.client.files.sources import LocalFile
from layernext.client.transport import Pieces
from layernext.errors import DataError, Problem

PIECE_BYTES = 1 << 20


class FileRange:
    """A range of a file as the body of a request; its digest is known once it was sent.

    Args:
        file: the file.
        start, size: the range in bytes.
        count: told of what is read; an attempt that comes again takes back what it told.
        should_stop: asked before each piece.
    """

    def __init__(
        self,
        file: LocalFile,
        start: int,
        size: int,
        count: ByteCount,
        should_stop: Callable[[], bool],
    ) -> None:
        self.file, self.start, self.size = file, start, size
        self.digest = ""
        self._count, self._should_stop = count, should_stop
        self._told = 0

    def pieces(self) -> Pieces:
        """The body."""
        return Pieces(self.size, self._read)

    def skip(self) -> None:
        """The bytes need not be sent."""
        self._told = self.size
        self._count.add(self.size)

    def take_back(self) -> None:
        """The bytes have to be sent again."""
        self._count.add(-self._told)
        self._told = 0

    def _read(self) -> Iterator[bytes]:
        self.take_back()
        digest = hashlib.sha256()
        for piece in read_range(self.file, self.start, self.size):
            if self._should_stop():
                raise Stopped
            digest.update(piece)
            self._told += len(piece)
            self._count.add(len(piece))
            yield piece
        self.digest = digest.hexdigest()


class Stopped(Exception):
    """The upload has ended for another reason; nobody sees this."""


def read_range(file: LocalFile, start: int, size: int) -> Iterator[bytes]:
    """Bytes of a file, in pieces.

    Raises:
        DataError: the file is not the one that was found.
        OSError: it cannot be read.
    """
    with file.path.open("rb", buffering=0) as opened:
        _check_unchanged(file, os.fstat(opened.fileno()))
        opened.seek(start)
        left = size
        while left:
            piece = opened.read(min(left, PIECE_BYTES))
            if not piece:
                raise changed(file)
            left -= len(piece)
            yield piece
        _check_unchanged(file, os.fstat(opened.fileno()))


def read_whole(file: LocalFile) -> bytes:
    """A small file; raises as `read_range`."""
    return b"".join(read_range(file, 0, file.size))


def checksum_of(file: LocalFile, should_stop: Callable[[], bool]) -> str:
    """The SHA-256 of a file in hexadecimal; raises as `read_range`."""
    return range_checksum(file, 0, file.size, should_stop)[0]


def range_checksum(
    file: LocalFile,
    start: int,
    size: int,
    should_stop: Callable[[], bool],
    *,
    with_md5: bool = False,
) -> tuple[str, str]:
    """SHA-256 of a part of a file, and MD5 if wanted, in hexadecimal; raises as `read_range`."""
    digest, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    for piece in read_range(file, start, size):
        if should_stop():
            raise Stopped
        digest.update(piece)
        if with_md5:
            md5.update(piece)
    return digest.hexdigest(), md5.hexdigest() if with_md5 else ""


def _check_unchanged(file: LocalFile, now: os.stat_result) -> None:
    if (now.st_size, now.st_mtime_ns) != (file.size, file.mtime_ns):
        raise changed(file)


def changed(file: LocalFile) -> DataError:
    """What to say of a file that changes while it is read."""
    return DataError(Problem(str(file.path), "was changed while it was being uploaded"))
