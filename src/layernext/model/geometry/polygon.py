"""Polygons: closed outlines, alone or as parts with holes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, ClassVar, Literal, TypeAlias

from msgspec import field

from layernext.errors import DataError, Problem
from layernext.model.geometry.kind import AnnotationFields, Box, Point, corners
from layernext.model.geometry.point_list import PointListKind
from layernext.model.problems import wrong

Ring: TypeAlias = list[Point]
"""A closed outline: the last corner joins the first by itself."""

Part: TypeAlias = list[Ring]
"""An outline, and those of the holes in it."""

Coordinates: TypeAlias = Ring | list[Part]
"""What a polygon has under ``polygon``, or under ``parts``."""


class Polygon(AnnotationFields, tag="polygon", frozen=True, kw_only=True, gc=False):
    """A labeled closed outline, or several; other fields as in `Rectangle`.

    Either `polygon` or `parts` is given.

    Attributes:
        polygon: the corners in order, at least one; the outline closes by itself. Empty if there are
            ``parts``.
        parts: for an object with several outlines or with holes: a list of parts, each a list of outlines in
            the form of ``polygon``. The first outline of a part is the outer one, the others are holes in it.
            Parts may overlap.
    """

    geometry: ClassVar[Literal["polygon"]] = "polygon"

    polygon: list[Point] = field(default_factory=list)
    parts: list[list[list[Point]]] = field(default_factory=list)


class PolygonKind(PointListKind):
    """Everything particular to polygons."""

    name = "polygon"
    code = 2
    struct = Polygon
    key = "polygon"
    alternative_types: ClassVar[Mapping[str, Any]] = {"parts": list[list[list[Point]]]}
    protocols = ("coco", "lvis", "voc", "voc2007", "boundary")

    def coordinates_of(self, annotation: Any) -> Any:
        """The corners, or the parts."""
        return annotation.polygon or annotation.parts or annotation.polygon

    def fields_of(self, coordinates: Any) -> dict[str, Any]:
        """Corners or parts, and nothing under the other key."""
        if has_parts(coordinates):
            return {"polygon": [], "parts": coordinates}
        return {"polygon": coordinates, "parts": []}

    def is_alternative_doubtful(self, value: Any) -> bool:
        """Whether there are no parts, or one without outlines, or an outline without corners."""
        return not value or not all(part and all(part) for part in value)

    def find_alternative_problems(self, key: str, value: Any, where: str) -> Iterator[Problem]:
        """All that is wrong with JSON in place of parts."""
        del key
        if not isinstance(value, list) or not value:
            yield wrong(where, value, "a list of at least one part, each a list of outlines")
            return
        for number, part in enumerate(value):
            if not isinstance(part, list) or not part:
                expected = "a list of outlines: the outer one, then its holes"
                yield wrong(f"{where}[{number}]", part, expected)
                continue
            for ring_number, ring in enumerate(part):
                yield from self.find_problems(ring, f"{where}[{number}][{ring_number}]")

    def box(self, coordinates: Any) -> Box:
        """The box around all corners."""
        return super().box(_points(coordinates))

    def area(self, coordinates: Any) -> float:
        """Inside the outlines and outside of the holes, by the shoelace formula; each part counts."""
        return sum(
            ring_area(part[0]) - sum(map(ring_area, part[1:])) for part in parts_of(coordinates)
        )

    def outline(self, coordinates: Any) -> list[Point]:
        """The corners; of several outlines those of the box around them."""
        return corners(self.box(coordinates)) if has_parts(coordinates) else coordinates

    def scale(self, coordinates: Any, width: float, height: float) -> Any:
        """Fractions become pixels."""
        return self.move(coordinates, lambda x, y: (x * width, y * height))

    def move(self, coordinates: Any, move: Callable[[float, float], Point]) -> Any:
        """Every corner moved."""
        if not has_parts(coordinates):
            return [move(x, y) for x, y in coordinates]
        return [[[move(x, y) for x, y in ring] for ring in part] for part in coordinates]

    def crop(self, coordinates: Any, window: Box) -> Sequence[Any]:
        """The part inside the window, if it has an area."""
        left, top, width, height = window
        inside = []
        for part in parts_of(coordinates):
            rings = [_clip([(x - left, y - top) for x, y in ring], width, height) for ring in part]
            if ring_area(rings[0]) > 0:
                inside.append([ring for ring in rings if ring_area(ring) > 0])
        if not inside:
            return []
        return [inside[0][0] if len(inside) == len(inside[0]) == 1 else inside]

    def drawing(self, coordinates: Any) -> tuple[int, Sequence[float | None]]:
        """X and y in turn; two None between outlines, of which holes run the other way round."""
        if not has_parts(coordinates):
            return self.code, [*chain.from_iterable(coordinates)]
        numbers: list[float | None] = []
        for ring in oriented_rings(coordinates):
            numbers += (None, None) if numbers else ()
            numbers += chain.from_iterable(ring)
        return self.code, numbers

    def to_published(self, coordinates: Any) -> dict[str, Any]:
        """The corners.

        Raises:
            DataError: there are several outlines.
        """
        if has_parts(coordinates):
            message = "the published protocol has no polygon of several outlines"
            raise DataError(Problem("parts", message))
        return super().to_published(coordinates)


def has_parts(coordinates: Any) -> bool:
    """Whether coordinates of a polygon are parts."""
    if not isinstance(coordinates, list | tuple) or not coordinates:
        return False
    first = coordinates[0]
    is_list = isinstance(first, list | tuple)
    return is_list and (not first or isinstance(first[0], list | tuple))


def parts_of(coordinates: Any) -> list[Part]:
    """The parts of a polygon; an outline alone is one."""
    return coordinates if has_parts(coordinates) else [[coordinates]]


def oriented_rings(coordinates: Any) -> list[Ring]:
    """Every outline: outer ones clockwise as seen in the image, holes the other way round."""
    rings: list[Ring] = []
    for part in parts_of(coordinates):
        for number, ring in enumerate(part):
            is_clockwise = _signed_area(ring) >= 0
            rings.append(ring if is_clockwise == (number == 0) else ring[::-1])
    return rings


def ring_area(ring: Ring) -> float:
    """Inside an outline, by the shoelace formula."""
    return abs(_signed_area(ring))


def _signed_area(ring: Ring) -> float:
    """Positive if the outline is clockwise as seen in the image."""
    sides = zip(ring, [*ring[1:], *ring[:1]], strict=True)
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in sides) / 2


def _points(coordinates: Any) -> list[Point]:
    if not has_parts(coordinates):
        points: list[Point] = coordinates
        return points
    return [point for part in coordinates for ring in part for point in ring]


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
