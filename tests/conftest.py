"""Fixtures that several rooms' tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.postgres import postgres_server, postgres_url, stoppable_postgres
from tests.support.stores import new_postgres, new_sqlite, store

# How long an example takes depends on the machine.
settings.register_profile("layernext", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("layernext")

__all__ = [
    "database_url",
    "new_postgres",
    "new_sqlite",
    "postgres_server",
    "postgres_url",
    "stoppable_postgres",
    "store",
]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty database, of each kind that the store promises to work on."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'stack.sqlite3'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
