"""Rotated boxes: rectangles that are turned about their centers."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Literal, TypeAlias

from layernext.errors import Problem
from layernext.model.geometry.kind import AnnotationFields, Box, GeometryKind, Point, corners
from layernext.model.geometry.polygon import POLYGON
from layernext.model.geometry.rectangle import RECTANGLE
from layernext.model.problems import is_number, wrong

BoxAndRotation: TypeAlias = tuple[Box, float]
"""A box before it is turned, and the degrees that it is turned by, clockwise as seen."""

_QUARTERS = {0.0: (1.0, 0.0), 90.0: (0.0, 1.0), 180.0: (-1.0, 0.0), 270.0: (0.0, -1.0)}
"""Cosine and sine of quarter turns, exactly."""

_QUARTER = 90.0


class RotatedBox(AnnotationFields, tag="rotated_box", frozen=True, kw_only=True, gc=False):
    """A labeled box that is turned about its center; other fields as in `Rectangle`.

    Attributes:
        bbox: x, y, width, height of the box before it is turned, as in `Rectangle`.
        rotation: degrees by which it is then turned, clockwise as seen in the image, about the center of
            `bbox`; any finite number, kept as written. If coordinates are normalized, `bbox` is in
            fractions of the image, and the box is turned after conversion to pixels.
    """

    geometry: ClassVar[Literal["rotated_box"]] = "rotated_box"

    bbox: tuple[float, float, float, float]
    rotation: float


class RotatedBoxKind(GeometryKind[BoxAndRotation]):
    """Everything particular to rotated boxes."""

    name = "rotated_box"
    code = 6
    struct = RotatedBox
    key = RECTANGLE.key
    coordinates_type = RECTANGLE.coordinates_type
    checked_type = RECTANGLE.checked_type
    further_types: ClassVar[dict[str, Any]] = {"rotation": float}
    colons = 2
    protocols = ("coco", "lvis", "voc", "voc2007")

    def find_problems(self, coordinates: Any, where: str) -> Iterator[Problem]:
        """All that is wrong with JSON in place of the box."""
        yield from RECTANGLE.find_problems(coordinates, where)

    def find_further_problems(self, key: str, value: Any, where: str) -> Iterator[Problem]:
        """What is wrong with JSON in place of the rotation."""
        if not is_number(value):
            yield wrong(where, value, f"a finite number ({key} in degrees, clockwise)")

    def box(self, coordinates: BoxAndRotation) -> Box:
        """The smallest upright box around the corners."""
        box, rotation = coordinates
        if not rotation % (2 * _QUARTER):
            return box
        return POLYGON.box(rotated_corners(box, rotation))

    def box_in_pixels(self, coordinates: BoxAndRotation, width: float, height: float) -> Box:
        """Around the corners, which are known in pixels only."""
        return self.box(self.scale(coordinates, width, height))

    def area(self, coordinates: BoxAndRotation) -> float:
        """Width times height."""
        return RECTANGLE.area(coordinates[0])

    def outline(self, coordinates: BoxAndRotation) -> list[Point]:
        """The corners, clockwise from what was the top left one."""
        return rotated_corners(*coordinates)

    def scale(self, coordinates: BoxAndRotation, width: float, height: float) -> BoxAndRotation:
        """Fractions become pixels; the rotation is that in pixels already."""
        box, rotation = coordinates
        return RECTANGLE.scale(box, width, height), rotation

    def move(
        self, coordinates: BoxAndRotation, move: Callable[[float, float], Point]
    ) -> BoxAndRotation:
        """The box in a mirrored or turned image.

        Turned with the image, it keeps its sides; mirrored, it is turned the other way.
        """
        box, rotation = coordinates
        origin, (right_x, right_y), (down_x, down_y) = move(0, 0), move(1, 0), move(0, 1)
        right = (right_x - origin[0], right_y - origin[1])
        down = (down_x - origin[0], down_y - origin[1])
        if right[0] * down[1] - right[1] * down[0] < 0:
            return RECTANGLE.move(box, move), -rotation
        quarters = {(1, 0): 0, (0, 1): 1, (-1, 0): 2, (0, -1): -1}[round(right[0]), round(right[1])]
        x, y, width, height = box
        center_x, center_y = move(x + width / 2, y + height / 2)
        in_place = (center_x - width / 2, center_y - height / 2, width, height)
        return in_place, rotation + _QUARTER * quarters

    def crop(self, coordinates: BoxAndRotation, window: Box) -> Sequence[BoxAndRotation]:
        """The whole box if a part of it is in the window: what is left after a cut would not be a box."""
        if not POLYGON.crop(rotated_corners(*coordinates), window):
            return []
        (x, y, width, height), rotation = coordinates
        return [((x - window[0], y - window[1], width, height), rotation)]

    def drawing(self, coordinates: BoxAndRotation) -> tuple[int, list[float]]:
        """The box, then the rotation."""
        box, rotation = coordinates
        return self.code, [*box, rotation]

    def to_published(self, coordinates: BoxAndRotation) -> dict[str, Any]:
        """The polygon of its corners; the fields that polygons do not have are read by this package only."""
        box, rotation = coordinates
        return {
            "type": POLYGON.name,
            "points": [[_finite(x), _finite(y)] for x, y in rotated_corners(box, rotation)],
            "boxBoundariesAndDimensions": dict(zip("xywh", box, strict=True)),
            "rotation": rotation,
        }


def rotated_corners(box: Box, rotation: float, center: Point | None = None) -> list[Point]:
    """The corners of a rotated box, clockwise from what was the top left one.

    Args:
        box: x, y, width, height before it is turned.
        rotation: degrees, clockwise as seen in the image.
        center: what it is turned about; the middle of the box by default.

    Example:
        >>> rotated_corners((20, 30, 40, 10), 90)
        [(45.0, 15.0), (45.0, 55.0), (35.0, 55.0), (35.0, 15.0)]
    """
    x, y, width, height = box
    center_x, center_y = center or (x + width / 2, y + height / 2)
    turn = rotation % 360
    cosine, sine = _QUARTERS.get(turn) or (
        math.cos(math.radians(turn)), math.sin(math.radians(turn)),
    )  # fmt: skip
    return [
        (
            center_x + (corner_x - center_x) * cosine - (corner_y - center_y) * sine,
            center_y + (corner_x - center_x) * sine + (corner_y - center_y) * cosine,
        )
        for corner_x, corner_y in corners(box)
    ]


def box_of_corners(points: Sequence[Point], tolerance: float) -> BoxAndRotation | None:
    """The rotated box that four points in order are the corners of; None if they are not.

    Args:
        points: the corners; the first two are the top side of the box before it is turned.
        tolerance: distance up to which a corner may be elsewhere.

    Returns:
        The box, and its rotation from -180 to 180 degrees, clockwise as seen.

    Example:
        >>> box_of_corners([(45, 15), (45, 55), (35, 55), (35, 15)], 0.01)
        ((20.0, 30.0, 40.0, 10.0), 90.0)
    """
    if len(points) != 4:  # noqa: PLR2004 - a box has four corners
        return None
    (x1, y1), (x2, y2), (x3, y3), (x4, y4) = points
    width = (math.hypot(x2 - x1, y2 - y1) + math.hypot(x3 - x4, y3 - y4)) / 2
    height = (math.hypot(x4 - x1, y4 - y1) + math.hypot(x3 - x2, y3 - y2)) / 2
    center_x, center_y = (x1 + x2 + x3 + x4) / 4, (y1 + y2 + y3 + y4) / 4
    along_x, along_y = x2 + x3 - x1 - x4, y2 + y3 - y1 - y4
    if width < height:  # the longer sides say more exactly how it is turned
        along_x, along_y = y3 + y4 - y1 - y2, -(x3 + x4 - x1 - x2)
    rotation = math.degrees(math.atan2(along_y, along_x))
    box = (center_x - width / 2, center_y - height / 2, width, height)
    is_box = all(
        math.hypot(x - corner_x, y - corner_y) <= tolerance
        for (x, y), (corner_x, corner_y) in zip(points, rotated_corners(box, rotation), strict=True)
    )
    return (box, rotation) if is_box else None


def _finite(number: float) -> float:
    """The number that JSON can hold that is nearest; 0 for one that is unknown."""
    return 0.0 if math.isnan(number) else min(max(number, -sys.float_info.max), sys.float_info.max)


ROTATED_BOX = RotatedBoxKind()
