"""YOLO: detection and segmentation, with data.yaml, as docs.ultralytics.com/datasets describes them.

A text file for each image, a line for each object: the class number, then the box's middle and size, or the
polygon's points, as fractions of the image's size. Fractions have 10 digits: a thousandth of a pixel is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

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
from layernext.model import Annotation, Line, Points, Polygon, Rectangle

FOLDERS = {"train": "train", "validation": "val", "test": "test", None: "train"}
_SPLITS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}


def yolo_line(one: Annotation, code: int, size: tuple[int, int], *, as_polygon: bool) -> str | None:
    """The line of an annotation; None if YOLO has no such shape."""
    if isinstance(one, Line | Points):
        return None
    width, height = size
    if as_polygon:
        numbers = [each for x, y in points_of(one) for each in (x / width, y / height)]
    else:
        box = box_of(one)
        if box is None:
            return None
        x, y, w, h = box
        numbers = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height]
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

    def write(self, sample: Sample) -> None:
        """Add an image."""
        size, lines = size_of(sample), []
        keeps: frozenset[str] = frozenset()
        for number, one in enumerate(sample.annotations):
            where = place_of(sample, number)
            code = self._codes.setdefault(one.label, len(self._codes))
            line = yolo_line(one, code, size, as_polygon=self._segmentation)
            if line is None:
                self._losses.note(f"the geometry {one.geometry}", where)
                continue
            if isinstance(one, Polygon) and not self._segmentation:
                self._losses.note("the outline of a polygon; its box is", where)
            self._losses.note_fields(one, where, keeps=keeps)
            lines.append(line)
        folder = FOLDERS.get(sample.split, sample.split or "train")
        self._splits.add(folder)
        path = self._root / "labels" / folder / safe_relative(sample.image).with_suffix(".txt")
        write_durably(path, "".join(f"{line}\n" for line in lines).encode())

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
        names = self._codes.items()
        rows += [
            "names:",
            *(f"  {code}: {msgspec.json.encode(one).decode()}" for one, code in names),
        ]
        write_durably(self._root / "data.yaml", ("\n".join(rows) + "\n").encode())


def read_yolo(root: Path, sizes: dict[str, tuple[int, int, str]]) -> Iterator[Sample]:
    """The images of a folder, by split and name; a line of five numbers is a box.

    Args:
        root: has data.yaml and the folder ``labels``.
        sizes: width, height and name of images by their paths without endings, below ``images``.

    Raises:
        FormatError: something is no such file, with file and line.
    """
    names = read_names(root / "data.yaml")
    labels = root / "labels"
    if not labels.is_dir():
        raise FormatError(Problem(str(labels), "is missing: labels are in a folder of that name"))
    for path in sorted(labels.rglob("*.txt")):
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
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
            if line.strip()
        ]
        yield Sample(image=image, annotations=annotations, width=width, height=height, split=split)


def _read_line(line: str, names: dict[int, str], size: tuple[int, int], where: str) -> Annotation:
    try:
        code, *numbers = line.split()
        values = [float(each) for each in numbers]
        label = names[int(code)]
    except (ValueError, KeyError) as error:
        raise FormatError(Problem(where, f"is no line of YOLO: {line[:100]!r}")) from error
    width, height = size
    if len(values) in {4, 5}:
        x, y, w, h = (
            values[0] * width, values[1] * height, values[2] * width, values[3] * height,
        )  # fmt: skip
        confidence = values[4] if len(values) == 5 else None  # noqa: PLR2004 - the fifth number
        return Rectangle(label=label, bbox=(x - w / 2, y - h / 2, w, h), confidence=confidence)
    if len(values) < 6 or len(values) % 2:  # noqa: PLR2004 - three points
        raise FormatError(Problem(where, f"has {len(values)} numbers behind the class"))
    points = [(x * width, y * height) for x, y in zip(values[::2], values[1::2], strict=True)]
    return Polygon(label=label, polygon=points)


_NAME = re.compile(r"^\s+(?:-|(\d+)\s*:)\s*(.+?)\s*$")


def read_names(path: Path) -> dict[int, str]:
    """The class names of a data.yaml: below ``names``, as a list or by number.

    Only this part of YAML is read, and no other file's.

    Raises:
        FormatError: there are none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise FormatError(Problem(str(path), f"cannot be read: {error.strerror}")) from error
    names: dict[int, str] = {}
    is_inside = has_names = False
    for line in lines:
        if re.match(r"names\s*:", line):
            has_names = True
            rest = line.partition(":")[2].strip()
            if rest.startswith("["):
                return dict(enumerate(_plain(each) for each in rest.strip("[]").split(",")))
            is_inside = True
        elif is_inside and (found := _NAME.match(line)):
            number = int(found.group(1)) if found.group(1) else len(names)
            names[number] = _plain(found.group(2))
        elif line.strip() and not line[0].isspace() and not line.startswith("-"):
            is_inside = False
    if not has_names:
        raise FormatError(Problem(str(path), "has no class names below `names`"))
    return names


def _plain(text: str) -> str:
    text = text.strip()
    if text.startswith('"') and text.endswith('"'):
        try:
            return msgspec.json.decode(text.encode(), type=str)
        except msgspec.MsgspecError:
            return text[1:-1]
    return text[1:-1].replace("''", "'") if text.startswith("'") else text
