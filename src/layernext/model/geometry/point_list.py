"""What polygons, lines and points have in common: their coordinates are a list of points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Annotated, Any

from msgspec import Meta

from layernext.errors import DataError, Problem
from layernext.model.geometry.kind import Box, GeometryKind, Point
from layernext.model.problems import is_number, wrong


class PointListKind(GeometryKind[list[Point]]):
    """A kind whose coordinates are a list of at least one point."""

    coordinates_type = list[Point]
    checked_type = Annotated[list[Point], Meta(min_length=1)]

    def find_problems(self, coordinates: Any, where: str) -> Iterator[Problem]:
        """All that is wrong with JSON in place of a list of points."""
        if not isinstance(coordinates, list) or not coordinates:
            yield wrong(where, coordinates, "a list of at least one [x, y]")
            return
        for position, point in enumerate(coordinates):
            if not isinstance(point, list) or len(point) != 2:  # noqa: PLR2004 - x and y
                yield wrong(f"{where}[{position}]", point, "[x, y]")
                continue
            for axis, number in enumerate(point):
                if not is_number(number):
                    yield wrong(f"{where}[{position}][{axis}]", number, "a finite number")

    def box(self, coordinates: list[Point]) -> Box:
        """The box around all points."""
        xs, ys = zip(*coordinates, strict=True)
        left, top = min(xs), min(ys)
        return left, top, max(xs) - left, max(ys) - top

    def outline(self, coordinates: list[Point]) -> list[Point]:
        """The points themselves."""
        return coordinates

    def scale(self, coordinates: list[Point], width: float, height: float) -> list[Point]:
        """Fractions become pixels."""
        return [(x * width, y * height) for x, y in coordinates]

    def move(self, coordinates: list[Point], move: Callable[[float, float], Point]) -> list[Point]:
        """Every point moved."""
        return [move(x, y) for x, y in coordinates]

    def drawing(self, coordinates: list[Point]) -> tuple[int, Sequence[float | None]]:
        """X and y in turn."""
        return self.code, [*chain.from_iterable(coordinates)]

    def to_published(self, coordinates: list[Point]) -> dict[str, Any]:
        """The points."""
        return {"points": coordinates}

    def from_published(
        self, box: Box | None, points: list[Point] | None, where: str
    ) -> list[Point]:
        """The points."""
        del box
        if not points:
            message = "is missing, must have at least one point"
            raise DataError(Problem(f"{where}.points", message))
        return points
