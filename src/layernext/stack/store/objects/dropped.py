"""Objects that nothing refers to any more: noted by who drops them, until they are deleted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from layernext.stack.store.database import Database
from layernext.stack.store.objects.holds import is_held
from layernext.stack.store.schema import dropped_object

PATHS_AT_ONCE = 100


class DroppedObjects:
    """The notes of a database.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_some(self) -> list[str]:
        """Paths of objects to be deleted, a hundred at most; none while a backup holds them."""
        # One statement: what it sees was dropped before any hold that it does not see.
        query = sa.select(dropped_object.c.path).where(~is_held())
        query = query.order_by(dropped_object.c.path)
        with self._database.read() as connection:
            return list(connection.execute(query.limit(PATHS_AT_ONCE)).scalars())

    def forget(self, paths: Sequence[str]) -> None:
        """Forget objects that were deleted."""
        condition = dropped_object.c.path.in_(list(paths))
        with self._database.write() as connection:
            connection.execute(sa.delete(dropped_object).where(condition))


def drop(database: Database, connection: sa.Connection, paths: Iterable[str]) -> None:
    """Note that nothing refers to some objects once the transaction has ended."""
    rows = [{"path": path} for path in sorted(set(paths))]
    if rows:
        insert = database.upsert(dropped_object).on_conflict_do_nothing()
        database.execute_many(connection, insert, rows)
