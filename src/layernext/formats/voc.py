"""Pascal VOC: an XML file for each image, with the development kit's ``annotation`` elements; boxes only."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from layernext.errors import FormatError, Problem
from layernext.formats.core.compression import open_decompressed, read_text
from layernext.formats.core.fields import box_around
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
from layernext.formats.core.pixels import IMAGE_EXTENSIONS
from layernext.formats.core.poses import BOX_OF_POINTS
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample, box_of, location_of, size_of
from layernext.formats.core.targets import safe_relative, write_new
from layernext.formats.core.xml_stream import (
    EXACT,
    MAX_TREE_BYTES,
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
        "rotated_box": "its box",
        "polygon": "its box",
        "mask": "its box",
        "keypoints": "its box",
    },
    splits="lists",
    sizes="needed",
    parts=True,
)


_CHANGES = {
    "polygon": "the outline of a polygon; its box is",
    "mask": "the pixels of a mask; its box is",
    "rotated_box": "the rotation of a box; the box around it is",
    "keypoints": BOX_OF_POINTS,
}
"""What is lost of each kind that is written as a box."""

FLAGS = ("truncated", "difficult", "occluded")
"""Flags of an object, which are metadata of the same name."""

SOURCE = "layernext"
"""What our files name as their source: they count from 1, even where a box begins at 0."""


class VocWriter:
    """Writes ``Annotations`` and lists of images by split; see `SampleWriter`."""

    def __init__(self, root: Path, losses: Losses, labels: list[str] | None = None) -> None:
        self._root, self._losses = root, losses
        self._splits: dict[str, list[str]] = {}
        self._labels: dict[str, None] = dict.fromkeys(labels or ())

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
    ET.SubElement(ET.SubElement(root, "source"), "database").text = SOURCE
    size = ET.SubElement(root, "size")
    for name, pixels in (("width", width), ("height", height), ("depth", 3)):
        ET.SubElement(size, name).text = str(pixels)
    for number, annotation in enumerate(sample.annotations):
        where = location_of(sample, number)
        box = box_of(annotation, where) if HOLDS.accepts(annotation, where, losses) else None
        if box is None:
            continue
        if annotation.geometry in _CHANGES:
            losses.note(_CHANGES[annotation.geometry], where)
        rest = {
            name: value for name, value in annotation.metadata.items() if not _is_flag(name, value)
        }
        losses.note_fields(replace(annotation, metadata=rest), where, keeps=HOLDS.fields)
        item = ET.SubElement(root, "object")
        ET.SubElement(item, "name").text = xml_text(annotation.label, where)
        for name in FLAGS:
            flag = annotation.metadata.get(name)
            if _is_flag(name, flag):
                ET.SubElement(item, name).text = str(flag)
            elif name != "occluded":
                ET.SubElement(item, name).text = "0"
        corners = ET.SubElement(item, "bndbox")
        x, y, w, h = box
        sums = (("xmin", (x, 1)), ("ymin", (y, 1)), ("xmax", (x, w)), ("ymax", (y, h)))
        for name, values in sums:
            ET.SubElement(corners, name).text = exact_sum(*values)
    encoded: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return encoded


def _is_flag(name: str, value: Any) -> bool:
    """Whether VOC has an element for this metadata."""
    return name in FLAGS and type(value) is int and 0 < value < 10**8


def read_voc(root: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a folder by name, or the image of a single file.

    VOC counts pixels from 1. If a box of the folder begins at 0, its files count from 0, as those of CVAT and many
    scripts do; that is a warning.

    Raises:
        FormatError: a file is not of VOC, with the location.
    """
    if root.is_file():
        root, paths = root.parent, [root]
        folder = root
    else:
        folder = root / "Annotations" if (root / "Annotations").is_dir() else root
        paths = sorted(folder.rglob("*.xml"))
    splits = _read_splits(root)
    for name in _read_labelmap(root):
        options.classes.add(name, len(options.classes.codes))
    zero_based = next((path for path in paths if _begins_at_zero(path)), None)
    if zero_based is not None:
        message = (
            "a box begins at pixel 0, so the files are read as counting from 0; Pascal VOC counts "
            "from 1"
        )
        losses.warn(message, str(zero_based))
    origin = 1 if zero_based is None else 0
    for path in paths:
        sample = None
        with losses.problems:
            sample = _read_file(path, folder, splits, origin, losses)
        if sample is not None:
            yield sample
    if folder != root:
        yield from _without_file(root, folder, splits)


def _without_file(root: Path, folder: Path, splits: dict[str, str]) -> Iterator[Sample]:
    """Images that a list names and that have no file of annotations: there is nothing in them."""
    for stem, split in splits.items():
        if not stem:
            continue
        with suppress(ValueError, OSError):  # too long, or not a name
            if (folder / f"{stem}.xml").is_file():
                continue
            for extension in sorted(IMAGE_EXTENSIONS):
                if (root / "JPEGImages" / f"{stem}{extension}").is_file():
                    yield Sample(image=f"{stem}{extension}", annotations=[], split=split)


def _read_file(
    path: Path, folder: Path, splits: dict[str, str], origin: int, losses: Losses
) -> Sample:
    tree = parse_xml(path)
    if tree.tag != "annotation":
        raise FormatError(Problem(str(path), f"begins with <{tree.tag}>, not <annotation>"))
    annotations: list[Annotation] = []
    for number, item in enumerate(tree.findall("object")):
        with losses.problems:
            annotations.append(_read_object(item, origin, f"{path}: object[{number}]", losses))
    inner = path.relative_to(folder).with_suffix("")
    name = tree.findtext("filename") or inner.name
    split = splits.get(inner.as_posix(), splits.get(inner.name))
    parts = inner.parts[:-1]
    if split is None and parts and folder.name != "Annotations":
        # Roboflow's layout: a folder for each split.
        split = _SPLITS.get(parts[0].lower())
        parts = parts[1:] if split else parts
    if parts and "/" not in name:
        name = "/".join((*parts, name))
    return Sample(
        image=name,
        annotations=annotations,
        # LabelMe's first version counts columns and rows.
        width=read_side(tree.findtext("size/width") or tree.findtext("imagesize/ncols")),
        height=read_side(tree.findtext("size/height") or tree.findtext("imagesize/nrows")),
        split=split,
    )


def _read_object(item: ET.Element, origin: int, where: str, losses: Losses) -> Annotation:
    corners = item.findall("polygon/pt")
    if corners and item.find("bndbox") is None:
        return _read_labelme_object(item, corners, where)
    if item.find("polygon") is not None:
        losses.note_shape("the polygon of an object; its box is", where)
    if item.find("part") is not None:
        losses.note("the parts of an object", where)
    left, top, right, bottom = (
        read_decimal(item.findtext(f"bndbox/{name}"), f"{where}.{name}")
        for name in ("xmin", "ymin", "xmax", "ymax")
    )
    x, y = EXACT.subtract(left, origin), EXACT.subtract(top, origin)
    width, height = EXACT.subtract(right, x), EXACT.subtract(bottom, y)
    if min(width, height) < 0:
        raise FormatError(Problem(f"{where}.bndbox", "its corners are the wrong way round"))
    return Rectangle(
        label=read_name(item.findtext("name"), where),
        bbox=(float(x), float(y), float(width), float(height)),
        attributes=_attributes(item),
        metadata=_flags(item),
    )


def _read_labelme_object(item: ET.Element, corners: list[ET.Element], where: str) -> Annotation:
    """An object of LabelMe's first version, which wrote XML of the same kind, and counts from 0."""
    points = [
        (
            float(read_decimal(corner.findtext("x"), f"{where}.polygon.pt[{number}].x")),
            float(read_decimal(corner.findtext("y"), f"{where}.polygon.pt[{number}].y")),
        )
        for number, corner in enumerate(corners)
    ]
    fields: dict[str, Any] = {
        "label": read_name(item.findtext("name"), where),
        "metadata": _flags(item),
    }
    is_box = (item.findtext("type") or "").strip() == "bounding_box"
    if is_box:
        return Rectangle(bbox=box_around(points, where), **fields)
    return Polygon(polygon=points, **fields)


def _flags(item: ET.Element) -> dict[str, Any]:
    """The flags that are set, as numbers, and the pose of an object."""
    flags: dict[str, Any] = {}
    for name in FLAGS:
        text = (item.findtext(name) or "").strip()
        if text not in {"", "0", "no"}:
            flags[name] = int(text) if _SMALL.fullmatch(text) else text
    pose = (item.findtext("pose") or "").strip()
    if pose and pose.lower() not in {"unspecified", "unknown"}:
        flags["pose"] = pose
    return flags


_SMALL = re.compile(r"[0-9]{1,8}")
_BOX_AT_ZERO = re.compile(rb"<[xy]min>\s*0+(?:\.0*)?\s*</")


def _begins_at_zero(path: Path) -> bool:
    """Whether a box begins at pixel 0, in a file that is not ours; decides without parsing it."""
    try:
        with open_decompressed(path) as stream:
            head = b""
            while len(head) < MAX_TREE_BYTES and (more := stream.read(1 << 20)):
                head += more
    except FormatError:
        return False  # the reader says why
    return SOURCE.encode() not in head and _BOX_AT_ZERO.search(head) is not None


def _read_labelmap(root: Path) -> list[str]:
    """The labels of CVAT's and Datumaro's ``labelmap.txt``, without the background."""
    path = root / "labelmap.txt"
    if not path.is_file():
        return []
    lines = read_text(path).splitlines()
    names = [line.partition(":")[0].strip() for line in lines if not line.startswith("#")]
    return [name for name in names if name and name != "background"]


def _attributes(item: ET.Element) -> dict[str, list[AttributeValue]]:
    """The attributes of an object, as CVAT writes them into VOC."""
    return {
        attribute.findtext("name") or "": [AttributeValue(value=attribute.findtext("value") or "")]
        for attribute in item.findall("attributes/attribute")
        if attribute.findtext("name")
    }


_SPLITS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


def _read_splits(root: Path) -> dict[str, str]:
    splits: dict[str, str] = {}
    for name, split in _SPLITS.items():
        path = root / "ImageSets" / "Main" / f"{name}.txt"
        if path.is_file():
            splits |= {line.strip(): split for line in read_text(path).splitlines()}
    return splits


def write(target: Path, losses: Losses, options: ExportOptions) -> VocWriter:
    """Open a writer; see `Format`."""
    return VocWriter(target, losses, options.labels)


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
