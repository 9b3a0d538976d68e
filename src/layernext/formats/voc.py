"""Pascal VOC: an XML file for each image, with the development kit's ``annotation`` elements; boxes only."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from layernext.errors import FormatError, Problem
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
from layernext.formats.core.sample import Sample, box_of, location_of, size_of
from layernext.formats.core.targets import safe_relative, write_new
from layernext.formats.core.xml_stream import (
    EXACT,
    exact_sum,
    parse_xml,
    read_decimal,
    read_name,
    read_side,
    xml_text,
)
from layernext.model import Annotation, AttributeValue, Polygon, Rectangle

HOLDS = Holds(
    geometries={
        "rectangle": KEPT,
        "polygon": "its box",
    },
    splits="lists",
    sizes="needed",
)


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
        self._labels |= {
            annotation.label: None
            for annotation in sample.annotations
            if annotation.geometry in HOLDS.geometries
        }

    def close(self) -> None:
        """Write the lists, and the labels where CVAT and Datumaro expect them beside VOC."""
        rows = [f"{label}:::\n" for label in self._labels if not set(label) & set(":\r\n")]
        lines = ["# label:color_rgb:parts:actions\n", *rows]
        (self._root / "labelmap.txt").write_text("".join(lines), encoding="utf-8")
        for split, stems in self._splits.items():
            name = "val" if split == "validation" else split
            path = self._root / "ImageSets" / "Main" / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8")


def image_path(sample: Sample) -> Path:
    """Where VOC expects the image, below the folder."""
    return Path("JPEGImages") / safe_relative(sample.image)


def voc_xml(sample: Sample, losses: Losses) -> bytes:
    """The file of an image. VOC counts pixels from 1, and both corners are inside the box."""
    width, height = size_of(sample)
    root = ET.Element("annotation")
    ET.SubElement(root, "filename").text = xml_text(sample.image, sample.image)
    size = ET.SubElement(root, "size")
    for name, pixels in (("width", width), ("height", height), ("depth", 3)):
        ET.SubElement(size, name).text = str(pixels)
    for number, annotation in enumerate(sample.annotations):
        where = location_of(sample, number)
        box = box_of(annotation, where) if HOLDS.accepts(annotation, where, losses) else None
        if box is None:
            continue
        if isinstance(annotation, Polygon):
            losses.note("the outline of a polygon; its box is", where)
        losses.note_fields(annotation, where, keeps=HOLDS.fields)
        item = ET.SubElement(root, "object")
        ET.SubElement(item, "name").text = xml_text(annotation.label, where)
        for name in ("truncated", "difficult"):
            ET.SubElement(item, name).text = "0"
        corners = ET.SubElement(item, "bndbox")
        x, y, w, h = box
        sums = (("xmin", (x, 1)), ("ymin", (y, 1)), ("xmax", (x, w)), ("ymax", (y, h)))
        for name, values in sums:
            ET.SubElement(corners, name).text = exact_sum(*values)
    encoded: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return encoded


def read_voc(root: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a folder by name, or the image of a single file.

    Raises:
        FormatError: a file is not of VOC, with the location.
    """
    del options
    if root.is_file():
        root, paths = root.parent, [root]
        folder = root
    else:
        folder = root / "Annotations" if (root / "Annotations").is_dir() else root
        paths = sorted(folder.rglob("*.xml"))
    splits = _read_splits(root)
    for path in paths:
        tree = parse_xml(path)
        if tree.tag != "annotation":
            raise FormatError(Problem(str(path), f"begins with <{tree.tag}>, not <annotation>"))
        annotations: list[Annotation] = []
        for number, item in enumerate(tree.findall("object")):
            where = f"{path}: object[{number}]"
            for name in ("truncated", "difficult", "occluded"):
                if (item.findtext(name) or "0").strip() not in {"0", ""}:
                    losses.note(f"the flag {name!r}", where)
            if item.find("polygon") is not None:
                losses.note_shape("the polygon of an object; its box is", where)
            if item.find("part") is not None:
                losses.note("the parts of an object", where)
            left, top, right, bottom = (
                read_decimal(item.findtext(f"bndbox/{name}"), f"{where}.{name}")
                for name in ("xmin", "ymin", "xmax", "ymax")
            )
            x, y = EXACT.subtract(left, 1), EXACT.subtract(top, 1)
            width, height = EXACT.subtract(right, x), EXACT.subtract(bottom, y)
            if min(width, height) < 0:
                raise FormatError(Problem(f"{where}.bndbox", "its corners are the wrong way round"))
            box = (float(x), float(y), float(width), float(height))
            label = read_name(item.findtext("name"), where)
            annotations.append(Rectangle(label=label, bbox=box, attributes=_attributes(item)))
        stem = path.relative_to(folder).with_suffix("").as_posix()
        yield Sample(
            image=tree.findtext("filename") or stem,
            annotations=annotations,
            width=read_side(tree.findtext("size/width")),
            height=read_side(tree.findtext("size/height")),
            split=splits.get(stem),
        )


def _attributes(item: ET.Element) -> dict[str, list[AttributeValue]]:
    """The attributes of an object, as CVAT writes them into VOC."""
    return {
        attribute.findtext("name") or "": [AttributeValue(value=attribute.findtext("value") or "")]
        for attribute in item.findall("attributes/attribute")
        if attribute.findtext("name")
    }


def _read_splits(root: Path) -> dict[str, str]:
    words = {"train": "train", "val": "validation", "test": "test"}
    splits: dict[str, str] = {}
    for name, split in words.items():
        path = root / "ImageSets" / "Main" / f"{name}.txt"
        if path.is_file():
            try:
                lines = path.read_text(encoding="utf-8").splitlines()
            except UnicodeDecodeError as error:
                raise FormatError(Problem(str(path), "cannot be read as UTF-8")) from error
            splits |= {line.strip(): split for line in lines}
    return splits


def write(target: Path, losses: Losses, options: ExportOptions) -> VocWriter:
    """Open a writer; see `Format`."""
    del options
    return VocWriter(target, losses)


def detect(probe: Probe) -> Detection | None:
    """An XML file that begins with ``annotation``, or a folder whose first XML file does."""
    file = probe.first(".xml") if probe.is_folder else probe
    if file is None:
        return None
    root = file.xml_root
    if root == "annotation" and probe.is_folder:
        return Detection(Certainty.LIKELY, f"has <annotation> in {probe.name_of(file)}")
    if root == "annotation":
        return Detection(Certainty.CERTAIN, "begins with <annotation>")
    if probe.is_folder and not root:
        return Detection(Certainty.POSSIBLE, "is a folder of XML files")
    return None


FORMAT = Format(
    name="voc",
    about="Pascal VOC",
    extension=".zip",
    is_folder=True,
    holds=HOLDS,
    read=read_voc,
    write=write,
    detect=detect,
    image_path=image_path,
)
