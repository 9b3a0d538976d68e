"""The store on every database it promises to work on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from layernext.stack.store import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'stack.sqlite3'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A new, empty store."""
    opened = Store.open(database_url)
    yield opened
    opened.close()
