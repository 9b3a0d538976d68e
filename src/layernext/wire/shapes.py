"""Shape objects: how the published protocol writes an annotation, and how both sides read it.

Five forms are in use (wire-contract 4.5); all become annotations of our model. What a form does not
say stays unsaid: a value sent as a plain reference has no confidence, and none is invented.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct, field

from layernext.errors import DataError, Problem
from layernext.model import (
    Annotation,
    AttributeValue,
    Line,
    Point,
    Points,
    Polygon,
    Rectangle,
    find_names_problem,
    show,
)


_LARGEST = sys.float_info.max  # JSON has no infinity, where a sum of two sides may end


class Box(Struct):
    """A rectangle's place and size."""

    x: float
    y: float
    w: float
    h: float


class ShapeLabel(Struct, rename="camel"):
    """The label of a shape; values are references."""

    label_text: str
    attribute_values: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] | None = None


class Shape(Struct, rename="camel"):
    """A shape as it is received; what is not named here is ignored, as the protocol has it."""

    type: str
    label: ShapeLabel
    confidence: float | None = None
    box_boundaries_and_dimensions: Box | None = None
    points: list[Point] | None = None
    metadata: dict[str, Any] | None = None


class _SentValue(Struct):
    value: Any
    confidence: float | None = None
    metadata: dict[str, Any] | None = None


class SetData(Struct, rename="camel"):
    """The shapes of one image."""

    annotation_objects: list[Shape]


class SetEntry(Struct, rename="camel"):
    """One image of E03 and E04."""

    data: SetData
    object_key: str | None = None
    storage_path: str | None = None
    bucket_name: str | None = None
    job_id: str | None = None
    file_name: str | None = None


def used_refs(entries: list[SetEntry]) -> tuple[set[str], set[str]]:
    """The attribute references and the value references that occur in the shapes."""
    attributes: set[str] = set()
    values: set[str] = set()
    for entry in entries:
        for shape in entry.data.annotation_objects:
            for ref, sent in shape.label.attribute_values.items():
                attributes.add(ref)
                some = sent if isinstance(sent, list) else [sent]
                for value in some:
                    inner = value.get("value") if isinstance(value, dict) else value
                    if isinstance(inner, str):
                        values.add(inner)
    return attributes, values


def annotation_from_shape(
    shape: Shape,
    attribute_names: Mapping[str, str],
    value_of: Mapping[str, Any],
    where: str,
) -> Annotation:
    """The annotation that a shape stands for.

    Args:
        shape: as received.
        attribute_names: reference to attribute name.
        value_of: reference to value; what is not in it is taken for the value itself.
        where: the shape's place, for error texts.

    Raises:
        DataError: no geometry, an unknown type, or a name that cannot be one. Sizes and confidence
            outside their range are kept as they are: nobody reads the answer to this request.
    """
    problem = find_names_problem(shape.label.label_text, "a class")
    if problem:
        raise DataError(Problem(f"{where}.label.labelText", problem))
    common: dict[str, Any] = {
        "label": shape.label.label_text,
        "confidence": shape.confidence,
        "attributes": _attributes(shape.label.attribute_values, attribute_names, value_of, where),
        "metadata": shape.metadata or shape.label.metadata or {},
    }
    if shape.type == "rectangle":
        box = shape.box_boundaries_and_dimensions
        if box is None:
            raise DataError(Problem(f"{where}.boxBoundariesAndDimensions", "is missing"))
        return Rectangle(bbox=(box.x, box.y, box.w, box.h), **common)
    if shape.type not in {"polygon", "line", "points"}:
        raise DataError(
            Problem(
                f"{where}.type",
                f"is {show(shape.type)}, must be rectangle, polygon, line or points",
            )
        )
    if shape.points is None:
        raise DataError(Problem(f"{where}.points", "is missing"))
    if shape.type == "polygon":
        return Polygon(polygon=shape.points, **common)
    if shape.type == "line":
        return Line(line=shape.points, **common)
    return Points(points=shape.points, **common)


def _attributes(
    sent: Mapping[str, Any],
    attribute_names: Mapping[str, str],
    value_of: Mapping[str, Any],
    where: str,
) -> dict[str, list[AttributeValue]]:
    attributes: dict[str, list[AttributeValue]] = {}
    for ref, given in sent.items():
        name = attribute_names.get(ref, ref)
        place = f"{where}.label.attributeValues[{show(ref)}]"
        problem = find_names_problem(name, "an attribute")
        if problem:
            raise DataError(Problem(place, problem))
        some = given if isinstance(given, list) else [{"value": given}]
        try:
            values = msgspec.convert(some, list[_SentValue])
        except msgspec.ValidationError as error:
            raise DataError(Problem(place, str(error))) from error
        attributes[name] = [
            AttributeValue(
                value_of.get(value.value, value.value)
                if isinstance(value.value, str)
                else value.value,
                value.confidence,
                value.metadata or {},
            )
            for value in values
        ]
    return attributes


class LabelTable(Struct, frozen=True):
    """References of one label as E02 answers them."""

    ref: str
    color: str
    attributes: dict[str, tuple[str, dict[str, str]]]


def shape_from_annotation(
    annotation: Annotation,
    number: int,
    table: LabelTable,
    text_of: Callable[[Any], str],
    created_at: str,
) -> dict[str, Any]:
    """The shape for an annotation, in the form of 2.3.4.

    Args:
        annotation: what to send.
        number: its place in the image, from 1.
        table: its label's references.
        text_of: the text under which an attribute value stands in the table.
        created_at: the time to write into it.
    """
    shape: dict[str, Any] = {
        "id": f"shape_{uuid.uuid4()}",
        "shapeId": number,
        "createdAt": {"$date": created_at},
        "type": annotation.geometry,
        "metadata": annotation.metadata,
    }
    if annotation.confidence is not None:
        shape["confidence"] = annotation.confidence
    if isinstance(annotation, Rectangle):
        x, y, width, height = annotation.bbox
        shape["boxBoundariesAndDimensions"] = {"x": x, "y": y, "w": width, "h": height}
        right, bottom = min(x + width, _LARGEST), min(y + height, _LARGEST)
        shape["points"] = [[x, y], [right, y], [right, bottom], [x, bottom]]
    elif isinstance(annotation, Polygon):
        shape["points"] = annotation.polygon
    elif isinstance(annotation, Line):
        shape["points"] = annotation.line
    else:
        shape["points"] = annotation.points
    values: dict[str, list[dict[str, Any]]] = {}
    for name, some in annotation.attributes.items():
        ref, refs = table.attributes[name]
        values[ref] = [
            {"value": refs[text_of(value.value)]}
            | ({} if value.confidence is None else {"confidence": value.confidence})
            | ({"metadata": value.metadata} if value.metadata else {})
            for value in some
        ]
    shape["label"] = {
        "label": table.ref,
        "key": table.ref,
        "labelText": annotation.label,
        "color": table.color,
        "metadata": {},
        "attributeValues": values,
    }
    return shape
