"""Rotated boxes of other tools are polygons, whose box is then right as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from layernext.formats import read_format
from layernext.formats.core.rotation import rotated_corners
from layernext.formats.core.sample import box_of
from layernext.model import Box, Polygon, Rectangle


def read(path: Path, name: str, content: Any) -> tuple[type[Any], Box | None]:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    (sample,) = read_format(path, name)
    (annotation,) = sample.annotations
    return type(annotation), box_of(annotation, "")


def studio(rotation: float) -> Any:
    value = {
        "x": 10,
        "y": 20,
        "width": 30,
        "height": 40,
        "rotation": rotation,
        "rectanglelabels": ["cat"],
    }
    result = {
        "type": "rectanglelabels",
        "original_width": 200,
        "original_height": 100,
        "value": value,
    }
    return [{"data": {"image": "a.jpg"}, "annotations": [{"result": [result]}]}]


def cvat(rotation: float) -> str:
    box = f'<box label="cat" xtl="20" ytl="30" xbr="60" ybr="40" rotation="{rotation}"/>'
    return f'<annotations><image name="a.jpg" width="100" height="80">{box}</image></annotations>'


def coco(rotation: float) -> Any:
    attributes = {"occluded": False, "rotation": rotation}
    box = {
        "image_id": 1,
        "category_id": 1,
        "bbox": [20, 30, 40, 10],
        "segmentation": [],
        "attributes": attributes,
    }
    images, categories = [{"id": 1, "file_name": "a.jpg"}], [{"id": 1, "name": "cat"}]
    return {"images": images, "categories": categories, "annotations": [box]}


def test_corners() -> None:
    """Clockwise as seen, around the middle or a given point."""
    assert rotated_corners((0, 0, 2, 2), 45)[0] == pytest.approx((1, 1 - 2**0.5))
    assert rotated_corners((0, 0, 2, 1), -90, center=(0, 0)) == [(0, 0), (0, -2), (1, -2), (1, 0)]


@pytest.mark.parametrize(("name", "write"), [("cvat", cvat), ("coco", coco)])
def test_around_the_middle(tmp_path: Path, name: str, write: Any) -> None:
    """CVAT rotates around the middle, in its COCO as well."""
    assert read(tmp_path / "in", name, write(90.0)) == (Polygon, (35, 15, 10, 40))
    assert read(tmp_path / "in", name, write(0.0)) == (Rectangle, (20, 30, 40, 10))


def test_around_the_corner(tmp_path: Path) -> None:
    """Label Studio rotates around the top left corner."""
    assert read(tmp_path / "in", "label-studio", studio(90)) == (Polygon, (-20, 20, 40, 60))
    assert read(tmp_path / "in", "label-studio", studio(0)) == (Rectangle, (20, 20, 60, 40))
