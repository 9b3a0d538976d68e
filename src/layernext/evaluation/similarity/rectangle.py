"""Rectangles: gathered as an array (N, 4), compared by the overlap of boxes."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from layernext.evaluation.columns import Columns, FloatArray, Source
from layernext.evaluation.similarity.measure import (
    Gatherer,
    KindSimilarity,
    Measure,
    Pairs,
    pairs_by_iou,
    pairs_of_images,
)
from layernext.model import EvaluationSettings


class BoxGatherer(Gatherer):
    """Gathers boxes as x, y, width, height."""

    def __init__(self) -> None:
        self._numbers = array("d")

    def add(
        self, annotations: Sequence[Any], scale: tuple[float, float] | None, source: Source
    ) -> None:
        """Append the boxes of an image."""
        del source
        numbers = chain.from_iterable([annotation.bbox for annotation in annotations])
        if scale is not None:
            factors = [*scale, *scale]
            numbers = chain.from_iterable(
                [value * factor for value, factor in zip(annotation.bbox, factors, strict=True)]
                for annotation in annotations
            )
        self._numbers.extend(numbers)

    def take(self) -> tuple[FloatArray, FloatArray]:
        """The boxes (N, 4) and their areas (N,)."""
        boxes = np.array(self._numbers, float).reshape(-1, 4)
        self._numbers = array("d")
        return boxes, boxes[:, 2] * boxes[:, 3]


def bbox_iou(
    bboxes: FloatArray, others: FloatArray, image_wh: tuple[float, float] | None = None
) -> FloatArray:
    """Overlap of each bbox with each of the others: intersection over union.

    Args:
        bboxes: (N, 4): x, y, width, height in pixels; sides not negative. N may be 0.
        others: (M, 4), the same, in the same image.
        image_wh: not used.

    Returns:
        (N, M), each 0 to 1; 0 where two do not touch or have no area.

    Source: bbIou in the COCO API (maskApi.c), to the last digit, without its crowd rule.

    Example:
        >>> bbox_iou(np.array([[0., 0, 2, 2]]), np.array([[0., 0, 2, 4]]))
        array([[0.5]])
    """
    del image_wh
    x, y, w, h = np.asarray(bboxes, float).reshape(-1, 4).T[:, :, None]
    x2, y2, w2, h2 = np.asarray(others, float).reshape(-1, 4).T[:, None, :]
    width = np.minimum(x + w, x2 + w2) - np.maximum(x, x2)
    height = np.minimum(y + h, y2 + h2) - np.maximum(y, y2)
    inter: FloatArray = np.where((width > 0) & (height > 0), width * height, 0.0)
    union = w * h + w2 * h2 - inter
    iou: FloatArray = np.divide(inter, union, out=np.zeros_like(inter), where=inter > 0)
    return iou


def box_candidates(run: Columns, truth: Columns, floor: float) -> Pairs:
    """All pairs of boxes of a batch with at least the IoU `floor`; crowds as in COCO.

    An annotation's overlap with a crowd is the share of the annotation that lies inside.
    """
    run_index, truth_index = pairs_of_images(run.image, truth.image)
    boxes: FloatArray = np.asarray(run.shapes)
    others: FloatArray = np.asarray(truth.shapes)

    def overlap(axis: int) -> FloatArray:
        low, other_low = boxes[:, axis], others[:, axis]
        high, other_high = low + boxes[:, axis + 2], other_low + others[:, axis + 2]
        ends: FloatArray = np.minimum(high[run_index], other_high[truth_index])
        ends -= np.maximum(low[run_index], other_low[truth_index])
        return ends

    # Most pairs are already apart in x: y is computed for the rest only.
    width = overlap(0)
    near = np.flatnonzero(width > 0)
    run_index, truth_index, width = run_index[near], truth_index[near], width[near]
    height = overlap(1)
    near = np.flatnonzero(height > 0)
    run_index, truth_index = run_index[near], truth_index[near]
    inter = width[near] * height[near]
    areas = (boxes[:, 2] * boxes[:, 3], others[:, 2] * others[:, 3])
    return pairs_by_iou((run_index, truth_index), inter, areas, truth, floor)


_MEASURE = Measure(bbox_iou, batch=box_candidates)


class RectangleSimilarity(KindSimilarity):
    """Rectangles under every protocol of theirs."""

    name = "rectangle"

    def gatherer(self) -> BoxGatherer:
        """For boxes."""
        return BoxGatherer()

    def measure(self, settings: EvaluationSettings) -> Measure:
        """Intersection over union."""
        del settings
        return _MEASURE


RECTANGLE = RectangleSimilarity()
