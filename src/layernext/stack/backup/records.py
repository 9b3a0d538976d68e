"""Files of records: each a length and a MessagePack value, in one zstd stream; read and written as streams.

MessagePack keeps bytes, 64-bit integers and floats as they are. A file's checksum, and how many records
it has, are kept elsewhere, and compared when it is read.
"""

from __future__ import annotations

import hashlib
import heapq
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any, TypeVar

import msgspec
import zstandard
from msgspec import Struct

from layernext.errors import DataError, Problem

Record = TypeVar("Record")

PIECE_BYTES = 1 << 20
LENGTH_BYTES = 4
LEVEL = 3
SORTED_AT_ONCE = 100_000
"""Records that are sorted in memory; more are sorted in files and merged."""


class RecordFile(Struct, frozen=True):
    """A file of records, as it was written.

    Attributes:
        name: in the folder of its snapshot.
        count: of records.
        size: bytes.
        checksum: SHA-256 in hexadecimal.
    """

    name: str
    count: int
    size: int
    checksum: str


class Packing:
    """Records on their way into a file; `described` once the last piece was taken.

    Args:
        records: what goes into it; what they raise ends it.
    """

    def __init__(self, records: Iterable[Any]) -> None:
        self._records = records
        self._digest = hashlib.sha256()
        self._count = self._size = 0

    def pieces(self) -> Iterator[bytes]:
        """The file, in pieces."""
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compressobj()
        encode = msgspec.msgpack.Encoder().encode
        waiting = bytearray()
        for record in self._records:
            raw = encode(record)
            waiting += len(raw).to_bytes(LENGTH_BYTES, "little")
            waiting += raw
            self._count += 1
            if len(waiting) >= PIECE_BYTES:
                yield self._counted(compressor.compress(bytes(waiting)))
                waiting.clear()
        yield self._counted(compressor.compress(bytes(waiting)) + compressor.flush())

    def _counted(self, piece: bytes) -> bytes:
        self._digest.update(piece)
        self._size += len(piece)
        return piece

    def described(self, name: str) -> RecordFile:
        """What was written, for whoever reads it."""
        return RecordFile(name, self._count, self._size, self._digest.hexdigest())


def unpack(pieces: Iterable[bytes], kind: type[Record], where: str) -> Iterator[Record]:
    """The records of a file.

    Args:
        pieces: of the file.
        kind: of a record.
        where: the file's name, for errors.

    Raises:
        DataError: the file is damaged.
    """
    decode = msgspec.msgpack.Decoder(kind).decode
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    waiting = bytearray()
    try:
        for piece in pieces:
            waiting += decompressor.decompress(piece) if not decompressor.eof else b""
            start = 0
            while len(waiting) - start >= LENGTH_BYTES:
                first = start + LENGTH_BYTES
                last = first + int.from_bytes(waiting[start:first], "little")
                if last > len(waiting):
                    break
                yield decode(memoryview(waiting)[first:last].tobytes())
                start = last
            del waiting[:start]
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise DataError(Problem(where, f"the backup's file is damaged: {error}")) from error
    if waiting or not decompressor.eof:
        raise DataError(Problem(where, "the backup's file is damaged: it ends too early"))


def checked(pieces: Iterable[bytes], file: RecordFile, where: str) -> Iterator[bytes]:
    """The pieces of a file as they come.

    Raises:
        DataError: at the end, if the file is not the one that was written.
    """
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
        yield piece
    if (size, digest.hexdigest()) != (file.size, file.checksum):
        raise DataError(Problem(where, "the backup's file is damaged: its checksum differs"))


@contextmanager
def in_order(
    records: Iterable[Record], kind: type[Record], key: Callable[[Record], Any]
) -> Iterator[Iterator[Record]]:
    """Any number of records, sorted, in bounded memory; the block reads them."""
    with ExitStack() as files:
        runs: list[Iterator[Record]] = []
        remaining = iter(records)
        while batch := sorted(islice(remaining, SORTED_AT_ONCE), key=key):
            if len(batch) < SORTED_AT_ONCE:
                runs.append(iter(batch))
                break
            file = files.enter_context(tempfile.TemporaryFile())
            for piece in Packing(batch).pieces():
                file.write(piece)
            file.seek(0)
            pieces = iter(lambda file=file: file.read(PIECE_BYTES), b"")  # type: ignore[misc]
            runs.append(unpack(pieces, kind, "a temporary file"))
        yield heapq.merge(*runs, key=key)
