"""The bytes of files, in and out, at URLs that authorize themselves."""

from __future__ import annotations

import hashlib
import logging
import re
from typing import Any
from urllib.parse import quote

from litestar import Response
from litestar.response.base import ASGIResponse

from layernext.errors import (
    Conflict,
    DataError,
    LayerNextError,
    NotFound,
    Problem,
    StorageFull,
    TooLarge,
)
from layernext.stack.api.admission import admit_holder
from layernext.stack.api.body import chunks
from layernext.stack.api.error_map import JSON
from layernext.stack.api.messages import Call, read_path
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.presence import check_object
from layernext.stack.api.sending import Sender
from layernext.stack.api.services import Services, services_of
from layernext.stack.api.signed import Links, SignedQuery, check_reader, check_signature, file_path
from layernext.stack.objects import PartWriter
from layernext.stack.store import FileItem, FileRow, ItemPart
from layernext.wire.published import FILE_TITLE, PART_BYTES, PART_TITLE

logger = logging.getLogger("layernext.stack.files")

WRITE_BYTES = 1 << 20
"""Written at a time, in a thread."""

REDIRECT_SECONDS = 6 * 3600
"""How long a URL is good that a client is sent on to: a large file takes its time, and goes on after a cut."""

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_IMAGE_ID = re.compile(r"[0-9a-f]{24}")
# Shown in the browser as what they are; everything else is offered for saving.
_SHOWN = re.compile(r"image/(jpeg|png|webp|gif|bmp|tiff)|video/(mp4|x-matroska|webm)")
_UNSAFE_IN_HEADER = re.compile(r"[^ !#$&+\-.0-9A-Z^_`a-z{}~()\[\]=@,;]")

_FILE = Parameter("file_id", "The file, as the answer that gave the URL says.")


def part_path(file_id: str, number: int) -> str:
    """Where a part goes."""
    return f"/upload/{file_id}/{number}"


def download_url(request: Call, file: FileRow) -> str:
    """A URL under which the file can be had for an hour or more, without a key."""
    return Links(request).image(file.image_id, file.name)


def url_of_image(request: Call, image_id: int, name: str) -> str:
    """Likewise, of an image that has a file."""
    return Links(request).image(image_id, name)


@operation(
    "PUT",
    "/upload/{file_id:str}/{number:str}",
    Operation(
        summary=PART_TITLE,
        tag="Files",
        role=None,
        path=(_FILE, Parameter("number", "The part's number, from 1.")),
        query=SignedQuery,
        body=bytes,
        is_binary=True,
        is_upload=True,
        errors=(400, 403, 404, 408, 409, 413, 422, 507),
    ),
)
async def put_part(request: Call) -> Response[bytes]:
    """Takes a part: at most 100 MiB, of which it answers the SHA-256 as the ETag.

    It counts as a request and as an upload of the key that asked for its URL, which has to be in use. The part is on disk when the answer comes. The same part again replaces it once it is on disk as a whole;
    an attempt that breaks off changes nothing.
    """
    file_id, text = read_path(request, "file_id"), read_path(request, "number")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0  # noqa: PLR2004
    await admit_holder(request, check_signature(request, "PUT", part_path(file_id, number)))
    services = services_of(request)
    item = await services.call(services.store.files.find_item, file_id)
    if item.is_stored or item.handle is None:
        raise NotFound("the file has been finished already", status=404)
    if item.is_sealed:
        raise Conflict("the file takes no more parts: it is being finished", status=409)
    offset = (number - 1) * PART_BYTES
    if number < 1 or offset >= services.settings.max_file_bytes:
        raise TooLarge("the file is larger than this stack takes", status=413)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > PART_BYTES:
        raise _too_large()
    writer = await services.write(services.objects.write_part, item.handle, number, offset)
    try:
        size, digest = await _write(request, services, writer)
    finally:
        await services.write(writer.close)
    part = ItemPart(number, size, digest, writer.tag)
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


async def _write(request: Call, services: Services, writer: PartWriter) -> tuple[int, str]:
    """Write the body to its place; its size and SHA-256."""
    digest = hashlib.sha256()

    def put(gathered: list[bytes]) -> None:
        piece = b"".join(gathered)
        digest.update(piece)
        writer.write(piece)

    gathered: list[bytes] = []
    waiting = size = 0
    async for chunk in chunks(request):
        gathered.append(chunk)
        waiting += len(chunk)
        size += len(chunk)
        if size > PART_BYTES:
            raise _too_large()
        if waiting >= WRITE_BYTES:
            await services.write(put, gathered)
            gathered, waiting = [], 0
    request.scope["state"]["received_bytes"] = size
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) != size:
        raise DataError(Problem("the body", f"has {size} bytes, Content-Length says {announced}"))

    def end() -> None:
        put(gathered)
        writer.end()

    await services.write(end)
    return size, digest.hexdigest()


def _too_large() -> TooLarge:
    return TooLarge(f"a part is larger than {PART_BYTES >> 20} MiB", status=413)


_GET_FILE = Operation(
    summary=FILE_TITLE,
    tag="Files",
    role=None,
    path=(_FILE,),
    query=SignedQuery,
    answer=bytes,
    is_binary=True,
    errors=(400, 403, 404, 416),
)


@operation(["GET", "HEAD"], "/files/{file_id:str}", _GET_FILE)
async def get_file(request: Call) -> Response[Any]:
    """The bytes of a file, or of a range of it, for whoever has its signed URL."""
    return await _answer_file(request)


@operation(
    ["GET", "HEAD"],
    "/files/{file_id:str}/{name:str}",
    Operation(
        summary=FILE_TITLE,
        tag="Files",
        role=None,
        path=(_FILE, Parameter("name", "Any name; it is for display.")),
        query=SignedQuery,
        answer=bytes,
        is_binary=True,
        errors=(400, 403, 404, 416),
    ),
)
async def get_named_file(request: Call) -> Response[Any]:
    """The bytes of a file, or of a range of it, for whoever has its signed URL."""
    return await _answer_file(request)


async def _answer_file(request: Call) -> Response[Any]:
    text = read_path(request, "file_id")
    image_id = int(text, 16) if _IMAGE_ID.fullmatch(text) else -1
    holder = check_signature(request, "GET", file_path(image_id) if image_id >= 0 else "")
    await check_reader(request, holder, "image", text)
    services = services_of(request)
    files = services.store.files
    file = await services.call(lambda: files.find(image_id, with_frozen=True))
    if file is None:
        raise NotFound("the file is gone", status=404)
    await services.write(check_object, services, file)
    return FileAnswer(services, file, request)


class FileAnswer(Response[Any]):
    """Sends a file, a part of it, or that it has not changed."""

    def __init__(self, services: Services, file: FileRow, request: Call) -> None:
        super().__init__(b"")
        self._services, self._file = services, file
        self._range = request.headers.get("range", "")
        if_range = request.headers.get("if-range")
        tag = self._tag()
        if if_range is not None and if_range != tag:
            self._range = ""
        self._has_it = tag is not None and tag in {
            tag_text.strip() for tag_text in request.headers.get("if-none-match", "").split(",")
        }
        self._is_head = request.method == "HEAD"
        # A page of ours may show what comes from the stack alone.
        self._may_be_elsewhere = "sec-fetch-mode" not in request.headers

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
        match = _RANGE.fullmatch(self._range.replace(" ", ""))
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
        if self._is_head or not size:
            return self._short(status, headers)
        objects = self._services.objects
        elsewhere = None
        if self._may_be_elsewhere:
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
