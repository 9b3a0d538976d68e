"""Deletion and joining follow the foreign keys: a table that refers to a row needs no word of its own."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa

from layernext.stack.store import Store
from layernext.stack.store.removal import walker
from layernext.stack.store.schema import (
    collection,
    dataset_version,
    evaluation,
    file_item,
    image,
    metadata,
    project,
    selection,
)

NUMBERS = count(1)


def insert(connection: sa.Connection, table: sa.Table, **values: Any) -> Any:
    """A row with something in every column that needs it, and rows that it refers to; its first key."""
    for column in table.columns:
        if column.name in values:
            continue
        (reference,) = column.foreign_keys or (None,)
        number = next(NUMBERS)
        if reference is not None and not column.nullable:
            values[column.name] = insert(connection, reference.column.table)
        elif column.primary_key or not (column.nullable or column.server_default):
            python_type = column.type.python_type
            values[column.name] = {bytes: b"%d" % number, str: f"text {number}"}.get(
                python_type, python_type(number)
            )
    values = {
        name: value % 30_000 if isinstance(table.c[name].type, sa.SmallInteger) else value
        for name, value in values.items()
    }
    connection.execute(sa.insert(table).values(values))
    return values[next(iter(table.primary_key.columns)).name]


def rows(connection: sa.Connection, column: sa.Column[int], value: int) -> int:
    query = sa.select(sa.func.count()).select_from(column.table).where(column == value)
    return int(connection.execute(query).scalar_one())


@pytest.mark.parametrize(
    "table",
    [image, dataset_version, evaluation, project, selection, file_item, collection],
    ids=str,
)
def test_what_refers_to_a_row_goes_with_it(store: Store, table: sa.Table) -> None:
    """All of it, however indirectly; what refers to another row stays."""
    columns = list(walker.referring_columns(table))
    assert columns
    with store.database.write() as connection:
        first, other = insert(connection, table), insert(connection, table)
        for row_id in (first, other):
            for column in columns:
                key = insert(connection, column.table, **{column.name: row_id})
                for further in walker.referring_columns(column.table):
                    insert(connection, further.table, **{further.name: key})
        before = [rows(connection, column, other) for column in columns]
        assert all(before)
        walker.delete(connection, table, [first])
        assert [rows(connection, column, first) for column in columns] == [0] * len(columns)
        assert [rows(connection, column, other) for column in columns] == before
        key = next(iter(table.primary_key.columns))
        assert (rows(connection, key, first), rows(connection, key, other)) == (0, 1)


def test_what_refers_to_an_image_moves_with_it(store: Store) -> None:
    """Each row once: where the other image has the same key, its own row stays."""
    columns = list(walker.referring_columns(image))
    with store.database.write() as connection:
        old, new, third = (insert(connection, image) for _ in range(3))
        for column in columns:
            insert(connection, column.table, **{column.name: old})
            shared = {
                name: insert(connection, next(iter(column.table.c[name].foreign_keys)).column.table)
                for name in sorted(key_beside(column))
                if column.table.c[name].foreign_keys
            }
            plain = {name: 7 for name in key_beside(column) if name not in shared}
            if shared or plain:
                for row_id in (old, new, third):
                    insert(connection, column.table, **{column.name: row_id}, **shared, **plain)
            else:
                insert(connection, column.table, **{column.name: third})
        before = [rows(connection, column, third) for column in columns]
        expected = [
            rows(connection, column, old)
            + rows(connection, column, new)
            - (1 if key_beside(column) else 0)
            for column in columns
        ]
        walker.move(connection, image, old, new)
        assert [rows(connection, column, old) for column in columns] == [0] * len(columns)
        assert [rows(connection, column, new) for column in columns] == expected
        assert [rows(connection, column, third) for column in columns] == before


def key_beside(column: sa.Column[int]) -> set[str]:
    """The rest of the key that a column is in, if any."""
    table = column.table
    keys = [set(table.primary_key.columns.keys())]
    keys += [
        set(constraint.columns.keys())
        for constraint in table.constraints
        if isinstance(constraint, sa.UniqueConstraint)
    ]
    return next((key - {column.name} for key in keys if column.name in key), set())


def test_every_reference_is_found() -> None:
    """Of every table, by the schema's own account."""
    found = {
        (column.table.name, column.name)
        for table in metadata.sorted_tables
        for column in walker.referring_columns(table)
    }
    declared = {
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.columns
        if column.foreign_keys
    }
    assert found == declared
