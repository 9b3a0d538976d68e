"""Rectangles: upright boxes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from layernext.errors import DataError, Problem
from layernext.model.geometry.kind import AnnotationFields, Box, GeometryKind, Point
from layernext.model.problems import is_number, show, wrong

_SIDES = ("x", "y", "width", "height")
_LARGEST = sys.float_info.max  # JSON has no infinity, where a sum of two sides may end


class Rectangle(AnnotationFields, tag="rectangle", frozen=True, kw_only=True, gc=False):
    """A labeled bounding box.

    Attributes:
        bbox: x, y, width, height: the top left corner's distance from the image's left and top
            edge, then the sides, none negative; pixels, or fractions of the image if normalized.
        label: the class.
        confidence: the model's score, 0 to 1, or None.
        attributes: a dictionary from attribute name to its values, best first.
        metadata: the user's own fields, any JSON values.
    """

    geometry: ClassVar[Literal["rectangle"]] = "rectangle"

    bbox: tuple[float, float, float, float]


class RectangleKind(GeometryKind[Box]):
    """Everything particular to rectangles."""

    name = "rectangle"
    code = 1
    struct = Rectangle
    key = "bbox"
    coordinates_type = tuple[float, float, float, float]
    checked_type = tuple[float, float, Annotated[float, Meta(ge=0)], Annotated[float, Meta(ge=0)]]
    protocols = ("coco", "lvis", "voc", "voc2007")

    def find_problems(self, coordinates: Any, where: str) -> Iterator[Problem]:
        """All that is wrong with JSON in place of a box."""
        if not isinstance(coordinates, list):
            yield wrong(where, coordinates, "[x, y, width, height]")
            return
        if len(coordinates) != len(_SIDES):
            count = f"{len(coordinates)} number{'' if len(coordinates) == 1 else 's'}"
            message = f"has {count}, must have 4: x, y, width, height"
            yield Problem(where, message, "[x, y, width, height]", show(coordinates))
            return
        for position, (side, number) in enumerate(zip(_SIDES, coordinates, strict=True)):
            if not is_number(number):
                yield wrong(f"{where}[{position}]", number, f"a finite number ({side})")
            elif position > 1 and number < 0:
                yield Problem(where, f"{side} is {show(number)}, must be ≥ 0", "≥ 0", show(number))

    def box(self, coordinates: Box) -> Box:
        """The rectangle itself."""
        return coordinates

    def area(self, coordinates: Box) -> float:
        """Width times height."""
        return coordinates[2] * coordinates[3]

    def scale(self, coordinates: Box, width: float, height: float) -> Box:
        """Fractions become pixels."""
        x, y, w, h = coordinates
        return x * width, y * height, w * width, h * height

    def move(self, coordinates: Box, move: Callable[[float, float], Point]) -> Box:
        """The box in a mirrored or turned image."""
        x, y, width, height = coordinates
        (x1, y1), (x2, y2) = move(x, y), move(x + width, y + height)
        # The sides are the old ones, not differences, which would be rounded.
        keeps_axes = move(0, 0)[0] != move(1, 0)[0]
        sides = (width, height) if keeps_axes else (height, width)
        return min(x1, x2), min(y1, y2), *sides

    def crop(self, coordinates: Box, window: Box) -> Sequence[Box]:
        """The part inside the window."""
        x, y, w, h = coordinates
        left, top, width, height = window
        x1, y1 = max(x - left, 0.0), max(y - top, 0.0)
        x2, y2 = min(x + w - left, width), min(y + h - top, height)
        return [(x1, y1, x2 - x1, y2 - y1)] if x2 > x1 and y2 > y1 else []

    def drawing(self, coordinates: Box) -> tuple[int, Sequence[float | None]]:
        """As it is."""
        return self.code, [*coordinates]

    def to_published(self, coordinates: Box) -> dict[str, Any]:
        """The box, and its corners as points."""
        x, y, width, height = coordinates
        right, bottom = min(x + width, _LARGEST), min(y + height, _LARGEST)
        return {
            "boxBoundariesAndDimensions": {"x": x, "y": y, "w": width, "h": height},
            "points": [[x, y], [right, y], [right, bottom], [x, bottom]],
        }

    def from_published(self, box: Box | None, points: list[Point] | None, where: str) -> Box:
        """The box; its corners are not read."""
        del points
        if box is None:
            raise DataError(Problem(f"{where}.boxBoundariesAndDimensions", "is missing"))
        return box


RECTANGLE = RectangleKind()
