"""What goes with rows, and what moves with them: read off the foreign keys of the schema.

A new table that refers to images, versions or anything else needs no word here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import sqlalchemy as sa

from layernext.stack.store.schema import metadata


def delete(
    connection: sa.Connection,
    table: sa.Table,
    ids: Sequence[int],
    *,
    leave: Collection[sa.Table] = (),
) -> None:
    """Delete rows by id, and before them every row that refers to them, however indirectly.

    Args:
        connection: a transaction that writes.
        table: of the rows.
        ids: which.
        leave: tables of which no row refers to them any more; they are not searched for such.
    """
    if not ids:
        return
    for column in referring_columns(table):
        if column.table not in leave:
            _delete(connection, column.table, column.in_(list(ids)))
    connection.execute(sa.delete(table).where(_key(table).in_(list(ids))))


def move(
    connection: sa.Connection,
    table: sa.Table,
    old_id: int,
    new_id: int,
    *,
    leave: Collection[sa.Table] = (),
) -> None:
    """Let what refers to one row refer to another one of the table.

    Where a key would be there twice, the row of the other one stays and that of this one goes.

    Args:
        connection: a transaction that writes.
        table: of both rows.
        old_id, new_id: from which row to which.
        leave: tables that the caller sees to.
    """
    for column in referring_columns(table):
        referring = column.table
        if referring in leave:
            continue
        is_old = column == old_id
        for key in _unique_keys(referring):
            if column.name in key:
                twin = referring.alias()
                is_same = [twin.c[name] == referring.c[name] for name in key - {column.name}]
                exists = sa.exists().where(twin.c[column.name] == new_id, *is_same)
                connection.execute(sa.delete(referring).where(is_old, exists))
        connection.execute(sa.update(referring).where(is_old).values({column.name: new_id}))


def referring_columns(table: sa.Table) -> Iterator[sa.Column[int]]:
    """The columns of other tables that refer to a table."""
    for other in metadata.sorted_tables:
        for column in other.columns:
            if any(key.column.table is table for key in column.foreign_keys):
                yield column


def _delete(connection: sa.Connection, table: sa.Table, condition: sa.ColumnElement[bool]) -> None:
    for column in referring_columns(table):
        _delete(connection, column.table, column.in_(sa.select(_key(table)).where(condition)))
    connection.execute(sa.delete(table).where(condition))


def _key(table: sa.Table) -> sa.Column[int]:
    (key,) = table.primary_key.columns
    return key


def _unique_keys(table: sa.Table) -> Iterator[set[str]]:
    """The names of columns that are together in one row only."""
    yield {column.name for column in table.primary_key.columns}
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            yield {column.name for column in constraint.columns}
