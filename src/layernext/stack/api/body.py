"""Request bodies: received in bounded memory, decompressed in bounded size.

A body stays in memory up to `SPOOL_BYTES` and goes to an unnamed temporary file beyond, both as it
is received and once it is decompressed; so a request of a gigabyte costs disk, not memory.
"""

from __future__ import annotations

import mmap
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, BinaryIO, TypeAlias, cast

import anyio
import zstandard
from anyio.to_thread import run_sync
from litestar import Request

from layernext.errors import InvalidRequest, TooLarge
from layernext.stack.api.error_map import ClientGone
from layernext.stack.api.services import services_of

SPOOL_BYTES = 16 << 20
WRITE_BYTES = 4 << 20
"""Written to the temporary file at a time, in a thread."""

SMALL_BYTES = 64 << 10
"""An uncompressed body up to this size is decoded on the event loop: a thread would take longer."""

PIECE_BYTES = 1 << 20
"""Decompressed at a time."""

# 4 bytes of zstd can stand for 128 KiB; slices of this size yield 32 MiB at the very most.
ZSTD_SLICE_BYTES = 1 << 10
# What `zstd` itself accepts without being asked for more.
MAX_ZSTD_WINDOW_BYTES = 128 << 20
# What follows a member is copied when the member ends, so a slice must be small.
GZIP_SLICE_BYTES = 16 << 10
MAX_PARTS = 20_000
"""Gzip members or zstd frames of a body. A tool that writes a gigabyte in blocks of 64 KiB makes
16,384."""
ENCODINGS = ("zstd", "gzip", "identity")

Content: TypeAlias = "bytes | mmap.mmap"


class Pile:
    """Bytes piled up: in memory at first, in a temporary file when they become many."""

    def __init__(self) -> None:
        self.size = 0
        self._chunks: list[bytes] = []
        self._waiting = 0
        self._file: BinaryIO | None = None

    def add(self, chunk: bytes) -> bool:
        """Put `chunk` on top; True if it is time to `spill`."""
        self._chunks.append(chunk)
        self.size += len(chunk)
        self._waiting += len(chunk)
        return self._waiting >= (WRITE_BYTES if self._file else SPOOL_BYTES)

    def spill(self) -> None:
        """Write what is in memory to the temporary file."""
        if self._file is None:
            self._file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - see close
        self._file.writelines(self._chunks)
        self._chunks.clear()
        self._waiting = 0

    @contextmanager
    def content(self) -> Iterator[Content]:
        """All of it, in memory or mapped into it."""
        if self._file is None:
            self._chunks[:] = [b"".join(self._chunks)]
            yield self._chunks[0]
            return
        self.spill()
        self._file.flush()
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            yield mapped
        finally:
            # Where a traceback still refers to it, the map goes when that does.
            with suppress(BufferError):
                mapped.close()

    def close(self) -> None:
        """Give the memory and the file back."""
        self._chunks.clear()
        if self._file is not None:
            self._file.close()


class Body:
    """A received body, possibly compressed; made by `received`."""

    def __init__(self, pile: Pile, encoding: str) -> None:
        self._pile = pile
        self._encoding = encoding

    @property
    def is_small(self) -> bool:
        """Whether it can be decoded on the event loop without holding up anybody."""
        return self._encoding == "identity" and self._pile.size <= SMALL_BYTES

    @contextmanager
    def content(self, limit: int) -> Iterator[Content]:
        """The decompressed body. Takes time: call it in a thread.

        Args:
            limit: most bytes that may come out.

        Raises:
            TooLarge: more come out.
            InvalidRequest: the data is not what its Content-Encoding says.
        """
        with self._pile.content() as packed:
            if self._encoding == "identity":
                if len(packed) > limit:
                    raise too_large(limit)
                yield packed
                return
            unpacked = Pile()
            try:
                _check_announced_size(packed, self._encoding, limit)
                for piece in _pieces(packed, self._encoding):
                    full = unpacked.add(piece)
                    if unpacked.size > limit:
                        raise too_large(limit)
                    if full:
                        unpacked.spill()
                with unpacked.content() as content:
                    yield content
            except (zstandard.ZstdError, zlib.error, EOFError) as error:
                raise InvalidRequest(
                    f"the body is not {self._encoding} data: {error}", status=400
                ) from error
            finally:
                unpacked.close()


@asynccontextmanager
async def received(request: Request[Any, Any, Any], limit: int) -> AsyncIterator[Body]:
    """The request's body, given back when the block ends.

    Args:
        request: nothing of its body may have been read.
        limit: most bytes, as they come over the wire.

    Raises:
        TooLarge: there are more; said before reading if the length is announced.
        InvalidRequest: its Content-Encoding is unknown, or it stopped coming.
        ClientGone: the client hung up.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower() or "identity"
    if encoding not in ENCODINGS:
        raise InvalidRequest(
            f"Content-Encoding is {encoding[:40]!r}, must be one of {', '.join(ENCODINGS)}",
            status=415,
        )
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise too_large(limit)
    pile = Pile()
    request_hash = request.scope["state"].get("request_hash")
    try:
        async for chunk in chunks(request):
            full = pile.add(chunk)
            if request_hash is not None:
                request_hash.update(chunk)
            request.scope["state"]["received_bytes"] = pile.size
            if pile.size > limit:
                raise too_large(limit)
            if full:
                await run_sync(pile.spill)
        request.scope["state"]["is_body_received"] = True
        yield Body(pile, encoding)
    finally:
        pile.close()


async def chunks(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    """The body as it comes.

    Raises:
        InvalidRequest: it stopped coming.
        ClientGone: the client hung up.
    """
    idle_s = services_of(request).settings.idle_timeout_s
    while True:
        try:
            with anyio.fail_after(idle_s):
                message = await request.receive()
        except TimeoutError as error:
            raise InvalidRequest(f"nothing came for {idle_s:g} seconds", status=408) from error
        if message["type"] == "http.disconnect":
            raise ClientGone
        if message["type"] == "http.request":
            if message["body"]:
                yield message["body"]
            if not message.get("more_body", False):
                return


def too_large(limit: int) -> TooLarge:
    """The refusal of a body."""
    size = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit >> 10} KiB"
    return TooLarge(f"the body is larger than {size}", status=413)


def _check_announced_size(packed: Content, encoding: str, limit: int) -> None:
    """Refuse at once what says itself that it is too large."""
    if encoding == "zstd" and len(packed):
        size = zstandard.frame_content_size(packed[:32])
        if size > limit:
            raise too_large(limit)


def _pieces(packed: Content, encoding: str) -> Iterable[bytes]:
    return _unzstd(packed) if encoding == "zstd" else _gunzip(packed)


def _unzstd(packed: Content) -> Iterator[bytes]:
    unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW_BYTES)
    size = zstandard.frame_content_size(packed[:32])
    if isinstance(packed, bytes) and 0 < size <= SPOOL_BYTES:
        # The usual batch: small, one frame, and its size is known. If that turns out to be wrong
        # there are several frames, or it is broken; the slow way can tell.
        with suppress(zstandard.ZstdError):
            yield unpacker.decompress(packed, allow_extra_data=False)
            return
    frame, parts = unpacker.decompressobj(), 1
    for start in range(0, len(packed), ZSTD_SLICE_BYTES):
        data = packed[start : start + ZSTD_SLICE_BYTES]
        while data:
            if frame.eof:
                frame, parts = unpacker.decompressobj(), _count_part(parts, "zstd frames")
            yield frame.decompress(data)
            data = frame.unused_data if frame.eof else b""
    if not frame.eof:
        raise EOFError("it is cut short")


def _gunzip(packed: Content) -> Iterator[bytes]:
    member, parts = zlib.decompressobj(wbits=31), 1
    for start in range(0, len(packed), GZIP_SLICE_BYTES):
        data = packed[start : start + GZIP_SLICE_BYTES]
        while data:
            if member.eof:
                member, parts = zlib.decompressobj(wbits=31), _count_part(parts, "gzip members")
            yield member.decompress(data, PIECE_BYTES)
            data = member.unused_data if member.eof else member.unconsumed_tail
    while not member.eof:
        piece = member.decompress(member.unconsumed_tail, PIECE_BYTES)
        if not piece:
            raise EOFError("it is cut short")
        yield piece


def _count_part(parts: int, kind: str) -> int:
    """Count one more of a body's parts, which cost time even if nothing is in them."""
    if parts == MAX_PARTS:
        raise TooLarge(f"the body has more than {MAX_PARTS} {kind}", status=413)
    return parts + 1
