"""Polygons: closed outlines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from layernext.model.geometry.kind import AnnotationFields, Box, Point
from layernext.model.geometry.point_list import PointListKind


class Polygon(AnnotationFields, tag="polygon", frozen=True, kw_only=True, gc=False):
    """A labeled closed outline; other fields as in `Rectangle`.

    Attributes:
        polygon: the corners in order, at least one; the last joins the first by itself.
    """

    geometry: ClassVar[Literal["polygon"]] = "polygon"

    polygon: list[Point]


class PolygonKind(PointListKind):
    """Everything particular to polygons."""

    name = "polygon"
    code = 2
    struct = Polygon
    key = "polygon"
    protocols = ("coco", "lvis", "voc", "voc2007", "boundary")

    def area(self, coordinates: list[Point]) -> float:
        """Inside the outline, by the shoelace formula."""
        ring = zip(coordinates, [*coordinates[1:], *coordinates[:1]], strict=True)
        return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in ring)) / 2

    def crop(self, coordinates: list[Point], window: Box) -> Sequence[list[Point]]:
        """The part inside the window, if it has an area."""
        left, top, width, height = window
        points = _clip([(x - left, y - top) for x, y in coordinates], width, height)
        return [points] if self.area(points) > 0 else []


def _clip(points: list[Point], width: float, height: float) -> list[Point]:
    """Sutherland and Hodgman, 1974: cut at one edge of the window after the other."""
    for axis, bound, sign in ((0, 0.0, 1), (0, width, -1), (1, 0.0, 1), (1, height, -1)):
        inside: list[Point] = []
        previous_points = [points[-1], *points[:-1]] if points else []
        for previous, point in zip(previous_points, points, strict=True):
            is_in, was_in = (sign * (p[axis] - bound) >= 0 for p in (point, previous))
            if is_in != was_in:
                inside.append(_crossing(previous, point, axis, bound))
            if is_in:
                inside.append(point)
        points = inside
    return points


def _crossing(start: Point, end: Point, axis: int, bound: float) -> Point:
    part = (bound - start[axis]) / (end[axis] - start[axis])
    across = start[1 - axis] + part * (end[1 - axis] - start[1 - axis])
    return (bound, across) if axis == 0 else (across, bound)


POLYGON = PolygonKind()
