"""COCO's keypoints: what stands in the file comes back, and categories name points and edges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from layernext.errors import DataError, FormatError
from layernext.formats import Losses, convert, read_format
from layernext.formats.core.classes import Classes
from layernext.formats.validation import validate_source
from layernext.model import COCO_PERSON, Keypoints, Mask, Skeleton

PERSON = {
    "id": 7, "name": "person", "keypoints": ["head", "left hand", "right hand"],
    "skeleton": [[1, 2], [1, 3]], "sigmas": [0.1, 0.2, 0.3], "flips": [[2, 3]],
}  # fmt: skip
SKELETON = Skeleton(
    points=("head", "left hand", "right hand"),
    edges=((0, 1), (0, 2)),
    sigmas=(0.1, 0.2, 0.3),
    flips=((1, 2),),
)
SEEN = {
    "id": 1, "image_id": 1, "category_id": 7, "bbox": [1, 2, 30, 40], "area": 700.5, "iscrowd": 0,
    "keypoints": [5, 6, 2, 20.5, 30, 1, 0, 0, 0], "num_keypoints": 2, "segmentation": [[1, 2, 3, 4, 5, 6]],
}  # fmt: skip
CROWD = {
    "id": 2, "image_id": 1, "category_id": 7, "bbox": [0, 0, 9, 9], "area": 12, "iscrowd": 1,
    "keypoints": [0] * 9, "num_keypoints": 0, "segmentation": {"size": [60, 50], "counts": [3000]},
}  # fmt: skip


def saved(folder: Path, *annotations: Any, category: Any = PERSON) -> Path:
    path = folder / "truth.json"
    image = {"id": 1, "file_name": "a.jpg", "width": 50, "height": 60}
    content = {"images": [image], "categories": [category], "annotations": [*annotations]}
    path.write_text(json.dumps(content))
    return path


def test_read_and_written_as_they_are(tmp_path: Path) -> None:
    """Points, box, area, outline and count stay as COCO has them, integers as integers."""
    path, losses, classes = saved(tmp_path, SEEN, CROWD), Losses(), Classes()
    (sample,) = read_format(path, "coco", losses=losses, classes=classes)
    first, second = sample.annotations
    assert first == Keypoints(
        label="person",
        keypoints=[(5, 6, 2), (20.5, 30, 1), (0, 0, 0)],
        bbox=(1, 2, 30, 40),
        metadata={"area": 700.5, "segmentation": [[1, 2, 3, 4, 5, 6]]},
    )
    assert second.metadata["iscrowd"] == 1
    assert losses.counts == {}
    assert classes.skeletons == {"person": SKELETON}
    convert(path, tmp_path / "again.json", "coco")
    written = json.loads((tmp_path / "again.json").read_text())
    assert written["categories"] == [PERSON]
    for row, original in zip(written["annotations"], (SEEN, CROWD), strict=True):
        assert {key: row[key] for key in original} == original
    assert "[5,6,2,20.5,30,1,0,0,0]" in (tmp_path / "again.json").read_text()


def test_results_have_what_cocos_tools_take(tmp_path: Path) -> None:
    """A result has a box only if it was given: the area comes from it."""
    truth = saved(tmp_path, SEEN)
    results = [
        {"image_id": 1, "category_id": 7, "keypoints": [5, 6, 0.5] * 3, "score": 0.25},
        {"image_id": 1, "category_id": 7, "keypoints": [5, 6, 0.5] * 3, "bbox": [1, 2, 3, 4], "score": 1},
    ]  # fmt: skip
    run = tmp_path / "run.json"
    run.write_text(json.dumps(results))
    (sample,) = read_format(run, "coco-results", instances=truth)
    assert [annotation.bbox for annotation in sample.annotations] == [None, (1, 2, 3, 4)]  # type: ignore[union-attr]
    convert(run, tmp_path / "again.json", "coco-results", instances=truth)
    assert json.loads((tmp_path / "again.json").read_text()) == results


def test_other_geometries_of_the_same_file(tmp_path: Path) -> None:
    """For an evaluation of boxes or masks each object is its box or its outline, as without keypoints."""
    path = saved(tmp_path, SEEN, CROWD)
    for geometry in ("rectangle", "polygon", "mask"):
        (sample,) = read_format(path, "coco", evaluated=geometry)  # type: ignore[arg-type]
        kinds = {annotation.geometry for annotation in sample.annotations}
        assert kinds <= {geometry, "polygon"}
        assert not any(isinstance(annotation, Keypoints) for annotation in sample.annotations)
    (sample,) = read_format(path, "coco", evaluated="mask")
    assert isinstance(sample.annotations[1], Mask)


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ({"keypoints": ["a", "b"], "skeleton": [[0, 1]]}, Skeleton(points=("a", "b"), edges=((0, 1),))),
        ({"keypoints": ["a", "b"], "skeleton": [[1, 9]]}, Skeleton(points=("a", "b"))),
        ({"keypoints": ["a", "a"], "skeleton": [[1, 2]]}, Skeleton(points=("1", "2"), edges=((0, 1),))),
        ({"keypoints": ["1", "2"], "skeleton": []}, None),
        ({"keypoints": [], "skeleton": []}, None),
        ({"keypoints": "a"}, None),
    ],
    ids=["from-0", "out-of-range", "same-names", "numbers", "empty", "text"],
)  # fmt: skip
def test_skeletons_of_other_tools(tmp_path: Path, category: Any, expected: Any) -> None:
    """Edges may count from 0; what contradicts itself is named, and the names stay."""
    losses, classes = Losses(), Classes()
    path = saved(tmp_path, category={"id": 7, "name": "x"} | category)
    list(read_format(path, "coco", losses=losses, classes=classes))
    assert classes.skeletons.get("x") == expected
    is_sound = expected is None or (expected.edges and expected.points == ("a", "b"))
    assert bool(losses.counts) != bool(is_sound)


@pytest.mark.parametrize(
    ("keypoints", "message"),
    [
        ([1, 2], r"annotations\[0\]\.keypoints: has 2 numbers, must have x, y and visibility"),
        ([1, 2, -1], r"keypoints\[0\]\[2\]: is -1, must be ≥ 0"),
        (["1", 2, 2], "is not as COCO has it"),
    ],
)
def test_what_is_wrong_is_refused(tmp_path: Path, keypoints: Any, message: str) -> None:
    """With the place in the file."""
    with pytest.raises(FormatError, match=message):
        list(read_format(saved(tmp_path, SEEN | {"keypoints": keypoints}), "coco"))


def test_layernext_json_has_skeletons_before_its_images(tmp_path: Path) -> None:
    """They come back from there, and one that is wrong is refused with its place."""
    convert(saved(tmp_path, SEEN), tmp_path / "a.json.gz", "layernext")
    classes = Classes()
    list(read_format(tmp_path / "a.json.gz", "layernext", classes=classes))
    assert classes.skeletons == {"person": SKELETON}
    for skeleton, message in (
        ({"points": ["a"], "edges": [[0, 1]]}, r'skeletons\["x"\]\.edges\[0\]: is \[0, 1\], must be two'),
        ({"points": ["a"], "sigmas": [0]}, r"sigmas\[0\]: is 0(\.0)?, must be above 0"),
        ({"points": ["a", "a"], "flips": [[0, 0]]}, 'points\\[1\\]: "a" is listed twice'),
        ({"points": []}, "points: is empty"),
        ({}, "skeletons: "),
    ):  # fmt: skip
        content = {"skeletons": {"x": skeleton}, "images": []}
        (tmp_path / "b.json").write_text(json.dumps(content))
        with pytest.raises(DataError, match=message):
            list(read_format(tmp_path / "b.json", "layernext"))


def test_a_mirrored_skeleton() -> None:
    """Left and right change places in a mirrored image."""
    left = [name.startswith("left") for name in COCO_PERSON.points]
    right = [name.startswith("right") for name in COCO_PERSON.mirrored(COCO_PERSON.points)]
    assert left == right
    assert len(COCO_PERSON.edges) == 19


def test_what_a_format_has_no_room_for_is_named(tmp_path: Path) -> None:
    """Of the skeleton, of the points of an annotation, and of its box."""
    path = saved(tmp_path, SEEN)
    skeleton = {f"the {name} of a skeleton" for name in ("edges", "sigmas", "flips")}
    for name, losses in (
        ("layernext", set()),
        ("coco", set()),
        ("csv", skeleton | {"the names of the points of a skeleton"}),
        ("labelme", skeleton),
        ("cvat", skeleton - {"the edges of a skeleton"} | {"the box of keypoints"}),
        ("voc", {"the points of keypoints; the box of the object is"}),
        ("yolo-segmentation", {"the geometry keypoints"}),
        ("dota", {"the geometry keypoints"}),
    ):
        report = convert(path, tmp_path / f"out-{name}", name)
        assert set(report.losses) - {"metadata"} == losses, name


def test_validation_warns_of_other_numbers_of_points(tmp_path: Path) -> None:
    """Of points that their skeleton does not have, and of keypoints that are nowhere."""
    empty = {**SEEN, "id": 3, "keypoints": [0] * 9, "num_keypoints": 0}
    del empty["bbox"]
    fewer = {**SEEN, "id": 4, "keypoints": [1, 2, 2, 3, 4, 2]}
    report = validate_source(saved(tmp_path, SEEN, empty, fewer), "coco")
    assert {
        "keypoints that are not as many as the points of their skeleton",
        "keypoints without a box, of which no point is labeled",
    } <= set(report.warnings)
    report = validate_source(saved(tmp_path, SEEN, fewer, category={"id": 7, "name": "x"}), "coco")
    assert "keypoints that are not as many as others of their label" in report.warnings
