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
from layernext.formats.samples import (
    Losses,
    Sample,
    box_of,
    check_finite,
    place_of,
    points_of,
    safe_relative,
    size_of,
    write_new,
)
from layernext.model import Annotation, Line, Points, Polygon, Rectangle

CORNERS = 3
"""Of a polygon in YOLO, at least: fewer numbers would be a box."""

FOLDERS = {"train": "train", "validation": "val", "test": "test", None: "train"}
_SPLITS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}


def foreign_shape(one: Annotation, *, as_polygon: bool) -> str | None:
    """What YOLO has no line for: a name for the shape of such an annotation."""
    if isinstance(one, Line | Points):
        return f"the geometry {one.geometry}"
    if as_polygon and len(points_of(one)) < CORNERS:
        return "a polygon of one or two points"
    return None


def yolo_line(
    one: Annotation, code: int, size: tuple[int, int], where: str, *, as_polygon: bool
) -> str | None:
    """The line of an annotation; None if YOLO has none for its shape.

    Raises:
        DataError: the shape is larger than a number can say.
    """
    width, height = size
    box = box_of(one, where)
    if box is None or foreign_shape(one, as_polygon=as_polygon):
        return None
    if as_polygon:
        numbers = [each for x, y in points_of(one) for each in (x / width, y / height)]
    else:
        x, y, w, h = box
        numbers = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height]
    check_finite(numbers, where)
    return f"{code} " + " ".join(f"{number:.10f}".rstrip("0").rstrip(".") for number in numbers)


class YoloWriter:
    """Writes a folder; see `SampleWriter`.

    Args:
        root: the folder.
        losses: gathers what YOLO cannot hold.
        segmentation: write polygons in place of boxes.
        labels: their order gives the class numbers; others follow as they come.
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
        for number, one in enumerate(sample.annotations):
            where = place_of(sample, number)
            line = self._line(one, size, where)
            if line is not None:
                self._losses.note_fields(one, where, keeps=frozenset())
                lines.append(line)
        folder = self.folder_of(sample)
        self._splits.add(folder)
        path = self._root / "labels" / folder / safe_relative(sample.image).with_suffix(".txt")
        write_new(path, "".join(f"{line}\n" for line in lines).encode(), sample.image)

    def _line(self, one: Annotation, size: tuple[int, int], where: str) -> str | None:
        foreign = foreign_shape(one, as_polygon=self._segmentation)
        if foreign is not None:
            self._losses.note(foreign, where)
            return None
        if isinstance(one, Polygon) and not self._segmentation:
            self._losses.note("the outline of a polygon; its box is", where)
        elif isinstance(one, Rectangle) and self._segmentation:
            self._losses.note("that a rectangle is one; its outline is", where)
        code = self._codes.setdefault(one.label, len(self._codes))
        return yolo_line(one, code, size, where, as_polygon=self._segmentation)

    @staticmethod
    def folder_of(sample: Sample) -> str:
        """The folder of an image's split."""
        split = sample.split or "train"
        return FOLDERS.get(split, safe_relative(split).name)

    def image_place(self, sample: Sample) -> Path:
        """Where YOLO looks for the image, below the root."""
        return Path("images", self.folder_of(sample)) / safe_relative(sample.image)

    def close(self) -> None:
        """Write data.yaml."""
        rows = ["path: ."]
        # Ultralytics wants both; of a single one it takes the same twice.
        only = sorted(self._splits)[:1] or ["train"]
        rows += [
            f"{name}: images/{name if name in self._splits else only[0]}"
            for name in ("train", "val", "test")
            if name in self._splits or name != "test"
        ]
        rows.append("names:" if self._codes else "names: {}")
        rows += [f"  {code}: {_quoted(label)}" for label, code in self._codes.items()]
        (self._root / "data.yaml").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _quoted(label: str) -> str:
    """A label as YAML gives it back: in double quotes, where line breaks of all kinds are escaped."""
    dumped: str = yaml.safe_dump(label, default_style='"', allow_unicode=True, width=float("inf"))
    return dumped.rstrip("\n")


def read_yolo(root: Path, sizes: dict[str, tuple[int, int, str]]) -> Iterator[Sample]:
    """The images of a folder, by split and name; a line of five numbers is a box.

    Args:
        root: has data.yaml and the folder ``labels``.
        sizes: width, height and name of images by their paths without endings, below ``images``.

    Raises:
        FormatError: something is not such a file, with file and line.
    """
    names = read_names(root / "data.yaml")
    labels = root / "labels"
    if not labels.is_dir():
        raise FormatError(Problem(str(labels), "is missing: labels are in a folder of that name"))
    for path in sorted(labels.rglob("*.txt")):
        if path.name == "classes.txt":
            continue  # some tools lay it there
        inner = path.relative_to(labels)
        split = _SPLITS.get(inner.parts[0]) if len(inner.parts) > 1 else None
        stem = (Path(*inner.parts[1:]) if split else inner).with_suffix("").as_posix()
        size = sizes.get(f"{inner.parts[0]}/{stem}" if split else stem) or sizes.get(stem)
        if size is None:
            message = "the size of its image is not known; give the folder with the images"
            raise FormatError(Problem(str(path), message))
        width, height, found = size
        ending = Path(found).suffix
        image = f"{stem}{ending}"
        annotations = [
            _read_line(line, names, (width, height), f"{path}:{number}")
            for number, line in _lines(path)
            if line.strip()
        ]
        yield Sample(image=image, annotations=annotations, width=width, height=height, split=split)


def _read_line(line: str, names: dict[int, str], size: tuple[int, int], where: str) -> Annotation:
    try:
        code, *numbers = line.split()
        values = [float(each) for each in numbers]
        label = names[int(code)]
    except (ValueError, KeyError) as error:
        raise FormatError(Problem(where, f"is not a YOLO line: {line[:100]!r}")) from error
    width, height = size
    if not all(isfinite(each) for each in values):
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
"""Numbers of a box. One more, of a box or a polygon, is the confidence that predictions have."""


MAX_LINE = 4 << 20
"""Characters of a line: a polygon of more than 100,000 points. Its numbers take many times that in memory."""

MAX_NAMES_BYTES = 1 << 20
"""Of a data.yaml: YAML takes some hundred times that in memory."""


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
    """The class names of a data.yaml: below ``names``, as a list or by number.

    Raises:
        FormatError: there are none.
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
    found: dict[int, str] = {}
    for number, name in names.items():
        where = f"{path}: names.{number}"
        if type(number) is not int or isinstance(name, dict | list) or name in {None, ""}:
            raise FormatError(Problem(where, "must be a number and a name"))
        found[number] = str(name)
    return found
