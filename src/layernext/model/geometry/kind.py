"""What a kind of geometry has to say for itself: `GeometryKind`, and the fields that all annotations share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from layernext.errors import DataError, Problem

Point: TypeAlias = tuple[float, float]
"""x to the right and y downwards from the image's top left corner, in pixels unless normalized."""

Box: TypeAlias = tuple[float, float, float, float]
"""x, y, width, height."""

Track: TypeAlias = int | str
"""The id of a tracked object, as the tracker writes it."""

BOX_CODE = 1
"""The code of rectangles: as what the pages draw a kind that they do not know."""

Coordinates = TypeVar("Coordinates")


EXTRA_KEY = "(extra)"
"""The JSON key of ``extra``, where a struct is encoded as it is; files have these keys beside the others."""


class AttributeValue(
    Struct, frozen=True, gc=False, omit_defaults=True, rename={"extra": EXTRA_KEY}
):
    """One value of a label's attribute.

    Attributes:
        value: any JSON value; most often a string such as ``"red"``.
        confidence: the model's score for this value, 0 to 1, or None if it gave none.
        metadata: free fields of the user.
        extra: keys beside these that the JSON has and the format does not know.
    """

    value: Any
    confidence: float | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


class AnnotationFields(
    Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="type",
    rename={"extra": EXTRA_KEY},
):
    """What every annotation has; each kind adds its coordinates.

    Attributes:
        geometry: name of the kind.
        label: the class.
        confidence: the model's score, 0 to 1, or None.
        track: which object this is, the same in every frame of a sequence: an integer or a string; or None.
        attributes: attribute name to its values, best first.
        metadata: free fields of the user, any JSON values.
        extra: keys beside these that the JSON has and the format does not know.
    """

    geometry: ClassVar[str]

    label: str
    confidence: float | None = None
    track: Track | None = None
    attributes: dict[str, list[AttributeValue]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


class GeometryKind(Generic[Coordinates]):
    """A kind of geometry: everything that differs from the others, but for how it is compared and drawn.

    ``coordinates`` is what an annotation has under `key`, and None for a kind without a key. If the kind has
    further or optional keys, it is a tuple of what the annotation has under `key` and under each of them; None for an
    optional one that it does not have.

    Attributes:
        name: the ``type`` of its annotations.
        code: number of the kind in the database and in the pages; never reused.
        struct: the class of its annotations, an `AnnotationFields`.
        key: JSON key of the coordinates; None if the kind has none, as a label of a whole image. Kinds may share
            a key if they have the same `coordinates_type`.
        former_keys: other keys that are read as `key`.
        coordinates_type: msgspec type of what is under `key`, without ranges: for what was checked before.
        checked_type: the same with ranges, for the fast decoder.
        further_types: JSON keys that are required beside `key`, and their msgspec types.
        optional_types: JSON keys that may stand beside `key`, and their msgspec types, without ranges.
        alternative_types: in form v2, JSON keys that may stand in place of `key`, and their msgspec types.
        colons: colons that the JSON of the coordinates has, that of the key included; `count_colons` if that
            depends on them.
        is_in_pixels: whether its coordinates are pixels in a normalized set, too.
        protocols: names of the evaluation protocols for it, the default first; empty if the kind is not
            evaluated.
        has_set_rules: whether there are rules between its annotations of an image: `is_set_doubtful` and
            `find_set_problems`.
    """

    name: ClassVar[str]
    code: ClassVar[int]
    struct: ClassVar[type[Any]]
    key: ClassVar[str | None]
    former_keys: ClassVar[tuple[str, ...]] = ()
    coordinates_type: ClassVar[Any]
    checked_type: ClassVar[Any]
    further_types: ClassVar[Mapping[str, Any]] = {}
    optional_types: ClassVar[Mapping[str, Any]] = {}
    alternative_types: ClassVar[Mapping[str, Any]] = {}
    colons: ClassVar[int] = 1
    is_in_pixels: ClassVar[bool] = False
    protocols: ClassVar[tuple[str, ...]] = ()
    has_set_rules: ClassVar[bool] = False

    # -- reading and checking ---------------------------------------------------------------------

    @property
    def keys(self) -> tuple[str, ...]:
        """Every JSON key that is read as `key`."""
        return () if self.key is None else (self.key, *self.former_keys)

    @property
    def types(self) -> dict[str, Any]:
        """The type of each JSON key that its coordinates may have, without ranges."""
        if self.key is None:
            return {}
        types = dict.fromkeys(self.keys, self.coordinates_type)
        return {**types, **self.further_types, **self.optional_types, **self.alternative_types}

    @property
    def _keys_beside(self) -> tuple[str, ...]:
        return (*self.further_types, *self.optional_types)

    def fields_of(self, coordinates: Coordinates) -> dict[str, Any]:
        """The fields of an annotation that coordinates are made of."""
        if self.key is None:
            return {}
        if not self._keys_beside:
            return {self.key: coordinates}
        values: Any = coordinates
        return dict(zip((self.key, *self._keys_beside), values, strict=True))

    def coordinates_of(self, annotation: Any) -> Coordinates:
        """The coordinates of an annotation of this kind."""
        if self.key is None:
            return None  # type: ignore[return-value]
        value = getattr(annotation, self.key)
        if self._keys_beside:
            value = (value, *(getattr(annotation, key) for key in self._keys_beside))
        coordinates: Coordinates = value
        return coordinates

    def read(self, decoded: Any) -> Coordinates | None:
        """The coordinates of what was decoded with all its keys as attributes; None if one is missing."""
        coordinates = None if self.key is None else getattr(decoded, self.key)
        if coordinates is None:
            for key in (*self.former_keys, *self.alternative_types):
                coordinates = getattr(decoded, key)
                if coordinates is not None:
                    break
        if coordinates is None or not self._keys_beside:
            return coordinates
        beside = {key: getattr(decoded, key) for key in self._keys_beside}
        if any(beside[key] is None for key in self.further_types):
            return None
        return (coordinates, *beside.values())  # type: ignore[return-value]

    def with_coordinates(self, annotation: Any, coordinates: Coordinates) -> Any:
        """The annotation with other coordinates."""
        return replace(annotation, **self.fields_of(coordinates))

    def count_colons(self, coordinates: Coordinates) -> int:
        """Colons that the JSON of these coordinates has at least, that of the key included."""
        del coordinates
        return self.colons

    def is_doubtful(self, coordinates: Coordinates) -> bool:
        """Whether coordinates that fit `checked_type` may be wrong still; `find_problems` then decides.

        Override it only where a type cannot say everything: it costs a call for each annotation.
        """
        del coordinates
        return False

    def find_problems(self, coordinates: Any, where: str) -> Iterator[Problem]:
        """All that is wrong with JSON under `key`; slow.

        Args:
            coordinates: any JSON value.
            where: its path.
        """
        raise NotImplementedError

    def is_alternative_doubtful(self, value: Any) -> bool:
        """As `is_doubtful`, of what is under a key of `alternative_types`, whose types have no ranges."""
        del value
        return False

    def find_alternative_problems(self, key: str, value: Any, where: str) -> Iterator[Problem]:
        """All that is wrong with JSON under a key of `alternative_types`; slow.

        Args:
            key: which.
            value: any JSON value.
            where: its path.
        """
        raise NotImplementedError

    def find_further_problems(self, key: str, value: Any, where: str) -> Iterator[Problem]:
        """All that is wrong with JSON under one of the further or optional keys; slow.

        Args:
            key: which.
            value: any JSON value.
            where: its path.
        """
        raise NotImplementedError

    def is_set_doubtful(self, annotations: Sequence[Any]) -> bool:
        """Whether annotations of one image, each valid, may break a rule between them.

        Called only if `has_set_rules`, with at least two.

        Args:
            annotations: decoded, with the JSON keys of the kind as attributes.
        """
        del annotations
        return False

    def find_set_problems(
        self, annotations: Sequence[tuple[str, str, Coordinates]]
    ) -> Iterator[Problem]:
        """All that is wrong between annotations of one image, each valid; slow.

        Args:
            annotations: at least two: the path, the label and the coordinates of each.
        """
        del annotations
        return iter(())

    # -- measures and transforms ------------------------------------------------------------------

    def box(self, coordinates: Coordinates) -> Box | None:
        """The smallest upright box around the shape; None if the kind has no place in the image."""
        raise NotImplementedError

    def box_in_pixels(self, coordinates: Coordinates, width: float, height: float) -> Box | None:
        """The `box` of coordinates that are fractions of the width and height of the image, in pixels."""
        box = self.box(coordinates)
        if box is None or self.is_in_pixels:
            return box
        return box[0] * width, box[1] * height, box[2] * width, box[3] * height

    def area(self, coordinates: Coordinates) -> float:
        """Square pixels inside the shape; 0 for lines and points."""
        del coordinates
        return 0.0

    def outline(self, coordinates: Coordinates) -> list[Point]:
        """The points of the shape in order; those of its box if it has none of its own."""
        box = self.box(coordinates)
        return [] if box is None else corners(box)

    def scale(self, coordinates: Coordinates, width: float, height: float) -> Coordinates:
        """The coordinates times the width and height of the image: fractions become pixels.

        Raises:
            DataError: the kind cannot be scaled.
        """
        del coordinates, width, height
        raise DataError(Problem(self.name, "cannot be scaled: its coordinates are always pixels"))

    def move(
        self, coordinates: Coordinates, move: Callable[[float, float], Point]
    ) -> Coordinates | None:
        """The coordinates in a mirrored or turned image; None if the shape cannot be moved.

        Args:
            coordinates: in pixels.
            move: where a point goes; mirrors and turns by 90 degrees, which keep boxes boxes.
        """
        del coordinates, move
        return None

    def crop(self, coordinates: Coordinates, window: Box) -> Sequence[Coordinates]:
        """What is left of the shape in a window, as seen from its top left corner.

        Args:
            coordinates: in pixels.
            window: of the image, in pixels.

        Returns:
            None, one, or several pieces.
        """
        del coordinates, window
        return ()

    # -- elsewhere --------------------------------------------------------------------------------

    def drawing(self, coordinates: Coordinates) -> tuple[int, Sequence[float | None]]:
        """What the pages draw: the code of a kind that they know, and the numbers for it.

        A kind that has no file in ``stack/web/static/geometry`` is drawn as its box, and not at all if it
        has none.
        """
        box = self.box(coordinates)
        return (BOX_CODE, [*box]) if box is not None else (self.code, [])

    def to_published(self, coordinates: Coordinates) -> dict[str, Any]:
        """The fields of a shape object of the published protocol.

        Raises:
            DataError: the protocol has no such shape.
        """
        del coordinates
        raise DataError(Problem("type", f"the published protocol has no shape {self.name!r}"))

    def from_published(
        self, box: Box | None, points: list[Point] | None, where: str
    ) -> Coordinates:
        """The coordinates of a shape object of the published protocol.

        Raises:
            DataError: the shape lacks what the kind needs, or the protocol has no such shape.
        """
        del box, points
        raise DataError(
            Problem(f"{where}.type", f"the published protocol has no shape {self.name!r}")
        )


def corners(box: Box) -> list[Point]:
    """The corners of a box, clockwise from the top left."""
    x, y, width, height = box
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
