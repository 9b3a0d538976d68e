"""VGG Image Annotator (VIA), versions 1 to 2: its JSON export of annotations, and its projects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from layernext.errors import FormatError, Problem
from layernext.formats.core.fields import (
    box_in,
    number_of,
    numbers_of,
    object_of,
    shown_value,
    text_of,
)
from layernext.formats.core.format import KEPT, Certainty, Detection, Format, Holds, ReadOptions
from layernext.formats.core.json_file import read_json
from layernext.formats.core.losses import Losses
from layernext.formats.core.outlines import ellipse_outline
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample, check_finite
from layernext.model import Annotation, AttributeValue, Line, Points, Polygon, Rectangle

PROJECT_KEY = "_via_img_metadata"
LABEL_NAMES = ("label", "class", "category", "type", "name", "object")
"""Attributes of a region that are its label, the first that is there; else its only attribute."""


def read_via(path: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a file, in its order.

    Raises:
        FormatError: the file is not of VIA, with the location.
    """
    del options
    content = object_of(read_json(path), str(path))
    for key, entry in object_of(content.get(PROJECT_KEY, content), str(path)).items():
        where = f"{path}: {key[:100]}"
        sample = None
        with losses.problems:
            sample = _read_image(object_of(entry, where), where, losses)
        if sample is not None:
            yield sample


def _read_image(entry: dict[str, Any], where: str, losses: Losses) -> Sample:
    image = text_of(entry.get("filename"), where, "filename")
    regions = entry.get("regions") or []
    if isinstance(regions, dict):  # version 1
        regions = list(regions.values())
    if not isinstance(regions, list):
        raise FormatError(Problem(f"{where}.regions", f"is {shown_value(regions)}, must be a list"))
    file_attributes = entry.get("file_attributes")
    if isinstance(file_attributes, dict) and any(file_attributes.values()):
        losses.note("the attributes of an image", where)
    annotations: list[Annotation] = []
    for number, region in enumerate(regions):
        with losses.problems:
            annotation = _read_region(region, f"{where}.regions[{number}]", losses)
            if annotation is not None:
                annotations.append(annotation)
    return Sample(image=image, annotations=annotations)


def _read_region(region: Any, where: str, losses: Losses) -> Annotation | None:
    fields = object_of(region, where)
    attributes = object_of(fields.get("region_attributes") or {}, f"{where}.region_attributes")
    label, others = _label_of(attributes)
    if label is None:
        losses.note_shape("a region without a label", where)
        return None
    common: dict[str, Any] = {"label": label, "attributes": others}
    shape = object_of(fields.get("shape_attributes"), f"{where}.shape_attributes")
    return _read_shape(shape, common, f"{where}.shape_attributes", losses)


def _label_of(attributes: dict[str, Any]) -> tuple[str | None, dict[str, list[AttributeValue]]]:
    """The label of a region, and its other attributes."""
    filled = {name: values for name, value in attributes.items() if (values := _values_of(value))}
    name = next((name for name in LABEL_NAMES if name in filled), None)
    if name is None and len(filled) == 1:
        name = next(iter(filled))
    if name is None:
        return None, {}
    others = {
        other: [AttributeValue(value=value) for value in values]
        for other, values in filled.items()
        if other != name and other
    }
    return filled[name][0], others


def _values_of(value: Any) -> list[str]:
    """The values of an attribute: text, or the boxes that are checked."""
    if isinstance(value, dict):
        return [str(name) for name, is_checked in value.items() if is_checked and name]
    return [str(value)] if isinstance(value, str | int | float) and str(value) else []


def _read_shape(
    shape: dict[str, Any], fields: dict[str, Any], where: str, losses: Losses
) -> Annotation | None:
    def number(name: str) -> float:
        return number_of(shape.get(name), f"{where}.{name}")

    kind = str(shape.get("name"))
    if kind == "rect":
        box = box_in(number("x"), number("y"), number("width"), number("height"), where)
        return Rectangle(bbox=box, **fields)
    if kind == "point":
        return Points(points=[(number("cx"), number("cy"))], **fields)
    if kind in {"polygon", "polyline"}:
        xs = numbers_of(shape.get("all_points_x"), None, f"{where}.all_points_x")
        ys = numbers_of(shape.get("all_points_y"), len(xs), f"{where}.all_points_y")
        if not xs:
            raise FormatError(Problem(where, "has no points"))
        points = list(zip(xs, ys, strict=True))
        return (
            Polygon(polygon=points, **fields) if kind == "polygon" else Line(line=points, **fields)
        )
    if kind in {"circle", "ellipse"}:
        radii = (number("r"),) * 2 if kind == "circle" else (number("rx"), number("ry"))
        turn = number_of(shape.get("theta") or 0, f"{where}.theta")
        outline = ellipse_outline(
            (number("cx"), number("cy")), (radii[0], radii[1]), turn * 180 / 3.141592653589793
        )
        for point in outline:
            check_finite(point, where)
        losses.note_shape(f"a region of the kind {kind}; its outline is", where)
        return Polygon(polygon=outline, **fields)
    losses.note_shape(f"a region of the kind {shown_value(kind)}", where)
    return None


def detect(probe: Probe) -> Detection | None:
    """An object of images with ``regions``, or a project that has them."""
    if probe.is_folder or not probe.head.startswith(b"{"):
        return None
    if f'"{PROJECT_KEY}"'.encode() in probe.json_head:
        return Detection(Certainty.CERTAIN, f"has the key `{PROJECT_KEY}`")
    if b'"regions"' in probe.json_head and b'"file_attributes"' in probe.json_head:
        return Detection(Certainty.CERTAIN, "has images with `regions` and `file_attributes`")
    return None


FORMAT = Format(
    name="via",
    about="VGG Image Annotator JSON",
    extension=".json",
    holds=Holds(
        geometries=dict.fromkeys(("rectangle", "polygon", "line", "points"), KEPT),
        fields={"attributes": KEPT},
    ),
    read=read_via,
    detect=detect,
)
