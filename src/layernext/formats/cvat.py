"""CVAT's XML for images 1.1, one file for all images: boxes, polygons, polylines and points with attributes.

Source: docs.cvat.ai, "CVAT for images 1.1".
"""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from layernext.errors import FormatError, Problem
from layernext.formats.core.compression import open_output
from layernext.formats.core.format import (
    KEPT,
    Certainty,
    Detection,
    ExportOptions,
    Format,
    Holds,
    ReadOptions,
)
from layernext.formats.core.losses import Losses
from layernext.formats.core.probe import Probe
from layernext.formats.core.rotation import box_or_outline
from layernext.formats.core.sample import Sample, location_of, points_of, size_of
from layernext.formats.core.targets import check_new
from layernext.formats.core.xml_stream import (
    EXACT,
    exact_sum,
    iter_xml,
    read_decimal,
    read_name,
    read_side,
    xml_text,
)
from layernext.model import Annotation, AttributeValue, Line, Points, Polygon, Rectangle

TAGS = {
    "rectangle": "box",
    "polygon": "polygon",
    "line": "polyline",
    "points": "points",
}
"""The element of each kind of geometry."""

HOLDS = Holds(
    geometries=dict.fromkeys(TAGS, KEPT),
    fields={"attributes": "the first value of each, as text"},
    splits="subsets",
    sizes="needed",
)

MAX_POINTS_CHARACTERS = 4 << 20
"""The limit of the points of a shape: more than 100,000 of them."""

_SUBSETS = {"validation": "val"}
_SPLITS = {"val": "validation", "valid": "validation"}
_UNREAD_TAGS = {"ellipse", "cuboid", "mask", "skeleton", "tag"}


class CvatWriter:
    """Writes one XML file; see `SampleWriter`.

    CVAT expects the labels first, in ``meta``: so the images wait in a second file until all labels are known.
    """

    def __init__(self, path: Path, losses: Losses) -> None:
        self._path, self._losses, self._count = path, losses, 0
        self._names: set[str] = set()
        self._labels: dict[str, set[str]] = {}
        self._subsets: dict[str, None] = {}
        self._images = path.with_suffix(".images").open("w+b")

    def write(self, sample: Sample) -> None:
        """Add an image."""
        check_new(self._names, sample.image)
        width, height = size_of(sample)
        fields = {
            "id": str(self._count),
            "name": xml_text(sample.image, sample.image),
            "width": str(width),
            "height": str(height),
        }
        if sample.split:
            fields["subset"] = _SUBSETS.get(sample.split, sample.split)
            self._subsets[fields["subset"]] = None
        image = ET.Element("image", fields)
        self._count += 1
        for number, annotation in enumerate(sample.annotations):
            where = location_of(sample, number)
            if not HOLDS.accepts(annotation, where, self._losses):
                continue
            self._losses.note_fields(annotation, where, keeps=HOLDS.fields)
            image.append(self._shape(annotation, where))
            self._labels.setdefault(annotation.label, set()).update(annotation.attributes)
        self._images.write(ET.tostring(image, encoding="utf-8") + b"\n")

    def _shape(self, annotation: Annotation, where: str) -> ET.Element:
        fields = {
            "label": xml_text(annotation.label, where),
            "source": "manual",
            "occluded": "0",
            "z_order": "0",
        }
        if isinstance(annotation, Rectangle):
            x, y, w, h = annotation.bbox
            corners = (("xtl", (x,)), ("ytl", (y,)), ("xbr", (x, w)), ("ybr", (y, h)))
            fields |= {name: exact_sum(*values) for name, values in corners}
        else:
            fields["points"] = ";".join(
                f"{exact_sum(x)},{exact_sum(y)}" for x, y in points_of(annotation)
            )
        shape = ET.Element(TAGS[annotation.geometry], fields)
        for name, values in annotation.attributes.items():
            location = f"{where}.attributes.{name}"
            if len(values) != 1:
                what = "further values of an attribute" if values else "an attribute without value"
                self._losses.note(what, location)
            for value in values[:1]:
                text = value.value
                if not isinstance(text, str):
                    self._losses.note("that an attribute's value is not a string", location)
                    text = msgspec.json.encode(text).decode()
                if value.confidence is not None or value.metadata:
                    self._losses.note("confidence and metadata of an attribute's value", location)
                inner = ET.SubElement(shape, "attribute", {"name": xml_text(name, location)})
                inner.text = xml_text(text, location)
        return shape

    def close(self) -> None:
        """Write the labels, then the images behind them."""
        waiting = Path(self._images.name)
        with open_output(self._path) as file, self._images:
            file.write(b'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n')
            file.write(b"<version>1.1</version>\n")
            file.write(ET.tostring(self._meta(), encoding="utf-8") + b"\n")
            self._images.seek(0)
            shutil.copyfileobj(self._images, file, 1 << 20)
            file.write(b"</annotations>\n")
        waiting.unlink()

    def _meta(self) -> ET.Element:
        """The description of a task, or of a project if images are in subsets."""
        meta = ET.Element("meta")
        whole = ET.SubElement(meta, "project" if self._subsets else "task")
        ET.SubElement(whole, "name").text = "layernext"
        ET.SubElement(whole, "size").text = str(self._count)
        if self._subsets:
            subsets = ET.SubElement(whole, "subsets")
            for subset in self._subsets:
                ET.SubElement(subsets, "subset").text = subset
        labels = ET.SubElement(whole, "labels")
        for name, attributes in self._labels.items():
            label = ET.SubElement(labels, "label")
            ET.SubElement(label, "name").text = name
            inner = ET.SubElement(label, "attributes")
            for attribute_name in sorted(attributes):
                attribute = ET.SubElement(inner, "attribute")
                ET.SubElement(attribute, "name").text = attribute_name
                ET.SubElement(attribute, "mutable").text = "False"
                ET.SubElement(attribute, "input_type").text = "text"
                ET.SubElement(attribute, "default_value")
                ET.SubElement(attribute, "values")
        return meta


def read_cvat(path: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a file, in its order.

    Raises:
        FormatError: the file is not of CVAT, with the location.
    """
    del options
    for number, image in enumerate(iter_xml(path, "annotations", "image", "track")):
        where = f"{path}: {image.tag}[{number}]"
        if image.tag == "track":
            message = (
                "is a track of a video (CVAT for video), which is not read; "
                "export the task as CVAT for images"
            )
            raise FormatError(Problem(where, message))
        annotations = []
        for index, shape in enumerate(image):
            location = f"{where}.{shape.tag}[{index}]"
            if shape.tag in TAGS.values():
                annotations.append(_read_shape(shape, location, losses))
            elif shape.tag in _UNREAD_TAGS:
                losses.note_shape(f"a shape of the kind {shape.tag}", location)
        subset = image.get("subset") or None
        yield Sample(
            image=read_name(image.get("name"), where),
            annotations=annotations,
            width=read_side(image.get("width")),
            height=read_side(image.get("height")),
            split=_SPLITS.get((subset or "").lower(), subset),
        )


def _read_shape(shape: ET.Element, where: str, losses: Losses) -> Annotation:
    fields: dict[str, Any] = {
        "label": read_name(shape.get("label"), where),
        "attributes": {
            str(attribute.get("name")): [AttributeValue(value=attribute.text or "")]
            for attribute in shape.findall("attribute")
        },
    }
    if shape.get("occluded") == "1":
        losses.note("the flag 'occluded'", where)
    if shape.get("group_id"):
        losses.note("the group of a shape", where)
    if shape.tag == "box":
        rotation = float(read_decimal(shape.get("rotation") or "0", f"{where}.rotation"))
        names = ("xtl", "ytl", "xbr", "ybr")
        left, top, right, bottom = (
            read_decimal(shape.get(name), f"{where}.{name}") for name in names
        )
        if right < left or bottom < top:
            raise FormatError(Problem(where, "its corners are the wrong way round"))
        width, height = EXACT.subtract(right, left), EXACT.subtract(bottom, top)
        box = (float(left), float(top), float(width), float(height))
        return box_or_outline(box, rotation, where, fields)
    points = []
    text = shape.get("points") or ""
    if len(text) > MAX_POINTS_CHARACTERS:
        message = f"has points of more than {MAX_POINTS_CHARACTERS:,} characters"
        raise FormatError(Problem(where, message))
    for index, pair in enumerate(text.split(";")):
        x, _, y = pair.partition(",")
        location = f"{where}.points[{index}]"
        points.append((float(read_decimal(x, location)), float(read_decimal(y, location))))
    if shape.tag == "polygon":
        return Polygon(polygon=points, **fields)
    if shape.tag == "polyline":
        return Line(line=points, **fields)
    return Points(points=points, **fields)


def write(target: Path, losses: Losses, options: ExportOptions) -> CvatWriter:
    """Open a writer; see `Format`."""
    del options
    return CvatWriter(target, losses)


def detect(probe: Probe) -> Detection | None:
    """An XML file that begins with ``annotations``; a broken one is left to the reader's error."""
    if probe.xml_root == "annotations":
        return Detection(Certainty.CERTAIN, "begins with <annotations>")
    return Detection(Certainty.POSSIBLE, "may be XML") if probe.xml_root == "" else None


FORMAT = Format(
    name="cvat",
    about="CVAT XML for images 1.1",
    extension=".xml",
    holds=HOLDS,
    read=read_cvat,
    write=write,
    detect=detect,
)
