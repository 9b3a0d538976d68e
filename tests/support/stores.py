"""Stores for tests, on each of the databases: copies of a new one, which take a fifth of the time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support.postgres import postgres_database

if TYPE_CHECKING:
    from layernext.stack.store import Store


@pytest.fixture(scope="session")
def new_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database file of a new store."""
    from layernext.stack.store import Store  # tests of the SDK alone need no server packages

    path = tmp_path_factory.mktemp("new") / "stack.sqlite3"
    Store.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def new_postgres(postgres_server: str) -> Iterator[str]:
    """The name of the database of a new store."""
    from layernext.stack.store import Store

    with postgres_database(postgres_server) as url:
        Store.open(url).close()
        yield urlsplit(url).path.removeprefix("/")


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A new, empty store, on each of the databases."""
    with new_store(request, tmp_path) as empty:
        yield empty


@contextmanager
def new_store(request: pytest.FixtureRequest, folder: Path) -> Iterator[Store]:
    """An empty store on the database that the fixture's parameter names, for fixtures of any scope."""
    from layernext.stack.store import Store

    with ExitStack() as stack:
        if request.param == "sqlite":
            path = shutil.copy(request.getfixturevalue("new_sqlite"), folder / "stack.sqlite3")
            url = f"sqlite:///{path}"
        else:
            server, template = map(request.getfixturevalue, ("postgres_server", "new_postgres"))
            url = stack.enter_context(postgres_database(server, template))
        empty = Store.open(url)
        stack.callback(empty.close)
        yield empty
