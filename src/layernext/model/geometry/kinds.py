"""The kinds of geometry, listed here and nowhere else.

A new kind is a file like `rectangle`, and a line in each of the three lists below. It also has a file in
``evaluation/similarity`` if it is evaluated, one in ``stack/web/static/geometry`` if the pages draw more than
its box, and a line in each format that can hold it; a format without that line refuses it by name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypeVar

from layernext.errors import ConfigurationError
from layernext.model.geometry.image_label import IMAGE_LABEL, ImageLabel
from layernext.model.geometry.keypoints import KEYPOINTS, Keypoints
from layernext.model.geometry.kind import (
    GeometryKind,
)
from layernext.model.geometry.line import LINE, Line
from layernext.model.geometry.mask import MASK, Mask
from layernext.model.geometry.points import POINTS, Points
from layernext.model.geometry.polygon import POLYGON, Polygon
from layernext.model.geometry.rectangle import RECTANGLE, Rectangle
from layernext.model.geometry.rotated_box import ROTATED_BOX, RotatedBox
from layernext.model.geometry.semantic_mask import SEMANTIC_MASK, SemanticMask

Geometry: TypeAlias = Literal[
    "rectangle",
    "polygon",
    "line",
    "points",
    "mask",
    "rotated_box",
    "image_label",
    "keypoints",
    "semantic_mask",
]
"""The kinds of annotation. Those after `line` exist in form v2 only."""

EvaluatedGeometry: TypeAlias = Literal[
    "rectangle",
    "polygon",
    "line",
    "mask",
    "rotated_box",
    "image_label",
    "keypoints",
    "semantic_mask",
]
"""The geometries that can be evaluated."""

Annotation: TypeAlias = (
    Rectangle | Polygon | Line | Points | Mask | RotatedBox | ImageLabel | Keypoints | SemanticMask
)

KINDS: dict[str, GeometryKind[Any]] = {
    kind.name: kind
    for kind in (
        RECTANGLE,
        POLYGON,
        LINE,
        POINTS,
        MASK,
        ROTATED_BOX,
        IMAGE_LABEL,
        KEYPOINTS,
        SEMANTIC_MASK,
    )
}
"""Every kind by its name, those that were registered included."""

GEOMETRIES: tuple[Geometry, ...] = (
    "rectangle", "polygon", "line", "points", "mask", "rotated_box", "image_label", "keypoints",
    "semantic_mask",
)  # fmt: skip

GEOMETRY_KEYS: dict[Geometry, str] = {
    "rectangle": "bbox",
    "polygon": "polygon",
    "line": "line",
    "points": "points",
    "mask": "mask",
    "rotated_box": "bbox",
    "keypoints": "keypoints",
    "semantic_mask": "mask",
}
"""The JSON key that holds the coordinates of each geometry that has any; rotated boxes have a further one."""

_Built = TypeVar("_Built")
_forget: list[Callable[[], None]] = []


def built_from_kinds(build: Callable[[], _Built]) -> Callable[[], _Built]:
    """Keep what a function builds from `KINDS`, such as a decoder, until another kind is registered."""
    cached = functools.cache(build)
    _forget.append(cached.cache_clear)
    return cached


def register_kind(kind: GeometryKind[Any]) -> None:
    """Add a kind that is not one of ours, in this process.

    Its annotations are read, checked, stored, counted and converted like any other. Register it where the stack
    runs, too, before it is served.

    Raises:
        ConfigurationError: another kind has its name or code, or one of its keys with another type.
    """
    for other in KINDS.values():
        shared = [
            f"{what} {value!r}"
            for what, value, other_value in (
                ("name", kind.name, other.name),
                ("code", kind.code, other.code),
            )
            if value == other_value
        ]
        shared += [
            f"key {key!r}"
            for key, key_type in kind.types.items()
            if key in other.types and other.types[key] != key_type
        ]
        if shared:
            raise ConfigurationError(f"the geometry {other.name!r} already has the {shared[0]}")
    KINDS[kind.name] = kind
    for forget in _forget:
        forget()


def kind_of(annotation: Any) -> GeometryKind[Any]:
    """The kind of an annotation."""
    return KINDS[annotation.geometry]
