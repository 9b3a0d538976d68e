"""COCO as Python writers leave it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from layernext.formats import Losses, read_format
from layernext.model import Annotation, Polygon, Rectangle

OUTLINE = [[1, 1, 10, 1, 10, 10]]


def read(folder: Path, losses: Losses | None = None, **annotation: Any) -> list[Annotation]:
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, **annotation},
            {"id": 2, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]},
        ],
    }
    (folder / "a.json").write_text(json.dumps(content))
    (sample,) = read_format(folder / "a.json", "coco", losses=losses)
    return sample.annotations


@pytest.mark.parametrize(("value", "metadata"), [(False, {}), (None, {}), (True, {"iscrowd": 1})])
def test_crowd_of_another_type(tmp_path: Path, value: Any, metadata: dict[str, Any]) -> None:
    """``iscrowd`` may be true, false or null, as for COCO's tools."""
    first, _ = read(tmp_path, bbox=[1, 2, 3, 4], iscrowd=value)
    assert first == Rectangle(label="cat", bbox=(1, 2, 3, 4), metadata=metadata)


@pytest.mark.parametrize("box", [[], None], ids=repr)
def test_polygon_without_a_box(tmp_path: Path, box: Any) -> None:
    """A polygon needs no box."""
    first, _ = read(tmp_path, bbox=box, segmentation=OUTLINE)
    assert first == Polygon(label="cat", polygon=[(1, 1), (10, 1), (10, 10)])


def test_annotation_without_a_shape(tmp_path: Path) -> None:
    """An annotation without a geometry is named as a loss, and the others are read."""
    losses = Losses()
    assert read(tmp_path, losses, bbox=None) == [Rectangle(label="cat", bbox=(1, 2, 3, 4))]
    what = "an annotation without a box and without a single polygon"
    assert losses.counts == {what: (1, f"{tmp_path / 'a.json'}: annotations[0]")}
    assert losses.shapes == 1
