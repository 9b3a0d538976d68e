"""Rotated boxes and labels of whole images in a stack: stored as written, counted, searched, drawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from layernext.wire import native
from tests.integration.stack.conftest import Json, Stack, assert_error, lines, running

TURNED = {
    "type": "rotated_box", "label": "ship", "bbox": [100, 50.0, 40, 1e1], "rotation": 90, "confidence": 0.5,
}  # fmt: skip
RAIN = {"type": "image_label", "label": "rain", "confidence": 0.25}
BOX = {"type": "rectangle", "label": "ship", "bbox": [1, 2, 3, 4]}
SETS: list[Json] = [
    {"image": "a.jpg", "annotations": [TURNED, RAIN, BOX]},
    {"image": "b.jpg", "annotations": [RAIN, RAIN | {"label": "night"}]},
    {"image": "c.jpg", "annotations": [BOX]},
]


@pytest.fixture
def stack(tmp_path: Path, database_url: str) -> Iterator[Stack]:
    """A stack on each of the databases."""
    with running(tmp_path / "stack", database=database_url) as fresh:
        yield fresh


def test_they_go_the_whole_way(stack: Stack) -> None:
    """What comes back has the bytes that were sent; it is counted, found by its kind, and drawn."""
    stack.upload(SETS)
    assert lines(stack.sets(run="run")) == lines(SETS)
    query = {"run": "run", "collection": "yard"}
    statistics = stack.json("GET", native.RUN_STATISTICS_PATH, params=query)["statistics"]
    assert statistics["geometries"] == {"image_label": 3, "rectangle": 2, "rotated_box": 1}
    assert sum(statistics["width"]["counts"]) == 3, "labels of images have no size"
    tall = statistics["height"]["edges"].index(32)
    assert statistics["height"]["counts"][tall] == 1, "the turned box is 40 high"
    for text, names in (
        ("annotation.geometry = rotated_box", ["a.jpg"]),
        ("annotation.geometry = image_label", ["a.jpg", "b.jpg"]),
        ("annotation.geometry = rotated_box and annotation.confidence > 0.4", ["a.jpg"]),
        ("annotation.geometry = rotated_box and annotation.height = 40", ["a.jpg"]),
        ("annotation.geometry = rotated_box and annotation.width = 40", []),
        ("annotation.geometry = rotated_box and annotation.area = 400", ["a.jpg"]),
        ("annotation.geometry = image_label and annotation.area >= 0", []),
    ):
        items = stack.json("GET", "/api/v1/items", params={"query": text})["items"]
        assert [item["name"] for item in items] == names, text
    items = stack.json("GET", "/api/v1/items")["items"]
    body = {
        "items": [int(item["id"], 16) for item in items],
        "runs": [{"name": "run", "mode": "machine"}],
    }
    drawn = stack.json("POST", "/api/v1/items/overlays", json=body)
    assert drawn["items"][0]["sets"][0][3] == [
        [0, 6, 0.5, [100, 50, 40, 10, 90]],
        [1, 7, 0.25, []],
        [0, 1, None, [1, 2, 3, 4]],
    ]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_wrong_is_refused_with_its_place(stack: Stack) -> None:
    """Nothing of a batch is stored then, and the sentence says which key of which annotation."""
    upload = stack.open_upload()
    for annotation, sentence in (
        (TURNED | {"rotation": "90"}, 'annotations[1].rotation: is "90", must be a finite number'),
        ({key: TURNED[key] for key in TURNED if key != "rotation"}, "a rotated_box requires it"),
        (BOX | {"rotation": 5}, "an annotation with it has the type rotated_box"),
        (RAIN | {"bbox": [1, 2, 3, 4]}, "does not belong to an image_label"),
        (TURNED | {"type": "cuboid"}, 'is "cuboid", must be rectangle'),
    ):
        answer = stack.put(upload, 0, [{"image": "a.jpg", "annotations": [BOX, annotation]}])
        error = assert_error(answer, 422)
        assert sentence in msgspec.json.encode(error).decode().replace('\\"', '"'), error
