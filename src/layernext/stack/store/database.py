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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import alembic.command
import alembic.config
import alembic.util
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError

from layernext.errors import ConfigurationError, InvalidRequest, StackUnavailable, StorageFull

Answer = TypeVar("Answer")

PAGE_BYTES = 8192
"""Of a new SQLite file: a set of 100 boxes fits into one page."""
BUSY_SECONDS = 60
READERS = 8
STREAMS = 4
"""Connections kept open; as many again, and for streams twice, are opened while they are needed.
Streams have their own, because a client that reads slowly holds one for as long as it likes."""
STREAM_WAIT_SECONDS = 10
WRITER_CACHE_KIB = 32 * 1024
READER_CACHE_KIB = 2 * 1024
"""Of SQLite's pages per connection; behind it the system's file cache does the same for all."""
WAL_BYTES = 64 << 20
"""To this size the write-ahead log is cut back after a checkpoint."""
ROWS_AT_ONCE = 100
"""SQLite: rows of one INSERT. It allows 32,766 values, and remembers only so many statements."""
ATTEMPTS = 6
STEPS_BETWEEN_LOOKS = 100_000
"""Of SQLite's machine, some milliseconds, between looks at the clock."""
# PostgreSQL: serialization failure, deadlock; and what two transactions can do to each other that
# make or drop the same thing: unique violation, foreign key violation. A second try sees the other.
_REPEATABLE = {"40001", "40P01", "23505", "23503"}

_DISK_FULL = "53100"

# Advisory locks: numbers that all replicas share.
_MIGRATION_LOCK = 0x6C6E
_CLAIM_LOCK = 0x6C6F
_BYTES_LOCK = 0x6C70


class Database:
    """One database, SQLite or PostgreSQL.

    Args:
        url: ``sqlite:///<path>`` or ``postgresql://…``.
        reads_only: nothing can be written, and the tables are as somebody else has made them.

    Raises:
        ConfigurationError: another kind of URL, or the database cannot be opened.
    """

    def __init__(self, url: str, *, reads_only: bool = False) -> None:
        self.url = url
        self._reads_only = reads_only
        self._write_lock = threading.Lock()
        self._engines: list[sa.Engine] = []
        self.is_sqlite = url.startswith("sqlite:")
        try:
            with self._closed_on_failure():
                if self.is_sqlite:
                    self._open_sqlite(url)
                elif url.startswith(("postgresql:", "postgres:", "postgresql+psycopg:")):
                    self._open_postgresql(url)
                else:
                    raise ConfigurationError(
                        "the database URL must begin with sqlite:/// or postgresql://"
                    )
                if not reads_only:
                    self._migrate()
        except alembic.util.CommandError as error:
            raise ConfigurationError(
                f"the database was made by another version: {error}",
                hint="install that version or a newer one",
            ) from error
        except (sa.exc.ArgumentError, ValueError) as error:
            # Its text may repeat the URL, and that has a password in it.
            raise ConfigurationError("the database URL cannot be read") from error
        except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise ConfigurationError(f"the database cannot be opened: {reason}") from error

    @contextmanager
    def _closed_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _open_sqlite(self, url: str) -> None:
        path = url.removeprefix("sqlite:///")
        if not path or path == url or ":memory:" in path:
            raise ConfigurationError("the database URL must name a file: sqlite:///<path>")
        if not self._reads_only:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._lay_out_sqlite(path)
        self.writer = self._sqlite_engine(path, "BEGIN IMMEDIATE", size=1, more=0)
        self.reader = self._sqlite_engine(path, "BEGIN", size=READERS, more=READERS)
        self._streamer = self._sqlite_engine(
            path, "BEGIN", size=STREAMS, more=2 * STREAMS, wait=STREAM_WAIT_SECONDS
        )

    def _sqlite_engine(
        self, path: str, begin: str, *, size: int, more: int, wait: int = BUSY_SECONDS
    ) -> sa.Engine:
        engine = sa.create_engine(
            sa.URL.create("sqlite", database=path),
            connect_args={
                "check_same_thread": False,
                "timeout": BUSY_SECONDS,
                "isolation_level": None,
            },
            poolclass=sa.pool.QueuePool,
            pool_size=size,
            max_overflow=more,
            pool_timeout=wait,
        )
        cache_kib = WRITER_CACHE_KIB if begin == "BEGIN IMMEDIATE" else READER_CACHE_KIB
        sa.event.listen(engine, "connect", _set_up_sqlite(cache_kib, self._reads_only))
        sa.event.listen(engine, "begin", _begin_with(begin))
        self._engines.append(engine)
        return engine

    @staticmethod
    def _lay_out_sqlite(path: str) -> None:
        """Page size and journal of a new file; both are stored in it."""
        deadline = time.monotonic() + BUSY_SECONDS
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as file:
            file.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            # For this one statement SQLite does not wait for others that begin at the same moment.
            while not _use_wal(file, may_fail=time.monotonic() < deadline):
                time.sleep(0.02)

    def _open_postgresql(self, url: str) -> None:
        address = sa.make_url(url).set(drivername="postgresql+psycopg")
        connect: dict[str, Any] = {"connect_timeout": 10}
        if self._reads_only:
            connect["options"] = "-c default_transaction_read_only=on"
        arguments: dict[str, Any] = {"pool_pre_ping": True, "connect_args": connect}
        self.writer = self.reader = sa.create_engine(
            address,
            pool_size=READERS,
            max_overflow=READERS,
            pool_timeout=BUSY_SECONDS,
            **arguments,
        )
        self._streamer = sa.create_engine(
            address,
            pool_size=STREAMS,
            max_overflow=2 * STREAMS,
            pool_timeout=STREAM_WAIT_SECONDS,
            isolation_level="REPEATABLE READ",
            **arguments,
        )
        self._engines += [self.writer, self._streamer]

    def _migrate(self) -> None:
        config = alembic.config.Config()
        folder = str(Path(__file__).parent / "migrations")
        config.set_main_option("script_location", folder.replace("%", "%%"))
        with self._write_lock, self.writer.connect() as connection:
            if self.is_sqlite:
                # It changes a table's constraints by making it anew, under the rows that refer to it.
                _set_foreign_keys(connection, "OFF")
            with connection.begin():
                # Replicas that start together: one migrates, the others find it done.
                self._lock(connection, "pg_advisory_xact_lock", _MIGRATION_LOCK)
                config.attributes["connection"] = connection
                alembic.command.upgrade(config, "head")
            if self.is_sqlite:
                _set_foreign_keys(connection, "ON")

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that writes; committed, durably, when the block ends well.

        Raises:
            StorageFull: there is no room for it; nothing was changed.
        """
        with _no_room_explained():
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
            except DBAPIError as error:  # noqa: PERF203 - a transaction costs more
                if attempt == ATTEMPTS - 1 or not _is_repeatable(error):
                    raise
                time.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311 - no secret
        raise AssertionError  # the loop returns or raises

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads, on one consistent state of the data."""
        with self.reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def stream(self) -> Iterator[sa.Connection]:
        """Like `read`, for as long as it takes; every statement sees the state at the first.

        Raises:
            StackUnavailable: too many streams are open, and none ended for a while.
        """
        try:
            connection = self._streamer.connect()
        except sa.exc.TimeoutError as error:
            raise StackUnavailable("too many downloads at a time", status=503) from error
        with connection, connection.begin():
            yield connection

    @contextmanager
    def limit(self, connection: sa.Connection, seconds: float) -> Iterator[None]:
        """End statements that take longer.

        Raises:
            InvalidRequest: one did.
        """
        text = f"the query takes longer than {seconds:g} s on this stack; ask for less"
        file = connection.connection.driver_connection
        if self.is_sqlite:
            assert isinstance(file, sqlite3.Connection)  # noqa: S101 - the engine is SQLite's
            deadline = time.monotonic() + seconds
            file.set_progress_handler(lambda: time.monotonic() > deadline, STEPS_BETWEEN_LOOKS)
        else:
            statement = sa.text(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
            connection.execute(statement)
        try:
            yield
        except OperationalError as error:
            is_late = "interrupted" in str(error.orig) or _sqlstate(error) == "57014"
            if is_late:
                raise InvalidRequest(text, status=422) from error
            raise
        finally:
            if isinstance(file, sqlite3.Connection):
                file.set_progress_handler(None, 0)

    def hold_places(self, connection: sa.Connection) -> None:
        """Until the transaction ends no image is claimed by another collection.

        SQLite has one writer at a time and needs no such lock.
        """
        self._lock(connection, "pg_advisory_xact_lock_shared", _CLAIM_LOCK)

    def change_places(self, connection: sa.Connection) -> None:
        """Wait until nobody holds places, and let nobody, until the transaction ends."""
        self._lock(connection, "pg_advisory_xact_lock", _CLAIM_LOCK)

    def hold_bytes(self, connection: sa.Connection) -> None:
        """Until the transaction ends no object is taken for one that nothing refers to."""
        self._lock(connection, "pg_advisory_xact_lock_shared", _BYTES_LOCK)

    def change_bytes(self, connection: sa.Connection) -> None:
        """Wait until nobody holds bytes, and let nobody, until the transaction ends."""
        self._lock(connection, "pg_advisory_xact_lock", _BYTES_LOCK)

    def _lock(self, connection: sa.Connection, function: str, number: int) -> None:
        if not self.is_sqlite:
            connection.execute(sa.select(getattr(sa.func, function)(number)))

    def upsert(self, table: sa.Table) -> Any:
        """An INSERT that can say what happens on a conflict."""
        return (sqlite.insert if self.is_sqlite else postgresql.insert)(table)

    def execute_many(
        self, connection: sa.Connection, insert: Any, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Execute an INSERT for every row; all have the same keys, and plain values.

        On SQLite for many rows at a time: its driver lets other threads run at every statement,
        and those that decode do not give the turn back for a while.
        """
        if not self.is_sqlite:
            connection.execute(insert, rows)
            return
        names = list(rows[0])
        compiled = insert.compile(dialect=connection.dialect, column_keys=names)
        one = "(" + ", ".join("?" * len(names)) + ")"
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE]
            text = str(compiled).replace(f"VALUES {one}", "VALUES " + ", ".join([one] * len(some)))
            values = [row[name] for row in some for name in compiled.positiontup]
            connection.exec_driver_sql(text, tuple(values))

    def close(self) -> None:
        """Wait for a write that is under way, then close every connection. May be called twice."""
        with self._write_lock:
            # The writer last: SQLite folds its log into the file with the last connection.
            for engine in reversed(self._engines):
                engine.dispose()


def _use_wal(file: sqlite3.Connection, *, may_fail: bool) -> bool:
    try:
        file.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if may_fail and "locked" in str(error):
            return False
        raise
    return True


def _set_up_sqlite(
    cache_kib: int, reads_only: bool
) -> Callable[[sqlite3.Connection, object], None]:
    def set_up(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in (
            "synchronous = FULL",
            "foreign_keys = ON",
            f"cache_size = -{cache_kib}",
            f"journal_size_limit = {WAL_BYTES}",
            "temp_store = MEMORY",
            f"query_only = {'ON' if reads_only else 'OFF'}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return set_up


def _set_foreign_keys(connection: sa.Connection, choice: str) -> None:
    file = connection.connection.driver_connection  # a transaction would not let this be changed
    assert isinstance(file, sqlite3.Connection)  # noqa: S101 - the engine is SQLite's
    file.execute(f"PRAGMA foreign_keys = {choice}")


def _begin_with(statement: str) -> Callable[[sa.Connection], None]:
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(statement)

    return begin


@contextmanager
def _no_room_explained() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        is_full = getattr(error.orig, "sqlstate", None) == _DISK_FULL or (
            isinstance(error.orig, sqlite3.Error) and "disk is full" in str(error.orig)
        )
        if is_full:
            raise StorageFull("there is no room left for the database", status=507) from error
        raise


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _is_repeatable(error: DBAPIError) -> bool:
    if _sqlstate(error) in _REPEATABLE:
        return True
    return isinstance(error, OperationalError) and "database is locked" in str(error.orig)
