"""How far each number of the summary would stray if other images had been measured.

Images are drawn anew, with replacement, as many as there are, and the numbers are computed as if an
image that was drawn k times were there k times (Efron and Tibshirani, An Introduction to the
Bootstrap, 1993). No annotation is matched again: a draw is a weight for each image, and a number is
computed for a block of draws at once, with draws along the last axis, so that each step is one pass
over contiguous memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from layernext.evaluation.averages import RECALLS, Averages, iter_labels, summary
from layernext.evaluation.packing import FloatArray
from layernext.evaluation.parts import Part
from layernext.evaluation.tallies import outcome
from layernext.model import EvaluationSettings

Scores: TypeAlias = dict[str, FloatArray]
"""Name of a number to its (B,) values, one a draw; NaN where undefined."""

BLOCK = 64
"""Draws that are worked on together: a label's annotations times this fit into the cache."""

_TINY = np.spacing(1)


def iter_draws(image_count: int, resamples: int, seed: int) -> Iterator[FloatArray]:
    """(I, B): how often each image was drawn, a block of draws at a time.

    The same seed gives the same draws, which is what makes a comparison of two runs a paired one.
    """
    random = np.random.default_rng(seed)
    for start in range(0, resamples, BLOCK):
        count = min(BLOCK, resamples - start)
        drawn = random.integers(0, image_count, (image_count, count))
        drawn = drawn * count + np.arange(count)
        weights = np.bincount(drawn.ravel(), minlength=image_count * count)
        yield weights.reshape(image_count, count).astype(np.float64)


class WeightedScores:
    """The summary of an evaluation as a function of how often each image counts.

    With every weight 1 it is the summary itself.

    Args:
        part: everything matched; images in the order of the weights.
        settings: completed.
        label_count: codes are below.
        confidence: at which precision, recall and F1 are taken.
    """

    def __init__(
        self, part: Part, settings: EvaluationSettings, label_count: int, confidence: float
    ) -> None:
        self._part, self._settings, self._label_count = part, settings, label_count
        order = np.lexsort((-part.score, part.label))
        self._members = list(iter_labels(part.label, order, label_count))
        found = outcome(part, confidence)
        right = found.is_right
        count = 1 + int(max(part.image.max(initial=0), part.truth_image.max(initial=0)))
        sums = [
            np.bincount(part.image[right], minlength=count),
            np.bincount(part.image[found.counts], minlength=count),
            np.bincount(part.truth_image[found.truth_counts], minlength=count),
            np.bincount(part.image[right], part.similarity[right], count),
        ]
        self._sums = np.stack(sums).astype(np.float64)

    def __call__(self, weights: FloatArray) -> Scores:
        """(I, B) weights to the numbers by name."""
        found = self._averages(weights)
        names = [
            summary(
                Averages(found.precision[..., draw], found.recall[..., draw], found.truths),
                self._settings,
            )
            for draw in range(weights.shape[1])
        ]
        scores = {
            name: np.array([np.nan if each[name] is None else each[name] for each in names], float)
            for name in names[0]
        }
        return scores | self._rates(weights)

    def _rates(self, weights: FloatArray) -> Scores:
        """As of `Evaluation.summary` for every protocol."""
        hits, annotations, truths, similarity = self._sums @ weights[: self._sums.shape[1]]
        sign = -1.0 if self._settings.is_distance else 1.0
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "precision": hits / annotations,
                "recall": hits / truths,
                "f1": 2 * hits / (annotations + truths),
                "mean_similarity": sign * similarity / hits,
            }

    def _averages(self, weights: FloatArray) -> Averages:
        """As `averages`, with draws along one more axis at the end."""
        part, settings = self._part, self._settings
        thresholds, areas = len(settings.thresholds), len(settings.areas)
        limits, draws = settings.max_annotations, weights.shape[1]
        shape = (self._label_count, thresholds, areas)
        precision = np.full((*shape, draws), np.nan)
        recall = np.full((*shape, len(limits), draws), np.nan)
        truths = self._truths(weights)
        for code, members in enumerate(self._members):
            drawn = weights[part.image[members]]
            counted_all = np.cumsum(drawn, axis=0)
            matched, ignored, rank = (
                part.matched[members],
                part.ignored[members],
                part.rank[members],
            )
            for area in range(areas):
                total = truths[code, area]
                if not total.any():
                    continue
                total = np.where(total > 0, total, np.nan)
                for threshold in range(thresholds):
                    bit = np.uint64(threshold * areas + area)
                    is_hit = ((matched >> bit) & np.uint64(1)) != 0
                    counts = ((ignored >> bit) & np.uint64(1)) == 0
                    hits = np.flatnonzero(is_hit)
                    if counts.all():
                        counted = counted_all[hits]
                    else:
                        counted = np.cumsum(drawn[counts], axis=0)[np.cumsum(counts)[hits] - 1]
                    found = drawn[hits]
                    precision[code, threshold, area] = _average(
                        np.cumsum(found, axis=0), counted, total
                    )
                    for place, limit in enumerate(limits):
                        within = found[rank[hits] < limit].sum(axis=0)
                        recall[code, threshold, area, place] = within / total
        return Averages(precision, recall, np.zeros(0, np.int64))

    def _truths(self, weights: FloatArray) -> FloatArray:
        """(L, A, B): truths that count."""
        part, areas = self._part, len(self._settings.areas)
        truths = np.zeros((self._label_count, areas, weights.shape[1]))
        for area in range(areas):
            counts = (part.truth_ignored >> np.uint64(area)) & np.uint64(1) == 0
            label, image = part.truth_label[counts], part.truth_image[counts]
            for code in range(self._label_count):
                # An image with three truths of the label stands there three times.
                truths[code, area] = weights[image[label == code]].sum(axis=0)
        return truths


def _average(found: FloatArray, counted: FloatArray, total: FloatArray) -> FloatArray:
    """(B,): mean over 101 recalls of the highest precision at this recall or more.

    Args:
        found: (H, B): the weight of the true positives up to each of them.
        counted: (H, B): the weight of the annotations up to there.
        total: (B,): the weight of the truths; NaN for none.
    """
    if not len(found):
        return np.where(np.isnan(total), np.nan, 0.0)
    best = found / (counted + _TINY)
    best = np.maximum.accumulate(best[::-1], axis=0)[::-1]
    recall = found / total
    # How many of the 101 recalls have been reached: k / 100 is the double k * 0.01 there.
    reached = np.floor(recall * 100 + 1e-6)
    reached -= reached * 0.01 > recall
    steps = np.diff(reached, axis=0, prepend=-1.0)
    average: FloatArray = np.sum(steps * best, axis=0) / len(RECALLS)
    return average
