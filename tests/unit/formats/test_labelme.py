"""LabelMe's files as labelme and X-AnyLabeling write them."""

from __future__ import annotations

import base64
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from layernext.errors import FormatError
from layernext.formats import (
    ExportOptions,
    Losses,
    Sample,
    detect_format,
    read_format,
    write_export,
)
from layernext.formats.core.classes import Classes
from layernext.model import (
    Annotation,
    AttributeValue,
    Keypoints,
    Mask,
    Points,
    Polygon,
    Rectangle,
    RotatedBox,
    Skeleton,
)

SHAPE: dict[str, Any] = {
    "label": "cat", "points": [[1, 1], [10, 10]], "group_id": None, "shape_type": "rectangle", "flags": {},
}  # fmt: skip
BOX = (1.0, 1.0, 9.0, 9.0)


def read(
    folder: Path, losses: Losses | None = None, *, before: bytes = b"", more: dict[str, Any] | None = None,
    **shape: Any,
) -> list[Annotation]:  # fmt: skip
    content = {
        "version": "5.4.1", "flags": {}, "shapes": [{**SHAPE, **shape}], "imagePath": "a.jpg",
        "imageData": None, "imageHeight": 80, "imageWidth": 100, **(more or {}),
    }  # fmt: skip
    (folder / "a.json").write_bytes(before + json.dumps(content).encode())
    assert detect_format(folder) == detect_format(folder / "a.json") == "labelme"
    (sample,) = read_format(folder / "a.json", "labelme", losses=losses)
    assert list(read_format(folder, "labelme")) == [sample]
    return list(sample.annotations)


def test_byte_order_mark(tmp_path: Path) -> None:
    """A byte order mark at the beginning is skipped."""
    assert read(tmp_path, before=b"\xef\xbb\xbf") == [Rectangle(label="cat", bbox=BOX)]


@pytest.mark.parametrize("start", range(4))
@pytest.mark.parametrize("turn", [1, -1])
def test_rectangle_of_four_corners(tmp_path: Path, start: int, turn: int) -> None:
    """Four corners of an upright rectangle are a rectangle, in whatever order they go around."""
    corners = [[10, 10], [30, 10], [30, 40], [10, 40]]
    points = (corners[start:] + corners[:start])[::turn]
    assert read(tmp_path, points=points) == [Rectangle(label="cat", bbox=(10, 10, 20, 30))]


@pytest.mark.parametrize("kind", ["rectangle", "rotation", "oriented_rectangle"])
def test_rotated_rectangle(tmp_path: Path, kind: str) -> None:
    """Four corners of a rotated rectangle are a rotated box; any other four points are a polygon."""
    points = [[10, 0], [20, 10], [10, 20], [0, 10]]
    (turned,) = read(tmp_path, points=points, shape_type=kind, direction=math.pi / 4)
    assert isinstance(turned, RotatedBox)
    side = math.sqrt(200)
    assert turned.bbox == pytest.approx((10 - side / 2, 10 - side / 2, side, side))
    assert (turned.rotation, turned.metadata) == (45, {})
    (other,) = read(tmp_path, points=points, shape_type=kind, direction=1.5)
    assert other.metadata == {"direction": 1.5}, "it says something else"
    (bent,) = read(tmp_path, points=[*points[:3], [0, 15]], shape_type=kind)
    assert bent == Polygon(label="cat", polygon=[(10, 0), (20, 10), (10, 20), (0, 15)])


def test_score_is_the_confidence(tmp_path: Path) -> None:
    """X-AnyLabeling's score is kept; one beyond 1 is refused."""
    assert read(tmp_path, score=0.9) == [Rectangle(label="cat", bbox=BOX, confidence=0.9)]
    with pytest.raises(FormatError, match=r"shapes\[0\]: the score is 90, must be from 0 to 1"):
        read(tmp_path, score=90)


def test_further_keys_are_kept(tmp_path: Path) -> None:
    """Attributes of a shape are attributes, and its other keys metadata; flags of an image are named as a loss."""
    losses = Losses()
    shape = {
        "attributes": {"x": "y"},
        "difficult": True,
        "kie_linking": [],
        "flags": {"crowd": True},
        "group_id": 3,
        "description": "",
    }
    (box,) = read(tmp_path, losses, more={"flags": {"night": True}}, **shape)
    assert box.attributes == {"x": [AttributeValue("y")]}
    assert box.metadata == {"difficult": True, "flags": {"crowd": True}, "group_id": 3}
    assert list(losses.counts) == ["the flags of an image"]


def test_circle(tmp_path: Path) -> None:
    """A circle is read as its outline, which is named as a loss."""
    losses = Losses()
    (circle,) = read(tmp_path, losses, shape_type="circle", points=[[50, 40], [53, 44]])
    assert isinstance(circle, Polygon)
    assert max(x for x, _ in circle.polygon) == pytest.approx(55)
    assert losses.shapes == 1


def test_mask(tmp_path: Path) -> None:
    """A PNG between two corners, as labelme writes it: pixels of 0 and 1, both corners inside."""
    part = np.array([[1, 1, 0, 1], [0, 1, 1, 1]], np.uint8)
    png = io.BytesIO()
    Image.fromarray(part).save(png, "PNG")
    text = base64.b64encode(png.getvalue()).decode()
    losses = Losses()
    (mask,) = read(tmp_path, losses, shape_type="mask", points=[[10, 20], [13, 21]], mask=text)
    assert isinstance(mask, Mask)
    pixels = np.zeros((80, 100), bool)
    pixels[20:22, 10:14] = part
    assert (mask.mask.to_array() == pixels).all()
    assert losses.counts == {}
    sample = Sample(image="a.jpg", annotations=[mask], width=100, height=80)
    assert write_export([sample], tmp_path / "out", "labelme").losses == {}
    (shape,) = json.loads((tmp_path / "out" / "a.json").read_text())["shapes"]
    assert (shape["shape_type"], shape["points"]) == ("mask", [[10, 20], [13, 21]])
    with Image.open(io.BytesIO(base64.b64decode(shape["mask"]))) as written:
        assert (np.array(written) == part).all()
    (back,) = read_format(tmp_path / "out", "labelme")
    assert back.annotations == [mask]


def test_masks_that_are_none(tmp_path: Path) -> None:
    """What is not a PNG is refused with its place; without pixels or a size of the image, its box is read."""
    corners = {"shape_type": "mask", "points": [[1, 2], [4, 6]]}
    with pytest.raises(FormatError, match=r"shapes\[0\]\.mask: is not a PNG in base64"):
        read(tmp_path, **corners, mask="iVBORw0KG")
    losses = Losses()
    assert read(tmp_path, losses, **corners) == [Rectangle(label="cat", bbox=(1, 2, 3, 4))]
    assert losses.shapes == 1


@pytest.mark.parametrize("side", [0, -1, None])
def test_size_that_is_not_known(tmp_path: Path, side: int | None) -> None:
    """Tools that could not open the image write 0 or -1."""
    read(tmp_path, more={"imageWidth": side, "imageHeight": side})
    (sample,) = read_format(tmp_path, "labelme")
    assert (sample.width, sample.height) == (None, None)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    """A byte order mark is skipped, and UTF-16 is read."""
    read(tmp_path)
    path = next(tmp_path.rglob("*.json"))
    path.write_bytes(path.read_text().replace("cat", "K\u00e4fer").encode(encoding))
    (sample,) = read_format(tmp_path, "labelme")
    assert sample.annotations[0].label == "K\u00e4fer"


def test_points_of_a_group_are_keypoints(tmp_path: Path) -> None:
    """As X-AnyLabeling has it: the rectangle of the group, and its points by name, hidden if they are difficult."""
    box = {"label": "person", "shape_type": "rectangle", "points": [[0, 0], [8, 9]], "group_id": 5}
    nose = {"label": "nose", "shape_type": "point", "points": [[1, 2]], "group_id": 5}
    eye = nose | {"label": "eye", "points": [[3, 4]], "group_id": 1, "difficult": True}
    alone = nose | {"label": "dot", "points": [[5, 6]], "group_id": 9}
    for name, shapes in (("a", [nose, box, alone]), ("b", [box | {"group_id": 1}, eye])):
        content = {"imagePath": f"{name}.jpg", "imageWidth": 9, "imageHeight": 9, "shapes": shapes}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    classes = Classes()
    first, second = read_format(tmp_path, "labelme", classes=classes)
    assert first.annotations == [
        Keypoints(label="person", keypoints=[(1, 2, 2), (0, 0, 0)], bbox=(0, 0, 8, 9)),
        Points(label="dot", points=[(5, 6)], metadata={"group_id": 9}),
    ]
    assert second.annotations == [
        Keypoints(label="person", keypoints=[(0, 0, 0), (3, 4, 1)], bbox=(0, 0, 8, 9))
    ]
    assert classes.skeletons == {"person": Skeleton(points=("nose", "eye"))}
    options = ExportOptions(skeletons=classes.skeletons)
    report = write_export([second], tmp_path / "out", "labelme", options)
    assert report.losses == {}
    (again,) = read_format(tmp_path / "out", "labelme")
    assert again.annotations == second.annotations
