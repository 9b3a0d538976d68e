"""Connections, transactions and migrations, for SQLite and PostgreSQL. No statement lives here.

SQLite has one writer: a lock lets one thread write at a time, and every write transaction begins
immediately, so that it never has to be given up half-way. Readers have connections of their own
and see the last committed state. Every commit is on disk before it returns.
"""

from __future__ import annotations

import platform
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import alembic.command
import alembic.util
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sa_sqlite
from sqlalchemy.exc import DBAPIError, OperationalError

from layernext.errors import ConfigurationError, InvalidRequest
from layernext.stack.store import revisions, sqlite
from layernext.stack.store.activity import Activity
from layernext.stack.store.outages import DatabaseUnavailable, Outages, reason, sqlstate
from layernext.stack.store.storable import refuse_unstorable

Answer = TypeVar("Answer")

READERS = 8
STREAMS = 4
"""Connections kept open; as many again, and for streams twice, are opened while they are needed.
Streams have their own, because a client that reads slowly holds one for as long as it likes."""
CONNECTION_WAIT_SECONDS = 10
WRITER_CACHE_KIB = 32 * 1024
READER_CACHE_KIB = 2 * 1024
"""Of SQLite's pages per connection; behind it the system's file cache does the same for all."""
COMPILED_STATEMENTS = 200
"""Of each engine, kept to be used again; half as many more for moments. The stack's own are some 80, but each
form of a query makes one of some 30 KB, and strangers' queries have any form."""
ROWS_AT_ONCE = 100
"""SQLite: rows of one INSERT. It allows 32,766 values, and remembers only so many statements."""
ATTEMPTS = 6
STEPS_BETWEEN_LOOKS = 100_000
"""Of SQLite's machine, some milliseconds, between looks at the clock."""
# PostgreSQL: serialization failure, deadlock; and what two transactions can do to each other that
# make or drop the same thing: unique violation, foreign key violation. A second try sees the other.
_REPEATABLE = {"40001", "40P01", "23505", "23503"}

_CONNECT_ARGUMENTS: dict[str, Any] = {
    "connect_timeout": 10,
    # A server that vanished without a word, as in a failover, is noticed within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}

# Advisory locks: numbers that all replicas share.
_MIGRATION_LOCK = 0x6C6E
_CLAIM_LOCK = 0x6C6F
_BYTES_LOCK = 0x6C70
_FIRST_KEY_LOCK = 0x6C71


class Database:
    """One database, SQLite or PostgreSQL.

    Args:
        url: ``sqlite:///<path>`` or ``postgresql://…``.
        reads_only: nothing can be written, and the tables are as somebody else has made them.
        migrates: bring the tables to this version's; False leaves them as they are.

    Raises:
        ConfigurationError: another kind of URL, or the database cannot be opened.
    """

    def __init__(self, url: str, *, reads_only: bool = False, migrates: bool = True) -> None:
        self.url = url
        self._reads_only = reads_only
        self._turn = sqlite.WriteTurn()
        self.activity = Activity()
        self._outages = Outages(self.activity)
        self._joined = threading.local()
        self.span: Callable[[str], AbstractContextManager[object]] = lambda _: nullcontext()
        """Surrounds each transaction: for traces."""
        self._engines: list[sa.Engine] = []
        self._is_closed = False
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
                for engine in self._engines:
                    sa.event.listen(engine, "before_cursor_execute", refuse_unstorable)
                    sa.event.listen(engine, "checkin", self._end_if_closed)
                if migrates and not reads_only:
                    with self._changing_tables() as connection:
                        self.migrate(connection, "head")
                elif not migrates:
                    with self.reader.connect():
                        pass  # it answers
                self._turn.lock_seconds = sqlite.LOCK_SECONDS
        except alembic.util.CommandError as error:
            raise ConfigurationError(
                f"the database was made by another version: {error}",
                hint="install that version or a newer one",
            ) from error
        except (sa.exc.ArgumentError, ValueError) as error:
            # Its text may repeat the URL, and that has a password in it.
            raise ConfigurationError("the database URL cannot be read") from error
        except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise ConfigurationError(f"the database cannot be opened: {reason(error)}") from error

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
            file = Path(path)
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            sqlite.check_writable(file)
            sqlite.make_private(file)
            sqlite.lay_out(file)
        self.writer = self._sqlite_engine(path, self._turn.begin, size=1, more=0)
        self.reader = self._sqlite_engine(path, sqlite.begin_reading, size=READERS, more=READERS)
        self._streamer = self._sqlite_engine(
            path, sqlite.begin_reading, size=STREAMS, more=2 * STREAMS
        )

    def _sqlite_engine(
        self, path: str, begin: Callable[[sa.Connection], None], *, size: int, more: int
    ) -> sa.Engine:
        is_reader = begin is sqlite.begin_reading
        engine = sa.create_engine(
            sa.URL.create("sqlite", database=path),
            connect_args={
                "check_same_thread": False,
                "timeout": sqlite.LOCK_SECONDS if is_reader else 0,
                "isolation_level": None,
            },
            poolclass=sa.pool.QueuePool,
            pool_size=size,
            max_overflow=more,
            pool_timeout=CONNECTION_WAIT_SECONDS,
            query_cache_size=COMPILED_STATEMENTS,
        )
        cache_kib = READER_CACHE_KIB if is_reader else WRITER_CACHE_KIB
        set_up = sqlite.set_up(cache_kib, reads_only=self._reads_only)
        sa.event.listen(engine, "connect", set_up)
        sa.event.listen(engine, "begin", begin)
        self._engines.append(engine)
        return engine

    def _open_postgresql(self, url: str) -> None:
        address = sa.make_url(url).set(drivername="postgresql+psycopg")
        connect = dict(_CONNECT_ARGUMENTS)
        if self._reads_only:
            connect["options"] = "-c default_transaction_read_only=on"
        arguments: dict[str, Any] = {
            "pool_pre_ping": True,
            "connect_args": connect,
            "query_cache_size": COMPILED_STATEMENTS,
        }
        self.writer = self.reader = sa.create_engine(
            address,
            pool_size=READERS,
            max_overflow=READERS,
            pool_timeout=CONNECTION_WAIT_SECONDS,
            **arguments,
        )
        self._streamer = sa.create_engine(
            address,
            pool_size=STREAMS,
            max_overflow=2 * STREAMS,
            pool_timeout=CONNECTION_WAIT_SECONDS,
            isolation_level="REPEATABLE READ",
            **arguments,
        )
        self._engines += [self.writer, self._streamer]

    @contextmanager
    def change_tables(self) -> Iterator[sa.Connection]:
        """A transaction in which tables may be made and changed; foreign keys do not hold in it on SQLite.

        Raises:
            DatabaseUnavailable, StorageFull: as `write` does.
        """
        with self._outages.explaining(), self._changing_tables() as connection:
            yield connection

    @contextmanager
    def _changing_tables(self) -> Iterator[sa.Connection]:
        with self._turn.hold(), self.writer.connect() as connection:
            if self.is_sqlite:
                # It changes a table's constraints by creating it again, under the rows that refer to it.
                sqlite.set_foreign_keys(connection, "OFF")
            with connection.begin():
                # Replicas that start together: one migrates, the others find it done.
                self._lock(connection, "pg_advisory_xact_lock", _MIGRATION_LOCK)
                yield connection
            if self.is_sqlite:
                sqlite.set_foreign_keys(connection, "ON")

    @staticmethod
    def migrate(connection: sa.Connection, revision: str) -> None:
        """Bring the tables to a revision of the schema, within `change_tables`.

        Raises:
            ConfigurationError: only an earlier version can.
        """
        revisions.refuse_earlier(revisions.current_revision(connection))
        config = revisions.migration_config()
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, revision)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that writes; committed, durably, when the block ends well.

        Within `write_joined` it is a part of that transaction, undone alone if the block raises.

        Raises:
            DatabaseUnavailable: the database cannot be written at the moment.
            StorageFull: there is no room for it; nothing was changed.
        """
        with self._outages.explaining(), self._transaction() as connection:
            yield connection
        self._outages.note_answer(is_write=True)

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        joined = self._joined_connection()
        if joined is not None:
            with self._savepoint(joined):
                yield joined
            return
        addition: Callable[[sa.Connection], None] | None
        addition = getattr(self._joined, "addition", None)
        turn = self._turn.hold() if self.is_sqlite else nullcontext()
        with self.span("write"), turn, self.writer.begin() as connection:
            yield connection
            if addition is not None:
                addition(connection)
        if addition is not None:
            self._joined.addition = None

    @contextmanager
    def committing(self, addition: Callable[[sa.Connection], None]) -> Iterator[None]:
        """Add to the first transaction that this thread commits within the block.

        Args:
            addition: called at the end of the transaction; again if that has to be repeated.
        """
        self._joined.addition = addition
        try:
            yield
        finally:
            self._joined.addition = None

    @contextmanager
    def _savepoint(self, connection: sa.Connection) -> Iterator[None]:
        savepoint = connection.begin_nested()
        try:
            yield
        except BaseException:
            # A statement that is interrupted makes SQLite undo the whole transaction, savepoints included;
            # asking for one would then hide the reason.
            file = connection.connection.driver_connection
            if not isinstance(file, sqlite3.Connection) or file.in_transaction:
                savepoint.rollback()
            raise
        savepoint.commit()

    def write_again(self, work: Callable[[sa.Connection], Answer]) -> Answer:
        """`work` in a write transaction, repeated while PostgreSQL asks for that.

        Raises:
            DatabaseUnavailable, StorageFull: as `write` does.
        """
        with self._outages.explaining():
            answer = self._repeated(work)
        self._outages.note_answer(is_write=True)
        return answer

    def _repeated(self, work: Callable[[sa.Connection], Answer]) -> Answer:
        for attempt in range(ATTEMPTS):
            try:
                with self._transaction() as connection:
                    return work(connection)
            except DBAPIError as error:  # noqa: PERF203 - a transaction costs more
                if attempt == ATTEMPTS - 1 or sqlstate(error) not in _REPEATABLE:
                    raise
                time.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311 - no secret
        raise AssertionError  # the loop returns or raises

    def write_joined(self, work: Callable[[sa.Connection], Answer]) -> Answer:
        """As `write_again`; what this thread reads and writes meanwhile is in the same transaction.

        Streams are not: they see what was committed before.
        """

        def joined(connection: sa.Connection) -> Answer:
            self._joined.connection = connection
            try:
                return work(connection)
            finally:
                self._joined.connection = None

        return self.write_again(joined)

    def _joined_connection(self) -> sa.Connection | None:
        return getattr(self._joined, "connection", None)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads, on one consistent state of the data.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        joined = self._joined_connection()
        if joined is not None:
            yield joined
            return
        with self._outages.explaining():
            with self.span("read"), self.reader.connect() as connection, connection.begin():
                yield connection
            self._outages.note_answer(is_write=False)

    @contextmanager
    def stream(self) -> Iterator[sa.Connection]:
        """Like `read`, for as long as it takes; every statement sees the state at the first.

        Raises:
            DatabaseUnavailable: the database does not answer, or too many streams are open and none
                ended for a while.
        """
        with self._outages.explaining():
            try:
                connection = self._streamer.connect()
            except sa.exc.TimeoutError as error:
                raise DatabaseUnavailable("too many downloads at a time", status=503) from error
            with connection, connection.begin():
                yield connection

    @contextmanager
    def limit(self, connection: sa.Connection, seconds: float) -> Iterator[Deadline]:
        """Bound the time of a block: of all its statements together, and of work that asks in between.

        Raises:
            InvalidRequest: it took longer.
        """
        deadline = Deadline(seconds)
        file = connection.connection.driver_connection
        set_timeout = _TimeoutOfStatements(deadline, is_sqlite=self.is_sqlite)
        if isinstance(file, sqlite3.Connection):
            file.set_progress_handler(lambda: deadline.remaining < 0, STEPS_BETWEEN_LOOKS)
        sa.event.listen(connection, "before_cursor_execute", set_timeout)
        try:
            yield deadline
        except OperationalError as error:
            is_late = "interrupted" in str(error.orig) or sqlstate(error) == "57014"
            if is_late:
                raise deadline.error() from error
            raise
        finally:
            sa.event.remove(connection, "before_cursor_execute", set_timeout)
            if isinstance(file, sqlite3.Connection):
                file.set_progress_handler(None, 0)
        if not self.is_sqlite:
            connection.execute(sa.text("SET LOCAL statement_timeout = DEFAULT"))

    def location(self) -> str:
        """Where the database is: which file of which machine, or which one of which PostgreSQL server."""
        if self.is_sqlite:
            return f"{platform.node()} {Path(self.url.removeprefix('sqlite:///')).resolve()}"
        statement = (
            "SELECT system_identifier || ' ' || oid FROM pg_control_system(), pg_database "
            "WHERE datname = current_database()"
        )
        with self.read() as connection:
            return str(connection.execute(sa.text(statement)).scalar_one())

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

    def hold_first_key(self, connection: sa.Connection) -> None:
        """Keep other servers that start from making a first key until the transaction ends."""
        self._lock(connection, "pg_advisory_xact_lock", _FIRST_KEY_LOCK)

    def _lock(self, connection: sa.Connection, function: str, number: int) -> None:
        if not self.is_sqlite:
            connection.execute(sa.select(getattr(sa.func, function)(number)))

    def upsert(self, table: sa.Table) -> Any:
        """An INSERT that can say what happens on a conflict."""
        return (sa_sqlite.insert if self.is_sqlite else postgresql.insert)(table)

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
        item = "(" + ", ".join("?" * len(names)) + ")"
        for start in range(0, len(rows), ROWS_AT_ONCE):
            chunk = rows[start : start + ROWS_AT_ONCE]
            text = str(compiled).replace(
                f"VALUES {item}", "VALUES " + ", ".join([item] * len(chunk))
            )
            values = [row[name] for row in chunk for name in compiled.positiontup]
            connection.exec_driver_sql(text, tuple(values))

    def close(self) -> None:
        """Wait for a write that is under way, then close every connection. May be called twice."""
        with self._turn.lock:
            # The writer last: SQLite folds its log into the file with the last connection.
            self._is_closed = True
            for engine in reversed(self._engines):
                engine.dispose()

    def _end_if_closed(self, _connection: object, record: sa.pool.ConnectionPoolEntry) -> None:
        # A stream that ends after its store would leave its connection to the garbage collector.
        if self._is_closed:
            record.invalidate()


class Deadline:
    """When a block of work has to be done.

    Args:
        seconds: from now.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Seconds; negative once the time is over."""
        return self._end - time.monotonic()

    def check(self) -> None:
        """Go on, if there is time.

        Raises:
            InvalidRequest: there is none.
        """
        if self.remaining < 0:
            raise self.error()

    def error(self) -> InvalidRequest:
        """What is said once the time is over."""
        return InvalidRequest(
            f"the query takes longer than {self._seconds:g} s on this stack; narrow it",
            status=422,
        )


class _TimeoutOfStatements:
    """Gives each statement what is left of the time; PostgreSQL is told again when that is much less."""

    def __init__(self, deadline: Deadline, *, is_sqlite: bool) -> None:
        self._deadline, self._is_sqlite = deadline, is_sqlite
        self._set: float | None = None

    def __call__(self, connection: sa.Connection, *_: object) -> None:
        self._deadline.check()
        remaining = self._deadline.remaining
        if not self._is_sqlite and (self._set is None or remaining < 0.9 * self._set):
            self._set = remaining  # first, because this is called for the next statement, too
            milliseconds = max(1, int(remaining * 1000))
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")
