"""Pascal VOC (a file for each image) and CVAT's XML for images 1.1 (one file for all).

VOC: the development kit's ``annotation`` elements; boxes only. CVAT: docs.cvat.ai, "CVAT for images 1.1": boxes,
polygons, polylines and points with attributes.
"""

from __future__ import annotations

import io
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from decimal import Context, Decimal, InvalidOperation
from pathlib import Path
from typing import Any, cast

import msgspec

from layernext.errors import DataError, FormatError, Problem
from layernext.formats.compression import open_decompressed, open_output
from layernext.formats.samples import (
    Losses,
    Sample,
    box_of,
    check_new,
    place_of,
    points_of,
    safe_relative,
    size_of,
    write_new,
)
from layernext.model import Annotation, AttributeValue, Line, Points, Polygon, Rectangle

PIECE_CHARACTERS = 1 << 20
MAX_QUIET_CHARACTERS = 8 << 20
"""Without the begin or end of an element: one value, which takes many times that in memory."""

MAX_POINTS_CHARACTERS = 4 << 20
"""Of the points of a shape: more than 100,000 of them."""

MAX_VOC_BYTES = 64 << 20
"""Of the file of one image."""

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\r\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# Sums of decimals as they are written: what was x + width comes back as width, to the last digit.
_EXACT = Context(prec=700)


def iter_xml(path: Path, tag: str, wanted: str) -> Iterator[ET.Element]:
    """The elements `wanted` of a file whose root is `tag`, one after the other, in bounded memory.

    Document types and entities are refused, as they can fill the memory. Plain, ``.gz`` or ``.zst``.

    Raises:
        FormatError: it cannot be read, or is no such file.
    """
    parser = ET.XMLPullParser(["start", "end"])  # type: ignore[var-annotated, unused-ignore]
    root: ET.Element | None = None
    line, quiet = 1, 0
    for piece in _pieces(path):
        try:
            parser.feed(piece)
            events = cast("list[tuple[str, ET.Element]]", list(parser.read_events()))
        except (ET.ParseError, ValueError) as error:
            raise FormatError(Problem(str(path), f"is not XML: {error}")) from error
        quiet = 0 if events else quiet + len(piece)
        if quiet > MAX_QUIET_CHARACTERS:
            message = f"has a value longer than {MAX_QUIET_CHARACTERS:,} characters"
            raise FormatError(Problem(f"{path}:{line}", message))
        line += piece.count("\n")
        for event, element in events:
            if root is None:
                root = element
                if root.tag != tag:
                    raise FormatError(Problem(str(path), f"begins with <{root.tag}>, not <{tag}>"))
            if event == "end" and element.tag == wanted and element is not root:
                yield element
                # What was read is let go, the empty places in the root with it.
                element.clear()
                root.clear()
    try:
        parser.close()
    except ET.ParseError as error:
        raise FormatError(Problem(str(path), f"is not XML: {error}")) from error


def _pieces(path: Path) -> Iterator[str]:
    tail = ""
    try:
        with open_decompressed(path) as stream, io.TextIOWrapper(stream, "utf-8") as text:
            while piece := text.read(PIECE_CHARACTERS):
                seen = (tail + piece).upper()
                if "<!DOCTYPE" in seen or "<!ENTITY" in seen:
                    message = "declares a document type, which is refused"
                    raise FormatError(Problem(str(path), message))
                tail = piece[-10:]
                yield piece
    except UnicodeDecodeError as error:
        raise FormatError(Problem(str(path), f"cannot be read as UTF-8: {error}")) from error


def _parsed(path: Path) -> ET.Element:
    """The root of a small file.

    Raises:
        FormatError: it cannot be read, or is no such file.
    """
    parser = ET.XMLParser()  # noqa: S314 - entities are refused in `_pieces`
    size = 0
    try:
        for piece in _pieces(path):
            size += len(piece)
            if size > MAX_VOC_BYTES:
                raise FormatError(Problem(str(path), "is larger than the file of an image can be"))
            parser.feed(piece)
        return parser.close()
    except (ET.ParseError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(Problem(str(path), f"is not XML: {error}")) from error


def _text(text: str, where: str) -> str:
    """Text that XML gives back as it was.

    Raises:
        DataError: it has a character that XML does not have.
    """
    found = _NOT_IN_XML.search(text)
    if found:
        message = f"has the character {found[0]!r}, which XML cannot hold"
        raise DataError(Problem(where, message))
    return text


def _sum(*values: float) -> str:
    """The sum of numbers as they are written, exactly."""
    total = Decimal(0)
    for value in values:
        total = _EXACT.add(total, Decimal(repr(float(value))))
    return _plain(total)


def _plain(value: Decimal) -> str:
    text = format(value, "f") if -20 < value.adjusted() < 20 else str(value)  # noqa: PLR2004
    return text.rstrip("0").rstrip(".") if "." in text and "E" not in text else text


class VocWriter:
    """Writes ``Annotations`` and lists of images by split; see `SampleWriter`."""

    def __init__(self, root: Path, losses: Losses) -> None:
        self._root, self._losses = root, losses
        self._splits: dict[str, list[str]] = {}
        self._labels: dict[str, None] = {}

    def write(self, sample: Sample) -> None:
        """Add an image."""
        stem = safe_relative(sample.image).with_suffix("")
        content = voc_xml(sample, self._losses)
        write_new(self._root / "Annotations" / f"{stem}.xml", content, sample.image)
        self._splits.setdefault(sample.split or "train", []).append(stem.as_posix())
        self._labels |= {one.label: None for one in sample.annotations if _has_box(one)}

    @staticmethod
    def image_place(sample: Sample) -> Path:
        """Where VOC looks for the image, below the root."""
        return Path("JPEGImages") / safe_relative(sample.image)

    def close(self) -> None:
        """Write the lists, and the labels as CVAT and Datumaro look for them beside VOC."""
        rows = [f"{label}:::\n" for label in self._labels if not set(label) & set(":\r\n")]
        lines = ["# label:color_rgb:parts:actions\n", *rows]
        (self._root / "labelmap.txt").write_text("".join(lines), encoding="utf-8")
        for split, stems in self._splits.items():
            name = "val" if split == "validation" else split
            path = self._root / "ImageSets" / "Main" / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8")


def _has_box(one: Annotation) -> bool:
    return isinstance(one, Rectangle | Polygon)


def voc_xml(sample: Sample, losses: Losses) -> bytes:
    """The file of one image. VOC counts pixels from 1; its corners are both inside the box."""
    width, height = size_of(sample)
    root = ET.Element("annotation")
    ET.SubElement(root, "filename").text = _text(sample.image, sample.image)
    size = ET.SubElement(root, "size")
    for name, pixels in (("width", width), ("height", height), ("depth", 3)):
        ET.SubElement(size, name).text = str(pixels)
    for number, one in enumerate(sample.annotations):
        where = place_of(sample, number)
        box = box_of(one, where)
        if box is None:
            losses.note(f"the geometry {one.geometry}", where)
            continue
        if isinstance(one, Polygon):
            losses.note("the outline of a polygon; its box is", where)
        losses.note_fields(one, where, keeps=frozenset())
        item = ET.SubElement(root, "object")
        ET.SubElement(item, "name").text = _text(one.label, where)
        for name in ("truncated", "difficult"):
            ET.SubElement(item, name).text = "0"
        corners = ET.SubElement(item, "bndbox")
        x, y, w, h = box
        sums = (("xmin", (x, 1)), ("ymin", (y, 1)), ("xmax", (x, w)), ("ymax", (y, h)))
        for name, values in sums:
            ET.SubElement(corners, name).text = _sum(*values)
    encoded: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return encoded


def read_voc(root: Path, losses: Losses) -> Iterator[Sample]:
    """The images of a folder, by name.

    Raises:
        FormatError: something is not such a file, with the place.
    """
    folder = root / "Annotations" if (root / "Annotations").is_dir() else root
    splits = _voc_splits(root)
    for path in sorted(folder.rglob("*.xml")):
        tree = _parsed(path)
        if tree.tag != "annotation":
            raise FormatError(Problem(str(path), f"begins with <{tree.tag}>, not <annotation>"))
        annotations: list[Annotation] = []
        for number, item in enumerate(tree.findall("object")):
            where = f"{path}: object[{number}]"
            for name in ("truncated", "difficult", "occluded"):
                if (item.findtext(name) or "0").strip() not in {"0", ""}:
                    losses.note(f"the flag {name!r}", where)
            if item.find("part") is not None:
                losses.note("the parts of an object", where)
            left, top, right, bottom = (
                _decimal(item.findtext(f"bndbox/{name}"), f"{where}.{name}")
                for name in ("xmin", "ymin", "xmax", "ymax")
            )
            x, y = _EXACT.subtract(left, 1), _EXACT.subtract(top, 1)
            width, height = _EXACT.subtract(right, x), _EXACT.subtract(bottom, y)
            if min(width, height) < 0:
                raise FormatError(Problem(f"{where}.bndbox", "its corners are the wrong way round"))
            box = (float(x), float(y), float(width), float(height))
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
    found: dict[str, str] = {}
    for name, split in words.items():
        path = root / "ImageSets" / "Main" / f"{name}.txt"
        if path.is_file():
            try:
                lines = path.read_text(encoding="utf-8").splitlines()
            except UnicodeDecodeError as error:
                raise FormatError(Problem(str(path), "cannot be read as UTF-8")) from error
            found |= {line.strip(): split for line in lines}
    return found


class CvatWriter:
    """Writes one XML file; see `SampleWriter`.

    CVAT wants the labels first, in ``meta``; so the images wait in a second file until all labels are known.
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
            "name": _text(sample.image, sample.image),
            "width": str(width),
            "height": str(height),
        }
        if sample.split:
            fields["subset"] = _SUBSETS.get(sample.split, sample.split)
            self._subsets[fields["subset"]] = None
        image = ET.Element("image", fields)
        self._count += 1
        for number, one in enumerate(sample.annotations):
            where = place_of(sample, number)
            self._losses.note_fields(one, where, keeps=frozenset({"attributes"}))
            image.append(self._shape(one, where))
            self._labels.setdefault(one.label, set()).update(one.attributes)
        self._images.write(ET.tostring(image, encoding="utf-8") + b"\n")

    def _shape(self, one: Annotation, where: str) -> ET.Element:
        fields = {
            "label": _text(one.label, where),
            "source": "manual",
            "occluded": "0",
            "z_order": "0",
        }
        if isinstance(one, Rectangle):
            x, y, w, h = one.bbox
            corners = (("xtl", (x,)), ("ytl", (y,)), ("xbr", (x, w)), ("ybr", (y, h)))
            fields |= {name: _sum(*values) for name, values in corners}
        else:
            fields["points"] = ";".join(f"{_sum(x)},{_sum(y)}" for x, y in points_of(one))
        shape = ET.Element(_CVAT_TAGS[type(one)], fields)
        for name, values in one.attributes.items():
            there = f"{where}.attributes.{name}"
            if len(values) != 1:
                what = "further values of an attribute" if values else "an attribute without value"
                self._losses.note(what, there)
            for value in values[:1]:
                text = value.value
                if not isinstance(text, str):
                    self._losses.note("that an attribute's value is not a string", there)
                    text = msgspec.json.encode(text).decode()
                if value.confidence is not None or value.metadata:
                    self._losses.note("confidence and metadata of an attribute's value", there)
                inner = ET.SubElement(shape, "attribute", {"name": _text(name, there)})
                inner.text = _text(text, there)
        return shape

    def close(self) -> None:
        """Put labels and images together."""
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
        """What CVAT has of a task, or of a project where images are in subsets."""
        meta = ET.Element("meta")
        whole = ET.SubElement(meta, "project" if self._subsets else "task")
        ET.SubElement(whole, "name").text = "layernext"
        ET.SubElement(whole, "size").text = str(self._count)
        if self._subsets:
            subsets = ET.SubElement(whole, "subsets")
            for each in self._subsets:
                ET.SubElement(subsets, "subset").text = each
        labels = ET.SubElement(whole, "labels")
        for name, attributes in self._labels.items():
            label = ET.SubElement(labels, "label")
            ET.SubElement(label, "name").text = name
            inner = ET.SubElement(label, "attributes")
            for each in sorted(attributes):
                attribute = ET.SubElement(inner, "attribute")
                ET.SubElement(attribute, "name").text = each
                ET.SubElement(attribute, "mutable").text = "False"
                ET.SubElement(attribute, "input_type").text = "text"
                ET.SubElement(attribute, "default_value")
                ET.SubElement(attribute, "values")
        return meta


_CVAT_TAGS: dict[type[Any], str] = {
    Rectangle: "box", Polygon: "polygon", Line: "polyline", Points: "points",
}  # fmt: skip
_SUBSETS = {"validation": "val"}
_SPLITS = {"val": "validation", "valid": "validation"}
_CVAT_FOREIGN = {"ellipse", "cuboid", "mask", "skeleton", "tag"}


def read_cvat(path: Path, losses: Losses) -> Iterator[Sample]:
    """The images of a file, in its order.

    Raises:
        FormatError: it is not such a file, with the place.
    """
    for number, image in enumerate(iter_xml(path, "annotations", "image")):
        where = f"{path}: image[{number}]"
        annotations = []
        for place, shape in enumerate(image):
            there = f"{where}.{shape.tag}[{place}]"
            if shape.tag in _CVAT_TAGS.values():
                annotations.append(_read_cvat(shape, there, losses))
            elif shape.tag in _CVAT_FOREIGN:
                losses.note_shape(f"a shape of the kind {shape.tag}", there)
        subset = image.get("subset") or None
        yield Sample(
            image=_label(image.get("name"), where),
            annotations=annotations,
            width=_whole(image.get("width")),
            height=_whole(image.get("height")),
            split=_SPLITS.get((subset or "").lower(), subset),
        )


def _read_cvat(shape: ET.Element, where: str, losses: Losses) -> Annotation:
    fields: dict[str, Any] = {
        "label": _label(shape.get("label"), where),
        "attributes": {
            str(each.get("name")): [AttributeValue(value=each.text or "")]
            for each in shape.findall("attribute")
        },
    }
    if shape.get("occluded") == "1":
        losses.note("the flag 'occluded'", where)
    if shape.get("group_id"):
        losses.note("the group of a shape", where)
    if shape.tag == "box":
        if float(_decimal(shape.get("rotation") or "0", f"{where}.rotation")):
            losses.note_shape("the rotation of a box", where)
        names = ("xtl", "ytl", "xbr", "ybr")
        left, top, right, bottom = (_decimal(shape.get(name), f"{where}.{name}") for name in names)
        if right < left or bottom < top:
            raise FormatError(Problem(where, "its corners are the wrong way round"))
        width, height = _EXACT.subtract(right, left), _EXACT.subtract(bottom, top)
        box = (float(left), float(top), float(width), float(height))
        return Rectangle(bbox=box, **fields)
    points = []
    text = shape.get("points") or ""
    if len(text) > MAX_POINTS_CHARACTERS:
        message = f"has points of more than {MAX_POINTS_CHARACTERS:,} characters"
        raise FormatError(Problem(where, message))
    for place, pair in enumerate(text.split(";")):
        x, _, y = pair.partition(",")
        there = f"{where}.points[{place}]"
        points.append((float(_decimal(x, there)), float(_decimal(y, there))))
    if shape.tag == "polygon":
        return Polygon(polygon=points, **fields)
    if shape.tag == "polyline":
        return Line(line=points, **fields)
    return Points(points=points, **fields)


def _decimal(text: str | None, where: str) -> Decimal:
    """A number as it is written.

    Raises:
        FormatError: it is none, or larger than any coordinate.
    """
    try:
        value = Decimal((text or "").strip()[:_LONGEST_NUMBER])
    except InvalidOperation as error:
        raise FormatError(Problem(where, f"is {text!r}, must be a number")) from error
    if not value.is_finite() or not _EXPONENTS[0] < value.adjusted() < _EXPONENTS[1]:
        raise FormatError(Problem(where, f"is {text!r}, must be a finite number"))
    return value


_LONGEST_NUMBER = 1000
_EXPONENTS = (-330, 308)
"""Of ten: what a floating point number holds."""
_LONGEST_WHOLE = 9


def _whole(text: str | None) -> int | None:
    digits = (text or "").strip()
    is_whole = digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST_WHOLE
    return int(digits) if is_whole else None


def _label(text: str | None, where: str) -> str:
    if not text:
        raise FormatError(Problem(where, "has no name"))
    return text
