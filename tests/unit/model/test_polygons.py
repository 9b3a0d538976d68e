"""Polygons of several parts and with holes: read, checked, measured and moved."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from layernext.errors import DataError
from layernext.model import KINDS, ImageDecoder, Polygon, decode_trusted, oriented_rings

POLYGON = KINDS["polygon"]
OUTER = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]
HOLE = [(2.0, 2.0), (4.0, 2.0), (4.0, 4.0), (2.0, 4.0)]
OTHER = [(20.0, 0.0), (20.0, 5.0), (25.0, 5.0), (25.0, 0.0)]
PARTS = [[OUTER, HOLE], [OTHER]]


def image_with(**fields: Any) -> bytes:
    """The JSON of an image with a polygon."""
    annotation = {"type": "polygon", "label": "cup", **fields}
    return json.dumps({"image": "a.jpg", "annotations": [annotation]}).encode()


def test_it_comes_back_equal() -> None:
    """Parts are read by the fast decoder, and written under their own key only."""
    raw = image_with(parts=PARTS)
    assert ImageDecoder(None).try_decode(raw) is not None
    image = decode_trusted(raw, None)
    assert image.annotations == [Polygon(label="cup", parts=PARTS)]
    assert json.loads(msgspec.json.encode(image)) == json.loads(raw)
    single = decode_trusted(image_with(polygon=OUTER), None)
    assert "parts" not in json.loads(msgspec.json.encode(single))["annotations"][0]


def test_measures() -> None:
    """Holes are no area; the box is around all parts."""
    assert POLYGON.box(PARTS) == (0, 0, 25, 10)
    assert POLYGON.area(PARTS) == 100 - 4 + 25
    assert POLYGON.area(OUTER) == 100
    assert POLYGON.scale(PARTS, 2, 3)[0][1][0] == (4, 6)
    mirrored = POLYGON.move(PARTS, lambda x, y: (30 - x, y))
    assert POLYGON.box(mirrored) == (5, 0, 25, 10)
    assert POLYGON.area(mirrored) == POLYGON.area(PARTS)


def test_crop() -> None:
    """Parts and holes outside are gone; what is left of one outline is an outline alone."""
    (left,) = POLYGON.crop(PARTS, (0, 0, 15, 15))
    assert left == [[OUTER, HOLE]]
    (right,) = POLYGON.crop(PARTS, (15, 0, 15, 15))
    assert POLYGON.box(right) == (5, 0, 5, 5)
    assert right[0] == (5.0, 0.0)
    (corner,) = POLYGON.crop(PARTS, (5, 5, 5, 5))
    assert POLYGON.area(corner) == 25
    assert POLYGON.crop(PARTS, (100, 100, 5, 5)) == []


def test_holes_run_the_other_way_round() -> None:
    """Outer outlines are drawn clockwise, holes not, however they were given."""
    assert oriented_rings(PARTS) == [OUTER, HOLE[::-1], OTHER[::-1]]
    code, numbers = POLYGON.drawing(PARTS)
    assert code == 2
    assert numbers[6:12] == [0.0, 10.0, None, None, 2.0, 4.0]
    assert POLYGON.drawing(OUTER)[1] == [number for point in OUTER for number in point]


@pytest.mark.parametrize(
    ("fields", "where", "message"),
    [
        ({}, "polygon", "is missing; a polygon requires it"),
        ({"polygon": OUTER, "parts": PARTS}, "parts", "does not belong to a polygon, which has `polygon`"),
        ({"parts": []}, "parts", "is [], must be a list of at least one part, each a list of outlines"),
        ({"parts": [[]]}, "parts[0]", "is [], must be a list of outlines: the outer one, then its holes"),
        ({"parts": [[OUTER, []]]}, "parts[0][1]", "is [], must be a list of at least one [x, y]"),
        ({"parts": [[[[1, 2], [3]]]]}, "parts[0][0][1]", "is [3], must be [x, y]"),
        ({"type": "line", "line": OUTER, "parts": PARTS}, "parts", "does not belong to a line, which has `line`"),
    ],
)  # fmt: skip
def test_wrong_parts(fields: dict[str, Any], where: str, message: str) -> None:
    """Each mistake in a sentence, where it is."""
    with pytest.raises(DataError) as refusal:
        ImageDecoder(None).decode(image_with(**fields))
    found = {problem.where: problem.message for problem in refusal.value.problems}
    assert found == {f"images[0].annotations[0].{where}": message}


def test_form_v1_has_no_parts() -> None:
    """There an annotation has one outline; with a type it is read as v2."""
    raw = json.dumps({"image": "a", "annotations": [{"label": "cup", "parts": PARTS}]}).encode()
    with pytest.raises(DataError, match=r"polygon: is missing; .* this annotation has parts"):
        ImageDecoder("polygon").decode(raw)
    typed = ImageDecoder("polygon").decode(image_with(parts=PARTS))
    assert typed.annotations == [Polygon(label="cup", parts=PARTS)]


def test_the_published_protocol_refuses_parts() -> None:
    """It has a single list of points."""
    with pytest.raises(DataError, match="has no polygon of several outlines"):
        POLYGON.to_published(PARTS)
