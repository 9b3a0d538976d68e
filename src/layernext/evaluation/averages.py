"""Average precision and recall, from matched annotations.

Source: COCOeval.accumulate and summarize in pycocotools, step by step in the same arithmetic, so that
the numbers are the same to the last digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from layernext.evaluation.columns import FloatArray, IndexArray
from layernext.evaluation.parts import Part
from layernext.model import EvaluationSettings, Protocol

RECALLS = np.linspace(0.0, 1.0, 101)
"""Where COCO reads precision (params.recThrs)."""

_TINY = np.spacing(1)

_NAMED_THRESHOLDS = (0.5, 0.75)
"""Those that COCO names."""

Integral: TypeAlias = Callable[[IndexArray, IndexArray, int], float]
"""Average precision of one label.

Of the places of its true positives, rising; of how many annotations count up to each of these, itself
included; and of how many truths there are, at least one.
"""


class Averages(Struct):
    """Averages for each label, threshold and area; NaN where undefined.

    Attributes:
        precision: (L, T, A) with the highest of `max_annotations`.
        recall: (L, T, A, K) for each of the K `max_annotations`.
        truths: (L, A) how many count.
    """

    precision: FloatArray
    recall: FloatArray
    truths: IndexArray

    def of_label(self, code: int) -> Averages:
        """Those of a single label."""
        label = slice(code, code + 1)
        return Averages(self.precision[label], self.recall[label], self.truths[label])


def iter_labels(label: NDArray[np.int32], order: IndexArray, count: int) -> Iterator[IndexArray]:
    """For each of `count` labels the indexes in `order`, which is sorted by label."""
    bounds = np.searchsorted(label[order], np.arange(count + 1))
    for code in range(count):
        yield order[bounds[code] : bounds[code + 1]]


def averages(
    part: Part, settings: EvaluationSettings, label_count: int, order: IndexArray
) -> Averages:
    """Average precision and recall for every label.

    Args:
        part: everything matched.
        settings: completed.
        label_count: codes are below.
        order: of the run's annotations: by label, then falling score, then image.
    """
    thresholds, areas = len(settings.thresholds), len(settings.areas)
    limits = settings.max_annotations
    integral = integral_for(settings)
    precision = np.full((label_count, thresholds, areas), np.nan)
    recall = np.full((label_count, thresholds, areas, len(limits)), np.nan)
    truths = np.zeros((label_count, areas), np.int64)
    for area in range(areas):
        counts = (part.truth_ignored >> np.uint64(area)) & np.uint64(1) == 0
        truths[:, area] = np.bincount(part.truth_label[counts], minlength=label_count)
    for code, members in enumerate(iter_labels(part.label, order, label_count)):
        matched, ignored, rank = part.matched[members], part.ignored[members], part.rank[members]
        for area in range(areas):
            total = truths[code, area]
            if not total:
                continue
            for threshold in range(thresholds):
                bit = np.uint64(threshold * areas + area)
                hits = np.flatnonzero((matched >> bit) & np.uint64(1))
                counted = np.cumsum((ignored >> bit) & np.uint64(1) == 0)[hits]
                precision[code, threshold, area] = integral(hits, counted, int(total))
                recall[code, threshold, area] = [
                    np.count_nonzero(rank[hits] < limit) / total for limit in limits
                ]
    return Averages(precision, recall, truths)


def _best_from_here(hits: IndexArray, counted: IndexArray, tiny: float = 0.0) -> FloatArray:
    """(K,) the highest precision at each true positive or any later one.

    Precision is highest, and recall rises, at true positives: no other place matters.
    """
    precision = np.arange(1, len(hits) + 1, dtype=float) / (counted + tiny)
    best: FloatArray = np.maximum.accumulate(precision[::-1])[::-1]
    return best


def coco_integral(hits: IndexArray, counted: IndexArray, total: int) -> float:
    """Mean over 101 recalls of the highest precision at this recall or more."""
    return _at_recalls(_best_from_here(hits, counted, _TINY), total, RECALLS)


def voc2007_integral(hits: IndexArray, counted: IndexArray, total: int) -> float:
    """Mean over 11 recalls of the highest precision at this recall or more.

    Source: VOCevaldet.m of the development kit of 2007 to 2009.
    """
    return _at_recalls(_best_from_here(hits, counted), total, np.arange(0.0, 1.1, 0.1))


def area_integral(hits: IndexArray, counted: IndexArray, total: int) -> float:
    """Area under the curve of the highest precision at each recall or more.

    Source: VOCap.m of the development kit from 2010 on.
    """
    return float(np.sum(_best_from_here(hits, counted)) / total)


def _at_recalls(best: FloatArray, total: int, recalls: FloatArray) -> float:
    ranks = np.searchsorted(np.arange(1, len(best) + 1) / total, recalls, side="left")
    return float(np.sum(best[ranks[ranks < len(best)]]) / len(recalls))


INTEGRALS: dict[Protocol, Integral] = {
    "coco": coco_integral,
    "lvis": coco_integral,
    "boundary": coco_integral,
    "voc": area_integral,
    "voc2007": voc2007_integral,
    "lane-f1": coco_integral,
    "chamfer": area_integral,
    "classification": area_integral,
    "oks": coco_integral,
    "semantic": area_integral,
    "panoptic": area_integral,
}


def integral_for(settings: EvaluationSettings) -> Integral:
    """How completed settings make an average of a curve."""
    assert settings.protocol is not None  # noqa: S101 - they are completed
    return INTEGRALS[settings.protocol]


def mean(values: FloatArray) -> float | None:
    """Mean of the defined values; None if there are none."""
    defined = values[~np.isnan(values)]
    return float(np.mean(defined)) if len(defined) else None


def summary(means: Averages, settings: EvaluationSettings) -> dict[str, float | None]:
    """The averages by name, over all labels; `means` may be of a single one.

    ``AP`` over all thresholds, ``AP50`` at one, ``AP@5`` at a distance, ``APs`` of a size, ``AR10`` with at most so many
    annotations of a label in an image, ``ARs`` of a size with the highest of these limits. Of keypoints
    also ``AR@0.5``, at one threshold.
    """
    numbers: dict[str, float | None] = {"AP": mean(means.precision[:, :, 0])}
    for number, threshold in enumerate(settings.thresholds):
        if threshold in _NAMED_THRESHOLDS and not settings.is_distance:
            numbers[f"AP{round(threshold * 100)}"] = mean(means.precision[:, number, 0])
        if settings.is_distance:
            numbers[f"AP@{threshold:g}"] = mean(means.precision[:, number, 0])
    for number, area in [*enumerate(settings.areas)][1:]:
        numbers[f"AP{area.name}"] = mean(means.precision[:, :, number])
    for number, limit in enumerate(settings.max_annotations):
        name = f"AR{limit}" if limit < 1 << 30 else "AR"
        numbers[name] = mean(means.recall[:, :, 0, number])
    if settings.protocol == "oks":
        numbers |= {
            f"AR@{threshold:g}": mean(means.recall[:, number, 0, -1])
            for number, threshold in enumerate(settings.thresholds)
            if threshold in _NAMED_THRESHOLDS
        }
    for number, area in [*enumerate(settings.areas)][1:]:
        numbers[f"AR{area.name}"] = mean(means.recall[:, :, number, -1])
    return numbers
