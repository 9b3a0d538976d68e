"""U+0000 in every text that a route takes, on both databases: refused with its place, never a 500."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import msgspec.inspect as types
import pytest
from litestar.routes import HTTPRoute

from tests.integration.stack.conftest import Stack, assert_error, running
from tests.support.postgres import postgres_database

NUL = "a\x00b"
TEXT = "a"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack on either database, for all tests of the module."""
    folder = tmp_path_factory.mktemp("stack")
    if request.param == "sqlite":
        with running(folder) as stack:
            yield stack
        return
    server: str = request.getfixturevalue("postgres_server")
    with postgres_database(server) as url, running(folder, database=url) as stack:
        yield stack


class Texts:
    """Gives one text after the other; the one with a certain number has U+0000."""

    def __init__(self, hostile: int) -> None:
        self.hostile, self.count = hostile, 0

    def next(self) -> str:
        self.count += 1
        return NUL if self.count - 1 == self.hostile else TEXT


def sample(kind: Any, texts: Texts, depth: int = 0) -> Any:  # noqa: PLR0911 - a table of types
    """A value of a type, as JSON has it."""
    plain = {
        types.IntType: 1,
        types.FloatType: 0.5,
        types.BoolType: True,
        types.NoneType: None,
    }
    if type(kind) in plain:
        return plain[type(kind)]
    if isinstance(kind, types.Metadata):
        return sample(kind.type, texts, depth)
    if isinstance(kind, types.LiteralType):
        return kind.values[0]
    if isinstance(kind, types.UnionType):
        options = [one for one in kind.types if not isinstance(one, types.NoneType)]
        return sample(options[-1], texts, depth)
    if isinstance(kind, types.ListType | types.SetType | types.VarTupleType):
        return [sample(kind.item_type, texts, depth + 1)] if depth < 8 else []
    if isinstance(kind, types.TupleType):
        return [sample(one, texts, depth + 1) for one in kind.item_types]
    if isinstance(kind, types.DictType):
        key = sample(kind.key_type, texts, depth + 1)
        return {key: sample(kind.value_type, texts, depth + 1)} if depth < 8 else {}
    if isinstance(kind, types.StructType):
        fields = {one.encode_name: sample(one.type, texts, depth + 1) for one in kind.fields}
        return {kind.tag_field: kind.tag} | fields if kind.tag_field else fields
    return texts.next()


def bodies(kind: Any) -> Iterator[Any]:
    """Messages of a type, each with U+0000 in another text."""
    info, count = types.type_info(kind), Texts(-1)
    sample(info, count)
    for hostile in range(count.count):
        yield sample(info, Texts(hostile))


def messages(stack: Stack) -> Iterator[tuple[str, str, Any]]:
    """Method and path of every route that takes JSON, and a message for it."""
    for route in stack.app.routes:
        assert isinstance(route, HTTPRoute)
        for handler in route.route_handlers:
            record = handler.opt.get("operation")
            if record is None or record.body in {None, bytes, str}:
                continue
            path = re.sub(r"\{\w+(:\w+)?\}", "1", route.path_format)
            for body in bodies(record.body):
                for method in handler.http_methods:
                    yield str(method), path, body


def test_every_text_of_every_message(both: Stack) -> None:
    """No route answers with 5xx, and what says why says where."""
    count, refused = 0, 0
    for method, path, body in messages(both):
        if method in {"OPTIONS", "HEAD"}:
            continue
        answer = both.ask(method, path, content=msgspec.json.encode(body))
        assert answer.status_code < 500 or answer.status_code == 501, (method, path, body)
        count += 1
        if answer.status_code == 422 and "U+0000" in answer.text:
            refused += 1
            assert all(problem["where"] for problem in answer.json()["error"]["details"])
    assert count > 100
    assert refused > count / 3


def test_every_path_and_query(both: Stack) -> None:
    """Nor does one for U+0000 in a segment of its path, or in its query."""
    for route in both.app.routes:
        assert isinstance(route, HTTPRoute)
        for handler in route.route_handlers:
            for method in sorted(handler.http_methods - {"OPTIONS"}):
                path = re.sub(r"\{\w+(:\w+)?\}", "a%00b", route.path_format)
                for url in (path, f"{path}?collection=a%00b&filter=a%00b"):
                    answer = both.ask(str(method), url, content=b"{}")
                    assert answer.status_code < 500 or answer.status_code == 501, (method, url)


def test_place_is_named(both: Stack) -> None:
    """The answer is the same on both databases."""
    answer = both.ask("POST", "/api/v1/uploads", json={"run": NUL, "mode": "machine"})
    error = assert_error(answer, 422, "data")
    assert [problem["where"] for problem in error["details"]] == ["run"]


def test_values_keep_it(both: Stack) -> None:
    """An attribute value that is JSON comes back as it was sent."""
    box = {
        "type": "rectangle",
        "label": "cup",
        "bbox": [1, 2, 3, 4],
        "attributes": {"note": [{"value": NUL}, {"value": {NUL: [NUL]}}]},
    }
    both.upload([{"image": "a.jpg", "annotations": [box]}], collection="nul", run="nul run")
    (stored,) = both.sets(collection="nul", run="nul run")
    assert stored["annotations"] == [box]


def test_in_the_store(tmp_path: Path) -> None:
    """What gets past the routes is refused by the store, on SQLite as PostgreSQL does it."""
    with running(tmp_path / "stack") as stack, pytest.raises(ValueError, match="U\\+0000"):
        stack.store.keys.create(NUL, "read")
