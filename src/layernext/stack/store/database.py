"""Connections, transactions and migrations, for SQLite and PostgreSQL. No statement lives here.

SQLite has one writer: a lock lets one thread write at a time, and every write transaction begins
immediately, so that it never has to be given up half-way. Readers have connections of their own
and see the last committed state. Every commit is on disk before it returns.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import alembic.command
import alembic.config
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError

from layernext.errors import ConfigurationError

Answer = TypeVar("Answer")

PAGE_BYTES = 8192
"""Of a new SQLite file: a set of 100 boxes fits into one page."""
BUSY_SECONDS = 60
READERS = 12
CACHE_KIB = 32 * 1024
WAL_BYTES = 64 << 20
"""To this size the write-ahead log is cut back after a checkpoint."""
MIGRATION_LOCK = 0x6C6E  # any number that all replicas share
ATTEMPTS = 6
# PostgreSQL: serialization failure, deadlock.
_REPEATABLE = {"40001", "40P01"}


class Database:
    """One database, SQLite or PostgreSQL.

    Args:
        url: ``sqlite:///<path>`` or ``postgresql://…``.

    Raises:
        ConfigurationError: another kind of URL, or the database cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self._write_lock = threading.Lock()
        self.is_sqlite = url.startswith("sqlite:")
        try:
            if self.is_sqlite:
                self._open_sqlite(url)
            elif url.startswith(("postgresql:", "postgres:", "postgresql+psycopg:")):
                self._open_postgresql(url)
            else:
                raise ConfigurationError(
                    "the database URL must begin with sqlite:/// or postgresql://"
                )
            self._migrate()
        except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise ConfigurationError(f"the database cannot be opened: {reason}") from error

    def _open_sqlite(self, url: str) -> None:
        path = url.removeprefix("sqlite:///")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._lay_out_sqlite(path)
        arguments = {"check_same_thread": False, "timeout": BUSY_SECONDS, "isolation_level": None}
        self.writer = sa.create_engine(
            f"sqlite:///{path}", connect_args=arguments, poolclass=sa.pool.QueuePool, pool_size=1,
            max_overflow=0, pool_timeout=BUSY_SECONDS,
        )  # fmt: skip
        self.reader = sa.create_engine(
            f"sqlite:///{path}", connect_args=arguments, poolclass=sa.pool.QueuePool,
            pool_size=READERS, max_overflow=READERS, pool_timeout=BUSY_SECONDS,
        )  # fmt: skip
        for engine, begin in ((self.writer, "BEGIN IMMEDIATE"), (self.reader, "BEGIN")):
            sa.event.listen(engine, "connect", _set_up_sqlite)
            sa.event.listen(engine, "begin", _begin_with(begin))

    @staticmethod
    def _lay_out_sqlite(path: str) -> None:
        """Page size and journal of a new file; both are stored in it."""
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()

    def _open_postgresql(self, url: str) -> None:
        rest = url.split("://", 1)[1] if "://" in url else url.split(":", 1)[1]
        self.writer = self.reader = sa.create_engine(
            f"postgresql+psycopg://{rest}", pool_size=READERS, max_overflow=READERS,
            pool_pre_ping=True, pool_timeout=BUSY_SECONDS, connect_args={"connect_timeout": 10},
        )  # fmt: skip

    def _migrate(self) -> None:
        config = alembic.config.Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.write() as connection:
            if not self.is_sqlite:
                # Replicas that start together: one migrates, the others find it done.
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that writes; committed, durably, when the block ends well."""
        if self.is_sqlite:
            with self._write_lock, self.writer.begin() as connection:
                yield connection
        else:
            with self.writer.begin() as connection:
                yield connection

    def write_again(self, work: Callable[[sa.Connection], Answer]) -> Answer:
        """`work` in a write transaction, repeated while PostgreSQL asks for that."""
        for attempt in range(ATTEMPTS):
            try:
                with self.write() as connection:
                    return work(connection)
            except DBAPIError as error:
                if attempt == ATTEMPTS - 1 or not _is_repeatable(error):
                    raise
                time.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311 - no secret
        raise AssertionError  # the loop returns or raises

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads, on one consistent state of the data."""
        with self.reader.connect() as connection, connection.begin():
            yield connection

    def upsert(self, table: sa.Table) -> Any:
        """An INSERT that can say what happens on a conflict."""
        return (sqlite.insert if self.is_sqlite else postgresql.insert)(table)

    def close(self) -> None:
        """Close every connection; SQLite's log is folded into its file. May be called twice."""
        self.reader.dispose()
        self.writer.dispose()


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in (
        "synchronous = FULL",
        "foreign_keys = ON",
        f"cache_size = -{CACHE_KIB}",
        f"journal_size_limit = {WAL_BYTES}",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_with(statement: str) -> Callable[[sa.Connection], None]:
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(statement)

    return begin


def _is_repeatable(error: DBAPIError) -> bool:
    if getattr(error.orig, "sqlstate", None) in _REPEATABLE:
        return True
    return isinstance(error, OperationalError) and "database is locked" in str(error.orig)
