"""Asking for a collection by a name that fits images of a guessed one."""

from __future__ import annotations

import json

import pytest

from layernext.wire import native, published
from layernext.wire.native import ITEMS_PATH
from tests.integration.stack.conftest import Stack

EMPTY = {"annotationObjects": [], "isUserAnnotated": False}


@pytest.fixture
def guessed(stack: Stack) -> Stack:
    """A stack with images of `yard_north`, or of `yard`: their keys do not tell."""
    entries = [{"objectKey": f"yard_north_x{letter}.jpg", "data": EMPTY} for letter in "abc"]
    body = {"metaUpdatesArray": json.dumps(entries)}
    stack.json("POST", published.operation_path("run", "machine"), json=body, role="write")
    return stack


def names(stack: Stack) -> list[str]:
    listed = stack.json("GET", native.COLLECTIONS_PATH, role="read")
    return [one["name"] for one in listed["items"]]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("GET", f"{native.RUNS_PATH}?collection=yard", None, id="runs"),
        pytest.param("GET", f"{native.ANNOTATIONS_PATH}?collection=yard", None, id="annotations"),
        pytest.param(
            "POST",
            published.COLLECTION_ID_PATH,
            {"collectionName": "yard", "objectType": published.IMAGE_COLLECTION},
            id="E20",
        ),
        pytest.param("POST", published.COLLECTION_DETAILS_PATH, {"collectionId": "yard"}, id="E21"),
    ],
)
def test_reading_moves_nothing(guessed: Stack, method: str, path: str, body: object) -> None:
    """A key that may only read changes nothing, whatever it asks for."""
    before = names(guessed)
    answer = guessed.ask(method, path, json=body, role="read")
    assert answer.status_code == 404 or answer.json()["isSuccess"] is False
    assert names(guessed) == before == ["yard_north"]


def look_up(stack: Stack, name: str, role: str) -> None:
    """What a published client does first with a name (E20)."""
    wanted = {"collectionName": name, "objectType": published.IMAGE_COLLECTION}
    stack.ask("POST", published.COLLECTION_ID_PATH, json=wanted, role=role)


def test_a_guess_can_be_undone(guessed: Stack) -> None:
    """Who may write and looks up one name, then the other, has each time what fits it."""
    for name, first in (("yard", "north_xa.jpg"), ("yard_north", "xa.jpg")):
        look_up(guessed, name, "write")
        found = guessed.sets(collection=name)
        assert found[0]["image"] == first
        assert names(guessed) == [name]


@pytest.mark.parametrize(
    "path",
    [
        f"{native.RUNS_PATH}?collection=yard",
        f"{native.ANNOTATIONS_PATH}?collection=yard",
        f"{ITEMS_PATH}?collection=yard",
        published.annotations_path("yard"),
    ],
)
def test_a_get_moves_nothing(guessed: Stack, path: str) -> None:
    """Even by a key that may write; the answer says which step does, and that step does it."""
    answer = guessed.ask("GET", path, role="write")
    assert answer.status_code == 404
    assert "create the collection" in answer.text
    assert names(guessed) == ["yard_north"]
    assert "create the collection" not in guessed.ask("GET", path, role="read").text
    guessed.json("POST", native.COLLECTIONS_PATH, json={"name": "yard"}, role="write")
    assert guessed.ask("GET", path, role="write").status_code == 200
    assert names(guessed) == ["yard"]
