"""Chamfer distance of lines: how far apart they run on average, as benchmarks of HD maps measure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

SAMPLE_COUNT = 100
"""Points that stand for a line, as in MapTR's evaluation."""


def chamfer_distance(
    lines: Sequence[npt.ArrayLike],
    others: Sequence[npt.ArrayLike],
    *,
    cutoff: float = np.inf,
    sample_count: int = SAMPLE_COUNT,
) -> FloatArray:
    """Distance of each line to each of the others: the mean distance from points of one to the other.

    Each line is sampled at points that are equally far apart along it, including both ends. The distances
    from each point of one line to the nearest point of the other are averaged, likewise from the other line
    to this one, and the result is the average of both means. It does not depend on the end at which a line
    starts.

    Args:
        lines: (P, 2) each: x, y in pixels, P at least 1; a single point is a line without length.
            Closed lines repeat their first point. The sequence may be empty.
        others: the same, in the same image.
        cutoff: pixels; a pair that is certainly further apart may be given as infinity, which saves
            most of the work where lines are far from each other.
        sample_count: number of points of each line, at least 2.

    Returns:
        (N, M), in pixels, not negative.

    Source:
        Li et al., HDMapNet, ICRA 2022, for the metric; the sampling and the two-sided mean are those
        of MapTR (Liao et al., ICLR 2023; `datasets/map_utils/tpfp_chamfer.py` and `mean_ap.py`).

    Example:
        >>> chamfer_distance([[[0, 0], [100, 0]]], [[[0, 3], [100, 3]], [[100, 4], [0, 4]]])
        array([[3., 4.]])
    """
    result = np.full((len(lines), len(others)), np.inf)
    if not result.size:
        return result
    points = np.stack([resample(line, sample_count) for line in lines])
    other_points = np.stack([resample(other, sample_count) for other in others])
    bound = (_to_box(points, other_points) + _to_box(other_points, points).T) / 2
    # A bound is exact but for rounding: a pair on the threshold must not be lost to its last bits.
    for index, other in zip(*np.nonzero(bound * (1 - 1e-9) <= cutoff), strict=True):
        result[index, other] = _distance(points[index], other_points[other])
    return result


def resample(line: npt.ArrayLike, count: int) -> FloatArray:
    """(count, 2): points equally far apart along a line, from its first to its last point."""
    points = np.asarray(line, np.float64).reshape(-1, 2)
    steps = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.linspace(0.0, along[-1], count)
    return np.stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)], axis=1)


def _to_box(points: FloatArray, others: FloatArray) -> FloatArray:
    """(N, M): mean distance of a line's points to the other's bounding box: never above the real one."""
    low, high = others.min(axis=1), others.max(axis=1)
    total = np.zeros((len(points), len(others)))
    for index, line in enumerate(points):  # one by one: memory for (M, samples) only
        gap = np.maximum(low[:, None] - line, line - high[:, None])
        np.maximum(gap, 0, out=gap)
        total[index] = np.hypot(gap[..., 0], gap[..., 1]).mean(axis=1)
    return total


def _distance(points: FloatArray, others: FloatArray) -> float:
    squared = np.subtract.outer(points[:, 0], others[:, 0])
    np.square(squared, out=squared)
    down = np.subtract.outer(points[:, 1], others[:, 1])
    squared += np.square(down, out=down)
    nearest = np.sqrt(squared.min(axis=1)).mean() + np.sqrt(squared.min(axis=0)).mean()
    return float(nearest) / 2
