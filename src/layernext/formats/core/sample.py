"""What every format is read to and written from: images with annotations in pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from layernext.errors import DataError, Problem
from layernext.formats.core.losses import Losses
from layernext.formats.core.outlines import joined, outlines_of_mask
from layernext.model import Annotation, Box, Mask, Mode, Point, Polygon, kind_of, oriented_rings


class Sample(Struct, frozen=True, kw_only=True):
    """An image with its annotations, on the way from one format to another.

    Attributes:
        image: its name; may contain folders, separated by slashes.
        annotations: in pixels, unless `normalized`.
        width, height: its size in pixels; None if unknown.
        split: ``train``, ``validation`` or ``test``; None if there are no splits.
        run, mode: the model run or ground truth that the annotations belong to; None if unknown.
        normalized: whether coordinates are fractions of the image's size, as that is not known.
        id: the image's id in the source; None if it has none.
        extra: keys of LayerNext JSON beside these that the format does not know.
    """

    image: str
    annotations: list[Annotation]
    width: int | None = None
    height: int | None = None
    split: str | None = None
    run: str | None = None
    mode: Mode | None = None
    normalized: bool = False
    id: int | str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


class SampleWriter(Protocol):
    """Writes the samples of one format; a format's ``write`` returns one."""

    def write(self, sample: Sample) -> None:
        """Add an image."""

    def close(self) -> None:
        """Write what comes last. Called exactly once, after an error as well."""


def location_of(sample: Sample, number: int) -> str:
    """Where an annotation is, for messages."""
    return f"{sample.image}: annotations[{number}]"


def size_of(sample: Sample) -> tuple[int, int]:
    """Width and height of an image that must have them.

    Raises:
        DataError: its size is not known.
    """
    if not sample.width or not sample.height:
        message = "its size in pixels is not known; give the folder with the images"
        raise DataError(Problem(sample.image, message))
    return sample.width, sample.height


def box_of(annotation: Annotation, where: str) -> Box | None:
    """The bounding box (x, y, width, height) of an annotation; None if it has no place in the image.

    Raises:
        DataError: the box is too large for a floating point number.
    """
    kind = kind_of(annotation)
    box = kind.box(kind.coordinates_of(annotation))
    if box is not None:
        check_finite(box, where)
    return box


def points_of(annotation: Annotation) -> list[Point]:
    """The points of a geometry; of a rectangle its corners, clockwise from the top left.

    Several outlines are joined by seams. A mask has no points if it has no pixels, or too many corners.
    """
    if isinstance(annotation, Polygon) and annotation.parts:
        return joined(oriented_rings(annotation.parts))
    if isinstance(annotation, Mask):
        outlines = outlines_of_mask(annotation.mask)
        return joined(outlines) if outlines else []
    kind = kind_of(annotation)
    return kind.outline(kind.coordinates_of(annotation))


def with_single_outlines(
    annotations: list[Annotation], where: Callable[[int], str], losses: Losses
) -> list[Annotation]:
    """Annotations for a format whose polygons have one outline: a polygon for each part.

    Args:
        annotations: of one image.
        where: the location of each, for messages.
        losses: counts polygons that are taken apart, and holes that are joined to the outline around them.
    """
    single: list[Annotation] = []
    for number, annotation in enumerate(annotations):
        if not isinstance(annotation, Polygon) or not annotation.parts:
            single.append(annotation)
            continue
        if len(annotation.parts) > 1:
            what = "that parts are one polygon; each part is written as a polygon"
            losses.note(what, where(number))
        if any(len(part) > 1 for part in annotation.parts):
            losses.note("the holes of a polygon; its joined outline is", where(number))
        for part in annotation.parts:
            outline = joined(oriented_rings([part]))
            single.append(replace(annotation, polygon=outline, parts=[]))
    return single


def check_finite(numbers: Iterable[float], where: str) -> None:
    """Refuse numbers that became infinite in a calculation.

    Raises:
        DataError: one of the numbers is not finite.
    """
    if not all(map(isfinite, numbers)):
        raise DataError(Problem(where, "its coordinates are too large for this format"))
