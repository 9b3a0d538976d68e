"""The bytes of files, in and out, at URLs that authorize themselves."""

from __future__ import annotations

import hashlib
import logging
import re
from typing import Annotated, Any, TypeAlias
from urllib.parse import quote

from litestar import Response
from litestar.response.base import ASGIResponse
from msgspec import Meta, Struct
from msgspec.structs import replace

from layernext.errors import (
    Conflict,
    DataError,
    LayerNextError,
    NotFound,
    Problem,
    StorageFull,
    TooLarge,
)
from layernext.stack.api.error_map import JSON
from layernext.stack.api.messages import Call
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.presence import check_object
from layernext.stack.api.sending import Sender
from layernext.stack.api.services import Services
from layernext.stack.api.signature import Binary, ByteStream, FromRequest
from layernext.stack.api.signed import Reader
from layernext.stack.objects import PartWriter
from layernext.stack.store import FileItem, FileRow, ItemPart
from layernext.wire.published import FILE_TITLE, PART_BYTES, PART_TITLE

logger = logging.getLogger("layernext.stack.files")

REDIRECT_SECONDS = 6 * 3600
"""How long a URL is good that a client is sent on to: a large file takes its time, and goes on after a cut."""

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
# Shown in the browser as what they are; everything else is offered for saving.
_SHOWN = re.compile(r"image/(jpeg|png|webp|gif|bmp|tiff)|video/(mp4|x-matroska|webm)")
_UNSAFE_IN_HEADER = re.compile(r"[^ !#$&+\-.0-9A-Z^_`a-z{}~()\[\]=@,;]")

_FILE_PATH = "/files/{file_id}"
FileId: TypeAlias = Annotated[
    str, Meta(description="The file, as the answer that gave the URL says.")
]
PartNumber: TypeAlias = Annotated[str, Meta(description="The part's number, from 1.")]


class Conditions(Struct, frozen=True, kw_only=True):
    """What a client says of the bytes that it asks for.

    Attributes:
        range, if_range, if_none_match: the headers of these names, or empty.
        is_head: it asks for the head of the answer alone.
        may_redirect: it may be sent on to the bucket.
    """

    range: str
    if_range: str
    if_none_match: str
    is_head: bool
    may_redirect: bool

    @classmethod
    def of(cls, request: Call) -> Conditions:
        """Those of a request."""
        headers = request.headers
        return cls(
            range=headers.get("range", ""),
            if_range=headers.get("if-range", ""),
            if_none_match=headers.get("if-none-match", ""),
            is_head=request.method == "HEAD",
            # A page of ours may show what comes from the stack alone.
            may_redirect="sec-fetch-mode" not in headers,
        )


SentConditions: TypeAlias = Annotated[Conditions, FromRequest(Conditions.of)]
UrlReader: TypeAlias = Annotated[Reader, FromRequest(Reader)]


def part_path(file_id: str, number: int) -> str:
    """Where a part goes."""
    return f"/upload/{file_id}/{number}"


@operation(
    "PUT",
    "/upload/{file_id:str}/{number:str}",
    Operation(
        summary=PART_TITLE,
        tag="Files",
        role=None,
        signed="/upload/{file_id}/{number}",
        is_upload=True,
        errors=(400, 403, 404, 408, 409, 413, 422, 507),
    ),
)
async def put_part(
    file_id: FileId, number: PartNumber, body: ByteStream, services: Services
) -> Response[bytes]:
    """Takes a part: at most 100 MiB, of which it answers the SHA-256 as the ETag.

    It counts as a request and as an upload of the key that asked for its URL, which has to be in use. The part is on disk when the answer comes. The same part again replaces it once it is on disk as a whole;
    an attempt that breaks off changes nothing.
    """
    item = await services.call(services.store.files.find_item, file_id)
    if item.is_stored or item.handle is None:
        raise NotFound("the file has been finished already", status=404)
    if item.is_sealed:
        raise Conflict("the file takes no more parts: it is being finished", status=409)
    part_number = int(number)
    offset = (part_number - 1) * PART_BYTES
    if offset >= services.settings.max_file_bytes:
        raise TooLarge("the file is larger than this stack takes", status=413)
    writer = await services.write(services.objects.write_part, item.handle, part_number, offset)
    try:
        size, digest = await _write(body, services, writer)
    finally:
        await services.write(writer.close)
    part = ItemPart(part_number, size, digest, writer.tag)
    await services.write(_note_part, services, item, part)
    return Response(b"{}", media_type=JSON, headers={"ETag": f'"{digest}"'})


def _note_part(services: Services, item: FileItem, part: ItemPart) -> None:
    """Make a part count, and remove the attempt that does not: the one before, or this one if it is refused.

    After any other error the part may count or not; both stay until the upload ends.
    """
    try:
        replaced = services.store.files.add_part(item, part)
    except (Conflict, StorageFull):
        _drop_attempt(services, item, part.number, part.tag)
        raise
    if replaced is not None:
        _drop_attempt(services, item, part.number, replaced)


def _drop_attempt(services: Services, item: FileItem, number: int, tag: str) -> None:
    try:
        services.objects.drop_part(str(item.handle), number, tag)
    except (LayerNextError, OSError) as error:
        # The answer to the client is decided; what stays goes with the upload.
        logger.warning("an attempt at a part stays until its upload ends: %s", error)


async def _write(body: ByteStream, services: Services, writer: PartWriter) -> tuple[int, str]:
    """Write the body to its place; its size and SHA-256."""
    digest = hashlib.sha256()

    size = 0

    def put(gathered: list[bytes]) -> None:
        nonlocal size
        piece = b"".join(gathered)
        digest.update(piece)
        size += len(piece)
        writer.write(piece)

    async for gathered in body.gathered(PART_BYTES, _too_large()):
        await services.write(put, gathered)
    announced = body.announced_size
    if announced is not None and announced != size:
        raise DataError(Problem("the body", f"has {size} bytes, Content-Length says {announced}"))
    await services.write(writer.end)
    return size, digest.hexdigest()


def _too_large() -> TooLarge:
    return TooLarge(f"a part is larger than {PART_BYTES >> 20} MiB", status=413)


_GET_FILE = Operation(
    summary=FILE_TITLE,
    tag="Files",
    role=None,
    signed=_FILE_PATH,
    threads="write",
    errors=(400, 403, 404, 416),
)


@operation(["GET", "HEAD"], "/files/{file_id:str}", _GET_FILE)
def get_file(
    file_id: FileId, services: Services, reader: UrlReader, conditions: SentConditions
) -> Binary:
    """The bytes of a file, or of a range of it, for whoever has its signed URL."""
    reader.check("image", file_id)
    return _answer_file(file_id, services, conditions)


@operation(
    ["GET", "HEAD"],
    "/files/{file_id:str}/{name:str}",
    replace(_GET_FILE, path=(Parameter("name", "Any name; it is for display."),)),
)
def get_named_file(
    file_id: FileId, services: Services, reader: UrlReader, conditions: SentConditions
) -> Binary:
    """The bytes of a file, or of a range of it, for whoever has its signed URL."""
    reader.check("image", file_id)
    return _answer_file(file_id, services, conditions)


def _answer_file(file_id: str, services: Services, conditions: Conditions) -> Response[Any]:
    file = services.store.files.find(int(file_id, 16), with_frozen=True)
    if file is None:
        raise NotFound("the file is gone", status=404)
    check_object(services, file)
    return FileAnswer(services, file, conditions)


class FileAnswer(Response[Any]):
    """Sends a file, a part of it, or that it has not changed."""

    def __init__(self, services: Services, file: FileRow, conditions: Conditions) -> None:
        super().__init__(b"")
        self._services, self._file, self._conditions = services, file, conditions
        tag = self._tag()
        is_same = conditions.if_range in {"", tag}
        self._range = conditions.range.replace(" ", "") if is_same else ""
        tags = {text.strip() for text in conditions.if_none_match.split(",")}
        self._has_it = tag is not None and tag in tags

    def _tag(self) -> str | None:
        return None if self._file.checksum is None else f'"{self._file.checksum}"'

    def to_asgi_response(self, *arguments: Any, **named: Any) -> ASGIResponse:  # noqa: ARG002
        """The ASGI application that sends it."""
        file, size = self._file, self._file.size
        headers = _headers(file)
        if self._tag() is not None:
            headers["etag"] = str(self._tag())
        start, stop, status = 0, size, 200
        if self._has_it:
            return self._short(304, headers)
        match = _RANGE.fullmatch(self._range)
        if match and any(match.groups()):
            first, last = match.groups()
            if first:
                start, stop = int(first), min(int(last) + 1, size) if last else size
            else:
                start = max(size - int(last), 0)
            if start >= size or start >= stop:
                return self._short(416, headers | {"content-range": f"bytes */{size}"})
            status = 206
            headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
        headers["content-length"] = str(stop - start)
        if self._conditions.is_head or not size:
            return self._short(status, headers)
        objects = self._services.objects
        elsewhere = None
        if self._conditions.may_redirect:
            elsewhere = objects.read_url(file.object_path, REDIRECT_SECONDS, headers)
        if elsewhere is not None:
            return self._short(307, {"location": elsewhere, "cache-control": "no-store"})
        pieces = objects.read(file.object_path, start, stop)
        return Sender(
            self._services,
            pieces,
            [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            status=status,
            slots=self._services.transfers,
            keeps_length=True,
        )

    @staticmethod
    def _short(status: int, headers: dict[str, str]) -> ASGIResponse:
        return ASGIResponse(status_code=status, headers=headers, is_head_response=True)


def _headers(file: FileRow) -> dict[str, str]:
    """What a browser must know so that no uploaded file can run as a page of ours."""
    kind = file.content_type or "application/octet-stream"
    is_shown = bool(_SHOWN.fullmatch(kind))
    plain = _UNSAFE_IN_HEADER.sub("_", file.name.rpartition("/")[2])
    full = quote(file.name.rpartition("/")[2], safe="")
    disposition = "inline" if is_shown else "attachment"
    return {
        "accept-ranges": "bytes",
        "content-type": kind if is_shown else "application/octet-stream",
        "content-disposition": f"{disposition}; filename=\"{plain}\"; filename*=UTF-8''{full}",
        "content-security-policy": "default-src 'none'; sandbox",
        "cross-origin-resource-policy": "same-site",
        "cache-control": "private, max-age=3600",
    }


ROUTES = [put_part, get_file, get_named_file]
