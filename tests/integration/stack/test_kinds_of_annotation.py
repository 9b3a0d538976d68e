"""Rotated boxes, labels of whole images and keypoints in a stack: stored as written, counted, searched, drawn."""

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
POSE = {
    "type": "keypoints", "label": "captain", "keypoints": [[10, 20, 2], [14.25, 23, 0.01], [0, 0, 0], [12, 25.0, 1]],
    "bbox": [9, 19, 8, 7e0], "confidence": 0.75,
}  # fmt: skip
BARE = {"type": "keypoints", "label": "captain", "keypoints": [[10, 20, 1], [30, 60, 1], [0, 0, 0]]}
SETS: list[Json] = [
    {"image": "a.jpg", "annotations": [TURNED, RAIN, BOX]},
    {"image": "b.jpg", "annotations": [RAIN, RAIN | {"label": "night"}]},
    {"image": "c.jpg", "annotations": [BOX, POSE, BARE]},
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
    assert statistics["geometries"] == {
        "image_label": 3, "keypoints": 2, "rectangle": 2, "rotated_box": 1,
    }  # fmt: skip
    assert sum(statistics["width"]["counts"]) == 5, "labels of images have no size"
    tall = statistics["height"]["edges"].index(32)
    assert statistics["height"]["counts"][tall] == 2, "the turned box is 40 high, and the points"
    for text, names in (
        ("annotation.geometry = rotated_box", ["a.jpg"]),
        ("annotation.geometry = image_label", ["a.jpg", "b.jpg"]),
        ("annotation.geometry = rotated_box and annotation.confidence > 0.4", ["a.jpg"]),
        ("annotation.geometry = rotated_box and annotation.height = 40", ["a.jpg"]),
        ("annotation.geometry = rotated_box and annotation.width = 40", []),
        ("annotation.geometry = rotated_box and annotation.area = 400", ["a.jpg"]),
        ("annotation.geometry = image_label and annotation.area >= 0", []),
        ("annotation.geometry = keypoints and annotation.label = captain", ["c.jpg"]),
        ("annotation.geometry = keypoints and annotation.area = 56", ["c.jpg"]),
        ("annotation.geometry = keypoints and annotation.width = 20", ["c.jpg"]),
        ("annotation.geometry = keypoints and annotation.area > 900", []),
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
    assert drawn["items"][2]["sets"][0][3][1:] == [
        [3, 8, 0.75, [10, 20, 2, 14.2, 23, 0.1, 0, 0, 0, 12, 25, 1, 9, 19, 8, 7]],
        [3, 8, None, [10, 20, 1, 30, 60, 1, 0, 0, 0]],
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
        (
            POSE | {"keypoints": [[1, 2]]},
            "annotations[1].keypoints[0]: is [1, 2], must be [x, y, visibility]",
        ),
        (
            POSE | {"keypoints": []},
            "keypoints: is [], must be a list of at least one [x, y, visibility]",
        ),
        (POSE | {"keypoints": [[1, 2, -1]]}, "keypoints[0][2]: is -1, must be ≥ 0"),
        (
            POSE | {"keypoints": [[1, "2", 1]]},
            'keypoints[0][1]: is "2", must be a finite number (y)',
        ),
        (POSE | {"bbox": [1, 2, -3, 4]}, "annotations[1].bbox: width is -3, must be ≥ 0"),
        (
            POSE | {"polygon": [[1, 2]]},
            "polygon: does not belong to a keypoints, which has `keypoints`",
        ),
        (BOX | {"keypoints": [[1, 2, 2]]}, "keypoints: does not belong to a rectangle"),
        (TURNED | {"type": "cuboid"}, 'is "cuboid", must be rectangle'),
    ):
        answer = stack.put(upload, 0, [{"image": "a.jpg", "annotations": [BOX, annotation]}])
        error = assert_error(answer, 422)
        assert sentence in msgspec.json.encode(error).decode().replace('\\"', '"'), error
