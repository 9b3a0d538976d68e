"""Labels of whole images: there is nothing to compare but the label, so all of an image are alike.

Pairs of different labels only tell what was taken for what. There are as many annotations in them as the image has
truths, the most confident: a classifier that gives every label a confidence says no more with the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace

from layernext.evaluation.columns import Columns, FloatArray, Source
from layernext.evaluation.similarity.measure import (
    Gatherer,
    ImageWh,
    KindSimilarity,
    Measure,
    Pairs,
    Shapes,
    pairs_of_images,
)
from layernext.model import EvaluationSettings


class LabelGatherer(Gatherer):
    """Counts labels: they have no shapes."""

    def __init__(self) -> None:
        self._count = 0

    def add(
        self, annotations: Sequence[Any], scale: tuple[float, float] | None, source: Source
    ) -> None:
        """Count the labels of an image."""
        del scale, source
        self._count += len(annotations)

    def take(self) -> tuple[FloatArray, FloatArray]:
        """Empty shapes (N, 0), and no areas (N,)."""
        count, self._count = self._count, 0
        return np.zeros((count, 0)), np.zeros(count)


def _alike(labels: Shapes, others: Shapes, image_wh: ImageWh | None) -> FloatArray:
    del image_wh
    return np.ones((len(labels), len(others)))


def label_candidates(run: Columns, truth: Columns, floor: float) -> Pairs:
    """Pairs of the same label; and of the most confident annotations with the truths of their image."""
    del floor
    run_index, truth_index = pairs_of_images(run.image, truth.image)
    truths = np.bincount(truth.image, minlength=int(run.image.max(initial=-1)) + 1)
    order = np.lexsort((-run.score, run.image))
    starts = np.searchsorted(run.image[order], run.image[order])
    is_within = np.arange(run.count) - starts < truths[run.image[order]]
    # Equally confident ones count, too: which of them goes first is known once all labels are.
    least = np.full(len(truths), np.inf)
    np.minimum.at(least, run.image[order[is_within]], run.score[order[is_within]])
    is_best = run.score >= least[run.image]
    is_pair = (run.label[run_index] == truth.label[truth_index]) | is_best[run_index]
    pairs = np.flatnonzero(is_pair)
    return Pairs(run_index[pairs], truth_index[pairs], np.ones(len(pairs)))


def ignore_repeats(
    run: Columns, truth: Columns, image_whs: list[ImageWh | None]
) -> tuple[Columns, Columns]:
    """Both sides, where a label that an image has twice counts once: for its highest confidence."""
    del image_whs
    sides = []
    for side in (run, truth):
        order = np.lexsort((-side.score, side.label, side.image))
        image, label = side.image[order], side.label[order]
        is_repeat = np.zeros(side.count, bool)
        is_repeat[order[1:]] = (image[1:] == image[:-1]) & (label[1:] == label[:-1])
        sides.append(replace(side, ignore=side.ignore | is_repeat))
    return sides[0], sides[1]


_MEASURE = Measure(_alike, batch=label_candidates, prepare=ignore_repeats)


class ImageLabelSimilarity(KindSimilarity):
    """Labels of whole images."""

    name = "image_label"

    def gatherer(self) -> LabelGatherer:
        """For labels."""
        return LabelGatherer()

    def measure(self, settings: EvaluationSettings) -> Measure:
        """Everything is alike."""
        del settings
        return _MEASURE


IMAGE_LABEL = ImageLabelSimilarity()
