"""Files that are linked: their content stays where it lies, outside of the store of objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from msgspec import Struct

from layernext.stack.store.database import Database
from layernext.stack.store.files.records import NewFile, ObjectRow
from layernext.stack.store.files.rows import OBJECT_COLUMNS
from layernext.stack.store.files.storing import store_files
from layernext.stack.store.schema import image

PAGE = 1_000


class LinkCounts(Struct, frozen=True):
    """What became of some files that were to be linked.

    Attributes:
        new, changed, unchanged: how many.
        taken: names under which the collection has other files, which stay.
    """

    new: int
    changed: int
    unchanged: int
    taken: list[str]


class LinkedFiles:
    """The linked files of a database.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, collection_id: int, files: Sequence[NewFile]) -> LinkCounts:
        """Let images of a collection have files that lie elsewhere; repeatable.

        Args:
            collection_id: row id.
            files: none of a name twice.
        """
        names = [file.name for file in files]
        query = sa.select(*OBJECT_COLUMNS).where(
            image.c.collection_id == collection_id,
            image.c.name.in_(names),
            image.c.bucket == "",
            image.c.has_file,
            image.c.trashed_at.is_(None),
        )

        def work(connection: sa.Connection) -> LinkCounts:
            rows = connection.execute(query).mappings().all()
            earlier = {row["name"]: ObjectRow(**row) for row in rows}
            same = {
                file.name
                for file in files
                if file.name in earlier
                and earlier[file.name].object_path == file.object_path
                and earlier[file.name].state != "missing"
            }
            fresh = [file for file in files if file.name not in same]
            stored = store_files(self._database, connection, collection_id, fresh, conflicts=False)
            new = changed = 0
            taken: list[str] = []
            for file, result in zip(fresh, stored, strict=True):
                if not result.is_new:
                    taken.append(file.name)
                elif file.name in earlier:
                    changed += 1
                else:
                    new += 1
            return LinkCounts(new, changed, len(same), taken)

        return self._database.write_again(work)

    def iter_all(self, collection_id: int) -> Iterator[ObjectRow]:
        """The linked files of a collection, missing ones left out."""
        last = 0
        while True:
            query = (
                sa.select(*OBJECT_COLUMNS)
                .where(image.c.collection_id == collection_id, image.c.id > last)
                .where(image.c.object_path.like("linked/%"), image.c.state != "missing")
                .where(image.c.trashed_at.is_(None))
                .order_by(image.c.id)
                .limit(PAGE)
            )
            with self._database.read() as connection:
                rows = connection.execute(query).mappings().all()
            for row in rows:
                yield ObjectRow(**row)
            if len(rows) < PAGE:
                return
            last = rows[-1]["image_id"]
