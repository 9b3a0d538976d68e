"""Average precision and recall, from matched annotations.

Source: COCOeval.accumulate and summarize in pycocotools, step by step in the same arithmetic, so that
the numbers are the same to the last digits.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from layernext.evaluation.packing import FloatArray, IndexArray
from layernext.evaluation.parts import Part
from layernext.model import EvaluationSettings

RECALLS = np.linspace(0.0, 1.0, 101)
"""Where COCO reads precision (params.recThrs)."""

_TINY = np.spacing(1)


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
                counted = np.cumsum((ignored >> bit) & np.uint64(1) == 0)
                precision[code, threshold, area] = _coco_average(hits, counted, total)
                recall[code, threshold, area] = [
                    np.count_nonzero(rank[hits] < limit) / total for limit in limits
                ]
    return Averages(precision, recall, truths)


def _coco_average(hits: IndexArray, counted: IndexArray, total: int) -> float:
    """Mean over 101 recalls of the highest precision at this recall or more.

    Args:
        hits: places of the true positives, rising.
        counted: (N,) how many annotations count up to each place.
        total: truths, at least one.
    """
    if not len(hits):
        return 0.0
    found = np.arange(1, len(hits) + 1, dtype=float)
    # Precision is highest and recall rises at true positives, so no other place matters.
    precision = found / (counted[hits] + _TINY)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(found / total, RECALLS, side="left")
    return float(np.sum(best[places[places < len(best)]]) / len(RECALLS))


def mean(values: FloatArray) -> float | None:
    """Mean of the defined values; None if there are none."""
    defined = values[~np.isnan(values)]
    return float(np.mean(defined)) if len(defined) else None


def summary(found: Averages, settings: EvaluationSettings) -> dict[str, float | None]:
    """The averages by name, over all labels: `found` may be of a single one.

    ``AP`` over all thresholds, ``AP50`` at one, ``APs`` of a size, ``AR10`` with at most so many
    annotations of a label in an image, ``ARs`` of a size with the highest of these limits.
    """
    numbers: dict[str, float | None] = {"AP": mean(found.precision[:, :, 0])}
    for number, threshold in enumerate(settings.thresholds):
        if threshold in (0.5, 0.75) and not settings.is_distance:  # the ones that COCO names
            numbers[f"AP{round(threshold * 100)}"] = mean(found.precision[:, number, 0])
    for number, area in enumerate(settings.areas):
        if number:
            numbers[f"AP{area.name}"] = mean(found.precision[:, :, number])
    for number, limit in enumerate(settings.max_annotations):
        name = f"AR{limit}" if limit < 1 << 30 else "AR"
        numbers[name] = mean(found.recall[:, :, 0, number])
    for number, area in enumerate(settings.areas):
        if number:
            numbers[f"AR{area.name}"] = mean(found.recall[:, :, number, -1])
    return numbers
