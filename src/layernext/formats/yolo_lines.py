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
from layernext.formats.core.poses import VISIBLE
from layernext.formats.core.rotation import rotated_box_or_polygon
from layernext.formats.core.sample import check_finite
from layernext.formats.core.scores import Scores
from layernext.model import Annotation, Keypoint, Keypoints, Polygon, Rectangle

CORNERS = 3
"""The fewest corners of a polygon in YOLO: fewer numbers would be a box."""

BOX = 4
"""Numbers of a box. A further number, of a box or a polygon, is the confidence of a prediction."""

XY = 2

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
        are_rotated: whether every line has the four corners of a rotated box.
        need_boxes: whether these corners become a rotated box even if they are not those of one.
        are_boxes: whether only the boxes of keypoints are read, for an evaluation of boxes.
    """

    names: dict[int, str]
    source: str
    keypoints: tuple[int, int] | None = None
    are_rotated: bool = False
    need_boxes: bool = False
    are_boxes: bool = False


class _Line(Struct, frozen=True):
    label: str
    words: list[str]
    values: list[float]
    where: str


def read_labels(
    path: Path, labels: Labels, size: tuple[float, float], losses: Losses, scores: Scores
) -> list[Annotation]:
    """The annotations of a label file.

    Args:
        path: the file.
        labels: what its lines refer to.
        size: width and height of the image in pixels; 1 and 1 to keep fractions.
        losses: counts what is not read.
        scores: how scores become confidences.

    Raises:
        FormatError: a line is not valid, or fits several tasks.
    """
    lines: list[_Line] = []
    for number, text in iter_lines(path):
        if text.strip():
            with losses.problems:
                lines.append(_parse(text, labels, f"{path}:{number}"))
    is_plain = labels.keypoints is None and not labels.are_rotated
    is_tracked = is_plain and _is_tracked(lines, scores)
    annotations: list[Annotation] = []
    for line in lines:
        with losses.problems:
            if labels.are_rotated:
                annotations.append(_read_rotated(line, labels, size, losses, scores))
            elif labels.keypoints is not None:
                annotations.append(_read_pose(line, labels, labels.keypoints, size, scores))
            else:
                annotations.append(_read_line(line, size, scores, is_tracked=is_tracked))
    return annotations


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


def _is_tracked(lines: list[_Line], scores: Scores) -> bool:
    """Whether each line is a box with a confidence and the number of a track; else six numbers are a triangle.

    Raises:
        FormatError: it could be either.
    """
    if not lines or any(len(line.values) != TRACKED for line in lines):
        return False
    is_plain = scores.is_plain
    if not all(
        line.words[-1].isdecimal() and (0 <= line.values[BOX] <= 1 or not is_plain)
        for line in lines
    ):
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


def _read_line(
    line: _Line, size: tuple[float, float], scores: Scores, *, is_tracked: bool
) -> Annotation:
    values, metadata = list(line.values), dict[str, int]()
    if is_tracked:
        metadata["track"] = int(values.pop())
    confidence = None
    if len(values) % 2 and len(values) > BOX:
        is_whole = line.words[-1].isdecimal() and values[-1] >= 1
        if len(values) == BOX + 1 and is_whole and scores.is_plain:
            message = (
                f"ends in {line.words[-1]}, a confidence or a track number; "
                "write a confidence of 1 as 1.0"
            )
            raise FormatError(Problem(line.where, message))
        confidence = _confidence(values.pop(), line.where, scores)
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


def _read_rotated(
    line: _Line, labels: Labels, size: tuple[float, float], losses: Losses, scores: Scores
) -> Annotation:
    """The rotated box of four corners, and perhaps a confidence."""
    if len(line.values) not in {2 * BOX, 2 * BOX + 1}:
        message = (
            f"has {len(line.values)} numbers after the class; expected 8, the corners of a rotated box, "
            "and perhaps a confidence"
        )
        raise FormatError(Problem(line.where, message))
    confidence = None
    if len(line.values) > 2 * BOX:
        confidence = scores.read(line.values[-1], line.where, "confidence at the end")
    values, (width, height) = line.values[: 2 * BOX], size
    points = [(x * width, y * height) for x, y in zip(values[::2], values[1::2], strict=True)]
    fields = {"label": line.label, "confidence": confidence}
    if size != (1.0, 1.0):
        return rotated_box_or_polygon(
            points, fields, line.where, losses, needs_box=labels.need_boxes
        )
    losses.note_shape(
        "that four corners are a rotated box, as the size of the image is not known; their polygon is",
        line.where,
    )
    return Polygon(label=line.label, polygon=points, confidence=confidence)


def _confidence(value: float, where: str, scores: Scores) -> float | None:
    try:
        return scores.read(value, where, "confidence at the end")
    except FormatError as error:
        problem = error.problems[0]
        message = f"{problem.message}; keypoints are only read if the dataset's YAML has kpt_shape"
        raise FormatError(Problem(where, message), hint=error.hint) from error


def _read_pose(
    line: _Line,
    labels: Labels,
    keypoints: tuple[int, int],
    size: tuple[float, float],
    scores: Scores,
) -> Annotation:
    count = BOX + keypoints[0] * keypoints[1]
    if len(line.values) not in {count, count + 1}:
        message = (
            f"has {len(line.values)} numbers after the class; expected {count} by kpt_shape "
            f"{[*keypoints]}, and perhaps a confidence"
        )
        raise FormatError(Problem(line.where, message))
    confidence = None
    if len(line.values) > count:
        confidence = scores.read(line.values[count], line.where, "confidence at the end")
    box = _box(line.values, size, line.where)
    if labels.are_boxes:
        return Rectangle(label=line.label, bbox=box, confidence=confidence)
    step = keypoints[1]
    words, values = line.words[BOX:count], line.values[BOX:count]
    points = [
        _point(words[start : start + step], values[start : start + step], size, line.where)
        for start in range(0, len(values), step)
    ]
    return Keypoints(label=line.label, keypoints=points, bbox=box, confidence=confidence)


def _point(
    words: list[str], values: list[float], size: tuple[float, float], where: str
) -> Keypoint:
    """A point; without a visibility it is visible, unless it is left or above of the image, as Ultralytics has it."""
    x, y = values[0] * size[0], values[1] * size[1]
    check_finite((x, y), where)
    if len(values) <= XY:
        return x, y, 0 if min(x, y) < 0 else VISIBLE
    visibility = values[XY]
    if visibility < 0:
        raise FormatError(Problem(where, f"the visibility of a point is {words[XY]}, must be ≥ 0"))
    return x, y, int(visibility) if words[XY].isdecimal() else visibility


def _box(
    values: list[float], size: tuple[float, float], where: str
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
