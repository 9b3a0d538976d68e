"""The kinds of geometry: listed alike in every room, and what they say of shapes."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from layernext.errors import ConfigurationError, DataError
from layernext.evaluation.similarity import SIMILARITIES
from layernext.model import (
    GEOMETRIES,
    GEOMETRY_KEYS,
    KINDS,
    Annotation,
    EvaluatedGeometry,
    Geometry,
    GeometryKind,
    ImageDecoder,
    ImageLabel,
    Keypoints,
    Line,
    Mask,
    Points,
    Polygon,
    Rectangle,
    RotatedBox,
    RunLengths,
    SemanticMask,
    box_of_corners,
    decode_trusted,
    kind_of,
    register_kind,
    rotated_corners,
)
from layernext.stack.web.static_files import FOLDER

SHAPES = [
    Rectangle(label="a", bbox=(1, 2, 3, 4)),
    Polygon(label="a", polygon=[(1, 2), (4, 2), (4, 6), (1, 6)]),
    Line(label="a", line=[(1, 2), (4, 6)]),
    Points(label="a", points=[(4, 2), (1, 6)]),
    Mask(
        label="a",
        mask=RunLengths.from_array(np.pad(np.ones((4, 3), bool), ((2, 4), (1, 6)))),
    ),
    SemanticMask(
        label="a",
        mask=RunLengths.from_array(np.pad(np.ones((4, 3), bool), ((2, 4), (1, 6)))),
    ),
    RotatedBox(label="a", bbox=(1, 2, 3, 4), rotation=180),
    RotatedBox(label="a", bbox=(0.5, 2.5, 4, 3), rotation=90),
    Keypoints(label="a", keypoints=[(4, 2, 2), (1, 6, 1), (0, 0, 0)]),
    Keypoints(label="a", keypoints=[(2, 3, 0.5)], bbox=(1, 2, 3, 4)),
]


def test_lists_agree() -> None:
    """The static types, the registry and the lists of the other rooms name the same kinds."""
    evaluated = [name for name, kind in KINDS.items() if kind.protocols]
    assert tuple(KINDS) == get_args(Geometry) == GEOMETRIES
    assert tuple(kind.struct for kind in KINDS.values()) == get_args(Annotation)
    assert tuple(evaluated) == get_args(EvaluatedGeometry) == tuple(SIMILARITIES)
    assert {name: kind.key for name, kind in KINDS.items() if kind.key} == GEOMETRY_KEYS
    assert len({kind.code for kind in KINDS.values()}) == len(KINDS)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_pages_know_the_kind(name: Geometry) -> None:
    """Each kind has a file for the pages, with the same name, code and key."""
    source = (FOLDER / "geometry" / f"{name}.js").read_text()
    fields = dict(re.findall(r"^  (name|code|key|isEvaluated): (.+),$", source, re.MULTILINE))
    kind = KINDS[name]
    assert fields == {
        "name": f'"{name}"',
        "code": str(kind.code),
        "key": json.dumps(kind.key),
        "isEvaluated": str(bool(kind.protocols)).lower(),
    }
    first, *others = name.split("_")
    export = first + "".join(word.capitalize() for word in others)
    assert (
        f'import {{ {export} }} from "./{name}.js";' in (FOLDER / "geometry/kinds.js").read_text()
    )


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: str(shape.geometry))
def test_box_and_transforms(shape: Annotation) -> None:
    """Boxes, scales and mirrors of shapes that all fill the same box."""
    kind = kind_of(shape)
    coordinates = kind.coordinates_of(shape)
    assert kind.box(coordinates) == (1, 2, 3, 4)
    if shape.geometry != "rotated_box":  # its box is around the corners, in pixels
        scaled = (1, 2, 3, 4) if kind.is_in_pixels else (10, 200, 30, 400)
        assert kind.box(kind.scale(coordinates, 10, 100)) == scaled
        assert kind.box_in_pixels(coordinates, 10, 100) == scaled
    mirrored = kind.move(coordinates, lambda x, y: (10 - x, y))
    assert kind.box(mirrored) == (6, 2, 3, 4)
    (whole,) = kind.crop(coordinates, (0, 0, 10, 10))
    assert kind.box(whole) == (1, 2, 3, 4)
    assert list(kind.crop(coordinates, (20, 20, 5, 5))) == []
    has_area = shape.geometry in {
        "rectangle",
        "polygon",
        "mask",
        "semantic_mask",
        "rotated_box",
        "keypoints",
    }
    assert kind.area(coordinates) == (12 if has_area else 0)
    assert kind_of(kind.with_coordinates(shape, whole)) is kind


def test_a_kind_cannot_take_what_another_has() -> None:
    """Names and codes are unique, a key has one type; nothing is registered otherwise."""
    before = dict(KINDS)

    class Turned(GeometryKind[str]):
        name = "turned"
        code = 102
        struct = Rectangle
        key = "turned"
        coordinates_type = checked_type = str
        further_types = {"rotation": str}  # noqa: RUF012 - as kinds declare it

    with pytest.raises(ConfigurationError, match="'rotated_box' already has the key 'rotation'"):
        register_kind(Turned())
    with pytest.raises(ConfigurationError, match="'rectangle' already has the name 'rectangle'"):
        register_kind(KINDS["rectangle"])
    assert before == KINDS


def test_former_keys_are_read() -> None:
    """A line under `polygon` is a line; beside `line` it belongs to nobody."""
    former = b'{"image": "a", "annotations": [{"type": "line", "label": "a", "polygon": [[1, 2]]}]}'
    assert decode_trusted(former, None).annotations == [Line(label="a", line=[(1, 2)])]
    assert len(ImageDecoder(None).decode(former).annotations) == 1
    both = former.replace(b'"polygon"', b'"line": [[1, 2]], "polygon"')
    with pytest.raises(DataError, match="does not belong to a line, which has `line`"):
        ImageDecoder(None).decode(both)


def test_the_published_protocol_has_every_kind() -> None:
    """What a kind writes for published clients it reads back; a mask is refused by name."""
    for shape in SHAPES[:6]:
        kind = kind_of(shape)
        if isinstance(shape, Mask | SemanticMask):
            refusal = f"the published protocol has no shape '{shape.geometry}'"
            with pytest.raises(DataError, match=refusal):
                kind.to_published(kind.coordinates_of(shape))
            continue
        fields = kind.to_published(kind.coordinates_of(shape))
        box = fields.get("boxBoundariesAndDimensions")
        sides = None if box is None else (box["x"], box["y"], box["w"], box["h"])
        assert kind.from_published(sides, fields["points"], "x") == kind.coordinates_of(shape)


def test_every_kind_has_a_file_of_its_own() -> None:
    """`model/geometry/<kind>.py` defines the kind's struct."""
    for name, kind in KINDS.items():
        assert kind.struct.__module__ == f"layernext.model.geometry.{name}"
        if name in SIMILARITIES:
            module = type(SIMILARITIES[name]).__module__
            assert module == f"layernext.evaluation.similarity.{name}"
    assert Path(FOLDER, "geometry").is_dir()


def test_a_rotated_box_is_turned_clockwise_about_its_center() -> None:
    """Its corners, its box and its area; fractions become pixels before it is turned."""
    shape = RotatedBox(label="a", bbox=(20, 30, 40, 10), rotation=90)
    kind = kind_of(shape)
    coordinates = kind.coordinates_of(shape)
    assert coordinates == ((20, 30, 40, 10), 90)
    assert kind.outline(coordinates) == [(45, 15), (45, 55), (35, 55), (35, 15)]
    assert kind.box(coordinates) == (35, 15, 10, 40)
    assert kind.area(coordinates) == 400
    right_down = rotated_corners((0, 0, 10, 0), 45)[1]
    assert right_down == pytest.approx((5 + math.sqrt(12.5), math.sqrt(12.5))), "y goes down"
    fractions = ((0.25, 0.25, 0.5, 0.5), 90.0)
    assert kind.scale(fractions, 400, 200) == ((100, 50, 200, 100), 90)
    assert kind.box_in_pixels(fractions, 400, 200) == (150, 0, 100, 200)


@pytest.mark.parametrize("rotation", [0.0, 30.0, 90.0, -200.5, 721.0])
@pytest.mark.parametrize(
    "move",
    [
        lambda x, y: (400 - x, y),
        lambda x, y: (x, 200 - y),
        lambda x, y: (200 - y, x),
        lambda x, y: (y, 400 - x),
        lambda x, y: (400 - x, 200 - y),
    ],
    ids=["left-right", "top-bottom", "clockwise", "counterclockwise", "upside-down"],
)
def test_a_rotated_box_moves_with_its_image(move, rotation: float) -> None:
    """The corners of the moved box are the moved corners, whatever corner comes first."""
    kind = KINDS["rotated_box"]
    coordinates = ((20.0, 30.0, 100.0, 20.0), rotation)
    moved = kind.outline(kind.move(coordinates, move))
    expected = [move(*corner) for corner in kind.outline(coordinates)]
    for corner in expected:
        assert min(math.dist(corner, other) for other in moved) < 1e-9
    cropped = kind.crop(coordinates, (60, 30, 20, 20))
    assert kind.box(cropped[0])[2:] == pytest.approx(kind.box(coordinates)[2:])
    assert kind.crop(coordinates, (300, 150, 20, 20)) == []


@pytest.mark.parametrize("rotation", [-179.0, -90.0, -45.0, 0.0, 0.001, 12.5, 90.0, 135.0, 180.0])
def test_a_rotated_box_is_found_by_its_corners(rotation: float) -> None:
    """Four corners in order give box and rotation; any other four points give nothing."""
    box = (100.0, 50.0, 80.0, 20.0)
    corners = rotated_corners(box, rotation)
    result = box_of_corners(corners, 1e-6)
    assert result is not None
    assert result[0] == pytest.approx(box)
    assert result[1] == pytest.approx(rotation)
    assert box_of_corners([*corners[:3], (corners[3][0] + 0.1, corners[3][1])], 0.01) is None
    assert box_of_corners(corners[::-1], 1e-6) is None, "they are not clockwise"
    assert box_of_corners(corners[:3], 1.0) is None


def _read(annotation: str) -> Annotation:
    raw = f'{{"image": "a", "annotations": [{annotation}]}}'.encode()
    ImageDecoder(None).decode(raw)
    (read,) = decode_trusted(raw, None).annotations
    return read


def test_new_kinds_are_read_and_checked() -> None:
    """Each problem is named with its place; what is written twice is seen in spite of other colons."""
    turned = '{"type": "rotated_box", "label": "a", "bbox": [1, 2, 3, 4], "rotation": 30.5}'
    rain = '{"type": "image_label", "label": "rain", "confidence": 0.5}'
    assert _read(turned) == RotatedBox(label="a", bbox=(1, 2, 3, 4), rotation=30.5)
    assert _read(rain) == ImageLabel(label="rain", confidence=0.5)
    where = r"images\[0\]\.annotations\[0\]\."
    for annotation, problem in (
        (turned.replace("30.5", '"30"'), rf'{where}rotation: is "30", must be a finite number'),
        (turned.replace("30.5", "null"), rf"{where}rotation: is null, must be a finite number"),
        (turned.replace(', "rotation": 30.5', ""), "rotation: is missing; a rotated_box requires"),
        (
            turned.replace("[1, 2, 3, 4]", "[1, 2, -3, 4]"),
            rf"{where}bbox: width is -3, must be ≥ 0",
        ),
        (
            turned.replace("rotated_box", "rectangle"),
            rf"{where}rotation: does not belong to a rectangle, which has `bbox`; an annotation with it",
        ),
        (
            rain.replace("0.5", '0.5, "bbox": [1, 2, 3, 4]'),
            "does not belong to an image_label, which",
        ),
        (turned.replace("30.5", '30.5, "label": "b"'), 'key "label" appears twice'),
        (rain.replace("0.5", '0.5, "label": "b"'), 'key "label" appears twice'),
        (rain.replace(', "confidence": 0.5', ', "label": "b"'), 'key "label" appears twice'),
    ):
        with pytest.raises(DataError, match=problem):
            _read(annotation)


def test_other_keys_of_mixed_images_are_counted() -> None:
    """A repeated key beside a label of the image, which has a colon less than a box, is seen."""
    box = '{"type": "rectangle", "label": "a", "bbox": [1, 2, 3, 4]}'
    twice = box.replace('"label": "a"', '"label": "a", "label": "b"')
    rain = '{"type": "image_label", "label": "rain"}'
    raw = f'{{"image": "a", "annotations": [{twice}, {rain}]}}'.encode()
    with pytest.raises(DataError, match="appears twice"):
        ImageDecoder(None).decode(raw)
    assert ImageDecoder(None).try_decode(raw.replace(twice.encode(), box.encode())) is not None
