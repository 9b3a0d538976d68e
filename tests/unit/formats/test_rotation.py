"""Rotated boxes of other tools, whatever these turn them about and however they name it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from layernext.formats import read_format
from layernext.formats.core.losses import Losses
from layernext.formats.core.rotation import rotated_box_or_polygon, smallest_rotated_box
from layernext.formats.core.sample import box_of, points_of
from layernext.model import Box, Polygon, Rectangle, RotatedBox, rotated_corners


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
    assert read(tmp_path / "in", name, write(90.0)) == (RotatedBox, (35, 15, 10, 40))
    assert read(tmp_path / "in", name, write(0.0)) == (Rectangle, (20, 30, 40, 10))


def test_around_the_corner(tmp_path: Path) -> None:
    """Label Studio rotates around the top left corner."""
    assert read(tmp_path / "in", "label-studio", studio(90)) == (RotatedBox, (-20, 20, 40, 60))
    assert read(tmp_path / "in", "label-studio", studio(0)) == (Rectangle, (20, 20, 60, 40))


CORNERS = rotated_corners((100, 50, 80, 20), 30)
ROUNDED = [(round(x), round(y)) for x, y in CORNERS]
BENT = [(0.0, 0.0), (90.0, 10.0), (80.0, 40.0), (-5.0, 30.0)]


@pytest.mark.parametrize("corners", [CORNERS, CORNERS[::-1], CORNERS[2:] + CORNERS[:2]])
def test_corners_of_a_box(corners: Any) -> None:
    """In either direction and from any corner on: the same shape, without a loss."""
    losses = Losses(strict=True)
    annotation = rotated_box_or_polygon(corners, {"label": "a"}, "here", losses)
    assert isinstance(annotation, RotatedBox)
    expected = sorted(CORNERS)
    assert sorted(points_of(annotation)) == [pytest.approx(corner) for corner in expected]


def test_corners_that_are_nearly_those_of_a_box() -> None:
    """Whole numbers become the nearest box, which is named; what is no box stays a polygon."""
    losses = Losses()
    annotation = rotated_box_or_polygon(ROUNDED, {"label": "a"}, "here", losses)
    assert isinstance(annotation, RotatedBox)
    assert annotation.rotation == pytest.approx(30, abs=1)
    assert list(losses.counts) == ["how corners were rounded; the nearest rotated box is"]
    polygon = rotated_box_or_polygon(BENT, {"label": "a"}, "here", Losses(strict=True))
    assert polygon == Polygon(label="a", polygon=BENT)


def test_smallest_box_for_an_evaluation() -> None:
    """Where boxes are compared, a polygon becomes the smallest box around it, as OpenCV finds it."""
    cv2 = pytest.importorskip("cv2")
    import numpy as np

    (_, _, width, height), _ = smallest_rotated_box(BENT)
    _, size, _ = cv2.minAreaRect(np.array(BENT, np.float32))
    assert sorted((width, height)) == pytest.approx(sorted(size), abs=1e-3)
    losses = Losses()
    annotation = rotated_box_or_polygon(BENT, {"label": "a"}, "here", losses, needs_box=True)
    assert isinstance(annotation, RotatedBox)
    assert losses.shapes == 1
    assert smallest_rotated_box([(3.0, 4.0)] * 4) == ((3.0, 4.0, 0.0, 0.0), 0.0)
