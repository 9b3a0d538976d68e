"""The label files of YOLO: a line for each object, as fractions of the image's size.

A line begins with the class number. What follows depends on the task and on who wrote it (docs.ultralytics.com/datasets,
and ``Results.save_txt`` for predictions): a box, a polygon, or a box with keypoints; then perhaps a confidence, and
perhaps the number of a track. Only the file as a whole says which.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from pathlib import Path

from msgspec import Struct

from layernext.errors import FormatError, Problem
from layernext.formats.core.losses import Losses
from layernext.formats.core.sample import check_finite
from layernext.model import Annotation, Polygon, Rectangle

CORNERS = 3
"""The fewest corners of a polygon in YOLO: fewer numbers would be a box."""

BOX = 4
"""Numbers of a box. A further number, of a box or a polygon, is the confidence of a prediction."""

TRACKED = BOX + 2
"""Numbers of a box with a confidence and the number of a track; a triangle has as many."""

MAX_LINE = 4 << 20
"""The limit of a line in characters: a polygon of more than 100,000 points, which take many times that in memory."""


class Labels(Struct, frozen=True, kw_only=True):
    """What the lines of a dataset refer to.

    Attributes:
        names: the class names by number.
        source: where the names are, for messages.
        keypoints: how many keypoints an object has, and numbers each; None if it has none.
    """

    names: dict[int, str]
    source: str
    keypoints: tuple[int, int] | None = None


class _Line(Struct, frozen=True):
    label: str
    words: list[str]
    values: list[float]
    where: str


def read_labels(
    path: Path, labels: Labels, size: tuple[int, int], losses: Losses
) -> list[Annotation]:
    """The annotations of a label file.

    Args:
        path: the file.
        labels: what its lines refer to.
        size: width and height of the image in pixels.
        losses: counts keypoints, which are not read.

    Raises:
        FormatError: a line is not valid, or fits several tasks.
    """
    lines = [
        _parse(text, labels, f"{path}:{number}")
        for number, text in iter_lines(path)
        if text.strip()
    ]
    if labels.keypoints is not None:
        return [_read_pose(line, labels.keypoints, size, losses) for line in lines]
    is_tracked = _is_tracked(lines)
    return [_read_line(line, size, is_tracked=is_tracked) for line in lines]


def _parse(text: str, labels: Labels, where: str) -> _Line:
    words = text.split()
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        message = f"is not a YOLO line, which has only numbers: {text.strip()[:100]!r}"
        raise FormatError(Problem(where, message)) from error
    if not all(map(isfinite, values)):
        message = f"is not a YOLO line, whose numbers are finite: {text.strip()[:100]!r}"
        raise FormatError(Problem(where, message))
    code = values[0]
    if not code.is_integer() or int(code) not in labels.names:
        numbers = sorted(labels.names)
        span = f"{numbers[0]} to {numbers[-1]}" if numbers else "none"
        message = f"class {words[0][:20]} is not among the names of {labels.source} ({span})"
        raise FormatError(Problem(where, message))
    return _Line(labels.names[int(code)], words[1:], values[1:], where)


def _is_tracked(lines: list[_Line]) -> bool:
    """Whether each line is a box with a confidence and the number of a track; else six numbers are a triangle.

    Raises:
        FormatError: it could be either.
    """
    if not lines or any(len(line.values) != TRACKED for line in lines):
        return False
    if not all(line.words[-1].isdecimal() and 0 <= line.values[BOX] <= 1 for line in lines):
        return False
    tracks = [int(line.words[-1]) for line in lines]
    if max(tracks) > 1:
        return True  # as a coordinate it would be outside the image
    if min(tracks) == 1:
        message = (
            "may be a triangle, or a box with a confidence and the track 1; "
            "write the triangle's last number as 1.0, or take the track away"
        )
        raise FormatError(Problem(lines[0].where, message))
    return False


def _read_line(line: _Line, size: tuple[int, int], *, is_tracked: bool) -> Annotation:
    values, metadata = list(line.values), dict[str, int]()
    if is_tracked:
        metadata["track"] = int(values.pop())
    confidence = None
    if len(values) % 2 and len(values) > BOX:
        if len(values) == BOX + 1 and line.words[-1].isdecimal() and values[-1] >= 1:
            message = (
                f"ends in {line.words[-1]}, a confidence or a track number; "
                "write a confidence of 1 as 1.0"
            )
            raise FormatError(Problem(line.where, message))
        confidence = values.pop()
        if not 0 <= confidence <= 1:
            message = (
                f"ends in the confidence {confidence}, must be from 0 to 1; "
                "keypoints are only read if the dataset's YAML has kpt_shape"
            )
            raise FormatError(Problem(line.where, message))
    if len(values) == BOX:
        box = _box(values, size, line.where)
        return Rectangle(label=line.label, bbox=box, confidence=confidence, metadata=metadata)
    if len(values) < 2 * CORNERS:
        message = (
            f"has {len(line.values)} numbers after the class; expected 4 (a box) or pairs of at "
            "least 3 points, and perhaps a confidence"
        )
        raise FormatError(Problem(line.where, message))
    width, height = size
    points = [(x * width, y * height) for x, y in zip(values[::2], values[1::2], strict=True)]
    for point in points:
        check_finite(point, line.where)
    return Polygon(label=line.label, polygon=points, confidence=confidence, metadata=metadata)


def _read_pose(
    line: _Line, keypoints: tuple[int, int], size: tuple[int, int], losses: Losses
) -> Annotation:
    count = BOX + keypoints[0] * keypoints[1]
    if len(line.values) not in {count, count + 1}:
        message = (
            f"has {len(line.values)} numbers after the class; expected {count} by kpt_shape "
            f"{[*keypoints]}, and perhaps a confidence"
        )
        raise FormatError(Problem(line.where, message))
    confidence = line.values[count] if len(line.values) > count else None
    if confidence is not None and not 0 <= confidence <= 1:
        message = f"ends in the confidence {confidence}, must be from 0 to 1"
        raise FormatError(Problem(line.where, message))
    losses.note_shape("the keypoints of a pose (its box is kept)", line.where)
    return Rectangle(
        label=line.label, bbox=_box(line.values, size, line.where), confidence=confidence
    )


def _box(
    values: list[float], size: tuple[int, int], where: str
) -> tuple[float, float, float, float]:
    width, height = size
    w, h = values[2] * width, values[3] * height
    if w < 0 or h < 0:
        raise FormatError(Problem(where, "width and height must be ≥ 0"))
    box = (values[0] * width - w / 2, values[1] * height - h / 2, w, h)
    check_finite(box, where)
    return box


def iter_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers, one in memory at a time.

    Raises:
        FormatError: the file cannot be read, or a line is too long.
    """
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
