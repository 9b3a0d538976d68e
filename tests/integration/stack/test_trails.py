"""Where the tracks of an image lead: the frames around it, by their names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.stack.conftest import Json, Stack, assert_error, running


def car(x: float, track: object) -> Json:
    return {"type": "rectangle", "label": "car", "bbox": [x, 10, 4, 6], "track": track}


SETS: list[Json] = [
    {"image": "a/9.jpg", "annotations": [car(0, 7), car(50, "7")]},
    {"image": "a/10.jpg", "annotations": [car(10, 7), car(60, "7"), car(90, 8)]},
    {"image": "a/11.jpg", "annotations": [car(20, 7), {"type": "image_label", "label": "x", "track": 8}]},
    {"image": "a/12.jpg", "annotations": []},
    {"image": "a/14.jpg", "annotations": [car(40, 7)]},
    {"image": "b/11.jpg", "annotations": [car(99, 7)]},
    {"image": "plain.jpg", "annotations": [car(99, 7)]},
    {"image": "f/1.jpg", "annotations": [car(0.5, 7)], "isNormalized": True},
    {"image": "f/2.jpg", "annotations": [car(0.5, 7)], "isNormalized": True},
]  # fmt: skip


@pytest.fixture
def stack(tmp_path: Path, database_url: str) -> Iterator[Stack]:
    """A stack on each of the databases."""
    with running(tmp_path / "stack", database=database_url) as fresh:
        yield fresh


def test_trails(stack: Stack) -> None:
    """Each track of the image has its points by distance; other folders, other tracks and fractions have none."""
    stack.upload(SETS)
    items = {
        item["name"]: int(item["id"], 16) for item in stack.json("GET", "/api/v1/items")["items"]
    }

    def trails(image: str | int, **fields: object) -> list[object]:
        item = items[image] if isinstance(image, str) else image
        body = {"item": item, "runs": [{"name": "run", "mode": "machine"}], **fields}
        answer: list[object] = stack.json("POST", "/api/v1/items/trails", role="read", json=body)[
            "trails"
        ]
        return answer

    assert trails("a/10.jpg") == [
        [0, 7, [[-1, 2, 13], [0, 12, 13], [1, 22, 13], [4, 42, 13]]],
        [0, "7", [[-1, 52, 13], [0, 62, 13]]],
    ]
    assert trails("a/10.jpg", frames=1)[0] == [0, 7, [[-1, 2, 13], [0, 12, 13], [1, 22, 13]]]
    assert trails("a/9.jpg", frames=1)[0] == [0, 7, [[0, 2, 13], [1, 12, 13]]]
    assert (
        trails("a/10.jpg", runs=[])
        == trails("plain.jpg")
        == trails("f/1.jpg")
        == trails(1 << 40)
        == []
    )
    body = {"item": items["a/9.jpg"], "frames": 51}
    assert_error(stack.ask("POST", "/api/v1/items/trails", json=body), 422)
