"""How alike two shapes are: one function for each geometry or protocol, and the pairs it gives.

A `Measure` is the seam for new geometries. Its function takes the N shapes of the run and the M shapes
of the truth in one image, in pixels, and gives (N, M). Where a lower number is better (a distance),
`is_distance` says so, and `Measure.candidates`, this one place, negates: everything behind it can
hold that higher is better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from layernext.evaluation.packing import Columns, FloatArray, IndexArray

Shapes: TypeAlias = Any
"""Boxes (N, 4) as x, y, width, height; or a list of N arrays (K, 2) of points."""

ImageWh: TypeAlias = tuple[float, float]

Similarity: TypeAlias = Callable[[Shapes, Shapes, ImageWh | None], FloatArray]
"""(N shapes of the run, M of the truth, width and height of the image if known) to (N, M)."""


class Pairs(NamedTuple):
    """Pairs of annotation and truth of one image that are alike enough to matter.

    Attributes:
        run: (P,) index of the annotation in the batch.
        truth: (P,) index of the truth in the batch.
        similarity: (P,) higher is better.
    """

    run: IndexArray
    truth: IndexArray
    similarity: FloatArray

    @staticmethod
    def none() -> Pairs:
        """No pairs."""
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))

    @staticmethod
    def joined(pairs: list[Pairs]) -> Pairs:
        """One after the other; at least one."""
        run, truth, similarity = zip(*pairs, strict=True)
        return Pairs(np.concatenate(run), np.concatenate(truth), np.concatenate(similarity))

    def where(self, wanted: NDArray[np.bool_]) -> Pairs:
        """Those of the pairs."""
        return Pairs(self.run[wanted], self.truth[wanted], self.similarity[wanted])


class Measure(Struct, frozen=True):
    """A way to compare shapes.

    Attributes:
        similarity: for one image.
        is_distance: whether `similarity` gives distances.
        batch: candidates of a whole batch at once, where that is faster; as `candidates`.
        prepare: done once to all shapes of both sides of a batch (drawing them, for one); what it
            puts in place of the shapes is what `similarity` and `batch` get.
    """

    similarity: Similarity
    is_distance: bool = False
    batch: Callable[[Columns, Columns, float], Pairs] | None = None
    prepare: Callable[[Columns, Columns, list[ImageWh | None]], tuple[Columns, Columns]] | None = (
        None
    )

    def candidates(
        self,
        run: Columns,
        truth: Columns,
        floor: float,
        image_whs: list[ImageWh | None],
    ) -> Pairs:
        """Pairs within the same image, of any labels, at least as similar as `floor`.

        Args:
            run, truth: of the same batch, sorted by image.
            floor: in terms of higher is better: a negated distance for distances.
            image_whs: width and height of each image of the batch.

        Returns:
            Sorted by annotation, then truth.
        """
        if self.batch is not None:
            return self.batch(run, truth, floor)
        found = [Pairs.none()]
        of_truth = dict(slices_of_images(truth.image, len(image_whs)))
        for image, rows in slices_of_images(run.image, len(image_whs)):
            others = of_truth[image]
            if rows.start == rows.stop or others.start == others.stop:
                continue
            alike = self.similarity(run.shapes[rows], truth.shapes[others], image_whs[image])
            if self.is_distance:
                alike = -alike
            near = np.nonzero(alike >= floor)
            found.append(Pairs(near[0] + rows.start, near[1] + others.start, alike[near]))
        return Pairs.joined(found)

    def prepared(
        self, run: Columns, truth: Columns, image_whs: list[ImageWh | None]
    ) -> tuple[Columns, Columns]:
        """Both sides as `similarity` wants them."""
        return self.prepare(run, truth, image_whs) if self.prepare else (run, truth)


def slices_of_images(image: IndexArray, count: int) -> Iterator[tuple[int, slice]]:
    """For each of `count` images the rows that are in it; `image` is sorted."""
    bounds = np.searchsorted(image, np.arange(count + 1)).tolist()
    for number, (start, end) in enumerate(pairwise(bounds)):
        yield number, slice(start, end)


def bbox_iou(
    bboxes: FloatArray, others: FloatArray, image_wh: tuple[float, float] | None = None
) -> FloatArray:
    """Overlap of each bbox with each of the others: intersection over union.

    Args:
        bboxes: (N, 4): x, y, width, height in pixels; sides not negative. N may be 0.
        others: (M, 4), the same, in the same image.
        image_wh: not needed.

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
    """All pairs of boxes of a batch with at least the IoU `floor`; crowds as COCO has them.

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

    # Most pairs are apart in x already: y is looked at for the rest alone.
    width = overlap(0)
    near = np.flatnonzero(width > 0)
    run_index, truth_index, width = run_index[near], truth_index[near], width[near]
    height = overlap(1)
    near = np.flatnonzero(height > 0)
    run_index, truth_index = run_index[near], truth_index[near]
    inter = width[near] * height[near]
    areas = boxes[:, 2] * boxes[:, 3]
    union = areas[run_index] + (others[:, 2] * others[:, 3])[truth_index] - inter
    if truth.crowd.any():
        union = np.where(truth.crowd[truth_index], areas[run_index], union)
    iou = inter / union
    kept = np.flatnonzero(iou >= floor)
    return Pairs(run_index[kept], truth_index[kept], iou[kept])


def pairs_of_images(
    run_image: IndexArray, truth_image: IndexArray
) -> tuple[IndexArray, IndexArray]:
    """Every pair of annotation and truth that are in the same image; both are sorted by image."""
    starts = np.searchsorted(truth_image, run_image, side="left")
    counts = np.searchsorted(truth_image, run_image, side="right") - starts
    run_index = np.repeat(np.arange(len(run_image)), counts)
    before = np.cumsum(counts) - counts
    truth_index = np.arange(len(run_index)) + np.repeat(starts - before, counts)
    return run_index, truth_index
