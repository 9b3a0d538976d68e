"""A GET reads: it answers the same where the database can only be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
import sqlalchemy as sa

from layernext.stack.store import Database
from tests.integration.stack.access_table import TABLE
from tests.integration.stack.access_world import World
from tests.integration.stack.conftest import running
from tests.support.postgres import postgres_database

WRITE_BY_PROTOCOL = {
    "GET /datalake/api/client/collection/deleteAnnotation",
    "GET /datalake/api/client/collectionUploadingStatus/{upload_id}/complete",
    "GET /dataset/api/client/dataset/create",
    "GET /dataset/api/client/dataset/deleteVersion",
    "GET /dataset/api/client/dataset/updateExistingVersion",
    "GET /dataset/api/client/dataset/updateNewVersion",
    "GET /studio/api/client/projects/initial/create",
}
"""The published protocol writes with these, and so they are treated: as writes."""

CHANGING = {"GET /activity", "GET /api/v1/status", "GET /health", "GET /metrics", "GET /ready"}
"""Their answers tell of the moment."""

NAMES = sorted(name for name in TABLE if name.startswith("GET ") and name not in WRITE_BY_PROTOCOL)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with ExitStack() as on_exit:
        url = None
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres_server")
            url = on_exit.enter_context(postgres_database(server))
        folder = tmp_path_factory.mktemp("stack")
        yield World(on_exit.enter_context(running(folder, metrics=True, database=url)))


@contextmanager
def reading_only(database: Database) -> Iterator[None]:
    """While this lasts nothing can be written, by any connection."""

    def begin(connection: sa.Connection) -> None:
        if database.is_sqlite:
            connection.exec_driver_sql("PRAGMA query_only = ON")
        else:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")

    def end(connection: sa.Connection) -> None:
        if database.is_sqlite:
            connection.exec_driver_sql("PRAGMA query_only = OFF")

    engine = database.writer
    sa.event.listen(engine, "begin", begin)
    for name in ("commit", "rollback"):
        sa.event.listen(engine, name, end)
    try:
        yield
    finally:
        sa.event.remove(engine, "begin", begin)
        for name in ("commit", "rollback"):
            sa.event.remove(engine, name, end)


def ask(world: World, name: str) -> httpx.Response:
    method, _, path = name.partition(" ")
    probe = TABLE[name].probe(world, world.own)
    for segment in re.findall(r"{(\w+)}", path):
        path = path.replace(f"{{{segment}}}", probe.path.get(segment, "x"))
    return world.ask("admin", method, path, **probe.named)


def body_of(answer: httpx.Response) -> bytes:
    """The body without what is new in each: signatures of URLs, and numbers of requests and forms."""
    fresh = (
        rb"(?:expires|signature|Expires|Signature|X-Amz-\w+)=[^&\"\\]+|nonce[^ >]+|[0-9a-f]{32,}"
    )
    request_id = answer.headers.get("x-request-id", "-").encode()
    return re.sub(fresh, b"", answer.content.replace(request_id, b""))


def test_every_get_is_here() -> None:
    """What writes by protocol is in the table of routes; the rest is asked below."""
    assert set(TABLE) >= WRITE_BY_PROTOCOL


def test_the_database_refuses_writes(world: World) -> None:
    """The test can fail: what writes is refused meanwhile."""
    with reading_only(world.stack.store.database), pytest.raises(Exception, match="read"):
        world.stack.store.collections.ensure("new")
    assert world.stack.store.collections.ensure("newer").name == "newer"


@pytest.mark.parametrize("name", NAMES)
def test_a_get_answers_where_nothing_can_be_written(world: World, name: str) -> None:
    """Status and content are those of a database that can be written."""
    with reading_only(world.stack.store.database):
        first = ask(world, name)
    second = ask(world, name)
    assert first.status_code == second.status_code, first.text
    if name not in CHANGING:
        assert body_of(first) == body_of(second)
