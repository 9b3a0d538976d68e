"""YOLO: detection and segmentation, with data.yaml, as docs.ultralytics.com/datasets describes them.

A text file for each image, a line for each object: the class number, then the box's middle and size, or the
polygon's points, as fractions of the image's size. Fractions have 10 digits: a thousandth of a pixel is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

import yaml

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
from layernext.formats.core.pixels import image_sizes
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import (
    Sample,
    box_of,
    check_finite,
    location_of,
    points_of,
    size_of,
)
from layernext.formats.core.targets import safe_relative, write_new
from layernext.model import Annotation, Polygon, Rectangle

HOLDS = Holds(
    geometries={
        "rectangle": KEPT,
        "polygon": "its box",
    },
    splits="folders",
    sizes="needed",
)

CORNERS = 3
"""The fewest corners of a polygon in YOLO: fewer numbers would be a box."""

FOLDERS = {"train": "train", "validation": "val", "test": "test", None: "train"}
_SPLITS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}


def foreign_shape(annotation: Annotation, *, as_polygon: bool) -> str | None:
    """Names the geometry of an annotation that YOLO has no line for; None if it has one."""
    if annotation.geometry not in HOLDS.geometries:
        return f"the geometry {annotation.geometry}"
    if as_polygon and len(points_of(annotation)) < CORNERS:
        return "a polygon of one or two points"
    return None


def yolo_line(
    annotation: Annotation, code: int, size: tuple[int, int], where: str, *, as_polygon: bool
) -> str | None:
    """The line of an annotation; None if YOLO has none for its geometry.

    Raises:
        DataError: the coordinates are too large for a floating point number.
    """
    width, height = size
    box = box_of(annotation, where)
    if box is None or foreign_shape(annotation, as_polygon=as_polygon):
        return None
    if as_polygon:
        numbers = [part for x, y in points_of(annotation) for part in (x / width, y / height)]
    else:
        x, y, w, h = box
        numbers = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height]
    check_finite(numbers, where)
    return f"{code} " + " ".join(f"{number:.10f}".rstrip("0").rstrip(".") for number in numbers)


class YoloWriter:
    """Writes a folder; see `SampleWriter`.

    Args:
        root: the folder.
        losses: counts what YOLO cannot hold.
        segmentation: write polygons in place of boxes.
        labels: their order gives the class numbers; other labels follow in order of appearance.
    """

    def __init__(
        self,
        root: Path,
        losses: Losses,
        *,
        segmentation: bool = False,
        labels: list[str] | None = None,
    ) -> None:
        self._root, self._losses, self._segmentation = root, losses, segmentation
        self._codes = {label: number for number, label in enumerate(labels or [])}
        self._splits: set[str] = set()
        (root / "labels").mkdir()

    def write(self, sample: Sample) -> None:
        """Add an image."""
        size, lines = size_of(sample), []
        for number, annotation in enumerate(sample.annotations):
            where = location_of(sample, number)
            line = self._line(annotation, size, where)
            if line is not None:
                self._losses.note_fields(annotation, where, keeps=HOLDS.fields)
                lines.append(line)
        folder = folder_of(sample)
        self._splits.add(folder)
        path = self._root / "labels" / folder / safe_relative(sample.image).with_suffix(".txt")
        write_new(path, "".join(f"{line}\n" for line in lines).encode(), sample.image)

    def _line(self, annotation: Annotation, size: tuple[int, int], where: str) -> str | None:
        foreign = foreign_shape(annotation, as_polygon=self._segmentation)
        if foreign is not None:
            self._losses.note(foreign, where)
            return None
        if isinstance(annotation, Polygon) and not self._segmentation:
            self._losses.note("the outline of a polygon; its box is", where)
        elif isinstance(annotation, Rectangle) and self._segmentation:
            self._losses.note("that a rectangle is one; its outline is", where)
        code = self._codes.setdefault(annotation.label, len(self._codes))
        return yolo_line(annotation, code, size, where, as_polygon=self._segmentation)

    def close(self) -> None:
        """Write data.yaml."""
        rows = ["path: ."]
        # Ultralytics needs both train and val; a single split serves as both.
        only = sorted(self._splits)[:1] or ["train"]
        rows += [
            f"{name}: images/{name if name in self._splits else only[0]}"
            for name in ("train", "val", "test")
            if name in self._splits or name != "test"
        ]
        rows.append("names:" if self._codes else "names: {}")
        rows += [f"  {code}: {_quoted(label)}" for label, code in self._codes.items()]
        (self._root / "data.yaml").write_text("\n".join(rows) + "\n", encoding="utf-8")


def folder_of(sample: Sample) -> str:
    """The folder of an image's split."""
    split = sample.split or "train"
    return FOLDERS.get(split, safe_relative(split).name)


def image_path(sample: Sample) -> Path:
    """Where YOLO expects the image, below the folder."""
    return Path("images", folder_of(sample)) / safe_relative(sample.image)


def _quoted(label: str) -> str:
    """A label as YAML reads it back: in double quotes, which escape line breaks of all kinds."""
    dumped: str = yaml.safe_dump(label, default_style='"', allow_unicode=True, width=float("inf"))
    return dumped.rstrip("\n")


def read_yolo(root: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a folder, by split and name; a line of five numbers is a box.

    Args:
        root: has data.yaml and the folder ``labels``.
        losses: nothing is lost.
        options: the sizes of the images; those in the folder ``images`` by default.

    Raises:
        FormatError: a file is not of YOLO, with the line.
    """
    del losses
    sizes = options.sizes or image_sizes(root / "images")
    names = read_names(root / "data.yaml")
    labels = root / "labels"
    if not labels.is_dir():
        raise FormatError(Problem(str(labels), "is missing: labels are in a folder of that name"))
    for path in sorted(labels.rglob("*.txt")):
        if path.name == "classes.txt":
            continue  # some tools put it among the labels
        inner = path.relative_to(labels)
        split = _SPLITS.get(inner.parts[0]) if len(inner.parts) > 1 else None
        stem = (Path(*inner.parts[1:]) if split else inner).with_suffix("").as_posix()
        size = sizes.get(f"{inner.parts[0]}/{stem}" if split else stem) or sizes.get(stem)
        if size is None:
            message = "the size of its image is not known; give the folder with the images"
            raise FormatError(Problem(str(path), message))
        width, height, file_name = size
        image = f"{stem}{Path(file_name).suffix}"
        annotations = [
            _read_line(line, names, (width, height), f"{path}:{number}")
            for number, line in _lines(path)
            if line.strip()
        ]
        yield Sample(image=image, annotations=annotations, width=width, height=height, split=split)


def _read_line(line: str, names: dict[int, str], size: tuple[int, int], where: str) -> Annotation:
    try:
        code, *numbers = line.split()
        values = [float(number) for number in numbers]
        label = names[int(code)]
    except (ValueError, KeyError) as error:
        raise FormatError(Problem(where, f"is not a YOLO line: {line[:100]!r}")) from error
    width, height = size
    if not all(map(isfinite, values)):
        raise FormatError(Problem(where, f"is not a YOLO line: {line[:100]!r}"))
    confidence = values.pop() if len(values) % 2 and len(values) > BOX else None
    if confidence is not None and not 0 <= confidence <= 1:
        message = f"ends in the confidence {confidence}, must be from 0 to 1"
        raise FormatError(Problem(where, message))
    if len(values) == BOX:
        w, h = values[2] * width, values[3] * height
        if w < 0 or h < 0:
            raise FormatError(Problem(where, "width and height must be ≥ 0"))
        box = (values[0] * width - w / 2, values[1] * height - h / 2, w, h)
        check_finite(box, where)
        return Rectangle(label=label, bbox=box, confidence=confidence)
    if len(values) < 2 * CORNERS:
        raise FormatError(Problem(where, f"has {len(values)} numbers behind the class"))
    points = [(x * width, y * height) for x, y in zip(values[::2], values[1::2], strict=True)]
    for point in points:
        check_finite(point, where)
    return Polygon(label=label, polygon=points, confidence=confidence)


BOX = 4
"""Numbers of a box. A further number, of a box or a polygon, is the confidence of a prediction."""


MAX_LINE = 4 << 20
"""The limit of a line in characters: a polygon of more than 100,000 points. Its numbers take many times that in memory."""

MAX_NAMES_BYTES = 1 << 20
"""The limit of a data.yaml: YAML takes several hundred times that in memory."""


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers, one in memory at a time."""
    number = 0
    try:
        with path.open(encoding="utf-8-sig") as file:
            while line := file.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    message = f"is longer than {MAX_LINE:,} characters"
                    raise FormatError(Problem(f"{path}:{number}", message))
                yield number, line
    except OSError as error:
        raise FormatError(Problem(str(path), f"cannot be read: {error.strerror}")) from error
    except UnicodeDecodeError as error:
        raise FormatError(Problem(f"{path}:{number + 1}", "cannot be read as UTF-8")) from error


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_NAMES_BYTES:
            raise FormatError(Problem(str(path), f"is larger than {MAX_NAMES_BYTES:,} bytes"))
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise FormatError(Problem(str(path), f"cannot be read: {error.strerror}")) from error
    except UnicodeDecodeError as error:
        raise FormatError(Problem(str(path), f"cannot be read as UTF-8: {error}")) from error


def read_names(path: Path) -> dict[int, str]:
    """The class names of a data.yaml: its ``names``, as a list or by number.

    Raises:
        FormatError: they are missing or not valid.
    """
    text = _text(path)
    try:
        content: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise FormatError(Problem(str(path), f"is not YAML: {error}")) from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        raise FormatError(Problem(str(path), "has no class names below `names`"))
    names_by_number: dict[int, str] = {}
    for number, name in names.items():
        where = f"{path}: names.{number}"
        if type(number) is not int or isinstance(name, dict | list) or name in {None, ""}:
            raise FormatError(Problem(where, "must be a number and a name"))
        names_by_number[number] = str(name)
    return names_by_number


def write(target: Path, losses: Losses, options: ExportOptions) -> YoloWriter:
    """Open a writer; see `Format`."""
    return YoloWriter(target, losses, labels=options.labels)


def detect(probe: Probe) -> Detection | None:
    """A folder with data.yaml."""
    if probe.is_folder and (probe.path / "data.yaml").is_file():
        return Detection(Certainty.CERTAIN, "has data.yaml")
    return None


FORMAT = Format(
    name="yolo",
    about="YOLO detection",
    extension=".zip",
    is_folder=True,
    holds=HOLDS,
    read=read_yolo,
    write=write,
    detect=detect,
    image_path=image_path,
)
