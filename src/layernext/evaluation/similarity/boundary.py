"""Boundary IoU: the overlap of the pixels near the outlines of masks.

Source: Cheng, Girshick, Dollár, Berg and Kirillov, "Boundary IoU", CVPR 2021. A mask's boundary are its pixels that
are at most `DISTANCE` times the image's diagonal away from a pixel outside, in rows and columns alike; what is beyond
the image is outside. As their tools do it, the lower of mask IoU and boundary IoU counts.
"""

from __future__ import annotations

from math import hypot
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from layernext.evaluation.columns import Columns, FloatArray
from layernext.evaluation.similarity.drawn import coco_masks, draw, mask_iou, overlapping_pairs
from layernext.evaluation.similarity.measure import Measure, Pairs
from layernext.model import RunLengths

DISTANCE = 0.02
"""Of the image's diagonal, as in the paper."""

_Pixels = NDArray[np.bool_]


def draw_boundaries(
    run: Columns, truth: Columns, image_whs: list[tuple[float, float] | None]
) -> tuple[Columns, Columns]:
    """Both sides with pairs of a mask and its boundary in place of shapes; see `draw`."""
    sides = draw(run, truth, image_whs)
    with_boundary = [
        replace(side, shapes=[(mask, _boundary(mask)) for mask in side.shapes]) for side in sides
    ]
    return with_boundary[0], with_boundary[1]


def _boundary(mask: dict[str, Any]) -> dict[str, Any]:
    masks = coco_masks()
    height, width = mask["size"]
    distance = max(1, round(DISTANCE * hypot(height, width)))
    x, y, columns, rows = (int(side) for side in masks.toBbox(mask))
    whole = RunLengths((height, width), mask["counts"].decode()).to_array()
    part = whole[y : y + rows, x : x + columns]
    pixels = np.zeros((height, width), np.uint8, order="F")
    pixels[y : y + rows, x : x + columns] = part & ~_eroded(part, distance)
    boundary: dict[str, Any] = masks.encode(pixels)
    return boundary


def _eroded(part: _Pixels, distance: int) -> _Pixels:
    """The pixels that are farther than `distance` from a pixel outside, in rows and columns alike."""
    inner = part
    for axis in (0, 1):
        padding = [(0, 0), (0, 0)]
        padding[axis] = (distance + 1, distance)
        sums = np.cumsum(np.pad(inner, padding), axis=axis, dtype=np.int32)
        before, behind = [slice(None)] * 2, [slice(None)] * 2
        before[axis], behind[axis] = slice(None, part.shape[axis]), slice(2 * distance + 1, None)
        inner = sums[tuple(behind)] - sums[tuple(before)] == 2 * distance + 1
    return inner


def _pairs(shapes: list[Any], others: list[Any], crowds: list[int]) -> FloatArray:
    overlaps = [
        mask_iou(
            [shape[part] for shape in shapes], [other[part] for other in others], crowds=crowds
        )
        for part in (0, 1)
    ]
    lower: FloatArray = np.minimum(*overlaps)
    return lower


def boundary_iou(
    shapes: list[Any], others: list[Any], image_wh: tuple[float, float] | None = None
) -> FloatArray:
    """The lower of mask IoU and boundary IoU.

    Args:
        shapes: N, as `draw_boundaries` makes them.
        others: M, of the same image.
        image_wh: not used.

    Returns:
        (N, M), each 0 to 1.
    """
    del image_wh
    return _pairs(shapes, others, [0] * len(others))


def _candidates(run: Columns, truth: Columns, floor: float) -> Pairs:
    return overlapping_pairs(run, truth, floor, _pairs)


BOUNDARY = Measure(boundary_iou, batch=_candidates, prepare=draw_boundaries)
