"""A database that is stopped, full of connections, read-only or locked: 503 at once, and then on."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from layernext.errors import ConfigurationError, LayerNextError, StackUnavailable
from layernext.stack.store import Store
from layernext.stack.store.sqlite import LOCK_SECONDS
from tests.contract.store.batches import box, content, prepared, upload
from tests.support.postgres import PostgresServer, postgres_database

HANG_SECONDS = 60
"""A guard against waiting for ever; what is tested waits for a few seconds."""


@pytest.fixture
def postgres_store(stoppable_postgres: PostgresServer) -> Iterator[Store]:
    """A store on a server that can be stopped."""
    with postgres_database(stoppable_postgres.url) as url:
        store = Store.open(url)
        yield store
        store.close()


@contextmanager
def stopped(server: PostgresServer) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


def refused(work: object, text: str) -> None:
    with pytest.raises(StackUnavailable, match=text) as failure:
        work()  # type: ignore[operator]
    assert failure.value.status == 503


def end_connections(url: str) -> None:
    """What PostgreSQL does to every connection when an operator stops it (57P01)."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_stopped_and_started(stoppable_postgres: PostgresServer, caplog) -> None:
    """Without a server every call is refused with 503; with one they work again, and one line each is logged."""
    server = stoppable_postgres
    url = server.url
    store = Store.open(url)
    caplog.set_level(logging.INFO, "layernext.stack.database")
    upload(store, prepared("a", box()))
    with stopped(server):
        for _ in range(3):
            refused(store.ping, "the database does not answer")
            refused(lambda: store.keys.create("k", "read"), "the database does not answer")
            refused(lambda: list(store.annotations.iter_sets(None)), "the database does not answer")
            refused(lambda: upload(store, prepared("b", box())), "the database does not answer")
    upload(store, prepared("b", box()))
    assert set(content(store)) == {"a", "b"}
    store.close()
    begun, ended = [record.getMessage() for record in caplog.records]
    assert begun.startswith("the database does not answer: ")
    assert ended == "the database answers again; before: the database does not answer"


@pytest.mark.parametrize("kind", ["write", "read", "stream"])
def test_connection_ends_in_a_transaction(postgres_store: Store, kind: str) -> None:
    """A connection that an operator ends in the middle of a transaction is 503; the next one works."""
    database = postgres_store.database

    def work() -> None:
        with getattr(database, kind)() as connection:
            connection.execute(sa.select(sa.literal(1)))
            end_connections(database.url)
            connection.execute(sa.select(sa.literal(1)))

    refused(work, "the database does not answer")
    postgres_store.ping()
    upload(postgres_store, prepared("a", box()))
    assert content(postgres_store) == {"a": [box()]}


def test_connection_ends_in_a_download(postgres_store: Store) -> None:
    """A stream of sets whose connection ends says so, and does not look complete."""
    upload(postgres_store, *(prepared(f"{number:04}", box()) for number in range(5_000)))
    sets = postgres_store.annotations.iter_sets(None)
    next(sets)
    end_connections(postgres_store.database.url)
    refused(lambda: list(sets), "the database does not answer")
    assert len(content(postgres_store)) == 5_000


def test_too_many_connections(stoppable_postgres: PostgresServer) -> None:
    """A server that has no connection left is 503 (53300)."""
    with postgres_database(stoppable_postgres.url) as url:
        store = Store.open(url)
        store.database.writer.dispose()
        connections = []
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            connections.extend(psycopg.connect(url) for _ in range(1_000))
        refused(store.ping, "the database does not answer|all connections")
        for connection in connections:
            connection.close()
        store.ping()
        store.close()


def test_all_connections_of_the_pool_in_use(postgres_store: Store, monkeypatch) -> None:
    """When the store's own connections are all taken, the next call is 503."""
    pool = postgres_store.database.reader.pool
    monkeypatch.setattr(pool, "_timeout", 0.1)
    connections = [postgres_store.database.reader.connect() for _ in range(16)]
    refused(postgres_store.ping, "all database connections are in use")
    for connection in connections:
        connection.close()
    postgres_store.ping()


def test_read_only_server(postgres_store: Store) -> None:
    """A standby (25006) refuses writes with 503 and reads on."""
    database = postgres_store.database
    upload(postgres_store, prepared("a", box()))
    set_read_only(database.url, "on")
    database.writer.dispose()
    refused(lambda: postgres_store.keys.create("k", "read"), "the database is read-only")
    assert content(postgres_store) == {"a": [box()]}
    set_read_only(database.url, "off")
    database.writer.dispose()
    postgres_store.keys.create("k", "read")


def set_read_only(url: str, choice: str) -> None:
    """What every later connection to a database begins with."""
    begin_writable = "-c default_transaction_read_only=off"
    with psycopg.connect(url, autocommit=True, options=begin_writable) as connection:
        (name,) = connection.execute("SELECT quote_ident(current_database())").fetchone() or ()
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {choice}")


@contextmanager
def foreign_lock(path: Path) -> Iterator[None]:
    """Another program in the middle of a transaction that writes."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_foreign_lock(tmp_path: Path, caplog) -> None:
    """While another program holds the lock, writes are refused within seconds, and reads go on."""
    path = tmp_path / "stack.sqlite3"
    store = Store.open(f"sqlite:///{path}")
    upload(store, prepared("a", box()))

    def write(number: int) -> str:
        try:
            store.keys.create(f"key {number}", "read")
        except StackUnavailable as error:
            return error.message
        return "written"

    begun = time.monotonic()
    with foreign_lock(path), ThreadPoolExecutor(12) as pool:
        writes = [pool.submit(write, number) for number in range(12)]
        answered = 0
        while not all(one.done() for one in writes):
            assert set(content(store)) == {"a"}
            answered += 1
        answers = {one.result(HANG_SECONDS) for one in writes}
        assert answers == {"another program holds the database's lock"}
        assert answered
    assert time.monotonic() - begun < HANG_SECONDS
    assert write(1) == "written"
    assert [record.getMessage() for record in caplog.records if "lock" in record.getMessage()] == [
        "another program holds the database's lock: database is locked",
        "the database answers again; before: another program holds the database's lock",
    ]
    store.close()


def test_only_one_writer_waits_for_a_foreign_lock(tmp_path: Path) -> None:
    """Once a wait was in vain, the next writers do not hold the threads that readers need."""
    path = tmp_path / "stack.sqlite3"
    store = Store.open(f"sqlite:///{path}")
    with foreign_lock(path):
        refused(lambda: store.keys.create("first", "read"), "another program")
        begun = time.monotonic()
        for _ in range(3):
            refused(lambda: store.keys.create("next", "read"), "another program")
        assert time.monotonic() - begun < 3 * LOCK_SECONDS
    store.keys.create("next", "read")
    store.close()


def test_short_foreign_lock(tmp_path: Path) -> None:
    """A lock that another program holds for a moment, as a second process of the stack does, is waited for."""
    path = tmp_path / "stack.sqlite3"
    store = Store.open(f"sqlite:///{path}")
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, other.execute, ["ROLLBACK"])
    timer.start()
    store.keys.create("waited", "read")
    timer.join()
    other.close()
    store.close()


def test_read_only_file(tmp_path: Path) -> None:
    """SQLite's file turns read-only while the store is open: writes are 503, reads go on."""
    path = tmp_path / "stack.sqlite3"
    store = Store.open(f"sqlite:///{path}")
    upload(store, prepared("a", box()))
    with store.database.writer.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.commit()
    refused(lambda: store.keys.create("k", "read"), "the database is read-only")
    assert set(content(store)) == {"a"}
    store.close()


READ_ONLY_MOUNT = (
    'mount -t tmpfs tmpfs "$1" && shift && "$@" && mount -o remount,ro "$0" && exec "$@"'
)


def test_read_only_disk_at_start(tmp_path: Path) -> None:
    """On a disk that is mounted read-only a stack says at start what it cannot write."""
    script = (
        "import sys\n"
        "from layernext.errors import ConfigurationError\n"
        "from layernext.stack.store import Store\n"
        "try:\n"
        "    Store.open('sqlite:///' + sys.argv[1] + '/stack.sqlite3').close()\n"
        "except ConfigurationError as error:\n"
        "    print(error)\n"
    )
    command = [
        "unshare", "-m", "sh", "-c", READ_ONLY_MOUNT, str(tmp_path),
        str(tmp_path), sys.executable, "-c", script, str(tmp_path),
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare" in ran.stderr or "Permission denied" in ran.stderr:
        pytest.skip("no disk can be mounted here")
    assert ran.returncode == 0, ran.stderr
    assert "the database cannot be written: " in ran.stdout
    assert "is read-only" in ran.stdout


def test_refused_at_start(tmp_path: Path) -> None:
    """A server that is not there when a stack starts is a configuration error with the reason."""
    with pytest.raises(ConfigurationError, match=r"cannot be opened: .*refused"):
        Store.open("postgresql://nobody@127.0.0.1:1/x")


def test_errors_of_ours_pass(store: Store) -> None:
    """What is wrong with a request stays what it is."""
    with pytest.raises(LayerNextError) as refusal, store.database.write():
        raise ConfigurationError("no")
    assert refusal.type is ConfigurationError
