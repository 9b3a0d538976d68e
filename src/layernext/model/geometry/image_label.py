"""Labels of whole images, as classification has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from layernext.errors import Problem
from layernext.model.geometry.kind import AnnotationFields, GeometryKind


class ImageLabel(AnnotationFields, tag="image_label", frozen=True, kw_only=True, gc=False):
    """A label of the whole image, which may have several; other fields as in `Rectangle`."""

    geometry: ClassVar[Literal["image_label"]] = "image_label"


class ImageLabelKind(GeometryKind[None]):
    """Everything particular to labels of whole images: they have no coordinates."""

    name = "image_label"
    code = 7
    struct = ImageLabel
    key = None
    colons = 0
    protocols = ("classification",)

    def find_problems(self, coordinates: Any, where: str) -> Iterator[Problem]:
        """There are no coordinates that could be wrong."""
        del coordinates, where
        yield from ()

    def box(self, coordinates: None) -> None:
        """It has no place in the image."""

    def scale(self, coordinates: None, width: float, height: float) -> None:
        """There is nothing to scale."""


IMAGE_LABEL = ImageLabelKind()
