"""The whole database as rows: out of one database, and into another of either kind.

Tables are reflected, not taken from `schema`: a database that an older version has made is dumped as it
is, and a dump is loaded into the tables of its own revision before these are migrated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import alembic.script
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from msgspec import Struct

from layernext.errors import ConfigurationError, Conflict, DataError, Problem
from layernext.stack.store.database import Database, migration_config
from layernext.stack.store.holds import HOLD_PREFIX
from layernext.stack.store.identity import NAMESPACE
from layernext.stack.store.schema import image, metadata, setting
from layernext.stack.store.schema_files import file_item, file_part

ROWS_AT_ONCE = 200
"""Sets of thousands of annotations are megabytes each."""

NAMED_AT_ONCE = 500
_FILES = ("image", "version_picture", "export")
"""Tables whose rows have ``object_path``, ``size`` and ``checksum``, wherever the object is there."""


class NamedObject(Struct, frozen=True, array_like=True):
    """An object that a row names.

    Attributes:
        path: in the store of objects.
        size: bytes; None where the row does not say.
        checksum: SHA-256 in hexadecimal; None where the row does not say.
        table: of the row.
    """

    path: str
    size: int | None
    checksum: str | None
    table: str = ""


class Snapshot:
    """A database as it was at one moment; see `open_snapshot`.

    Attributes:
        revision: of its schema.
        stack: identifies the stack; its copies have the same.
        tables: names of its tables, each behind those that it refers to.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.revision = MigrationContext.configure(connection).get_current_revision() or ""
        if not _is_known(self.revision):
            raise ConfigurationError(
                "the database does not belong to a stack, or was created by a newer version",
                hint="install that version or a newer one",
            )
        reflected = _reflect(connection)
        self._tables = {table.name: table for table in reflected.sorted_tables}
        self.tables = [str(name) for name in self._tables]
        self.stack = _stack(connection)

    def columns(self, table: str) -> list[str]:
        """The columns of a table."""
        return [str(column.name) for column in self._tables[table].columns]

    def rows(self, table: str) -> Iterator[Sequence[Any]]:
        """All rows of a table, in the order of its primary key, streamed."""
        source = self._tables[table]
        query = sa.select(source).order_by(*source.primary_key.columns)
        if table == setting.name:
            query = query.where(~source.c.name.startswith(HOLD_PREFIX, autoescape=True))
        streamed = query.execution_options(yield_per=ROWS_AT_ONCE)
        for row in self._connection.execute(streamed):
            yield tuple(row)

    def objects(self) -> Iterator[NamedObject]:
        """Every object that a row names, in no order."""
        for statement in _naming(self._tables):
            streamed = statement.execution_options(yield_per=ROWS_AT_ONCE)
            for row in self._connection.execute(streamed):
                yield NamedObject(row.path, row.size, row.checksum, row.source)

    def other_objects(self) -> Iterator[NamedObject]:
        """Objects that may be there although no file is: of uploads and exports on their way, or dropped."""
        for name, condition in (
            ("file_item", lambda table: ~table.c.is_stored & table.c.object_path.is_not(None)),
            ("export", lambda table: table.c.size.is_(None)),
            ("dropped_object", lambda _: sa.true()),
        ):
            table = self._tables.get(name)
            if table is None:
                continue  # the revision is older
            path = table.c.path if name == "dropped_object" else table.c.object_path
            query = sa.select(path).where(condition(table))
            streamed = query.execution_options(yield_per=ROWS_AT_ONCE)
            for row in self._connection.execute(streamed):
                yield NamedObject(row[0], None, None, name)


@contextmanager
def open_snapshot(database: Database) -> Iterator[Snapshot]:
    """The database as it is now, while the block runs and others go on writing.

    Raises:
        ConfigurationError: it is not the database of a stack, or a newer version has made it.
    """
    with database.stream() as connection:
        yield Snapshot(connection)


def still_named(database: Database, paths: Iterable[str]) -> set[str]:
    """Those of some paths that rows name at this moment."""
    remaining, named = iter(paths), set[str]()
    batch = list(islice(remaining, NAMED_AT_ONCE))
    if not batch:
        return named
    with database.read() as connection:
        tables = _reflect(connection).tables
        while batch:
            for statement in _naming(tables, batch):
                named |= {row.path for row in connection.execute(statement)}
            batch = list(islice(remaining, NAMED_AT_ONCE))
    return named


def check_revision(revision: str) -> None:
    """Whether this version can read a dump.

    Raises:
        ConfigurationError: a newer version has made it.
    """
    if not _is_known(revision):
        raise ConfigurationError(
            f"the backup was made by a newer version: this version does not know its schema {revision!r}",
            hint="install that version or a newer one",
        )


def is_empty(database: Database) -> bool:
    """Whether a database has none of a stack's tables."""
    with database.read() as connection:
        return not _existing(connection)


def find_stack(database: Database) -> str:
    """What identifies the stack that has a database, and its copies; it has tables."""
    with database.read() as connection:
        return _stack(connection)


class Loader:
    """Fills an empty database; see `loading`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._tables = _reflect(connection).tables

    def load(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Insert rows into a table; how many.

        Raises:
            DataError: the schema has no such table or column, or the database refuses a row.
        """
        target = self._tables.get(table)
        if target is None or not set(columns) <= set(target.columns.keys()):
            raise DataError(Problem(f"table {table}", "not in the schema that the backup names"))
        insert = sa.insert(target)
        count, remaining = 0, iter(rows)
        while batch := list(islice(remaining, ROWS_AT_ONCE)):
            values = [dict(zip(columns, row, strict=True)) for row in batch]
            try:
                self._connection.execute(insert, values)
            except (sa.exc.DataError, sa.exc.IntegrityError) as error:
                # Its whole text has the row in it.
                reason = str(error.orig).strip().splitlines()[0]
                text = f"the database refuses a row: {reason}"
                raise DataError(Problem(f"table {table}", text)) from error
            count += len(batch)
        return count


@contextmanager
def loading(database: Database, revision: str) -> Iterator[Loader]:
    """Load a dump in one transaction: afterwards all of it is there, migrated, or nothing.

    Args:
        database: opened without migration; it has no table of a stack.
        revision: of the dump's schema.

    Raises:
        Conflict: the database is not empty.
        DataError: rows refer to missing rows.
    """
    with database.change_tables() as connection:
        if _existing(connection):
            raise Conflict("the database is not empty", status=409)
        database.migrate(connection, revision)
        yield Loader(connection)
        database.migrate(connection, "head")
        _forget_parts(connection)
        if database.is_sqlite:
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
            if broken is not None:
                raise DataError(Problem(f"table {broken[0]}", "rows refer to missing rows"))
        else:
            _set_sequences(connection)


def _stack(connection: sa.Connection) -> str:
    namespace = sa.select(setting.c.value).where(setting.c.name == NAMESPACE)
    return connection.execute(namespace).scalar_one_or_none() or ""


def _forget_parts(connection: sa.Connection) -> None:
    """Parts of unfinished uploads are not in a backup: those files begin again."""
    unfinished = ~file_item.c.is_stored & file_item.c.object_path.is_not(None)
    items = sa.select(file_item.c.id).where(unfinished)
    connection.execute(sa.delete(file_part).where(file_part.c.item_id.in_(items)))
    fresh = {"object_path": None, "handle": None, "is_sealed": False}
    connection.execute(sa.update(file_item).where(unfinished).values(fresh))


def _set_sequences(connection: sa.Connection) -> None:
    """PostgreSQL: the next row of each table gets an id behind the last one."""
    for table in metadata.sorted_tables:
        key = table.autoincrement_column
        if key is None:
            continue
        sequence = sa.func.pg_get_serial_sequence(f'"{table.name}"', key.name)
        last = sa.select(sa.func.max(key)).scalar_subquery()
        connection.execute(sa.select(sa.func.setval(sequence, last)).where(last.is_not(None)))


def _naming(tables: Any, paths: Sequence[str] | None = None) -> Iterator[sa.Select[Any]]:
    """Statements whose rows are the objects that rows name; with `paths` only those of them."""
    for name in _FILES:
        table = tables.get(name)
        if table is None:
            continue  # the revision is older
        of = sa.literal(name).label("source")
        its = table.c.object_path
        present = table.c.has_file if name == image.name else table.c.size.is_not(None)
        query = sa.select(its.label("path"), table.c.size, table.c.checksum, of).where(present)
        yield query if paths is None else query.where(its.in_(paths))
    thumbnail = tables[image.name].c.thumbnail_path
    query = sa.select(
        thumbnail.label("path"),
        sa.null().label("size"),
        sa.null().label("checksum"),
        sa.literal("thumbnail").label("source"),
    ).where(thumbnail.is_not(None))
    yield query if paths is None else query.where(thumbnail.in_(paths))


def _reflect(connection: sa.Connection) -> sa.MetaData:
    """Our tables as they are; others may share a PostgreSQL database."""
    reflected = sa.MetaData()
    reflected.reflect(connection, only=_existing(connection))
    return reflected


def _existing(connection: sa.Connection) -> list[str]:
    return sorted(set(sa.inspect(connection).get_table_names()) & set(metadata.tables))


def _is_known(revision: str) -> bool:
    script = alembic.script.ScriptDirectory.from_config(migration_config())
    return any(migration.revision == revision for migration in script.walk_revisions())
