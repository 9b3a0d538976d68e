"""Pascal VOC (a file for each image) and CVAT's XML for images 1.1 (one file for all).

VOC: the development kit's ``annotation`` elements; boxes only. CVAT: docs.cvat.ai, "CVAT for images 1.1": boxes,
polygons, polylines and points with attributes.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from layernext.errors import FormatError, Problem
from layernext.formats.samples import (
    Losses,
    Sample,
    box_of,
    place_of,
    points_of,
    safe_relative,
    size_of,
    write_durably,
)
from layernext.model import Annotation, AttributeValue, Line, Points, Polygon, Rectangle

_ROUNDING = 1e-6
"""Pixels: what VOC's counting from 1 may cost a coordinate."""

MAX_XML_BYTES = 1 << 30


def parse_xml(path: Path) -> ET.Element:
    """The root of a file; document types and entities are refused, as they can fill the memory.

    Raises:
        FormatError: it cannot be read, or is no such file.
    """
    try:
        if path.stat().st_size > MAX_XML_BYTES:
            raise FormatError(Problem(str(path), "is larger than 1 GiB"))
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(Problem(str(path), f"cannot be read as UTF-8: {error}")) from error
    if "<!DOCTYPE" in text.upper() or "<!ENTITY" in text.upper():
        raise FormatError(Problem(str(path), "declares a document type, which is refused"))
    try:
        return ET.fromstring(text)  # noqa: S314 - entities are refused above
    except (ET.ParseError, ValueError) as error:
        raise FormatError(Problem(str(path), f"is not XML: {error}")) from error


class VocWriter:
    """Writes ``Annotations`` and lists of images by split; see `SampleWriter`."""

    def __init__(self, root: Path, losses: Losses) -> None:
        self._root, self._losses = root, losses
        self._splits: dict[str, list[str]] = {}

    def write(self, sample: Sample) -> None:
        """Add an image."""
        stem = safe_relative(sample.image).with_suffix("")
        content = voc_xml(sample, self._losses)
        write_durably(self._root / "Annotations" / f"{stem}.xml", content)
        self._splits.setdefault(sample.split or "train", []).append(stem.as_posix())

    def close(self) -> None:
        """Write the lists."""
        for split, stems in self._splits.items():
            name = "val" if split == "validation" else split
            path = self._root / "ImageSets" / "Main" / f"{name}.txt"
            write_durably(path, "".join(f"{stem}\n" for stem in stems).encode())


def voc_xml(sample: Sample, losses: Losses) -> bytes:
    """The file of one image. VOC counts pixels from 1; its corners are both inside the box."""
    width, height = size_of(sample)
    root = ET.Element("annotation")
    ET.SubElement(root, "filename").text = sample.image
    size = ET.SubElement(root, "size")
    for name, pixels in (("width", width), ("height", height), ("depth", 3)):
        ET.SubElement(size, name).text = str(pixels)
    for number, one in enumerate(sample.annotations):
        where = place_of(sample, number)
        box = box_of(one)
        if box is None:
            losses.note(f"the geometry {one.geometry}", where)
            continue
        if isinstance(one, Polygon):
            losses.note("the outline of a polygon; its box is", where)
        losses.note_fields(one, where, keeps=frozenset())
        item = ET.SubElement(root, "object")
        ET.SubElement(item, "name").text = one.label
        for name in ("truncated", "difficult"):
            ET.SubElement(item, name).text = "0"
        corners = ET.SubElement(item, "bndbox")
        x, y, w, h = box
        for name, value in (("xmin", x + 1), ("ymin", y + 1), ("xmax", x + w), ("ymax", y + h)):
            ET.SubElement(corners, name).text = _number(value)
    encoded: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return encoded


def read_voc(root: Path) -> Iterator[Sample]:
    """The images of a folder, by name.

    Raises:
        FormatError: something is no such file, with the place.
    """
    folder = root / "Annotations" if (root / "Annotations").is_dir() else root
    splits = _voc_splits(root)
    for path in sorted(folder.rglob("*.xml")):
        tree = parse_xml(path)
        if tree.tag != "annotation":
            raise FormatError(Problem(str(path), f"begins with <{tree.tag}>, not <annotation>"))
        annotations: list[Annotation] = []
        for number, item in enumerate(tree.findall("object")):
            where = f"{path}: object[{number}]"
            corners = [
                _float(item.findtext(f"bndbox/{name}"), f"{where}.{name}")
                for name in ("xmin", "ymin", "xmax", "ymax")
            ]
            x, y = corners[0] - 1, corners[1] - 1
            width, height = corners[2] - x, corners[3] - y
            if min(width, height) < -_ROUNDING:
                raise FormatError(Problem(f"{where}.bndbox", "its corners are the wrong way round"))
            box = (x, y, max(width, 0.0), max(height, 0.0))
            annotations.append(Rectangle(label=_label(item.findtext("name"), where), bbox=box))
        stem = path.relative_to(folder).with_suffix("").as_posix()
        yield Sample(
            image=tree.findtext("filename") or stem,
            annotations=annotations,
            width=_whole(tree.findtext("size/width")),
            height=_whole(tree.findtext("size/height")),
            split=splits.get(stem),
        )


def _voc_splits(root: Path) -> dict[str, str]:
    words = {"train": "train", "val": "validation", "test": "test"}
    found = {}
    for name, split in words.items():
        path = root / "ImageSets" / "Main" / f"{name}.txt"
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                found[line.strip()] = split
    return found


class CvatWriter:
    """Writes one XML file; see `SampleWriter`."""

    def __init__(self, path: Path, losses: Losses) -> None:
        self._losses, self._count = losses, 0
        self._file = path.open("wb")
        self._file.write(b'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n')
        self._file.write(b"<version>1.1</version>\n")

    def write(self, sample: Sample) -> None:
        """Add an image."""
        width, height = size_of(sample)
        fields = {
            "id": str(self._count),
            "name": sample.image,
            "width": str(width),
            "height": str(height),
        }
        if sample.split:
            fields["subset"] = sample.split
        image = ET.Element("image", fields)
        self._count += 1
        for number, one in enumerate(sample.annotations):
            self._losses.note_fields(one, place_of(sample, number), keeps=frozenset({"attributes"}))
            image.append(_cvat_shape(one))
        self._file.write(ET.tostring(image, encoding="utf-8") + b"\n")

    def close(self) -> None:
        """Write the end."""
        self._file.write(b"</annotations>\n")
        self._file.close()


_CVAT_TAGS: dict[type[Any], str] = {
    Rectangle: "box", Polygon: "polygon", Line: "polyline", Points: "points",
}  # fmt: skip


def _cvat_shape(one: Annotation) -> ET.Element:
    fields = {"label": one.label, "source": "manual", "occluded": "0", "z_order": "0"}
    if isinstance(one, Rectangle):
        x, y, w, h = one.bbox
        corners = (("xtl", x), ("ytl", y), ("xbr", x + w), ("ybr", y + h))
        fields |= {name: _number(value) for name, value in corners}
    else:
        fields["points"] = ";".join(f"{_number(x)},{_number(y)}" for x, y in points_of(one))
    shape = ET.Element(_CVAT_TAGS[type(one)], fields)
    for name, values in one.attributes.items():
        for value in values[:1]:
            ET.SubElement(shape, "attribute", {"name": name}).text = str(value.value)
    return shape


def read_cvat(path: Path) -> Iterator[Sample]:
    """The images of a file, in its order.

    Raises:
        FormatError: it is no such file, with the place.
    """
    tree = parse_xml(path)
    if tree.tag != "annotations":
        raise FormatError(Problem(str(path), f"begins with <{tree.tag}>, not <annotations>"))
    for number, image in enumerate(tree.findall("image")):
        where = f"{path}: image[{number}]"
        annotations = [
            _read_cvat(shape, f"{where}.{shape.tag}[{place}]")
            for place, shape in enumerate(image)
            if shape.tag in _CVAT_TAGS.values()
        ]
        yield Sample(
            image=_label(image.get("name"), where),
            annotations=annotations,
            width=_whole(image.get("width")),
            height=_whole(image.get("height")),
            split=image.get("subset") or None,
        )


def _read_cvat(shape: ET.Element, where: str) -> Annotation:
    fields: dict[str, Any] = {
        "label": _label(shape.get("label"), where),
        "attributes": {
            str(each.get("name")): [AttributeValue(value=each.text or "")]
            for each in shape.findall("attribute")
        },
    }
    if shape.tag == "box":
        names = ("xtl", "ytl", "xbr", "ybr")
        left, top, right, bottom = (_float(shape.get(name), f"{where}.{name}") for name in names)
        if right < left or bottom < top:
            raise FormatError(Problem(where, "its corners are the wrong way round"))
        return Rectangle(bbox=(left, top, right - left, bottom - top), **fields)
    points = []
    for place, pair in enumerate((shape.get("points") or "").split(";")):
        x, _, y = pair.partition(",")
        there = f"{where}.points[{place}]"
        points.append((_float(x, there), _float(y, there)))
    if shape.tag == "polygon":
        return Polygon(polygon=points, **fields)
    if shape.tag == "polyline":
        return Line(line=points, **fields)
    return Points(points=points, **fields)


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _float(text: str | None, where: str) -> float:
    try:
        return float(text or "")
    except ValueError as error:
        raise FormatError(Problem(where, f"is {text!r}, must be a number")) from error


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.strip().isascii() and text.strip().isdecimal() else None


def _label(text: str | None, where: str) -> str:
    if not text:
        raise FormatError(Problem(where, "has no name"))
    return text
