"""Shape objects: how the published protocol writes an annotation, read and written.

Five forms are in use (docs/protocol.md); all become annotations of our model. What a form does not
say stays unsaid: a value that is sent as a plain reference has no confidence, and none is invented.
References are turned back into the values they stand for, so that ``1`` does not become ``"1"``.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from layernext.errors import DataError, Problem
from layernext.model import (
    KINDS,
    Annotation,
    AttributeValue,
    Keypoints,
    RotatedBox,
    find_names_problem,
    is_number,
    kind_of,
    listed,
    show,
)

# Typed so that 243 stays 243 and 243.0 stays 243.0.
_Number = int | float


class Box(Struct):
    """The place and size of a rectangle."""

    x: _Number
    y: _Number
    w: _Number
    h: _Number


class ShapeLabel(Struct, rename="camel"):
    """The label of a shape; its attributes and their values are references."""

    label_text: str
    attribute_values: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


class Shape(Struct, rename="camel"):
    """A shape as it is received.

    Only this package writes `rotation`, into the polygon of a rotated box, and `keypoints`, into the points of
    keypoints; each beside the box.

    Ids, numbers and times in it are made by the client and mean nothing to the stack; they are
    skipped.
    """

    type: str
    label: ShapeLabel
    confidence: _Number | None = None
    box_boundaries_and_dimensions: Box | None = None
    points: list[tuple[_Number, _Number]] | None = None
    rotation: _Number | None = None
    keypoints: list[tuple[_Number, _Number, _Number]] | None = None
    metadata: dict[str, Any] | None = None


class SetData(Struct, rename="camel"):
    """The shapes of one image."""

    annotation_objects: list[Shape]


class SentSetData(SetData, kw_only=True):
    """The shapes of one image as clients send them."""

    is_user_annotated: bool


class SetEntry(Struct, rename="camel"):
    """One image of an upload (E03, E04), named in one of the ways of docs/protocol.md."""

    data: SetData
    object_key: str | None = None
    storage_path: str | None = None
    bucket_name: str | None = None
    job_id: str | None = None
    file_name: str | None = None


def used_references(shapes: Iterable[Shape]) -> tuple[set[str], set[str]]:
    """The references of attributes and of values that occur in `shapes`."""
    attributes: set[str] = set()
    values: set[str] = set()
    for shape in shapes:
        for reference, values_sent in (shape.label.attribute_values or {}).items():
            attributes.add(reference)
            for sent in values_sent if isinstance(values_sent, list) else [values_sent]:
                value = sent.get("value") if isinstance(sent, dict) else sent
                if isinstance(value, str):
                    values.add(value)
    return attributes, values


def annotations_from_shapes(
    shapes: Sequence[Shape],
    attribute_names: Mapping[str, str],
    values: Mapping[str, Any],
    where: str = "annotationObjects",
) -> list[Annotation]:
    """The annotations that shapes stand for, in their order.

    Sizes below 0 and confidences outside 0 to 1 are kept as they are (docs/protocol.md): the
    published clients do not look at the answer, so a refusal would lose the data unseen.

    Args:
        shapes: of one image, in any of the five forms.
        attribute_names: reference of an attribute to its name.
        values: reference of a value to the value.
            What is in neither mapping is taken for the name or value itself.
        where: the shapes' place, for error texts.

    Raises:
        DataError: with every shape that has no geometry, an unknown type, or a name that cannot be
            one; each with its place.
    """
    annotations: list[Annotation] = []
    problems: list[Problem] = []
    for index, shape in enumerate(shapes):
        shape_where = f"{where}[{index}]"
        try:
            annotations.append(_annotation(shape, attribute_names, values, shape_where))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return annotations


def _annotation(
    shape: Shape, attribute_names: Mapping[str, str], values: Mapping[str, Any], where: str
) -> Annotation:
    label = shape.label.label_text
    problem = find_names_problem(label, "a class")
    if problem:
        raise DataError(Problem(f"{where}.label.labelText", problem))
    _refuse_beyond_floats(shape, where)
    attributes: dict[str, list[AttributeValue]] = {}
    for reference, sent in (shape.label.attribute_values or {}).items():
        name = attribute_names.get(reference, reference)
        value_where = f"{where}.label.attributeValues[{show(reference)}]"
        problem = find_names_problem(name, "an attribute")
        if problem:
            raise DataError(Problem(value_where, problem))
        references = sent if isinstance(sent, list) else [sent]
        attributes[name] = [_value(value, values, value_where) for value in references]
    common: dict[str, Any] = {
        "label": label,
        "confidence": shape.confidence,
        "attributes": attributes,
        # 1.1.1 puts it on the label (and only if there are attributes), 2.3.4 on the shape.
        "metadata": shape.metadata or shape.label.metadata or {},
    }
    kind = KINDS.get(shape.type)
    if kind is None:
        message = f"is {show(shape.type)}, must be {listed(KINDS)}"
        raise DataError(Problem(f"{where}.type", message))
    box = shape.box_boundaries_and_dimensions
    sides = None if box is None else (box.x, box.y, box.w, box.h)
    if shape.rotation is not None and sides is not None:
        return RotatedBox(bbox=sides, rotation=shape.rotation, **common)
    if shape.keypoints:
        return Keypoints(keypoints=shape.keypoints, bbox=sides, **common)
    coordinates = kind.from_published(sides, shape.points, where)
    annotation: Annotation = kind.struct(**kind.fields_of(coordinates), **common)
    return annotation


def _refuse_beyond_floats(shape: Shape, where: str) -> None:
    """JSON has integers that no float can be; with one in it nobody could read the run again."""
    box = shape.box_boundaries_and_dimensions
    for name in ("confidence", "rotation"):
        if not is_number(getattr(shape, name) or 0):
            raise DataError(Problem(f"{where}.{name}", "is beyond the range of numbers"))
    if box is not None and not all(map(is_number, (box.x, box.y, box.w, box.h))):
        box_where = f"{where}.boxBoundariesAndDimensions"
        raise DataError(Problem(box_where, "has a number beyond the range of numbers"))
    for name in ("points", "keypoints"):
        for index, numbers in enumerate(getattr(shape, name) or ()):
            if not all(map(is_number, numbers)):
                point_where = f"{where}.{name}[{index}]"
                raise DataError(Problem(point_where, "is beyond the range of numbers"))


def _value(sent: Any, values: Mapping[str, Any], where: str) -> AttributeValue:
    """One value of an attribute: a plain reference, or an object around one."""
    if not isinstance(sent, dict) or "value" not in sent:
        return AttributeValue(_dereferenced(sent, values))
    rest = dict(sent)
    value = _dereferenced(rest.pop("value"), values)
    confidence = rest.pop("confidence", None)
    if confidence is not None and not is_number(confidence):
        raise DataError(Problem(f"{where}.confidence", f"is {show(confidence)}, must be a number"))
    metadata = rest.pop("metadata", None)
    if metadata is not None and not isinstance(metadata, dict):
        raise DataError(Problem(f"{where}.metadata", f"is {show(metadata)}, must be an object"))
    # The list forms are the user's own objects, so there may be fields that we have no place for.
    return AttributeValue(value, confidence, {**rest, **(metadata or {})})


def _dereferenced(value: Any, values: Mapping[str, Any]) -> Any:
    return values.get(value, value) if isinstance(value, str) else value


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

    Raises:
        DataError: the protocol has no shape of its kind.
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
    kind = kind_of(annotation)
    shape |= kind.to_published(kind.coordinates_of(annotation))
    values: dict[str, list[dict[str, Any]]] = {}
    for name, values_of_name in annotation.attributes.items():
        ref, refs = table.attributes[name]
        values[ref] = [
            {"value": refs[text_of(value.value)]}
            | ({} if value.confidence is None else {"confidence": value.confidence})
            | ({"metadata": value.metadata} if value.metadata else {})
            for value in values_of_name
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
