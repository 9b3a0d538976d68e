"""Request bodies: read up to a limit, decompressed up to a limit."""

from __future__ import annotations

import zlib
from typing import Any, TypeVar

import msgspec
import zstandard
from litestar import Request

from layernext.errors import DataError, InvalidRequest, Problem, TooLarge

Message = TypeVar("Message")

MAX_MESSAGE_BYTES = 16 << 20
"""Of requests that are neither batches nor operation data."""

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_MAX_WINDOW_BYTES = 128 << 20


async def read_body(request: Request[Any, Any, Any], limit: int) -> bytes:
    """The whole body.

    Raises:
        TooLarge: more than `limit` bytes; the rest is not read.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise _too_large(limit)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding.

    Raises:
        TooLarge: more than `limit` bytes come out.
        InvalidRequest: an encoding that is not known, or data that is not in it.
    """
    try:
        if encoding in {"", "identity"}:
            data, has_more = body[: limit + 1], False
        elif encoding == "zstd":
            decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
            with decompressor.stream_reader(body, read_across_frames=True) as reader:
                data = reader.read(limit + 1)
                has_more = False
            if body and not data and zstandard.frame_content_size(body) != 0:
                raise InvalidRequest("the body is cut short", status=400)
        elif encoding == "gzip":
            inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
            data = inflater.decompress(body, limit + 1)
            has_more = bool(inflater.unconsumed_tail)
            if not inflater.eof and not has_more and len(data) <= limit:
                raise InvalidRequest("the body is cut short", status=400)
        else:
            raise InvalidRequest(
                f"Content-Encoding {encoding!r} is not known; send zstd, gzip or identity",
                status=415,
            )
    except (zstandard.ZstdError, zlib.error, MemoryError) as error:
        raise InvalidRequest(f"the body is not {encoding} data: {error}", status=400) from error
    if has_more or len(data) > limit:
        raise _too_large(limit)
    return data


def decode(body: bytes, kind: type[Message]) -> Message:
    """A JSON body as a message; an empty one counts as an empty object.

    Raises:
        DataError: not JSON, or not such a message; with the place.
    """
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$")
        raise DataError(Problem(where.rstrip("`").lstrip("."), text)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"the body is not JSON: {error}") from error


async def read_message(request: Request[Any, Any, Any], kind: type[Message]) -> Message:
    """A small JSON body as a message; see `read_body` and `decode`."""
    return decode(await read_body(request, MAX_MESSAGE_BYTES), kind)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit:,} bytes", status=413)
