"""Folders with a text file for each image, a line for each object: DOTA and KITTI 2D.

Source: captain-whu.github.io/DOTA, and the development kit of KITTI's object benchmark.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from layernext.errors import FormatError, Problem
from layernext.formats.core.fields import box_in, number_of, points_in
from layernext.formats.core.format import (
    KEPT,
    Certainty,
    Detection,
    ExportOptions,
    Format,
    Holds,
    Reader,
    ReadOptions,
)
from layernext.formats.core.losses import Losses
from layernext.formats.core.pixels import IMAGE_EXTENSIONS
from layernext.formats.core.probe import Probe
from layernext.formats.core.rotation import rotated_box_or_polygon
from layernext.formats.core.sample import Sample, check_finite, location_of, points_of
from layernext.formats.core.targets import safe_relative, write_new
from layernext.formats.yolo_lines import iter_lines
from layernext.model import Annotation, Rectangle

ReadWords = Callable[[list[str], str, Losses, ReadOptions], Annotation]
FOUR_POINTS = "of 4 points; a box as a rotated one"
"""What formats of rotated boxes make of polygons."""

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_DOTA_LINE = re.compile(rf"\s*(?:{_NUMBER}\s+){{8}}[^\s\d]\S*(?:\s+\d+)?\s*$")
_DOTA_HEAD = ("imagesource", "gsd")
_KITTI_LINE = re.compile(rf"\s*[A-Za-z_]\S*(?:\s+{_NUMBER}){{14,15}}\s*$")
_KITTI_FIELDS = 15
_KITTI_METADATA = ("truncated", "occluded", "alpha")
_KITTI_3D = ("height", "width", "length", "x", "y", "z", "rotation_y")
_DIFFICULT_AT = 9
_CORNERS = 4
_FOLDERS = {"validation": "val"}
_DOTA_CHANGES = {
    "rectangle": "that a rectangle is one; a rotated box is",
    "polygon": "that four points are a polygon; a rotated box is, if they are one",
}
_LABEL_FOLDERS = ("label_2", "labels", "labeltxt", "label")
_IMAGE_FOLDERS = ("image_2", "images", "image")
_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "test": "test",
    "testing": "test",
}


def read_dota_words(
    words: list[str], where: str, losses: Losses, options: ReadOptions
) -> Annotation:
    """A line of DOTA: four corners, the label, and whether it is difficult.

    Raises:
        FormatError: it is not valid.
    """
    if len(words) not in {_DIFFICULT_AT, _DIFFICULT_AT + 1}:
        message = f"has {len(words)} words; expected 8 numbers, a label, and perhaps a difficulty"
        raise FormatError(Problem(where, message))
    points = points_in([number_of(word, where) for word in words[:8]], where)
    difficult = words[_DIFFICULT_AT] if len(words) > _DIFFICULT_AT else "0"
    metadata = {} if difficult == "0" else {"difficult": int(number_of(difficult, where))}
    fields = {"label": words[8], "metadata": metadata}
    needs_box = options.evaluated == "rotated_box"
    return rotated_box_or_polygon(points, fields, where, losses, needs_box=needs_box)


def read_kitti_words(
    words: list[str], where: str, losses: Losses, options: ReadOptions
) -> Annotation:
    """A line of KITTI: the label, three flags, the box, seven numbers in space, and perhaps a score.

    Raises:
        FormatError: it is not valid.
    """
    del losses
    if len(words) not in {_KITTI_FIELDS, _KITTI_FIELDS + 1}:
        message = f"has {len(words)} words; expected a label and 14 numbers, and perhaps a score"
        raise FormatError(Problem(where, message))
    numbers = [number_of(word, where) for word in words[1:]]
    left, top, right, bottom = numbers[3:7]
    metadata = dict(zip(_KITTI_METADATA, numbers[:3], strict=True))
    metadata |= {
        f"3d_{name}": number for name, number in zip(_KITTI_3D, numbers[7:14], strict=True)
    }
    score = numbers[14] if len(numbers) > _KITTI_FIELDS - 1 else None
    return Rectangle(
        label=words[0],
        bbox=box_in(left, top, right - left, bottom - top, where),
        confidence=options.scores.read(score, where),
        metadata=metadata,
    )


def _reader(read_words: ReadWords) -> Reader:
    def read(root: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
        """The images of a folder by name; named ``.png`` if there is no picture."""
        folder = root.parent if root.is_file() else root
        paths = [root] if root.is_file() else sorted(root.rglob("*.txt"))
        for path in paths:
            annotations: list[Annotation] = []
            with losses.problems:
                for number, line in iter_lines(path):
                    words = line.split()
                    if not words or words[0].partition(":")[0] in _DOTA_HEAD:
                        continue
                    with losses.problems:
                        where = f"{path}:{number}"
                        annotations.append(read_words(words, where, losses, options))
            image, split = _image_of(path, folder, options)
            yield Sample(image=image, annotations=annotations, split=split)

    return read


def _image_of(path: Path, folder: Path, options: ReadOptions) -> tuple[str, str | None]:
    """The name and the split of an image, from the path of its labels."""
    inner = path.relative_to(folder).with_suffix("")
    parts = [part for part in inner.parts[:-1] if part.lower() not in _LABEL_FOLDERS]
    split = _SPLITS.get(parts[0].lower()) if parts else None
    name = Path(*(parts[1:] if split else parts), inner.name)
    for key in (inner, name, Path(inner.name)):
        entry = options.sizes.get(key.as_posix())
        if entry is not None:
            return name.with_name(entry[2]).as_posix(), split
    parents = [path.parent, *(path.parent.parent / images for images in _IMAGE_FOLDERS)]
    extensions = [
        extension
        for extension in sorted(IMAGE_EXTENSIONS)
        if any((parent / f"{path.stem}{extension}").is_file() for parent in parents)
    ]
    return name.with_name(name.name + (extensions[0] if extensions else ".png")).as_posix(), split


def _is_like(path: Path, pattern: re.Pattern[str]) -> bool:
    """Whether the first line of a file that is not a head is like a pattern."""
    try:
        for _, line in iter_lines(path):
            if line.strip() and line.partition(":")[0] not in _DOTA_HEAD:
                return pattern.match(line[:1000]) is not None
    except FormatError:
        pass
    return False


def _detect(probe: Probe, pattern: re.Pattern[str], reason: str) -> Detection | None:
    if not probe.is_folder:
        is_like = probe.path.suffix.lower() == ".txt" and _is_like(probe.path, pattern)
        return Detection(Certainty.CERTAIN, reason) if is_like else None
    first = probe.first(".txt")
    if first is None or not _is_like(first.path, pattern):
        return None
    return Detection(Certainty.LIKELY, f"{reason} in {probe.name_of(first)}")


def detect_dota(probe: Probe) -> Detection | None:
    """Text files of eight numbers and a label."""
    return _detect(probe, _DOTA_LINE, "has lines of 8 numbers and a label")


def detect_kitti(probe: Probe) -> Detection | None:
    """Text files of a label and 14 or 15 numbers."""
    return _detect(probe, _KITTI_LINE, "has lines of a label and 14 numbers")


DOTA_HOLDS = Holds(
    geometries={
        "rectangle": "a rotated box",
        "polygon": FOUR_POINTS,
        "rotated_box": "yes; the rotation from -180 to 180",
    },
    splits="folders",
)


class DotaWriter:
    """Writes a folder ``labelTxt`` for each split; see `SampleWriter`."""

    def __init__(self, root: Path, losses: Losses) -> None:
        self._root, self._losses = root, losses

    def write(self, sample: Sample) -> None:
        """Add an image."""
        lines = []
        for number, annotation in enumerate(sample.annotations):
            line = self._line(annotation, location_of(sample, number))
            if line is not None:
                lines.append(line)
        name = safe_relative(sample.image).with_suffix(".txt")
        folder = Path(_FOLDERS.get(sample.split, sample.split)) if sample.split else Path()
        path = self._root / folder / "labelTxt" / name
        write_new(path, "".join(f"{line}\n" for line in lines).encode(), sample.image)

    def _line(self, annotation: Annotation, where: str) -> str | None:
        losses = self._losses
        if not DOTA_HOLDS.accepts(annotation, where, losses):
            return None
        points = points_of(annotation)
        if len(points) != _CORNERS:
            losses.note("a polygon that does not have 4 points", where)
            return None
        if annotation.geometry in _DOTA_CHANGES:
            losses.note(_DOTA_CHANGES[annotation.geometry], where)
        label = "-".join(annotation.label.split())
        if label != annotation.label:
            losses.note("the white space in a label", where)
        if not label:
            losses.note("an annotation whose label is white space", where)
            return None
        difficult = annotation.metadata.get("difficult", 0)
        is_flag = type(difficult) is int and 0 <= difficult < _CORNERS
        others = {
            name: value
            for name, value in annotation.metadata.items()
            if name != "difficult" or not is_flag
        }
        losses.note_fields(replace(annotation, metadata=others), where, keeps=())
        numbers = [number for point in points for number in point]
        check_finite(numbers, where)
        return " ".join([*map(repr, numbers), label, str(difficult if is_flag else 0)])

    def close(self) -> None:
        """Nothing is left to write."""


def write_dota(target: Path, losses: Losses, options: ExportOptions) -> DotaWriter:
    """Open a writer; see `Format`."""
    del options
    return DotaWriter(target, losses)


DOTA = Format(
    name="dota",
    about="DOTA, rotated boxes by their corners",
    extension=".zip",
    is_folder=True,
    holds=DOTA_HOLDS,
    read=_reader(read_dota_words),
    write=write_dota,
    detect=detect_dota,
)

KITTI = Format(
    name="kitti",
    about="KITTI 2D objects",
    extension=".zip",
    is_folder=True,
    holds=Holds(geometries={"rectangle": KEPT}, fields={"confidence": KEPT}),
    read=_reader(read_kitti_words),
    detect=detect_kitti,
)
