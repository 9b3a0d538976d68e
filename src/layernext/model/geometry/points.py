"""Points: single ones, in format v2 only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from layernext.model.geometry.kind import AnnotationFields, Box, Point
from layernext.model.geometry.point_list import PointListKind


class Points(AnnotationFields, tag="points", frozen=True, kw_only=True, gc=False):
    """Labeled single points; other fields as in `Rectangle`.

    Attributes:
        points: the points, at least one.
    """

    geometry: ClassVar[Literal["points"]] = "points"

    points: list[Point]


class PointsKind(PointListKind):
    """Everything particular to points."""

    name = "points"
    code = 4
    struct = Points
    key = "points"

    def crop(self, coordinates: list[Point], window: Box) -> Sequence[list[Point]]:
        """The points in the window."""
        left, top, width, height = window
        points = [
            (x - left, y - top)
            for x, y in coordinates
            if left <= x <= left + width and top <= y <= top + height
        ]
        return [points] if points else []


POINTS = PointsKind()
