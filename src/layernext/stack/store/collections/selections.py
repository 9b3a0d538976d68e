"""Selections: the images that somebody chose, as they were at that moment, kept for some hours.

A selection is a snapshot: what is uploaded later is not in it. `SELECTION_HOURS` after it was made it cannot
be found any more; it is forgotten with the next one that is made, or when the stack tidies up.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import msgspec
import sqlalchemy as sa

from layernext.errors import NotFound
from layernext.stack.store.clock import now_text, text_of
from layernext.stack.store.collections import fields
from layernext.stack.store.collections.records import Selection
from layernext.stack.store.database import Database
from layernext.stack.store.removal import walker
from layernext.stack.store.schema import selection, selection_item

SELECTION_HOURS = 24
IDS_AT_ONCE = 5_000


class Selections:
    """The selections of a database.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        connection: sa.Connection,
        images: sa.Select[tuple[int]],
        collection_ids: tuple[int, ...] = (),
    ) -> Selection:
        """Keep what a query finds.

        Args:
            connection: a transaction that writes.
            images: selects row ids of images, each once.
            collection_ids: row ids of the collections that were chosen as wholes.
        """
        _forget_expired(connection)
        expiry = datetime.now(timezone.utc) + timedelta(hours=SELECTION_HOURS)
        public_id = secrets.token_hex(12)
        row = {
            "public_id": public_id,
            "collection_ids": msgspec.json.encode(collection_ids).decode(),
            "item_count": 0,
            "created_at": now_text(),
            "expires_at": text_of(expiry),
        }
        result = connection.execute(sa.insert(selection).values(row)).inserted_primary_key
        row_id = int(result[0]) if result else 0
        image_rows = images.subquery()
        rows = sa.select(sa.literal(row_id), image_rows.c[0])
        statement = sa.insert(selection_item).from_select(["selection_id", "image_id"], rows)
        connection.execute(statement)
        condition = selection_item.c.selection_id == row_id
        counting = sa.select(sa.func.count()).select_from(selection_item).where(condition)
        count = int(connection.execute(counting).scalar_one())
        counted = sa.update(selection).where(selection.c.id == row_id)
        connection.execute(counted.values(item_count=count))
        return Selection(row_id, public_id, count, collection_ids)

    def find(self, public_id: str) -> Selection:
        """The selection with this id.

        Raises:
            NotFound: there is none, or its time is over.
        """
        query = sa.select(selection).where(selection.c.public_id == public_id)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None or row.expires_at < now_text():
            raise NotFound(
                f"there is no selection {public_id[:600]!r}; one lives for {SELECTION_HOURS} hours",
                status=404,
            )
        ids = msgspec.json.decode(row.collection_ids, type=tuple[int, ...])
        return Selection(row.id, row.public_id, row.item_count, ids)

    def forget_expired(self) -> None:
        """Remove those whose time is over."""
        self._database.write_again(_forget_expired)

    def append_to_field(self, selected: Selection, name: str, value: str) -> int:
        """Append a value to a metadata field of the selection's images, in one transaction.

        Repeating it changes nothing. Returns how many images did not have the value.
        """

        def work(connection: sa.Connection) -> int:
            in_selection = sa.select(selection_item.c.image_id).where(
                selection_item.c.selection_id == selected.row_id
            )
            image_ids = list(connection.execute(in_selection.order_by("image_id")).scalars())
            return fields.append_in_images(self._database, connection, image_ids, name, value)

        return self._database.write_again(work)

    def iter_image_ids(self, row_id: int) -> Iterator[list[int]]:
        """Row ids of the selection's images, ascending, some thousands at a time."""
        last = 0
        while True:
            with self._database.read() as connection:
                ids = list(
                    connection.execute(
                        sa.select(selection_item.c.image_id)
                        .where(
                            selection_item.c.selection_id == row_id,
                            selection_item.c.image_id > last,
                        )
                        .order_by(selection_item.c.image_id)
                        .limit(IDS_AT_ONCE)
                    ).scalars()
                )
            if not ids:
                return
            yield ids
            last = ids[-1]


def _forget_expired(connection: sa.Connection) -> None:
    expired = sa.select(selection.c.id).where(selection.c.expires_at < now_text())
    old = list(connection.execute(expired).scalars())
    walker.delete(connection, selection, old)
