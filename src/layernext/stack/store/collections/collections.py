"""The collections of a database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from layernext.model import Collection, ContentType
from layernext.stack.store.access.records import Within
from layernext.stack.store.collections import naming
from layernext.stack.store.collections.records import CollectionRow
from layernext.stack.store.database import Database
from layernext.stack.store.pages import read_cursor
from layernext.stack.store.schema import collection, image
from layernext.stack.store.storable import is_storable
from layernext.wire.native import PageOf

CONTENT_TYPES: dict[int, ContentType] = {5: "image", 4: "video", 7: "other"}


class Collections:
    """The collections of images, videos and other files.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure(self, name: str, *, kind: int = naming.IMAGES) -> Collection:
        """The collection of this name and kind, created if missing; claims images it names."""

        def work(connection: sa.Connection) -> Collection:
            plain = naming.normalized_name(name)
            row_id = naming.ensure(self._database, connection, plain, kind=kind).row_id
            row = connection.execute(sa.select(collection).where(collection.c.id == row_id)).one()
            return _counted(connection, [row])[0]

        return self._database.write_again(work)

    def find(self, id_or_name: str, *, kind: int | None = None) -> CollectionRow | None:
        """The collection with this id, or else of this name, unless it is in the trash.

        Args:
            id_or_name: an id goes before a name.
            kind: of the collection, if it is named; None prefers one of images.
        """
        if not is_storable(id_or_name):
            return None
        with self._database.read() as connection:
            row = naming.find_by_id(connection, id_or_name)
            if row is not None:
                return None if row.is_trashed else row
            return naming.find_there(connection, naming.normalized_name(id_or_name), kind)

    def adopt(self, id_or_name: str, *, kind: int | None = None) -> CollectionRow | None:
        """As `find`, after images of guessed collections whose keys fit the name have moved there.

        The collection is created if there are such images; it stays a guess, as `naming` has it. An id moves
        nothing, nor does the name of a collection that somebody named outright.
        """
        row = self.find(id_or_name, kind=kind)
        name = naming.normalized_name(id_or_name)
        if kind not in {None, naming.IMAGES} or not is_storable(id_or_name):
            return row
        if row is not None and (row.kind != naming.IMAGES or not row.is_provisional):
            return row
        with self._database.read() as connection:
            by_id = naming.find_by_id(connection, id_or_name)
            if by_id is not None or not naming.has_claims(connection, name, row):
                return row
        return self._database.write_again(
            lambda connection: naming.find_and_claim(self._database, connection, name)
        )

    def has_waiting(self, name: str) -> bool:
        """Whether images of guessed collections have keys that fit a name which no collection has."""
        plain = naming.normalized_name(name)
        if not is_storable(plain):
            return False
        with self._database.read() as connection:
            return naming.has_claims(connection, plain, None)

    def find_by_name(self, name: str, kind: int) -> CollectionRow | None:
        """The collection of this name and kind, also from the trash."""
        plain = naming.normalized_name(name)
        if not is_storable(plain):
            return None
        with self._database.read() as connection:
            return naming.find_by_name(connection, plain, kind)

    def find_trashed(self, id_or_name: str) -> int | None:
        """The row id of a collection in the trash, by its id or name."""
        if not is_storable(id_or_name):
            return None
        name = naming.normalized_name(id_or_name)
        is_named = (collection.c.public_id == id_or_name) | (collection.c.name == name)
        query = sa.select(collection.c.id).where(is_named, collection.c.trashed_at.is_not(None))
        with self._database.read() as connection:
            return connection.execute(query.limit(1)).scalar_one_or_none()

    def list_page(
        self, *, after: str | None, limit: int, within: Within = None
    ) -> PageOf[Collection]:
        """Collections by age, with their images counted; the unnamed one only if it has some.

        Args:
            after: cursor of the page before.
            limit: how many.
            within: row ids of the only collections.

        Raises:
            InvalidRequest: `after` is not a cursor.
        """
        condition = (image.c.collection_id == collection.c.id) & image.c.trashed_at.is_(None)
        has_images = sa.select(image.c.id).where(condition).exists()
        query = (
            sa.select(collection)
            .where(
                collection.c.id > read_cursor(after),
                (collection.c.name != naming.UNNAMED) | has_images,
            )
            .where(collection.c.trashed_at.is_(None))
            .order_by(collection.c.id)
            .limit(limit + 1)
        )
        if within is not None:
            query = query.where(collection.c.id.in_(within))
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            following = str(rows[limit - 1].id) if len(rows) > limit else None
            return PageOf(_counted(connection, rows[:limit]), following)


def _counted(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[Collection]:
    count, waiting = sa.func.count(), sa.func.sum(sa.case((image.c.has_file, 0), else_=1))
    condition = image.c.collection_id.in_([row.id for row in rows]) & image.c.trashed_at.is_(None)
    numbers = {
        row.collection_id: (row.images, int(row.waiting))
        for row in connection.execute(
            sa.select(image.c.collection_id, count.label("images"), waiting.label("waiting"))
            .where(condition)
            .group_by(image.c.collection_id)
        )
    }
    return [_record(row, *numbers.get(row.id, (0, 0))) for row in rows]


def _record(row: sa.Row[Any], images: int, waiting: int) -> Collection:
    return Collection(
        id=row.public_id,
        name=row.name,
        content_type=CONTENT_TYPES[row.kind],
        image_count=images,
        awaiting_file_count=waiting,
        created_at=row.created_at,
    )
