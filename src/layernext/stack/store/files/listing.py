"""The files of a collection, page by page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from layernext.errors import InvalidRequest
from layernext.stack.store.access.records import Within
from layernext.stack.store.collections import naming
from layernext.stack.store.collections.records import CollectionRow
from layernext.stack.store.database import Database
from layernext.stack.store.files.records import FileRow
from layernext.stack.store.files.rows import file_row, files_query
from layernext.stack.store.schema import image
from layernext.stack.store.storable import is_storable

KINDS = (5, 4, 7)


class FileListing:
    """Reads the files of collections.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_collection(self, id_or_name: str, kind: int | None) -> CollectionRow | None:
        """The collection with this id, or else of this name; each kind has names of its own.

        Args:
            id_or_name: an id goes before a name.
            kind: 5 images, 4 videos, 7 other files; None for any, in this order.
        """
        if not is_storable(id_or_name):
            return None
        name = naming.normalized_name(id_or_name)
        with self._database.read() as connection:
            result = naming.find_by_id(connection, id_or_name)
            for item in KINDS if kind is None else (kind,):
                result = result or naming.find_by_name(connection, name, item)
        return result

    def page(
        self, collection_id: int, after: str | None, limit: int
    ) -> tuple[list[FileRow], str | None]:
        """Some files of a collection, by name, none from the trash; and where the next ones begin.

        Files that come or go while somebody lists make no other one come twice or be left out.

        Args:
            collection_id: row id of the collection.
            after: what an earlier page said.
            limit: most files.

        Raises:
            InvalidRequest: `after` is nothing that a page said.
        """
        query = files_query().where(
            image.c.collection_id == collection_id, image.c.trashed_at.is_(None)
        )
        position = sa.tuple_(image.c.name, image.c.bucket)
        if after is not None:
            query = query.where(position > sa.tuple_(*map(sa.literal, _place_of(after))))
        # The table's own index has them in this order.
        query = query.order_by(image.c.name, image.c.bucket).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        more = _cursor(rows[limit - 1]) if len(rows) > limit else None
        return [file_row(row) for row in rows[:limit]], more

    def find_many(self, image_ids: Sequence[int], within: Within = None) -> dict[int, FileRow]:
        """Those of some images that have a file and are not in the trash, by image."""
        query = files_query().where(image.c.id.in_(list(image_ids)), image.c.trashed_at.is_(None))
        if within is not None:
            query = query.where(image.c.collection_id.in_(within))
        with self._database.read() as connection:
            return {row.id: file_row(row) for row in connection.execute(query)}


def _cursor(row: sa.Row[Any]) -> str:
    content = msgspec.json.encode((row.name, row.bucket))
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _place_of(cursor: str) -> tuple[str, str]:
    try:
        content = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        name, bucket = msgspec.json.decode(content, type=tuple[str, str])
    except (ValueError, msgspec.MsgspecError) as error:
        raise InvalidRequest(f"{cursor[:100]!r} is not a cursor", status=400) from error
    if not (is_storable(name) and is_storable(bucket)):
        raise InvalidRequest(f"{cursor[:100]!r} is not a cursor", status=400)
    return name, bucket
