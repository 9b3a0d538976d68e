"""Lines: open, from point to point."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, Literal

from layernext.model.geometry.kind import AnnotationFields, Box, Point
from layernext.model.geometry.point_list import PointListKind


class Line(AnnotationFields, tag="line", frozen=True, kw_only=True, gc=False):
    """A labeled open line; other fields as in `Rectangle`.

    Attributes:
        line: the points in order, at least one.
    """

    geometry: ClassVar[Literal["line"]] = "line"

    line: list[Point]


class LineKind(PointListKind):
    """Everything particular to lines."""

    name = "line"
    code = 3
    struct = Line
    key = "line"
    # Some documentation pages of the published client use `polygon` for lines (docs/protocol.md).
    former_keys = ("polygon",)
    protocols = ("lane-f1", "chamfer")

    def crop(self, coordinates: list[Point], window: Box) -> Sequence[list[Point]]:
        """The pieces in the window, each as long as it stays inside."""
        left, top, width, height = window
        points = [(x - left, y - top) for x, y in coordinates]
        if len(points) == 1:
            x, y = points[0]
            return [points] if 0 <= x <= width and 0 <= y <= height else []
        pieces: list[list[Point]] = []
        for start, end in pairwise(points):
            inside = _clip_segment(start, end, width, height)
            if inside is None:
                continue
            if pieces and pieces[-1][-1] == inside[0]:
                pieces[-1].append(inside[1])
            else:
                pieces.append(list(inside))
        return pieces


def _clip_segment(
    start: Point, end: Point, width: float, height: float
) -> tuple[Point, Point] | None:
    """Liang and Barsky, 1984; None of what is outside or touches the window in one point."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    first, last = 0.0, 1.0
    for step, room in (
        (-dx, start[0]), (dx, width - start[0]), (-dy, start[1]), (dy, height - start[1]),
    ):  # fmt: skip
        if step == 0:
            if room < 0:
                return None
        elif step < 0:
            first = max(first, room / step)
        else:
            last = min(last, room / step)
    if first >= last:
        return None
    entry = start if first == 0 else (start[0] + first * dx, start[1] + first * dy)
    exit_ = end if last == 1 else (start[0] + last * dx, start[1] + last * dy)
    return entry, exit_


LINE = LineKind()
