"""The whole database as rows: out of one database, and into another of either kind.

Tables are reflected, not taken from `schema`: a database that an older version has made is dumped as it
is, and a dump is loaded into the tables of its own revision before these are migrated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from layernext.errors import ConfigurationError, Conflict, DataError, Problem
from layernext.stack.store import revisions
from layernext.stack.store.access.audit import NewAuditEntry
from layernext.stack.store.access.audit import insert as insert_audit_entry
from layernext.stack.store.database import Database
from layernext.stack.store.identity import NAMESPACE
from layernext.stack.store.objects.holds import HOLD_PREFIX
from layernext.stack.store.schema import file_item, file_part, image, metadata, setting
from layernext.stack.store.storable import KEEPS_NUL

ROWS_AT_ONCE = 200
BATCH_BYTES = 4 << 20
"""Up to so many bytes of rows are in memory, or a single row that is larger: some are megabytes each."""
SIZES_AT_ONCE = 1000
REPLACEMENT = "\ufffd"

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
        self.revision = revisions.current_revision(connection)
        revisions.refuse_earlier(self.revision)
        if not revisions.is_known(self.revision):
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
        if self._connection.dialect.name == "sqlite":
            for row in self._connection.execute(query.execution_options(yield_per=1)):
                yield tuple(row)
            return
        # PostgreSQL sends as many rows as it is asked for. The sizes, of the same moment and in the same
        # order, say how many fit.
        sizes = query.with_only_columns(_row_bytes(source), maintain_column_froms=True)
        sizes = sizes.execution_options(yield_per=SIZES_AT_ONCE)
        counts = _batch_counts(self._connection.execute(sizes).scalars())
        with self._connection.execute(query.execution_options(stream_results=True)) as streamed:
            for count in counts:
                for row in streamed.fetchmany(count):
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


def is_empty(database: Database) -> bool:
    """Whether a database has none of a stack's tables."""
    with database.read() as connection:
        return not _existing(connection)


def find_stack(database: Database) -> str:
    """What identifies the stack that has a database, and its copies; it has tables."""
    with database.read() as connection:
        return _stack(connection)


class Loader:
    """Fills an empty database; see `loading`.

    Attributes:
        replaced: values in which U+0000 was replaced, because PostgreSQL cannot store it, by
            ``table.column``.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._replaces_nul = connection.dialect.name != "sqlite"
        self.replaced: dict[str, int] = {}
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
        count = 0
        for batch in _batches(rows):
            values = [dict(zip(columns, row, strict=True)) for row in batch]
            if self._replaces_nul:
                self._replace_nul(table, values)
            try:
                self._connection.execute(insert, values)
            except (sa.exc.DataError, sa.exc.IntegrityError) as error:
                # Its whole text has the row in it.
                reason = str(error.orig).strip().splitlines()[0]
                text = f"the database refuses a row: {reason}"
                raise DataError(Problem(f"table {table}", text)) from error
            count += len(batch)
        return count

    def _replace_nul(self, table: str, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            for column, value in row.items():
                if type(value) is str and "\x00" in value:
                    row[column] = value.replace("\x00", REPLACEMENT)
                    name = f"{table}.{column}"
                    self.replaced[name] = self.replaced.get(name, 0) + 1


@contextmanager
def loading(
    database: Database, revision: str, entry: NewAuditEntry | None = None
) -> Iterator[Loader]:
    """Load a dump in one transaction: afterwards all of it is there, migrated, or nothing.

    Args:
        database: opened without migration; it has no table of a stack.
        revision: of the dump's schema.
        entry: for the audit log.

    Raises:
        Conflict: the database is not empty.
        DataError: rows refer to missing rows.
    """
    with database.change_tables() as connection:
        if _existing(connection):
            raise Conflict("the database is not empty", status=409)
        if database.is_sqlite:
            connection.execution_options(**{KEEPS_NUL: True})
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
        if entry is not None:
            insert_audit_entry(connection, entry)


def _row_bytes(table: sa.Table) -> sa.ColumnElement[int]:
    """The bytes of a row's values of variable length."""
    total: sa.ColumnElement[int] = sa.literal(0)
    for column in table.columns:
        if isinstance(column.type, sa.LargeBinary | sa.String):
            total = total + sa.func.coalesce(sa.func.octet_length(column), 0)
    return total


def _batch_counts(sizes: Iterable[int]) -> Iterator[int]:
    """Rows of some sizes in bytes, as numbers of rows that are held in memory together."""
    count = total = 0
    for size in sizes:
        if count and (total + size > BATCH_BYTES or count == ROWS_AT_ONCE):
            yield count
            count = total = 0
        count += 1
        total += size
    if count:
        yield count


def _batches(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    """Rows, in batches that end with the row that makes them large."""
    batch: list[Sequence[Any]] = []
    total = 0
    for row in rows:
        batch.append(row)
        total += sum(len(value) for value in row if isinstance(value, str | bytes))
        if total > BATCH_BYTES or len(batch) == ROWS_AT_ONCE:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch


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
