"""Rotated boxes: gathered as an array (N, 5), compared by the area that they share.

One of two boxes is brought into the frame of the other, where that is an upright box about the origin, and cut at
its four sides. So the numbers stay as exact as the boxes, wherever in an image they are.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layernext.evaluation.columns import Columns, FloatArray, IndexArray, Source
from layernext.evaluation.similarity.measure import (
    Gatherer,
    KindSimilarity,
    Measure,
    Pairs,
    pairs_by_iou,
    pairs_of_images,
)
from layernext.model import EvaluationSettings

PAIRS_AT_ONCE = 20_000
"""Pairs whose shared areas are computed at a time: their arrays stay in the cache."""

_CORNERS = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
"""Of a box of size 1 about the origin, clockwise as seen."""


class RotatedBoxGatherer(Gatherer):
    """Gathers rotated boxes as x, y, width, height, degrees."""

    def __init__(self) -> None:
        self._numbers = array("d")

    def add(
        self, annotations: Sequence[Any], scale: tuple[float, float] | None, source: Source
    ) -> None:
        """Append the boxes of an image."""
        del source
        width, height = scale or (1.0, 1.0)
        for annotation in annotations:
            x, y, w, h = annotation.bbox
            rotation = annotation.rotation
            if rotation is None:
                raise TypeError("no rotation")
            self._numbers.extend((x * width, y * height, w * width, h * height, rotation))

    def take(self) -> tuple[FloatArray, FloatArray]:
        """The boxes (N, 5) and their areas (N,)."""
        boxes = np.array(self._numbers, float).reshape(-1, 5)
        self._numbers = array("d")
        return boxes, boxes[:, 2] * boxes[:, 3]


def rotated_iou(
    boxes: FloatArray, others: FloatArray, image_wh: tuple[float, float] | None = None
) -> FloatArray:
    """Overlap of each rotated box with each of the others: intersection over union.

    Args:
        boxes: (N, 5): x, y, width, height in pixels of the box before it is turned, then the degrees that it is
            turned by, clockwise as seen, about its center. N may be 0.
        others: (M, 5), the same, in the same image.
        image_wh: not used.

    Returns:
        (N, M), each 0 to 1; 0 where two do not touch or have no area.

    Example:
        >>> rotated_iou(np.array([[0., 0, 4, 2, 0]]), np.array([[1., -1, 2, 4, 90]]))
        array([[1.]])
    """
    del image_wh
    first, second = (np.asarray(side, float).reshape(-1, 5) for side in (boxes, others))
    rows, columns = (index.ravel() for index in np.indices((len(first), len(second))))
    inter = shared_areas(first[rows], second[columns])
    union = _areas(first)[rows] + _areas(second)[columns] - inter
    iou = np.divide(inter, union, out=np.zeros_like(inter), where=inter > 0)
    return iou.reshape(len(first), len(second))


def shared_areas(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """The area that each of P rotated boxes (P, 5) shares with the other of its pair (P, 5)."""
    parts = [np.zeros(0)]
    for start in range(0, len(boxes), PAIRS_AT_ONCE):
        rows = slice(start, start + PAIRS_AT_ONCE)
        parts.append(_shared_areas(boxes[rows], others[rows]))
    return np.concatenate(parts)


def _areas(boxes: FloatArray) -> FloatArray:
    areas: FloatArray = boxes[:, 2] * boxes[:, 3]
    return areas


def _centers(boxes: FloatArray) -> FloatArray:
    centers: FloatArray = boxes[:, :2] + boxes[:, 2:4] / 2
    return centers


def _shared_areas(boxes: FloatArray, others: FloatArray) -> FloatArray:
    between = _centers(others) - _centers(boxes)
    cosine, sine = _directions(boxes[:, 4])
    along = between[:, 0] * cosine + between[:, 1] * sine
    across = between[:, 1] * cosine - between[:, 0] * sine
    cosine, sine = (part[:, None] for part in _directions(others[:, 4] - boxes[:, 4]))
    corners = _CORNERS * others[:, None, 2:4]
    x = along[:, None] + corners[..., 0] * cosine - corners[..., 1] * sine
    y = across[:, None] + corners[..., 0] * sine + corners[..., 1] * cosine
    half = boxes[:, 2:4] / 2
    for axis, sign in ((0, 1), (0, -1), (1, 1), (1, -1)):
        x, y = _cut(x, y, axis, sign, half[:, axis])
    doubled = np.sum(x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1), axis=1)
    smaller = np.minimum(_areas(boxes), _areas(others))
    area: FloatArray = np.clip(doubled / 2, 0.0, smaller)
    return area


def _directions(degrees: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cosine and sine; exact for quarter turns."""
    turn = np.mod(degrees, 360.0)
    quarters = turn / 90.0
    is_quarter = quarters == np.floor(quarters)
    index = quarters.astype(int) % 4
    cosine = np.where(is_quarter, np.array([1.0, 0.0, -1.0, 0.0])[index], np.cos(np.radians(turn)))
    sine = np.where(is_quarter, np.array([0.0, 1.0, 0.0, -1.0])[index], np.sin(np.radians(turn)))
    return cosine, sine


def _cut(
    x: FloatArray, y: FloatArray, axis: int, sign: int, half: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Of each outline (P, V) what is on the inner side of a line: Sutherland and Hodgman, 1974.

    Outlines with fewer corners than others repeat their last one.
    """
    beyond: FloatArray = sign * (x, y)[axis] - half[:, None]
    before = np.roll(beyond, 1, axis=1)
    is_in, was_in = beyond <= 0, before <= 0
    is_crossing = is_in != was_in
    share = np.divide(before, before - beyond, out=np.zeros_like(before), where=is_crossing)
    # Each corner gives the crossing before it, if there is one, and itself, if it is inside.
    is_kept = np.stack([is_crossing, is_in], axis=2).reshape(len(x), -1)
    slot = _slots(is_kept)
    rows = np.arange(len(x))[:, None]
    new_x, new_y = (
        np.stack([previous + share * (value - previous), value], axis=2).reshape(len(x), -1)[rows, slot]
        for value, previous in ((x, np.roll(x, 1, axis=1)), (y, np.roll(y, 1, axis=1)))
    )  # fmt: skip
    is_empty = ~is_kept.any(axis=1)
    new_x[is_empty] = new_y[is_empty] = 0.0
    return new_x, new_y


def _slots(is_kept: NDArray[np.bool_]) -> IndexArray:
    """The places that are kept of each row, the last one repeated to the length of the longest row."""
    counts = is_kept.sum(axis=1)
    kept_first: IndexArray = np.argsort(~is_kept, axis=1, kind="stable")
    columns = np.minimum(
        np.arange(max(counts.max(initial=0), 1)), np.maximum(counts - 1, 0)[:, None]
    )
    return np.take_along_axis(kept_first, columns, axis=1)


def rotated_candidates(run: Columns, truth: Columns, floor: float) -> Pairs:
    """All pairs of rotated boxes of a batch with at least the IoU `floor`; crowds as in COCO.

    An annotation's overlap with a crowd is the share of the annotation that lies inside.
    """
    run_index, truth_index = pairs_of_images(run.image, truth.image)
    boxes, others = (np.asarray(side.shapes, float).reshape(-1, 5) for side in (run, truth))
    reach, other_reach = (np.hypot(side[:, 2], side[:, 3]) / 2 for side in (boxes, others))
    centers, other_centers = _centers(boxes), _centers(others)
    for axis in (0, 1):  # most pairs are far apart in x
        between = np.abs(centers[run_index, axis] - other_centers[truth_index, axis])
        near = np.flatnonzero(between <= reach[run_index] + other_reach[truth_index])
        run_index, truth_index = run_index[near], truth_index[near]
    inter = shared_areas(boxes[run_index], others[truth_index])
    near = np.flatnonzero(inter > 0)
    run_index, truth_index, inter = run_index[near], truth_index[near], inter[near]
    areas = (_areas(boxes), _areas(others))
    return pairs_by_iou((run_index, truth_index), inter, areas, truth, floor)


_MEASURE = Measure(rotated_iou, batch=rotated_candidates)


class RotatedBoxSimilarity(KindSimilarity):
    """Rotated boxes under every protocol of theirs."""

    name = "rotated_box"

    def gatherer(self) -> RotatedBoxGatherer:
        """For rotated boxes."""
        return RotatedBoxGatherer()

    def measure(self, settings: EvaluationSettings) -> Measure:
        """Intersection over union."""
        del settings
        return _MEASURE


ROTATED_BOX = RotatedBoxSimilarity()
