"""The kinds of geometry: listed alike in every room, and what they say of shapes."""

from __future__ import annotations

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
    ImageDecoder,
    Line,
    Mask,
    Points,
    Polygon,
    Rectangle,
    RunLengths,
    decode_trusted,
    kind_of,
    register_kind,
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
]


def test_lists_agree() -> None:
    """The static types, the registry and the lists of the other rooms name the same kinds."""
    evaluated = [name for name, kind in KINDS.items() if kind.protocols]
    assert tuple(KINDS) == get_args(Geometry) == GEOMETRIES
    assert tuple(kind.struct for kind in KINDS.values()) == get_args(Annotation)
    assert tuple(evaluated) == get_args(EvaluatedGeometry) == tuple(SIMILARITIES)
    assert {name: kind.key for name, kind in KINDS.items()} == GEOMETRY_KEYS
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
        "key": f'"{kind.key}"',
        "isEvaluated": str(bool(kind.protocols)).lower(),
    }
    assert f'import {{ {name} }} from "./{name}.js";' in (FOLDER / "geometry/kinds.js").read_text()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: str(shape.geometry))
def test_box_and_transforms(shape: Annotation) -> None:
    """Boxes, scales and mirrors of shapes that all fill the same box."""
    kind = kind_of(shape)
    coordinates = kind.coordinates_of(shape)
    assert kind.box(coordinates) == (1, 2, 3, 4)
    scaled = (1, 2, 3, 4) if kind.is_in_pixels else (10, 200, 30, 400)
    assert kind.box(kind.scale(coordinates, 10, 100)) == scaled
    mirrored = kind.move(coordinates, lambda x, y: (10 - x, y))
    assert kind.box(mirrored) == (6, 2, 3, 4)
    (whole,) = kind.crop(coordinates, (0, 0, 10, 10))
    assert kind.box(whole) == (1, 2, 3, 4)
    assert list(kind.crop(coordinates, (20, 20, 5, 5))) == []
    assert kind.area(coordinates) == (
        12 if shape.geometry in {"rectangle", "polygon", "mask"} else 0
    )
    assert kind_of(kind.with_coordinates(shape, whole)) is kind


def test_a_kind_cannot_take_what_another_has() -> None:
    """Names, codes and keys are unique; nothing is registered otherwise."""
    before = dict(KINDS)
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
    for shape in SHAPES:
        kind = kind_of(shape)
        if isinstance(shape, Mask):
            with pytest.raises(DataError, match="the published protocol has no shape 'mask'"):
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
