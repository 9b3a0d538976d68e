"""Rows of uploads, of files on their way and of the files that came, as records."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from layernext.errors import NotFound
from layernext.stack.store.clock import now_text
from layernext.stack.store.database import Database
from layernext.stack.store.files.records import FileItem, FileRow, ItemPart
from layernext.stack.store.removal import walker
from layernext.stack.store.schema import collection, file_item, file_part, file_upload, image
from layernext.stack.store.storable import is_storable

OBJECT_COLUMNS = (
    image.c.id.label("image_id"),
    image.c.name,
    image.c.object_path,
    image.c.size,
    image.c.checksum,
    image.c.state,
)
"""Of an `ObjectRow`."""

_ITEM_COLUMNS = (
    file_item,
    collection.c.public_id.label("place_id"),
    file_upload.c.collection_id,
    file_upload.c.fields,
)


def unique_name(storage_path: str, name: str) -> str:
    """The name under which the published clients know a file."""
    return f"{storage_path}_{name}" if storage_path else name


def upload_row(connection: sa.Connection, public_id: str) -> sa.Row[Any]:
    """The upload with this id.

    Raises:
        NotFound: there is no such upload.
    """
    query = sa.select(file_upload).where(file_upload.c.public_id == public_id)
    row = connection.execute(query).one_or_none() if is_storable(public_id) else None
    if row is None:
        raise NotFound(f"there is no upload {public_id[:100]!r}", status=404)
    return row


def not_on_its_way(file_id: str) -> NotFound:
    """The error of an id that no file on its way has."""
    return NotFound(f"there is no file {file_id[:100]!r} on its way", status=404)


def touch_upload(connection: sa.Connection, upload_id: int) -> None:
    """Note that an upload goes on."""
    statement = sa.update(file_upload).where(file_upload.c.id == upload_id)
    connection.execute(statement.values(updated_at=now_text()))


def touched(item: FileItem) -> sa.Update:
    """Notes that the upload of a file goes on."""
    its = sa.select(file_item.c.upload_id).where(file_item.c.id == item.row_id)
    return sa.update(file_upload).where(file_upload.c.id.in_(its)).values(updated_at=now_text())


def find_item(connection: sa.Connection, where: sa.ColumnElement[bool]) -> FileItem | None:
    """The file on its way that a condition describes."""
    query = (
        sa.select(*_ITEM_COLUMNS)
        .join(file_upload, file_upload.c.id == file_item.c.upload_id)
        .join(collection, collection.c.id == file_upload.c.collection_id)
        .where(where)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return FileItem(
        row_id=row.id,
        id=row.public_id,
        name=row.name,
        collection_id=row.collection_id,
        place_id=row.place_id,
        is_stored=bool(row.is_stored),
        object_path=row.object_path,
        handle=row.handle,
        is_sealed=bool(row.is_sealed),
        image_id=row.image_id,
        size=row.size,
        checksum=row.checksum,
        fields=msgspec.json.decode(row.fields),
    )


def list_parts(connection: sa.Connection, item_id: int) -> list[ItemPart]:
    """The parts of a file on its way, by number."""
    query = sa.select(file_part).where(file_part.c.item_id == item_id)
    rows = connection.execute(query.order_by(file_part.c.number))
    return [ItemPart(row.number, row.size, row.checksum, row.tag) for row in rows]


def has_object(connection: sa.Connection, item: FileItem) -> bool:
    """Whether the image of a file has the object that the file was uploaded to."""
    path = sa.select(image.c.object_path).where(image.c.id == item.image_id)
    return connection.execute(path).scalar_one_or_none() == item.object_path


def insert_item(
    database: Database,
    connection: sa.Connection,
    upload_id: int,
    name: str,
    *,
    image_id: int | None = None,
    size: int | None = None,
    checksum: str | None = None,
) -> None:
    """Note a file on its way, or with `image_id` one that was there before; unless it is noted."""
    values = {
        "public_id": secrets.token_hex(12),
        "upload_id": upload_id,
        "name": name,
        "image_id": image_id,
        "is_stored": image_id is not None,
        "size": size,
        "checksum": checksum,
        "created_at": now_text(),
    }
    insert = database.upsert(file_item).values(values)
    connection.execute(insert.on_conflict_do_nothing())


def insert_stored_items(
    database: Database, connection: sa.Connection, upload_id: int, image_ids: Mapping[str, int]
) -> None:
    """Note files of an upload whose images have them already."""
    now = now_text()
    rows = [
        {
            "public_id": secrets.token_hex(12),
            "upload_id": upload_id,
            "name": name,
            "image_id": image_id,
            "is_stored": True,
            "created_at": now,
        }
        for name, image_id in sorted(image_ids.items())
    ]
    if rows:
        insert = database.upsert(file_item).on_conflict_do_nothing()
        database.execute_many(connection, insert, rows)


def drop_item(connection: sa.Connection, row_id: int) -> None:
    """Forget a file on its way, with its parts."""
    walker.delete(connection, file_item, [row_id])


def count_files(connection: sa.Connection, upload_id: int) -> tuple[int, int]:
    """Files of an upload that are stored, and all that were begun."""
    done = sa.func.sum(sa.case((file_item.c.is_stored, 1), else_=0))
    query = sa.select(done, sa.func.count()).where(file_item.c.upload_id == upload_id)
    stored, seen = connection.execute(query).one()
    return int(stored or 0), seen


def describe_other_sizes(connection: sa.Connection, upload_id: int) -> str:
    """Which pictures of an upload have another size than annotations declare; empty if none has."""
    is_other = (image.c.declared_width != image.c.width) | (
        image.c.declared_height != image.c.height
    )
    query = (
        sa.select(image)
        .join(file_item, file_item.c.image_id == image.c.id)
        .where(file_item.c.upload_id == upload_id, is_other)
        .order_by(image.c.id)
    )
    first = connection.execute(query.limit(1)).first()
    if first is None:
        return ""
    number = connection.execute(
        sa.select(sa.func.count()).select_from(query.order_by(None).subquery())
    ).scalar_one()
    verb = "picture has" if number == 1 else "pictures have"
    declared = (first.declared_width, first.declared_height)
    turned = (
        "; it fits only turned by 90 degrees" if declared == (first.height, first.width) else ""
    )
    return (
        f"{number:,} {verb} another size than annotations declare, the first is {first.name}: "
        f"declared {declared[0]} x {declared[1]}, the picture has {first.width} x {first.height}{turned}"
    )


def files_query() -> sa.Select[Any]:
    """Every image that has a file, with its collection."""
    return (
        sa.select(
            image,
            collection.c.storage_path.label("folder"),
            collection.c.kind,
            collection.c.public_id.label("place_id"),
        )
        .join(collection, collection.c.id == image.c.collection_id)
        .where(image.c.has_file)
    )


def file_row(row: sa.Row[Any]) -> FileRow:
    """A row of `files_query` as a record."""
    return FileRow(
        image_id=row.id,
        name=row.name,
        unique_name=unique_name(row.folder, row.name),
        kind=row.kind,
        place_id=row.place_id,
        object_path=row.object_path,
        size=row.size,
        checksum=row.checksum,
        content_type=row.content_type,
        width=row.width,
        height=row.height,
        created_at=row.created_at,
        state=row.state,
        thumbnail_path=row.thumbnail_path,
    )
