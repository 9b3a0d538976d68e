"""COCO's segmentations: outlines, and masks as run lengths; see `layernext.model.RunLengths`."""

from __future__ import annotations

from typing import Any

from layernext.errors import FormatError, Problem
from layernext.model import KINDS, RunLengths, counts_of

CORNERS = 3
"""The fewest corners of a polygon in COCO."""


def is_outline(points: Any) -> bool:
    """Whether this is an outline: x and y of at least three points in a row."""
    return (
        isinstance(points, list)
        and len(points) >= 2 * CORNERS
        and len(points) % 2 == 0
        and all(type(number) in {int, float} for number in points)
    )


def read_mask(
    segmentation: dict[str, Any], width: int | None, height: int | None, where: str
) -> RunLengths:
    """The run lengths of a mask, as they are written.

    Args:
        segmentation: ``size`` and ``counts``; what else is in it is not read.
        width, height: of the image; None if unknown.
        where: for the error.

    Raises:
        FormatError: they are not run lengths, or not of an image of this size.
    """
    fields = {key: segmentation[key] for key in ("size", "counts") if key in segmentation}
    problems = [*KINDS["mask"].find_problems(fields, where)]
    if problems:
        raise FormatError(problems)
    mask_height, mask_width = fields["size"]
    if width and height and (mask_width, mask_height) != (width, height):
        size = f"is {mask_width} x {mask_height} pixels, that of the image is {width} x {height}"
        raise FormatError(Problem(f"{where}.size", size))
    return RunLengths((mask_height, mask_width), fields["counts"])


def checked_segmentation(
    segmentation: Any, width: int | None, height: int | None, where: str
) -> Any:
    """An object's segmentation for an evaluation: a list of outlines, or ``size`` and a list of ``counts``.

    Args:
        segmentation: as it is in the file.
        width, height: of the image.
        where: for the error.

    Raises:
        FormatError: it is not a segmentation, or not of an image of this size.
    """
    if isinstance(segmentation, list) and all(map(is_outline, segmentation)):
        return segmentation
    if not isinstance(segmentation, dict):
        raise FormatError(Problem(where, "is neither outlines of 3 points or more nor a mask"))
    if not width or not height:
        raise FormatError(Problem(where, "is a mask, and its image has no width and height"))
    mask = read_mask(segmentation, width, height, where)
    return {"size": [*mask.size], "counts": counts_of(mask)}
