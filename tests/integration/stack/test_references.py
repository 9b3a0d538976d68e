"""E02 with many values: the same answer as a request that fits into memory, and nothing half done."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import sqlalchemy as sa

from layernext.stack.api.published import references
from layernext.stack.store.schema import attribute_value
from layernext.wire.published import CLIENT
from tests.integration.stack.conftest import Stack

PATH = f"{CLIENT}/system/label/references"


def body(labels: Any) -> bytes:
    return json.dumps({"labels": labels, "userName": "Python SDK"}).encode()


def whole(stack: Stack, labels: dict[str, dict[str, list[Any]]]) -> Any:
    """The answer, built in one piece."""
    table = stack.store.labels.ensure_table(labels)
    return {
        label: {
            "ref": row.ref,
            "color": row.color,
            "texts": {
                name: {"ref": ref, "texts": values}
                for name, (ref, values) in row.attributes.items()
            },
        }
        for label, row in table.items()
    }


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_batches_are_one_answer(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    """Labels, attributes and values that go on over batches, in an answer that is sent as a stream."""
    monkeypatch.setattr(references, "BATCH_BYTES", 700)
    monkeypatch.setattr(references, "SPOOL_BYTES", 1000)
    labels: dict[str, dict[str, list[Any]]] = {
        "none": {},
        "cup": {
            "empty": [],
            "color": ["red", 1, "1", 1.5, None, {"b": [1, {"a": "]"}], "a": '"'}, "grün", ""],
            "id": [f"{n},[" for n in range(50)],
        },
        "last": {"mixed": [n if n % 3 else str(n + 1) for n in range(40)], "z": []},
    }
    content = body(labels)
    headers = {"content-encoding": encoding}
    if encoding == "gzip":
        content = gzip.compress(content)
    for _ in range(2):
        answer = stack.ask("POST", PATH, role="write", content=content, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == whole(stack, labels)
        assert list(answer.json()) == list(labels)


def test_many_values_go_in_the_order_of_their_index(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of order, millions of them would have each transaction write most of the index again."""
    monkeypatch.setattr(references, "BATCH_BYTES", 700)
    labels = {"cup": {"id": [f"number {n}" for n in range(500)]}}
    answer = stack.ask("POST", PATH, role="write", content=body(labels))
    refs = set(answer.json()["cup"]["texts"]["id"]["texts"].values())
    with stack.store.database.read() as connection:
        rows = sa.select(attribute_value.c.ref).order_by(attribute_value.c.id)
        stored = [ref for ref in connection.execute(rows).scalars() if ref in refs]
    assert len(stored) == 500
    assert stored == sorted(stored)


def test_repeated_keys_are_refused(stack: Stack) -> None:
    """As in every other body."""
    for content, place in (
        (b'{"labels": {"b": {"y": [1], "y": ["2"]}}}', "labels"),
        (b'{"labels": {"a": {"x": [1]}, "a": {"z": []}}}', "labels"),
    ):
        answer = stack.ask("POST", PATH, role="write", content=content)
        assert answer.status_code == 422
        assert place in answer.text
        assert "appears twice" in answer.text


@pytest.mark.parametrize(
    ("content", "status", "text"),
    [
        (b'{"labels": {"a": {"x": ["1", 2', 400, "JSON"),
        (b'{"labels": {"a": {"x": ["\xff"]}}}', 400, "JSON"),
        (b'{"labels": {"a\xff": {}}}', 400, "JSON"),
        (b"[]", 422, "Expected `object`"),
        (b'{"labels": []}', 422, "labels: Expected `object`, got `array`"),
        (b'{"labels": {"a": 1}}', 422, "labels['a']: Expected `object`, got `int`"),
        (b'{"labels": {"a": {"x": "1"}}}', 422, "labels['a']['x']: Expected `array`, got `str`"),
        (b'{"labels": {"a": {"x": [1, 1e999]}}}', 422, "labels['a']['x'][1]: Number out of range"),
        (b'{"labels": {"a": {"": []}}}', 422, "labels['a']: is empty, must name an attribute"),
        (b'{"labels": {"\\u0000": {}}}', 422, "U+0000"),
        (
            b'{"labels": {"a": {"x": [' + b"[" * 5000 + b"]" * 5000 + b"]}}}",
            400,
            "JSON",
        ),
    ],
)
def test_refused_requests_register_nothing(
    stack: Stack, content: bytes, status: int, text: str
) -> None:
    """Also if what is wrong comes last: the labels before it are not made."""
    content = content.replace(b'{"labels": {', b'{"labels": {"first": {"n": ["v"]}, ')
    answer = stack.ask("POST", PATH, role="write", content=content)
    assert (answer.status_code, text in answer.text.replace('\\"', '"')) == (status, True), (
        answer.text
    )
    assert stack.store.labels.list_page(after=None, limit=10).items == []


def test_limits(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """More names, a larger value, or a larger body than the limits are refused with a sentence."""
    monkeypatch.setattr(references, "MAX_NAMES", 5)
    monkeypatch.setattr(references, "MAX_VALUE_BYTES", 100)
    monkeypatch.setattr(references, "MAX_REFERENCES_BYTES", 4 << 20)

    def refusal(content: bytes) -> tuple[int, str]:
        answer = stack.ask("POST", PATH, role="write", content=content)
        return answer.status_code, answer.text

    assert refusal(body({"a": {f"{n}": [] for n in range(4)}}))[0] == 200
    status, text = refusal(body({"a": {f"{n}": [] for n in range(5)}}))
    assert (status, "more than 5 labels and attributes" in text) == (422, True)
    status, text = refusal(body({"a": {"x": ["y", "z" * 100]}}))
    assert (status, "labels['a']['x'][1]: is a value larger than" in text) == (422, True)
    assert refusal(body({"a": {"x": ["y" * (4 << 20)]}}))[0] == 413


def test_published_clients_may_send_large_files() -> None:
    """A file with millions of distinct values goes through unchanged."""
    assert references.MAX_REFERENCES_BYTES >= 64 << 20
