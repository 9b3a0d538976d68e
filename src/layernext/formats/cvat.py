"""CVAT's XML: for images 1.1, one file for all images; and for video 1.1, which is read.

Source: docs.cvat.ai, "CVAT for images 1.1" and "CVAT for videos 1.1".
"""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

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
from layernext.formats.core.outlines import rows_of_mask
from layernext.formats.core.probe import Probe
from layernext.formats.core.rotation import UNTURNED
from layernext.formats.core.sample import Sample, location_of, points_of, size_of
from layernext.formats.core.spill import Spill
from layernext.formats.core.targets import check_new
from layernext.formats.core.xml_stream import exact_sum, iter_xml, read_name, read_side, xml_text
from layernext.formats.cvat_shapes import TAGS, read_shape
from layernext.formats.cvat_skeletons import label_elements, point_elements
from layernext.formats.cvat_video import Task, iter_frames, read_task, read_track
from layernext.model import (
    Annotation,
    ImageLabel,
    Keypoints,
    Mask,
    Rectangle,
    RotatedBox,
    RunLengths,
    Skeleton,
)

HOLDS = Holds(
    geometries={
        **dict.fromkeys(TAGS, KEPT),
        "rotated_box": "yes; the rotation from 0 to 360",
        "mask": "yes, its pixels",
        "keypoints": "its points, and whether each is hidden",
    },
    fields={"attributes": "the first value of each, as text"},
    splits="subsets",
    sizes="needed",
)

_SUBSETS = {"validation": "val"}
_SPLITS = {"val": "validation", "valid": "validation"}


class CvatWriter:
    """Writes one XML file; see `SampleWriter`.

    CVAT expects the labels first, in ``meta``: so the images wait in a second file until all labels are known.
    """

    def __init__(
        self,
        path: Path,
        losses: Losses,
        labels: list[str] | None = None,
        skeletons: Mapping[str, Skeleton] | None = None,
    ) -> None:
        self._path, self._losses, self._count = path, losses, 0
        self._names: set[str] = set()
        self._skeletons = skeletons or {}
        self._point_counts: dict[str, int] = {}
        self._labels: dict[str, set[str]] = {label: set() for label in labels or ()}
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
            if isinstance(annotation, Mask) and not rows_of_mask(annotation.mask):
                self._losses.note("a mask without pixels", where)
                continue
            self._losses.note_fields(annotation, where, keeps=HOLDS.fields)
            image.append(self._shape(annotation, where))
            self._labels.setdefault(annotation.label, set()).update(annotation.attributes)
        self._images.write(ET.tostring(image, encoding="utf-8") + b"\n")

    def _shape(self, annotation: Annotation, where: str) -> ET.Element:
        fields = {"label": xml_text(annotation.label, where), "source": "manual"}
        if not isinstance(annotation, ImageLabel):
            fields |= {"occluded": "0", "z_order": "0"}
        if not isinstance(annotation, Keypoints):
            fields |= self._position(annotation, where)
        shape = ET.Element(TAGS[annotation.geometry], fields)
        if isinstance(annotation, Keypoints):
            count = self._point_counts.get(annotation.label, 0)
            self._point_counts[annotation.label] = max(count, len(annotation.keypoints))
            shape.extend(point_elements(annotation, self._skeletons, where, self._losses))
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

    def _position(self, annotation: Annotation, where: str) -> dict[str, str]:
        """What says where a shape is."""
        if isinstance(annotation, Rectangle | RotatedBox):
            x, y, w, h = annotation.bbox
            corners = (("xtl", (x,)), ("ytl", (y,)), ("xbr", (x, w)), ("ybr", (y, h)))
            fields = {name: exact_sum(*values) for name, values in corners}
            if isinstance(annotation, RotatedBox):
                fields["rotation"] = exact_sum(self._rotation(annotation, where))
            return fields
        if isinstance(annotation, Mask):
            return _mask_fields(annotation.mask)
        if isinstance(annotation, ImageLabel):
            return {}
        points = [f"{exact_sum(x)},{exact_sum(y)}" for x, y in points_of(annotation)]
        return {"points": ";".join(points)}

    def _rotation(self, annotation: RotatedBox, where: str) -> float:
        """A rotation from 0 to 360, as CVAT has it."""
        rotation = annotation.rotation % 360
        if not rotation % 360:
            self._losses.note(UNTURNED, where)
        elif rotation != annotation.rotation:
            self._losses.note("whole turns of a rotation", where)
        return rotation

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
            inner = _attributes_element(attributes)
            count = self._point_counts.get(name, 0)
            if count:
                skeleton = self._skeletons.get(name)
                labels.extend(label_elements(name, skeleton, count, inner))
                for what in ("sigmas", "flips"):
                    if getattr(skeleton, what, None):
                        self._losses.note(f"the {what} of a skeleton", name)
                continue
            label = ET.SubElement(labels, "label")
            ET.SubElement(label, "name").text = xml_text(name, name)
            label.append(inner)
        return meta


def _attributes_element(names: set[str]) -> ET.Element:
    """The description of the attributes of a label."""
    element = ET.Element("attributes")
    for name in sorted(names):
        attribute = ET.SubElement(element, "attribute")
        ET.SubElement(attribute, "name").text = name
        ET.SubElement(attribute, "mutable").text = "False"
        ET.SubElement(attribute, "input_type").text = "text"
        ET.SubElement(attribute, "default_value")
        ET.SubElement(attribute, "values")
    return element


def _mask_fields(mask: RunLengths) -> dict[str, str]:
    """Run lengths, row by row, of the part of the image around the pixels inside."""
    rows = rows_of_mask(mask)
    left = min(runs[0][0] for runs in rows.values())
    top, bottom = min(rows), max(rows) + 1
    width = max(runs[-1][1] for runs in rows.values()) - left
    counts: list[int] = []
    done = 0
    for row in range(top, bottom):
        for start, stop in rows.get(row, ()):
            begin = (row - top) * width + start - left
            if begin == done and counts:
                counts[-1] += stop - start
            else:
                counts += [begin - done, stop - start]
            done = begin + stop - start
    if done < (bottom - top) * width:
        counts.append((bottom - top) * width - done)
    return {
        "rle": ", ".join(map(str, counts)),
        "left": str(left),
        "top": str(top),
        "width": str(width),
        "height": str(bottom - top),
    }


def read_cvat(path: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a file in its order; or the frames of a video, in theirs.

    Raises:
        FormatError: the file is not of CVAT, with the location.
    """
    task, has_images = Task(), False
    with Spill() as frames:
        for number, element in enumerate(iter_xml(path, "annotations", "meta", "image", "track")):
            if element.tag == "meta":
                task = read_task(element, str(path), losses)
                for name in task.labels:
                    skeleton = task.skeletons.get(name)
                    options.classes.add(name, len(options.classes.codes), skeleton)
                continue
            where = f"{path}: {element.tag}[{number - task.is_declared}]"
            if element.tag == "track":
                with losses.problems:
                    read_track(element, frames, task, where, losses)
                continue
            sample, has_images = None, True
            with losses.problems:
                sample = _read_image(element, where, losses, task.skeletons)
            if sample is not None:
                yield sample
        # A video that was exported as images has no tracks, and its frames are images.
        if frames.count or not has_images:
            yield from iter_frames(frames, task)


def _read_image(
    image: ET.Element, where: str, losses: Losses, skeletons: dict[str, Skeleton]
) -> Sample:
    name = read_name(image.get("name"), where)
    annotations: list[Annotation] = []
    size = (read_side(image.get("width")), read_side(image.get("height")))
    for index, shape in enumerate(image):
        with losses.problems:
            annotation = read_shape(shape, f"{where}.{shape.tag}[{index}]", losses, size, skeletons)
            if annotation is not None:
                annotations.append(annotation)
    subset = image.get("subset") or None
    return Sample(
        image=name,
        annotations=annotations,
        width=size[0],
        height=size[1],
        split=_SPLITS.get((subset or "").lower(), subset),
    )


def write(target: Path, losses: Losses, options: ExportOptions) -> CvatWriter:
    """Open a writer; see `Format`."""
    return CvatWriter(target, losses, options.labels, options.skeletons)


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
