"""Boxes that are rotated in other tools: they are read as the polygon of their corners."""

from __future__ import annotations

import math
from typing import Any

from layernext.formats.core.sample import check_finite
from layernext.model import Annotation, Box, Point, Polygon, Rectangle

_QUARTERS = {0.0: (1.0, 0.0), 90.0: (0.0, 1.0), 180.0: (-1.0, 0.0), 270.0: (0.0, -1.0)}
"""Cosine and sine of quarter turns, exactly."""


def rotated_corners(box: Box, degrees: float, center: Point | None = None) -> list[Point]:
    """The corners of a rotated box, from what was its top left corner on.

    Args:
        box: x, y, width, height before the rotation, in pixels.
        degrees: clockwise, as seen in the image.
        center: what it is rotated around; the middle of the box by default.

    Example:
        >>> rotated_corners((20, 30, 40, 10), 90)
        [(45.0, 15.0), (45.0, 55.0), (35.0, 55.0), (35.0, 15.0)]
    """
    x, y, width, height = box
    center_x, center_y = center or (x + width / 2, y + height / 2)
    turn = degrees % 360
    cosine, sine = _QUARTERS.get(turn) or (
        math.cos(math.radians(turn)), math.sin(math.radians(turn)),
    )  # fmt: skip
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    return [
        (
            center_x + (px - center_x) * cosine - (py - center_y) * sine,
            center_y + (px - center_x) * sine + (py - center_y) * cosine,
        )
        for px, py in corners
    ]


def box_or_outline(
    box: Box, degrees: float, where: str, fields: dict[str, Any], *, center: Point | None = None
) -> Annotation:
    """A rectangle, or the polygon of its corners if it is rotated.

    Args:
        box, degrees, center: as in `rotated_corners`.
        where: its location, for messages.
        fields: the other fields of the annotation.

    Raises:
        DataError: the corners are too large for a floating point number.
    """
    if not degrees % 360:
        return Rectangle(bbox=box, **fields)
    outline = rotated_corners(box, degrees, center)
    for corner in outline:
        check_finite(corner, where)
    return Polygon(polygon=outline, **fields)
