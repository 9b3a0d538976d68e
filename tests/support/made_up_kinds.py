"""Two kinds of geometry that the package does not have, registered when this module is imported.

Tests copy it into a folder of its own and import it there, in the client's process and in the stack's, as a
plug-in would be. ``ring`` has a check that no type can express; ``scene`` has no place in the image at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar, TypeAlias

from layernext.errors import Problem
from layernext.model import (
    AnnotationFields,
    Box,
    GeometryKind,
    is_number,
    register_kind,
    show,
)

Circles: TypeAlias = tuple[float, float, float, float]


class Ring(AnnotationFields, tag="ring", frozen=True, kw_only=True, gc=False):
    """What lies between two circles.

    Attributes:
        ring: x and y of the center, inner and outer radius.
    """

    geometry: ClassVar[str] = "ring"

    ring: Circles


class RingKind(GeometryKind[Circles]):
    """Everything particular to rings."""

    name = "ring"
    code = 100
    struct = Ring
    key = "ring"
    coordinates_type = checked_type = Circles

    def is_doubtful(self, coordinates: Circles) -> bool:
        """The inner circle must be inside the outer one."""
        return not 0 <= coordinates[2] <= coordinates[3]

    def find_problems(self, coordinates: Any, where: str) -> Iterator[Problem]:
        """Four numbers, the radii in order."""
        is_list = isinstance(coordinates, list) and len(coordinates) == len(Circles.__args__)  # type: ignore[attr-defined]
        if not is_list or not all(map(is_number, coordinates)):
            yield Problem(where, f"is {show(coordinates)}, must be [x, y, inner, outer]")
        elif self.is_doubtful(tuple(coordinates)):
            yield Problem(where, f"has the radii {coordinates[2:]}, must rise from 0")

    def box(self, coordinates: Circles) -> Box:
        """Around the outer circle."""
        x, y, _, outer = coordinates
        return x - outer, y - outer, 2 * outer, 2 * outer

    def area(self, coordinates: Circles) -> float:
        """Without the hole."""
        return math.pi * (coordinates[3] ** 2 - coordinates[2] ** 2)


class Scene(AnnotationFields, tag="scene", frozen=True, kw_only=True, gc=False):
    """A label of the whole image."""

    geometry: ClassVar[str] = "scene"


class SceneKind(GeometryKind[None]):
    """Everything particular to labels of whole images."""

    name = "scene"
    code = 101
    struct = Scene
    key = None
    colons = 0

    def find_problems(self, coordinates: Any, where: str) -> Iterator[Problem]:
        """There is nothing to be wrong."""
        yield from ()

    def box(self, coordinates: None) -> None:
        """It has no place in the image."""


register_kind(RingKind())
register_kind(SceneKind())
