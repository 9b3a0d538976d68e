"""Shape objects: from every published form to our annotations."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given

from layernext.errors import DataError
from layernext.model import (
    Annotation,
    AttributeValue,
    ImageLabel,
    Keypoints,
    Rectangle,
    RotatedBox,
)
from layernext.wire.published import (
    LabelTable,
    Shape,
    annotations_from_shapes,
    shape_from_annotation,
    used_references,
)
from tests.support import strategies

BOX = {"x": 1, "y": 2.5, "w": 3, "h": 4}
NAMES = {"attr-color": "color"}
VALUES: dict[str, Any] = {"val-red": "red", "val-7": 7, "val-none": None}


def shape(**fields: Any) -> Shape:
    plain = {
        "type": "rectangle",
        "boxBoundariesAndDimensions": BOX,
        "label": {"labelText": "car", **fields.pop("label", {})},
        **fields,
    }
    return msgspec.convert(plain, Shape)


def read(one: Shape) -> Annotation:
    (annotation,) = annotations_from_shapes([one], NAMES, VALUES)
    return annotation


@pytest.mark.parametrize(
    ("sent", "values"),
    [
        pytest.param("val-red", [AttributeValue("red")], id="0.0.5"),
        pytest.param(
            [{"value": "val-red", "confidence": 0.5}], [AttributeValue("red", 0.5)], id="1.1.1-v1"
        ),
        pytest.param(
            [{"value": "val-red", "confidence": 0.5, "metadata": {"a": 1}}, {"value": "val-7"}],
            [AttributeValue("red", 0.5, {"a": 1}), AttributeValue(7)],
            id="1.1.1-v2",
        ),
        pytest.param(
            [{"value": "val-none", "confidence": 0, "metadata": {}}],
            [AttributeValue(None, 0)],
            id="2.3.4-v2",
        ),
        pytest.param([], [], id="no-value"),
        pytest.param("not a reference", [AttributeValue("not a reference")], id="a-value-itself"),
        pytest.param(3.5, [AttributeValue(3.5)], id="a-number-itself"),
        pytest.param(
            [{"value": "val-red", "own": True, "metadata": {"a": 1}}],
            [AttributeValue("red", None, {"own": True, "a": 1})],
            id="own-fields",
        ),
    ],
)
def test_values(sent: Any, values: list[AttributeValue]) -> None:
    """References become the values they stand for; what is not given is not invented."""
    annotation = read(shape(label={"attributeValues": {"attr-color": sent}}))
    assert annotation.attributes == {"color": values}


@pytest.mark.parametrize(
    ("fields", "metadata"),
    [
        pytest.param({}, {}, id="none"),
        pytest.param({"label": {"metadata": {"a": 1}}}, {"a": 1}, id="1.1.1"),
        pytest.param({"metadata": {"a": 1}, "label": {"metadata": {}}}, {"a": 1}, id="2.3.4"),
        pytest.param({"metadata": {"a": 1}, "label": {"metadata": {"b": 2}}}, {"a": 1}, id="both"),
    ],
)
def test_metadata(fields: dict[str, Any], metadata: dict[str, Any]) -> None:
    """The annotation's own fields are found where each version puts them."""
    assert read(shape(**fields)).metadata == metadata


def test_numbers_stay_as_sent() -> None:
    """Whole numbers stay whole, and nothing is rounded or clipped."""
    box = {"x": 243, "y": 243.0, "w": -4, "h": 298.28999999999996}
    annotation = read(shape(boxBoundariesAndDimensions=box, confidence=2))
    assert isinstance(annotation, Rectangle)
    assert msgspec.json.encode(annotation.bbox) == b"[243,243.0,-4,298.28999999999996]"
    assert annotation.confidence == 2


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"boxBoundariesAndDimensions": None}, "boxBoundariesAndDimensions"),
        ({"type": "polygon"}, "points"),
        ({"type": "cuboid"}, "type"),
        ({"label": {"labelText": "\0"}}, "label.labelText"),
        ({"label": {"attributeValues": {"": "x"}}}, 'label.attributeValues[""]'),
        (
            {"label": {"attributeValues": {"a": [{"value": 1, "confidence": "x"}]}}},
            'label.attributeValues["a"].confidence',
        ),
        (
            {"label": {"attributeValues": {"a": [{"value": 1, "confidence": 10**400}]}}},
            'label.attributeValues["a"].confidence',
        ),
        ({"confidence": 10**400}, "confidence"),
        (
            {"boxBoundariesAndDimensions": {"x": 10**400, "y": 0, "w": 1, "h": 1}},
            "boxBoundariesAndDimensions",
        ),
        ({"type": "polygon", "points": [[0, 0], [1, -(10**400)]]}, "points[1]"),
        (
            {"label": {"attributeValues": {"a": [{"value": 1, "metadata": 3}]}}},
            'label.attributeValues["a"].metadata',
        ),
    ],
)
def test_refusals(fields: dict[str, Any], where: str) -> None:
    """Every broken shape of an image is named by its place."""
    with pytest.raises(DataError) as caught:
        annotations_from_shapes([shape(), shape(**fields), shape(**fields)], NAMES, VALUES, "here")
    assert [p.where for p in caught.value.problems] == [f"here[1].{where}", f"here[2].{where}"]


def test_used_references() -> None:
    """All references that have to be looked up are found, in every form."""
    shapes = [
        shape(label={"attributeValues": {"a": "r1", "b": [{"value": "r2"}, {"value": 3}, "r4"]}}),
        shape(label={"attributeValues": None}),
    ]
    assert used_references(shapes) == ({"a", "b"}, {"r1", "r2", "r4"})


def value_text(value: Any) -> str:
    return f"{type(value).__name__} {msgspec.json.encode(value, order='sorted').decode()}"


shapes = strategies.annotations.filter(strategies.has_published_shape)


@given(annotation=shapes)
def test_round_trip(annotation: Annotation) -> None:
    """What is written as a shape is read back equal."""
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    table = LabelTable("ref", "#ffffff", {})
    for number, (name, some) in enumerate(annotation.attributes.items()):
        names[f"attribute {number}"] = name
        texts: dict[str, str] = {}
        for value in some:
            reference = f"value {number} {len(values)}"
            texts[value_text(value.value)] = reference
            values[reference] = value.value
        table.attributes[name] = (f"attribute {number}", texts)
    sent = shape_from_annotation(annotation, 1, table, value_text, "2024-05-02 09:14:33")
    received = msgspec.json.decode(msgspec.json.encode(sent), type=Shape)
    assert annotations_from_shapes([received], names, values) == [annotation]


def test_a_rotated_box_is_sent_as_its_corners() -> None:
    """Who knows polygons only has the true outline; box and rotation stand beside it as they were written."""
    annotation = RotatedBox(label="car", bbox=(20, 30, 40, 10), rotation=90)
    sent = shape_from_annotation(annotation, 1, LabelTable("r", "#fff", {}), value_text, "now")
    assert (sent["type"], sent["rotation"]) == ("polygon", 90)
    assert sent["points"] == [[45, 15], [45, 55], [35, 55], [35, 15]]
    for lacking in ("rotation", "boxBoundariesAndDimensions"):
        others = {key: value for key, value in sent.items() if key != lacking}
        (read,) = annotations_from_shapes([msgspec.convert(others, Shape)], {}, {})
        assert read.geometry == "polygon"


def test_keypoints_are_sent_as_points() -> None:
    """Who knows points only has the labeled ones; visibilities and box stand beside them as they were written."""
    annotation = Keypoints(
        label="person", keypoints=[(1, 2.5, 2), (0, 0, 0), (3, 4, 0.5)], bbox=(0, 0, 9, 9)
    )
    sent = shape_from_annotation(annotation, 1, LabelTable("r", "#fff", {}), value_text, "now")
    assert (sent["type"], sent["points"]) == ("points", [(1, 2.5), (3, 4)])
    (read,) = annotations_from_shapes([msgspec.convert(sent, Shape)], {}, {})
    assert read == annotation
    del sent["keypoints"]
    (read,) = annotations_from_shapes([msgspec.convert(sent, Shape)], {}, {})
    assert read.geometry == "points"
    huge = sent | {"keypoints": [[10**400, 1, 1]]}
    with pytest.raises(DataError, match=r"keypoints\[0\]: is beyond the range of numbers"):
        annotations_from_shapes([msgspec.convert(huge, Shape)], {}, {})


def test_an_image_label_is_refused_by_name() -> None:
    """The protocol has no shape without coordinates."""
    table = LabelTable("r", "#fff", {})
    with pytest.raises(DataError, match="the published protocol has no shape 'image_label'"):
        shape_from_annotation(ImageLabel(label="rain"), 1, table, value_text, "now")
