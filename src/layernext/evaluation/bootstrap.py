"""How far each number of the summary would stray if other images had been measured.

Images are resampled with replacement, as many as there are, and the numbers are computed as if an
image that was drawn k times were there k times (Efron and Tibshirani, An Introduction to the
Bootstrap, 1993). No annotation is matched again: a draw is a weight for each image, and the numbers
are sums of weights.

A label's annotations, the most confident first, are cut into segments that each end with a true
positive; within a draw, precision and recall are known at the ends of segments. Up to `SEGMENTS` true
positives each has a segment of its own, and the averages are exact. Labels with more of them are
sampled at so many places, evenly over recall.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from msgspec import Struct

from layernext.evaluation.averages import Averages, iter_labels, summary
from layernext.evaluation.columns import FloatArray, IndexArray
from layernext.evaluation.lane_scores import lane_scores, match_lanes
from layernext.evaluation.parts import Part
from layernext.evaluation.protocol_scores import scores_of_protocol
from layernext.evaluation.tallies import outcome
from layernext.model import EvaluationSettings, Protocol

Scores: TypeAlias = dict[str, float]
"""Name of a number to its value; NaN where undefined."""

SEGMENTS = 64
"""Enough for three digits of an average, few enough for a draw to take milliseconds."""

_RECALLS: dict[Protocol, int | None] = {"voc": None, "chamfer": None, "voc2007": 10}
"""Steps of recall at which the averages of `averages.INTEGRALS` read precision; COCO's are 100."""

_TINY = np.spacing(1)


def draw(image_count: int, seed: int, number: int) -> FloatArray:
    """(I,): how often each image is in one draw; seed and number give the same draw anywhere."""
    random = np.random.default_rng([seed, number])
    drawn = random.integers(0, image_count, image_count)
    return np.bincount(drawn, minlength=image_count).astype(np.float64)


class _Sums(Struct):
    """Sums of image weights for every threshold and some more axes, from as few terms as possible.

    What is found at one threshold is mostly found at the lower ones, too. So a term stands where
    something differs from the next threshold, and sums are added up over thresholds.

    Attributes:
        cell, image, sign: (E,) of each term.
        shape: of the sums: thresholds first.
    """

    cell: IndexArray
    image: IndexArray
    sign: FloatArray
    shape: tuple[int, ...]

    @classmethod
    def of(
        cls,
        bits: IndexArray,
        image: IndexArray,
        buckets: IndexArray,
        grid: tuple[int, int, int],
        bucket_count: int,
    ) -> _Sums:
        """The sums of N annotations.

        Args:
            bits: (N,) bit ``t * areas + a``: whether it is counted there.
            image: (N,) that gives the weight.
            buckets: (N,) where it is counted.
            grid: labels or groups that places belong to, thresholds, areas.
            bucket_count: how many for each group; `bucket` is group times buckets, plus bucket.
        """
        groups, thresholds, areas = grid
        cells, images, signs = [], [], []
        for area in range(areas):
            states = np.zeros((thresholds + 1, len(bits)), np.int8)
            for threshold in range(thresholds):
                states[threshold] = (bits >> np.uint64(threshold * areas + area)) & np.uint64(1)
            change = states[:-1] - states[1:]
            level, which = np.nonzero(change)
            group, within = np.divmod(buckets[which], bucket_count)
            cells.append(((level * groups + group) * areas + area) * bucket_count + within)
            images.append(image[which])
            signs.append(change[level, which])
        return cls(
            np.concatenate(cells),
            np.concatenate(images),
            np.concatenate(signs).astype(np.float64),
            (thresholds, groups, areas, bucket_count),
        )

    def weighted(self, weights: FloatArray) -> FloatArray:
        """(T, groups, A, places): the sum of weights up to each place."""
        terms = weights[self.image]
        terms *= self.sign
        flat = np.bincount(self.cell, terms, math.prod(self.shape))
        sums = np.asarray(flat, np.float64).reshape(self.shape)
        for threshold in range(self.shape[0] - 2, -1, -1):
            sums[threshold] += sums[threshold + 1]
        np.cumsum(sums, axis=-1, out=sums)
        return sums


class _Bucket(Struct):
    """Labels with about as many segments.

    Attributes:
        codes: of the labels.
        hits: true positives, by segment.
        counted: annotations that count, by segment.
    """

    codes: IndexArray
    hits: _Sums
    counted: _Sums


class WeightedScores:
    """The summary of an evaluation as a function of how often each image counts.

    With every weight 1 it is the summary itself, but for labels with more than `SEGMENTS` true
    positives, where it may differ in the third digit.

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
        assert settings.protocol is not None  # noqa: S101 - they are completed
        self._recalls = _RECALLS.get(settings.protocol, 100)
        thresholds, areas = len(settings.thresholds), len(settings.areas)
        self._buckets = list(_buckets(part, label_count, thresholds, areas))
        # Recall at the highest limit counts what it counts at lower ones, and more.
        limits = np.array(settings.max_annotations)
        of_limit = np.searchsorted(limits, part.rank, side="right")
        is_within = of_limit < len(limits)
        self._recalled = _Sums.of(
            part.matched[is_within],
            part.image[is_within],
            part.label[is_within].astype(np.int64) * len(limits) + of_limit[is_within],
            (label_count, thresholds, areas),
            len(limits),
        )
        all_areas = np.uint64((1 << areas) - 1)
        self._truths = _Sums.of(
            ~part.truth_ignored & all_areas,
            part.truth_image,
            part.truth_label.astype(np.int64),
            (label_count, 1, areas),
            1,
        )
        tally = outcome(part, settings, confidence)
        right = tally.is_right
        count = 1 + int(max(part.image.max(initial=0), part.truth_image.max(initial=0)))
        sums = [
            np.bincount(part.image[right], minlength=count),
            np.bincount(part.image[tally.counts], minlength=count),
            np.bincount(part.truth_image[tally.truth_counts], minlength=count),
            np.bincount(part.image[right], part.similarity[right], count),
        ]
        self._sums = np.stack(sums).astype(np.float64)
        self._lane_hits: FloatArray | None = None
        self._special = scores_of_protocol(part, settings, label_count, confidence)
        if settings.protocol == "lane-f1":
            lanes = match_lanes(part, settings, confidence)
            hits = [
                np.bincount(part.image[is_found], minlength=count) for is_found in lanes.is_found
            ]
            self._lane_hits = np.stack(hits).astype(np.float64)

    def __call__(self, weights: FloatArray) -> Scores:
        """The numbers by name, with these (I,) weights."""
        if self._special is not None:
            numbers = self._special.numbers(weights)
        else:
            numbers = self._lanes(weights) | summary(self._averages(weights), self._settings)
        scores = {name: np.nan if value is None else value for name, value in numbers.items()}
        return scores | self._rates(weights)

    def _lanes(self, weights: FloatArray) -> dict[str, float | None]:
        """As of `Evaluation.summary` for ``lane-f1``."""
        if self._lane_hits is None:
            return {}
        used = weights[: self._sums.shape[1]]
        _, annotations, truths, _ = (self._sums @ used).tolist()
        return lane_scores((self._lane_hits @ used).tolist(), annotations, truths, self._settings)

    def _rates(self, weights: FloatArray) -> Scores:
        """As of `Evaluation.summary` for every protocol."""
        hits, annotations, truths, similarity = self._sums @ weights[: self._sums.shape[1]]
        sign = -1.0 if self._settings.is_distance else 1.0
        return {
            "precision": hits / annotations if annotations else np.nan,
            "recall": hits / truths if truths else np.nan,
            "f1": 2 * hits / (annotations + truths) if annotations + truths else np.nan,
            "mean_similarity": sign * similarity / hits if hits else np.nan,
        }

    def _averages(self, weights: FloatArray) -> Averages:
        truths = self._truths.weighted(weights)[0, :, :, 0]
        total = np.where(truths > 0, truths, np.nan)
        recall = self._recalled.weighted(weights) / total[..., None]
        precision = np.where(np.isnan(total), np.nan, 0.0)
        precision = np.repeat(precision[None], len(self._settings.thresholds), axis=0)
        for bucket in self._buckets:
            precision[:, bucket.codes] = _average(
                bucket.hits.weighted(weights),
                bucket.counted.weighted(weights),
                total[bucket.codes][..., None],
                self._recalls,
            )
        return Averages(
            np.moveaxis(precision, 0, 1), np.moveaxis(recall, 0, 1), np.zeros(0, np.int64)
        )


def differences(
    a: WeightedScores,
    b: WeightedScores,
    image_count: int,
    seed: int,
    numbers: range,
) -> list[Scores]:
    """B minus a for some draws, the same for both: so images that are hard for both add no noise."""
    differences = []
    for number in numbers:
        weights = draw(image_count, seed, number)
        of_a, of_b = a(weights), b(weights)
        differences.append({name: of_b[name] - value for name, value in of_a.items()})
    return differences


def _buckets(part: Part, label_count: int, thresholds: int, areas: int) -> Iterator[_Bucket]:
    """Labels with true positives, by the number of their segments up to the next power of two."""
    order = np.lexsort((-part.score, part.label))
    by_size: dict[int, list[tuple[int, IndexArray, IndexArray]]] = {}
    for code, members in enumerate(iter_labels(part.label, order, label_count)):
        is_hit = part.matched[members] != 0
        hits = int(np.count_nonzero(is_hit))
        if not hits:
            continue
        segments = min(hits, SEGMENTS)
        before = np.cumsum(is_hit) - is_hit
        is_counted = before < hits  # what comes after the last true positive changes nothing
        segment = before[is_counted] * segments // hits
        size = 1 << (segments - 1).bit_length()
        by_size.setdefault(size, []).append((code, members[is_counted], segment))
    for size, labels in by_size.items():
        members = np.concatenate([indexes for _, indexes, _ in labels])
        buckets = np.concatenate(
            [number * size + segment for number, (_, _, segment) in enumerate(labels)]
        )
        grid = (len(labels), thresholds, areas)
        image = part.image[members]
        yield _Bucket(
            np.array([code for code, _, _ in labels]),
            _Sums.of(part.matched[members], image, buckets, grid, size),
            _Sums.of(~part.ignored[members], image, buckets, grid, size),
        )


def _average(
    hits: FloatArray, counted: FloatArray, total: FloatArray, recalls: int | None
) -> FloatArray:
    """Mean over recalls of the highest precision at this recall or more; over the last axis.

    Overwrites its arguments.

    Args:
        hits: weight of the true positives up to each segment's end.
        counted: weight of the annotations up to there.
        total: weight of the truths; NaN for none.
        recalls: into how many steps recall is cut, both ends being read; None: at every recall, which
            is the area under the curve.
    """
    counted += _TINY
    best = hits / counted
    from_end = best[..., ::-1]
    np.maximum.accumulate(from_end, axis=-1, out=from_end)
    recall = np.divide(hits, total, out=hits)
    if recalls is None:
        return np.asarray(np.sum(np.diff(recall, axis=-1, prepend=0.0) * best, axis=-1))
    # How many recalls have been reached. The k-th is the double k * step there.
    step = 1 / recalls
    steps = np.floor(recall * recalls + 1e-6)
    steps -= steps * step > recall
    steps[..., 1:] -= steps[..., :-1].copy()
    steps[..., 0] += 1
    average: FloatArray = np.einsum("...g,...g->...", steps, best) / (recalls + 1)
    return average
