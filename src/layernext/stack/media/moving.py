"""Annotations on the move: where they are in an image that was mirrored, turned or cropped.

Coordinates are in pixels, x to the right and y down, from the image's top left corner. Mirrors and turns
by 90 degrees keep every shape exactly; cropping cuts shapes at the edge, and drops those outside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeAlias

from msgspec.structs import replace

from layernext.model import Annotation, Line, Polygon, Rectangle
from layernext.stack.media.found import Picture

Point: TypeAlias = tuple[float, float]
Move: TypeAlias = Callable[[Annotation], list[Annotation]]
"""What becomes of an annotation: none, one, or of a line that is cut several."""


def move_into(picture: Picture) -> Move:
    """Where the annotations of an image are in a picture that was made of it."""
    width, height = picture.image_wh
    if picture.window is not None:
        return crop_to(*picture.window)
    points: dict[str, Callable[[float, float], Point]] = {
        "FLIP_HORIZONTAL": lambda x, y: (width - x, y),
        "FLIP_VERTICAL": lambda x, y: (x, height - y),
        "CLOCKWISE": lambda x, y: (height - y, x),
        "COUNTER_CLOCKWISE": lambda x, y: (y, width - x),
        "UPSIDE_DOWN": lambda x, y: (width - x, height - y),
    }
    move = points.get(picture.augmentation.property)
    return stay if move is None else by_points(move)


def stay(one: Annotation) -> list[Annotation]:
    """For changes of colour."""
    return [one]


def by_points(move: Callable[[float, float], Point]) -> Move:
    """Move each point; for mirrors and turns by 90 degrees, which keep boxes boxes."""

    def moved(one: Annotation) -> list[Annotation]:
        if isinstance(one, Rectangle):
            x, y, width, height = one.bbox
            (x1, y1), (x2, y2) = move(x, y), move(x + width, y + height)
            # The sides are the old ones, and not differences, which would be rounded.
            sides = (width, height) if _keeps_axes(move) else (height, width)
            return [replace(one, bbox=(min(x1, x2), min(y1, y2), *sides))]
        if isinstance(one, Polygon):
            return [replace(one, polygon=[move(x, y) for x, y in one.polygon])]
        if isinstance(one, Line):
            return [replace(one, line=[move(x, y) for x, y in one.line])]
        return [replace(one, points=[move(x, y) for x, y in one.points])]

    return moved


def _keeps_axes(move: Callable[[float, float], Point]) -> bool:
    return move(0, 0)[0] != move(1, 0)[0]


def crop_to(left: float, top: float, width: float, height: float) -> Move:
    """What is left of a shape in a window, as seen from its top left corner."""

    def cropped(one: Annotation) -> list[Annotation]:
        if isinstance(one, Rectangle):
            x, y, w, h = one.bbox
            x1, y1 = max(x - left, 0.0), max(y - top, 0.0)
            x2, y2 = min(x + w - left, width), min(y + h - top, height)
            return [replace(one, bbox=(x1, y1, x2 - x1, y2 - y1))] if x2 > x1 and y2 > y1 else []
        if isinstance(one, Polygon):
            points = _clip_polygon([(x - left, y - top) for x, y in one.polygon], width, height)
            return [replace(one, polygon=points)] if _area(points) > 0 else []
        if isinstance(one, Line):
            pieces = _clip_line([(x - left, y - top) for x, y in one.line], width, height)
            return [replace(one, line=piece) for piece in pieces]
        points = [
            (x - left, y - top)
            for x, y in one.points
            if left <= x <= left + width and top <= y <= top + height
        ]
        return [replace(one, points=points)] if points else []

    return cropped


def _clip_polygon(points: list[Point], width: float, height: float) -> list[Point]:
    """Sutherland and Hodgman, 1974: cut at one edge of the window after the other."""
    for axis, bound, sign in ((0, 0.0, 1), (0, width, -1), (1, 0.0, 1), (1, height, -1)):
        kept: list[Point] = []
        for before, here in zip([points[-1], *points[:-1]] if points else [], points, strict=True):
            is_in, was_in = (sign * (p[axis] - bound) >= 0 for p in (here, before))
            if is_in != was_in:
                kept.append(_crossing(before, here, axis, bound))
            if is_in:
                kept.append(here)
        points = kept
    return points


def _crossing(one: Point, other: Point, axis: int, bound: float) -> Point:
    part = (bound - one[axis]) / (other[axis] - one[axis])
    across = one[1 - axis] + part * (other[1 - axis] - one[1 - axis])
    return (bound, across) if axis == 0 else (across, bound)


def _area(points: Sequence[Point]) -> float:
    ring = zip(points, [*points[1:], *points[:1]], strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in ring)) / 2


def _clip_line(points: list[Point], width: float, height: float) -> list[list[Point]]:
    """The pieces of a line that are in the window, each as long as it stays inside."""
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
    one = start if first == 0 else (start[0] + first * dx, start[1] + first * dy)
    other = end if last == 1 else (start[0] + last * dx, start[1] + last * dy)
    return one, other
