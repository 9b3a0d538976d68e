"""The files of a collection: listed, and many at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from anyio import CapacityLimiter
from litestar import Response
from litestar.response.base import ASGIResponse

from layernext.errors import DataError, NotFound, Problem
from layernext.model import FileRecord
from layernext.stack.api.access import HANDLER, access_of, readable
from layernext.stack.api.messages import (
    Call,
    answer,
    read_message,
    read_query,
)
from layernext.stack.api.native.listings import PageQuery
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.presence import note_lost
from layernext.stack.api.sending import Sender
from layernext.stack.api.services import Services, services_of
from layernext.stack.api.transfer import download_url
from layernext.stack.store import FileRow
from layernext.wire.native import (
    BUNDLES_PATH,
    FILES_PATH,
    MAX_BUNDLED_FILES,
    BundledFile,
    FilesRequest,
    PageOf,
)

PIECE_BYTES = 1 << 20
_FILE_ID = re.compile(r"[0-9a-f]{24}")


class FilesQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which files.

    Attributes:
        collection: id or name.
        collection_kind: of collections of this name: 5 images, 4 videos, 7 other files; left out, the first of
            these that there is.
    """

    collection: str
    collection_kind: Literal[4, 5, 7] | None = None


@operation(
    "GET",
    FILES_PATH,
    Operation(
        summary="List the files of a collection",
        tag="Files",
        role="read",
        scope=HANDLER,
        query=FilesQuery,
        answer=PageOf[FileRecord],
        errors=(400, 404),
    ),
)
async def list_files(request: Call) -> Response[bytes]:
    """Files by name, each with a URL that needs no key for an hour or more."""
    wanted, services = read_query(request, FilesQuery), services_of(request)
    listing = services.store.file_listing
    found = await services.call(listing.find_collection, wanted.collection, wanted.collection_kind)
    access = access_of(request)
    if found is None or (access is not None and not access.may_read(found.row_id)):
        raise NotFound(f"there is no collection {wanted.collection[:600]!r}", status=404)
    rows, more = await services.call(listing.page, found.row_id, wanted.after, wanted.limit)
    return answer(PageOf[FileRecord]([_record(request, row) for row in rows], more))


def _record(request: Call, file: FileRow) -> FileRecord:
    return FileRecord(
        id=f"{file.image_id:024x}",
        name=file.name,
        unique_name=file.unique_name,
        size=file.size,
        checksum=file.checksum,
        content_type=file.content_type,
        width=file.width,
        height=file.height,
        state=file.state,
        created_at=file.created_at,
        url=download_url(request, file),
    )


@operation(
    "POST",
    BUNDLES_PATH,
    Operation(
        summary="Many files in one answer",
        tag="Files",
        role="read",
        scope=HANDLER,
        body=FilesRequest,
        answer=bytes,
        is_binary=True,
        errors=(400, 413, 422, 503),
    ),
)
async def file_bundle(request: Call) -> Response[Any]:
    """For each file, in the order asked for: a line of JSON (`id`, `size`), and the file's bytes.

    A file that is gone has the size null, and no bytes. So has one whose content was lost; its
    `problem` says so. The others come all the same.
    """
    wanted = await read_message(request, FilesRequest)
    if len(wanted.ids) > MAX_BUNDLED_FILES:
        count = len(wanted.ids)
        raise DataError(Problem("ids", f"are {count}, must be at most {MAX_BUNDLED_FILES}"))
    for number, each in enumerate(wanted.ids):
        if not _FILE_ID.fullmatch(each):
            raise DataError(Problem(f"ids[{number}]", f"{each[:100]!r} is not a file id"))
    services = services_of(request)
    # Ids are wider than what a database counts to; those that do not fit are of no file.
    numbers = {each: int(each, 16) for each in wanted.ids}
    some = [number for number in numbers.values() if number < 1 << 63]
    files = await services.call(services.store.file_listing.find_many, some, readable(request))
    pieces = _pieces(services, [(each, files.get(numbers[each])) for each in wanted.ids])
    return StreamAnswer(services, pieces, places=services.transfers)


def _pieces(services: Services, files: list[tuple[str, FileRow | None]]) -> Iterator[bytes]:
    """Lines and contents, small ones gathered."""
    gathered: list[bytes] = []
    size = 0
    lost: list[FileRow] = []
    for file_id, file in files:
        line = BundledFile(id=file_id)
        content: Iterator[bytes] = iter(())
        if file is not None:
            try:
                content = services.objects.read(file.object_path, 0, file.size, size=file.size)
                line = BundledFile(id=file_id, size=file.size)
            except NotFound as error:
                lost.append(file)
                line = BundledFile(id=file_id, problem=f"{error}; upload it again")
        gathered.append(msgspec.json.encode(line) + b"\n")
        for piece in content:
            gathered.append(piece)
            size += len(piece)
            if size >= PIECE_BYTES:
                yield b"".join(gathered)
                gathered, size = [], 0
    note_lost(services, lost)
    yield b"".join(gathered)


class StreamAnswer(Response[Any]):
    """An answer that is made while it is sent.

    Args:
        services: of the application.
        pieces: of the answer.
        places: one is taken for as long as it lasts.
        media_type: of the answer.
    """

    def __init__(
        self,
        services: Services,
        pieces: Iterator[bytes],
        *,
        places: CapacityLimiter,
        media_type: str = "application/octet-stream",
    ) -> None:
        super().__init__(b"", media_type=media_type)
        self._services, self._pieces, self._places = services, pieces, places

    def to_asgi_response(self, *arguments: Any, **named: Any) -> ASGIResponse:
        """The ASGI application that sends the stream."""
        made = super().to_asgi_response(*arguments, **named)
        headers = made.encode_headers()
        return Sender(self._services, self._pieces, headers, places=self._places)


ROUTES = [list_files, file_bundle]
