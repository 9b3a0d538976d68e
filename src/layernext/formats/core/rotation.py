"""Rotated boxes on their way between formats: what they are in a format that has them, and in one that has not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from layernext.formats.core.losses import Losses
from layernext.formats.core.sample import check_finite, points_of
from layernext.model import (
    Annotation,
    Box,
    Point,
    Polygon,
    Rectangle,
    RotatedBox,
    box_of_corners,
    rotated_corners,
)

ROUNDED = 1.0
"""Pixels that a corner of a rotated box may be elsewhere, as it is where corners are whole numbers."""

EXACT = 0.01
"""Pixels that a corner may be elsewhere by the digits of a format."""

AS_OUTLINE = "the rotation of a box; its outline is"
"""The loss of a format that has polygons, and no rotated boxes."""

UNTURNED = "that a box is a rotated one: its rotation is 0, and it is written as a box"
"""The loss of a format whose boxes have a rotation, which most do not use."""


def box_or_rotated_box(
    box: Box, degrees: float, where: str, fields: dict[str, Any], *, about: Point | None = None
) -> Annotation:
    """A rectangle, or a rotated box if it is turned.

    Args:
        box: x, y, width, height before it is turned, in pixels.
        degrees: clockwise, as seen in the image.
        where: its location, for messages.
        fields: the other fields of the annotation.
        about: what it is turned about; the middle of the box by default.

    Raises:
        DataError: the corners are too large for a floating point number.
    """
    if not degrees % 360:
        return Rectangle(bbox=box, **fields)
    corners = rotated_corners(box, degrees, about)
    for corner in corners:
        check_finite(corner, where)
    if about is not None:
        (x1, y1), _, (x2, y2), _ = corners
        width, height = box[2:]
        box = ((x1 + x2 - width) / 2, (y1 + y2 - height) / 2, width, height)
    return RotatedBox(bbox=box, rotation=degrees, **fields)


def rotated_box_or_polygon(
    points: Sequence[Point],
    fields: dict[str, Any],
    where: str,
    losses: Losses,
    *,
    needs_box: bool = False,
) -> Annotation:
    """The rotated box with these corners; their polygon if they are not nearly those of one.

    Args:
        points: the corners in order, in pixels, in either direction.
        fields: the other fields of the annotation.
        where: its location, for messages.
        losses: counts corners that are not exactly those of a box.
        needs_box: an evaluation compares boxes: of other polygons take the smallest box around them.

    Raises:
        DataError: the corners are too large for a floating point number.
    """
    for point in points:
        check_finite(point, where)
    sides = [math.dist(*side) for side in pairwise([*points, points[0]])]
    for tolerance in (EXACT, min(ROUNDED, min(sides) / 4)):
        for corners in (points, [points[0], *points[:0:-1]]):
            box = box_of_corners(corners, tolerance)
            if box is not None:
                if tolerance != EXACT:
                    losses.note("how corners were rounded; the nearest rotated box is", where)
                return RotatedBox(bbox=box[0], rotation=box[1], **fields)
    if needs_box:
        losses.note_shape("a polygon that is not a rotated box; the smallest one around is", where)
        bbox, rotation = smallest_rotated_box(points)
        return RotatedBox(bbox=bbox, rotation=rotation, **fields)
    return Polygon(polygon=list(points), **fields)


def smallest_rotated_box(points: Sequence[Point]) -> tuple[Box, float]:
    """The rotated box of the smallest area around some points: one of its sides is along two of them.

    Returns:
        The box before it is turned, and its rotation in degrees, clockwise as seen.
    """
    candidates: list[tuple[Box, float]] = []
    for start in points:
        for end in points:
            if start == end:
                continue
            angle = math.atan2(end[1] - start[1], end[0] - start[0])
            cosine, sine = math.cos(angle), math.sin(angle)
            along = [x * cosine + y * sine for x, y in points]
            across = [y * cosine - x * sine for x, y in points]
            width, height = max(along) - min(along), max(across) - min(across)
            middle, level = (max(along) + min(along)) / 2, (max(across) + min(across)) / 2
            x, y = middle * cosine - level * sine, middle * sine + level * cosine
            box = (x - width / 2, y - height / 2, width, height)
            candidates.append((box, math.degrees(angle)))
    if not candidates:  # they are all the same
        return (*points[0], 0.0, 0.0), 0.0
    return min(candidates, key=lambda candidate: candidate[0][2] * candidate[0][3])


def outlined(annotation: Annotation, where: str, losses: Losses) -> Annotation:
    """The polygon of a rotated box, counted as a loss, for formats that have none; others as they are."""
    if not isinstance(annotation, RotatedBox):
        return annotation
    losses.note(AS_OUTLINE, where)
    points = points_of(annotation)
    for point in points:
        check_finite(point, where)
    return Polygon(
        polygon=points,
        label=annotation.label,
        confidence=annotation.confidence,
        track=annotation.track,
        attributes=annotation.attributes,
        metadata=annotation.metadata,
    )
