"""Precision, recall and F1 over confidence, and the confidence that is best for F1."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from layernext.evaluation.columns import FloatArray, IndexArray
from layernext.evaluation.parts import BoolArray
from layernext.model import Calibration, CalibrationBin, Curve

CURVE_POINTS = 200


class Best(Struct, frozen=True):
    """The point of a curve with the best F1."""

    f1: float
    confidence: float


def curve(
    label: str | None, score: FloatArray, is_right: BoolArray, truths: int
) -> tuple[Curve, Best | None]:
    """The curve of some annotations, and its best point.

    Args:
        label: theirs, or None for all labels.
        score: (N,) in falling order.
        is_right: (N,) whether each is a true positive.
        truths: truths that count.

    Returns:
        An empty curve and None if there are no annotations or no truths.
    """
    if not len(score) or not truths:
        return Curve(label=label, confidence=[], precision=[], recall=[], f1=[]), None
    # Annotations of equal confidence cannot be told apart: the curve has one point for them.
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True))
    right = np.cumsum(is_right)[last].astype(float)
    precision, recall = right / (last + 1), right / truths
    f1 = 2 * right / (last + 1 + truths)
    best = int(np.argmax(f1))
    points = _spread(recall, best)
    thinned = Curve(
        label=label,
        confidence=score[last][points].tolist(),
        precision=precision[points].tolist(),
        recall=recall[points].tolist(),
        f1=f1[points].tolist(),
    )
    return thinned, Best(float(f1[best]), float(score[last[best]]))


def _spread(recall: FloatArray, best: int) -> IndexArray:
    """Places of points that are evenly spread over recall, and over the points themselves."""
    count = len(recall)
    if count <= CURVE_POINTS:
        return np.arange(count)
    by_recall = np.searchsorted(recall, np.linspace(recall[0], recall[-1], CURVE_POINTS // 2))
    by_place = np.linspace(0, count - 1, CURVE_POINTS // 2 - 3).round().astype(int)
    return np.unique(np.concatenate([by_recall, by_place, [0, count - 1, best]]))


def calibration(score: FloatArray, is_right: BoolArray, bins: int) -> Calibration:
    """How well confidence foretells being right.

    Source: Guo et al., On Calibration of Modern Neural Networks (ICML 2017): bins (low, high].

    Args:
        score: (N,) confidences of the annotations that count.
        is_right: (N,) whether each is a true positive.
        bins: bins of equal width from 0 to 1.
    """
    edges = np.linspace(0.0, 1.0, bins + 1)
    bin_index = np.clip(np.searchsorted(edges, score, side="left") - 1, 0, bins - 1)
    counts = np.bincount(bin_index, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(bin_index, score, bins) / counts
        precision = np.bincount(bin_index, is_right, bins) / counts
    gaps = np.abs(confidence - precision)
    total = len(score)
    return Calibration(
        bins=[
            CalibrationBin(
                low=float(edges[number]),
                high=float(edges[number + 1]),
                annotations=int(counts[number]),
                confidence=float(confidence[number]) if counts[number] else None,
                precision=float(precision[number]) if counts[number] else None,
            )
            for number in range(bins)
        ],
        expected_error=float(np.nansum(gaps * counts) / total) if total else None,
        largest_error=float(np.nanmax(gaps)) if total else None,
        brier=float(np.mean((score - is_right) ** 2)) if total else None,
    )
