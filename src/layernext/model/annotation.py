"""Annotations and annotation sets as typed, immutable data.

What users build and get back. The field names are those of the JSON format v2, so the structs
encode to it as they stand. Nothing here checks ranges: `layernext.model.decode` does, on the way in.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeAlias

from msgspec import Struct, field

Geometry: TypeAlias = Literal["rectangle", "polygon", "line", "points"]
"""The kinds of annotated shape. ``points`` exists in format v2 only."""

Mode: TypeAlias = Literal["machine", "human"]
"""Who made an annotation set: ``machine`` is a model run, ``human`` is ground truth."""

Point: TypeAlias = tuple[float, float]
"""x to the right and y downwards from the image's top left corner, in pixels unless normalized."""

GEOMETRIES: tuple[Geometry, ...] = ("rectangle", "polygon", "line", "points")

GEOMETRY_KEYS: dict[Geometry, str] = {
    "rectangle": "bbox",
    "polygon": "polygon",
    "line": "line",
    "points": "points",
}
"""The JSON key that holds each geometry's coordinates."""


class AttributeValue(Struct, frozen=True, gc=False, omit_defaults=True):
    """One value of a label's attribute.

    Attributes:
        value: any JSON value; most often a string such as ``"red"``.
        confidence: the model's score for this value, 0 to 1, or None if it gave none.
        metadata: free fields of the user.
    """

    value: Any
    confidence: float | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


class _Annotation(
    Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="type"
):
    geometry: ClassVar[Geometry]

    label: str
    confidence: float | None = None
    attributes: dict[str, list[AttributeValue]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


class Rectangle(_Annotation, tag="rectangle", frozen=True, kw_only=True, gc=False):
    """A labelled bounding box.

    Attributes:
        bbox: x, y, width, height: the top left corner's distance from the image's left and top
            edge, then the sides, none negative; pixels, or fractions of the image if normalized.
        label: the class.
        confidence: the model's score, 0 to 1, or None.
        attributes: attribute name to its values, best first.
        metadata: free fields of the user, any JSON values.
    """

    geometry: ClassVar[Geometry] = "rectangle"

    bbox: tuple[float, float, float, float]


class Polygon(_Annotation, tag="polygon", frozen=True, kw_only=True, gc=False):
    """A labelled closed outline; other fields as in `Rectangle`.

    Attributes:
        polygon: the corners in order, at least one; the last joins the first by itself.
    """

    geometry: ClassVar[Geometry] = "polygon"

    polygon: list[Point]


class Line(_Annotation, tag="line", frozen=True, kw_only=True, gc=False):
    """A labelled open line; other fields as in `Rectangle`.

    Attributes:
        line: the points in order, at least one.
    """

    geometry: ClassVar[Geometry] = "line"

    line: list[Point]


class Points(_Annotation, tag="points", frozen=True, kw_only=True, gc=False):
    """Labelled single points; other fields as in `Rectangle`.

    Attributes:
        points: the points, at least one.
    """

    geometry: ClassVar[Geometry] = "points"

    points: list[Point]


Annotation: TypeAlias = Rectangle | Polygon | Line | Points


class ImageAnnotations(
    Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    rename={"storage_name": "storageName", "normalized": "isNormalized"},
):
    """The annotation set of one image: everything one model run or ground truth says of it.

    Attributes:
        image: the image's file name in its collection (or its unique name or storage path, where
            a call says so).
        annotations: the annotations in their order; may be empty: "nothing here" is a result too.
        storage_name: the bucket the image is in, or None for the stack's default.
        normalized: True if coordinates are fractions of the image's width and height, not pixels.
    """

    image: str
    annotations: list[Annotation]
    storage_name: str | None = None
    normalized: bool = False
