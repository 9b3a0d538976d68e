"""Keypoints: the named points of an object, such as the joints of a person, and how visible each is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from msgspec import Meta

from layernext.errors import Problem
from layernext.model.geometry.kind import AnnotationFields, Box, GeometryKind, Point
from layernext.model.geometry.points import POINTS
from layernext.model.geometry.rectangle import RECTANGLE
from layernext.model.problems import is_number, wrong

Number: TypeAlias = int | float
"""Kept as it is written: 2 stays 2, and 2.0 stays 2.0."""

Keypoint: TypeAlias = tuple[Number, Number, Number]
"""x, y and visibility."""

Pose: TypeAlias = tuple[list[Keypoint], Box | None]
"""Coordinates of keypoints: the points, and the box of the object if it is given."""

_NUMBERS = ("x", "y", "visibility")
_LARGEST_INTEGER = 1 << 53
_Coordinate = (
    Annotated[int, Meta(ge=-_LARGEST_INTEGER, le=_LARGEST_INTEGER)] | float
)  # larger ones take the slow check
_Visibility = Annotated[int, Meta(ge=0, le=_LARGEST_INTEGER)] | Annotated[float, Meta(ge=0)]

LEAST_DRAWN = 0.1
"""Visibility of points that are seen a little: pages get numbers of one digit."""


class Keypoints(AnnotationFields, tag="keypoints", frozen=True, kw_only=True, gc=False):
    """The named points of a labeled object; other fields as in `Rectangle`.

    The names of the points, and which of them are joined, are stored once for the label: see `Skeleton`.

    Attributes:
        keypoints: x, y and visibility of each point, in the order of the skeleton, at least one. The visibility is
            0 for a point that is not labeled, most often with x and y 0; 1 for one that is hidden; 2 for one that is
            visible. From a model, it may be the confidence of the point. Not negative; kept as written.
        bbox: x, y, width, height of the box around the whole object, as in `Rectangle`; None if it is not known.
    """

    geometry: ClassVar[Literal["keypoints"]] = "keypoints"

    keypoints: list[Keypoint]
    bbox: tuple[float, float, float, float] | None = None


class KeypointsKind(GeometryKind[Pose]):
    """Everything particular to keypoints."""

    name = "keypoints"
    code = 8
    struct = Keypoints
    key = "keypoints"
    coordinates_type = list[Keypoint]
    checked_type = Annotated[
        list[tuple[_Coordinate, _Coordinate, _Visibility]],
        Meta(min_length=1),
    ]
    optional_types: ClassVar[Mapping[str, Any]] = {"bbox": RECTANGLE.coordinates_type}
    protocols = ("oks",)

    def count_colons(self, coordinates: Pose) -> int:
        """One, and one for the box."""
        return 1 + (coordinates[1] is not None)

    def is_doubtful(self, coordinates: Pose) -> bool:
        """Whether the box has a negative side."""
        box = coordinates[1]
        return box is not None and (box[2] < 0 or box[3] < 0)

    def find_problems(self, coordinates: Any, where: str) -> Iterator[Problem]:
        """All that is wrong with JSON in place of the points."""
        if not isinstance(coordinates, list) or not coordinates:
            yield wrong(where, coordinates, "a list of at least one [x, y, visibility]")
            return
        for position, point in enumerate(coordinates):
            if not isinstance(point, list) or len(point) != len(_NUMBERS):
                yield wrong(f"{where}[{position}]", point, "[x, y, visibility]")
                continue
            for axis, (name, number) in enumerate(zip(_NUMBERS, point, strict=True)):
                number_where = f"{where}[{position}][{axis}]"
                if not is_number(number):
                    yield wrong(number_where, number, f"a finite number ({name})")
                elif name == "visibility" and number < 0:
                    yield wrong(number_where, number, "≥ 0 (0 not labeled, 1 hidden, 2 visible)")

    def find_further_problems(self, key: str, value: Any, where: str) -> Iterator[Problem]:
        """All that is wrong with JSON in place of the box."""
        del key
        if value is not None:
            yield from RECTANGLE.find_problems(value, where)

    def box(self, coordinates: Pose) -> Box:
        """The box of the object; if it is not given, the box around its labeled points."""
        points, box = coordinates
        return POINTS.box(labeled_points(points)) if box is None else box

    def area(self, coordinates: Pose) -> float:
        """That of the box."""
        return RECTANGLE.area(self.box(coordinates))

    def scale(self, coordinates: Pose, width: float, height: float) -> Pose:
        """Fractions become pixels."""
        points, box = coordinates
        scaled = None if box is None else RECTANGLE.scale(box, width, height)
        return [(x * width, y * height, visibility) for x, y, visibility in points], scaled

    def move(self, coordinates: Pose, move: Callable[[float, float], Point]) -> Pose:
        """Every point moved; their order stays, also in a mirrored image, where `Skeleton.mirrored` changes it."""
        points, box = coordinates
        moved: list[Keypoint] = [
            (*(move(x, y) if x or y or visibility else (x, y)), visibility)
            for x, y, visibility in points
        ]
        return moved, None if box is None else RECTANGLE.move(box, move)

    def crop(self, coordinates: Pose, window: Box) -> Sequence[Pose]:
        """The points in the window; those outside are no longer labeled."""
        points, box = coordinates
        left, top, width, height = window
        inside: list[Keypoint] = [
            (x - left, y - top, visibility)
            if visibility and left <= x <= left + width and top <= y <= top + height
            else (0, 0, 0)
            for x, y, visibility in points
        ]
        if box is None:
            return [(inside, None)] if any(visibility for *_, visibility in inside) else []
        return [(inside, piece) for piece in RECTANGLE.crop(box, window)]

    def drawing(self, coordinates: Pose) -> tuple[int, Sequence[float | None]]:
        """x, y and visibility of each point in turn, then the box if there is one."""
        points, box = coordinates
        numbers = chain.from_iterable(
            (x, y, max(visibility, LEAST_DRAWN) if visibility else 0) for x, y, visibility in points
        )
        return self.code, [*numbers, *(box or ())]

    def to_published(self, coordinates: Pose) -> dict[str, Any]:
        """Its labeled points; the fields that points do not have are read by this package only."""
        points, box = coordinates
        fields: dict[str, Any] = {
            "type": POINTS.name,
            "points": labeled_points(points),
            "keypoints": points,
        }
        if box is not None:
            fields["boxBoundariesAndDimensions"] = dict(zip("xywh", box, strict=True))
        return fields


def labeled_points(points: Sequence[Keypoint]) -> list[Point]:
    """The points that are labeled; all of them if none is."""
    labeled: list[Point] = [(x, y) for x, y, visibility in points if visibility]
    return labeled or [(x, y) for x, y, _ in points]


KEYPOINTS = KeypointsKind()
