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
from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.native.listings import PageQuery
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.presence import note_lost
from layernext.stack.api.sending import Sender
from layernext.stack.api.services import Services
from layernext.stack.api.signature import Binary
from layernext.stack.api.signed import Links
from layernext.stack.store import FileRow, Store
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
        errors=(400, 404),
    ),
)
def list_files(
    query: FilesQuery, store: Store, permissions: Permissions, links: Links
) -> PageOf[FileRecord]:
    """Files by name, each with a URL that needs no key for an hour or more."""
    listing = store.file_listing
    collection = listing.find_collection(query.collection, query.collection_kind)
    if collection is None or not permissions.may_read(collection.row_id):
        raise NotFound(f"there is no collection {query.collection[:600]!r}", status=404)
    rows, more = listing.page(collection.row_id, query.after, query.limit)
    return PageOf([_record(links, row) for row in rows], more)


def _record(links: Links, file: FileRow) -> FileRecord:
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
        url=links.image(file.image_id, file.name),
    )


@operation(
    "POST",
    BUNDLES_PATH,
    Operation(
        summary="Many files in one answer",
        tag="Files",
        role="read",
        scope=HANDLER,
        errors=(400, 413, 422, 503),
    ),
)
def file_bundle(body: FilesRequest, services: Services, permissions: Permissions) -> Binary:
    """For each file, in the order asked for: a line of JSON (`id`, `size`), and the file's bytes.

    A file that is gone has the size null, and no bytes. So has one whose content was lost; its
    `problem` says so. The others come all the same.
    """
    if len(body.ids) > MAX_BUNDLED_FILES:
        count = len(body.ids)
        raise DataError(Problem("ids", f"are {count}, must be at most {MAX_BUNDLED_FILES}"))
    for number, file_id in enumerate(body.ids):
        if not _FILE_ID.fullmatch(file_id):
            raise DataError(Problem(f"ids[{number}]", f"{file_id[:100]!r} is not a file id"))
    # Ids are wider than what a database counts to; those that do not fit are of no file.
    numbers = {file_id: int(file_id, 16) for file_id in body.ids}
    row_ids = [number for number in numbers.values() if number < 1 << 63]
    files = services.store.file_listing.find_many(row_ids, permissions.readable)
    pieces = _pieces(services, [(file_id, files.get(numbers[file_id])) for file_id in body.ids])
    return StreamAnswer(services, pieces, slots=services.transfers)


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
        slots: one is taken for as long as it lasts.
        media_type: of the answer.
    """

    def __init__(
        self,
        services: Services,
        pieces: Iterator[bytes],
        *,
        slots: CapacityLimiter,
        media_type: str = "application/octet-stream",
    ) -> None:
        super().__init__(b"", media_type=media_type)
        self._services, self._pieces, self._slots = services, pieces, slots

    def to_asgi_response(self, *arguments: Any, **named: Any) -> ASGIResponse:
        """The ASGI application that sends the stream."""
        headers = super().to_asgi_response(*arguments, **named).encode_headers()
        return Sender(self._services, self._pieces, headers, slots=self._slots)


ROUTES = [list_files, file_bundle]
