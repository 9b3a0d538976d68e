"""Overlap of lines that are drawn some pixels wide, as the CULane benchmark measures lanes.

A drawn line is the set of pixels whose center is no further than half the width from the line.
Nothing is drawn, though. The points near one straight part are a convex set, so they cover one
interval of a row of pixels: a line is kept as its intervals, row by row, and two lines share what
their intervals share. That is exact and needs no image in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from layernext.errors import DataError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
RowArray = npt.NDArray[np.int32]

LANE_WIDTH = 30.0
"""Pixels; as in CULane, whose images have 1640 by 590."""

BLOCK = 1 << 18
"""Rows of parts that are worked on at a time: bounds memory for lines of any size."""

# A packed interval is one integer: group (a row of a line), start, end. Those sort fast.
_COLUMN_BITS = 20
_COLUMN_MASK = (1 << _COLUMN_BITS) - 1

MAX_SIZE = _COLUMN_MASK
"""Pixels that lines may lie apart."""


def lane_iou(
    lines: Sequence[npt.ArrayLike],
    others: Sequence[npt.ArrayLike],
    *,
    width: float = LANE_WIDTH,
    image_wh: tuple[float, float] | None = None,
) -> FloatArray:
    """Overlap of each drawn line with each of the others: shared pixels over covered pixels.

    Lines run straight from point to point and have round ends. The benchmark's own program first
    bends a spline through the points; here, lines are not bent, so that no result depends on a guessed curve.
    The benchmark's program also requires an overlap above the threshold; here, reaching it is enough.

    Args:
        lines: (P, 2) each: x, y in pixels, P at least 1; a single point is a dot. Closed lines
            repeat their first point. The sequence may be empty.
        others: the same, in the same image.
        width: width of the drawn lines, in pixels, above 0.
        image_wh: width and height; pixels outside do not count. None: all count.

    Returns:
        (N, M), each 0 to 1; 0 for a line of which no pixel lies in the image.

    Raises:
        DataError: the lines lie more than a million pixels apart, or the image is larger than that.

    Source:
        Pan et al., Spatial As Deep: Spatial CNN for Traffic Scene Understanding, AAAI 2018,
        and `tools/lane_evaluation` of the code published with it: lines 30 px wide, matched at an
        overlap of 0.5 and 0.3.

    Example:
        >>> lane_iou([[[0, 50], [100, 50]]], [[[0, 65], [100, 65]]], image_wh=(100, 100))
        array([[0.33333333]])
    """
    count, total = len(lines), len(lines) + len(others)
    shared = np.zeros((count, total - count), np.int64)
    if not shared.size:
        return shared.astype(np.float64)
    areas = np.zeros(total, np.int64)
    for layers in _drawn([*lines, *others], width / 2, image_wh):
        for start, end in layers:
            areas += (end - start).sum(axis=1)
            for other_start, other_end in layers:
                for index in range(count):  # one by one: memory for (M, rows) only
                    common = np.minimum(end[index], other_end[count:])
                    common -= np.maximum(start[index], other_start[count:])
                    shared[index] += np.maximum(common, 0, out=common).sum(axis=1)
    union = areas[:count, None] + areas[None, count:] - shared
    overlap = np.zeros(shared.shape)
    np.divide(shared, union, out=overlap, where=union > 0)
    return overlap


def _drawn(
    lines: Sequence[npt.ArrayLike], radius: float, image_wh: tuple[float, float] | None
) -> Iterator[list[tuple[RowArray, RowArray]]]:
    """The pixels within a radius of each line, a band of rows at a time.

    Yields:
        Pairs of (N, rows): start and end of each line's first, second, ... interval in each row;
        equal where it has none.
    """
    points, owner = _points(lines)
    low, high = points.min(axis=0) - radius, points.max(axis=0) + radius
    corner = np.floor(low) if image_wh is None else np.zeros(2)
    size = np.ceil(high - corner if image_wh is None else image_wh)
    if not (size < MAX_SIZE).all():  # nor if it is not finite
        raise DataError(
            f"lines over {size[0]:.6g}x{size[1]:.6g} pixels cannot be drawn",
            hint="check the coordinates, or give the image's size",
        )
    columns, rows = size.astype(int).tolist()
    points -= corner
    shapes: list[_Discs | _Strips] = [
        _Discs(points, owner, radius),
        _Strips(points, owner, radius),
    ]
    spans = [shape.rows(rows) for shape in shapes]
    top = min(int(first.min(initial=rows)) for first, _ in spans)
    bottom = max(int(stop.max(initial=0)) for _, stop in spans)
    step = max(1, BLOCK // len(lines))
    for start in range(top, bottom, step):
        height = min(step, bottom - start)
        merged = []
        for shape, (first, stop) in zip(shapes, spans, strict=True):
            begin = np.clip(first - start, 0, height)
            heights = np.clip(stop - start, 0, height) - begin
            for block in _blocks(heights):
                packed = _intervals(shape, block, begin, heights, start, height, columns)
                merged.append(_merge(packed) if len(packed) > BLOCK // 2 else packed)
        yield _layers(_merge(np.concatenate(merged)), len(lines), height)


def _points(lines: Sequence[npt.ArrayLike]) -> tuple[FloatArray, IntArray]:
    """(K, 2): the points of all lines, appended; and (K,): the line of each."""
    arrays = [np.asarray(line, np.float64).reshape(-1, 2) for line in lines]
    owner = np.repeat(np.arange(len(arrays)), [len(array) for array in arrays])
    return np.concatenate(arrays), owner


class _Discs:
    """What is near the points."""

    def __init__(self, points: FloatArray, owner: IntArray, radius: float) -> None:
        self.owner = owner
        self._points, self._radius = points, radius

    def rows(self, count: int) -> tuple[IntArray, IntArray]:
        """(S,) first row of each and the one after the last, in an image with `count` rows."""
        y = self._points[:, 1]
        return _rows(y - self._radius, y + self._radius, count)

    def edges(self, index: IntArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(E,) where those with these indexes begin and end on horizontals at `y`."""
        x, y_center = self._points.T
        reach = self._radius**2 - (y - y_center[index]) ** 2
        reach = np.sqrt(np.maximum(reach, 0, out=reach), out=reach)
        x = x[index]
        return x - reach, x + reach


class _Strips:
    """What is beside the straight parts: from each to both sides.

    A strip's short edges are diameters of the discs around the part's ends. So where a horizontal
    meets a short edge, the strip may as well begin or end at a corner of that edge: what that adds
    or takes away is in the disc.
    """

    def __init__(self, points: FloatArray, owner: IntArray, radius: float) -> None:
        step = np.diff(points, axis=0)
        length = np.hypot(step[:, 0], step[:, 1])
        is_strip = (owner[1:] == owner[:-1]) & (length > 0)
        self.owner = owner[1:][is_strip]
        dx, dy = self._step = step[is_strip].T
        aside = np.stack([-dy, dx]) * (radius / length[is_strip])
        start = points[:-1][is_strip].T
        self._starts = start + aside, start - aside
        # A level strip is met nowhere but at its corners; a quotient says at which.
        self._rise = np.where(dy == 0, np.finfo(float).tiny, dy)

    def rows(self, count: int) -> tuple[IntArray, IntArray]:
        """As of `_Discs`."""
        y = [start[1] + rise for start in self._starts for rise in (0.0, self._step[1])]
        return _rows(np.minimum.reduce(y), np.maximum.reduce(y), count)

    def edges(self, index: IntArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """As of `_Discs`."""
        dx, rise = self._step[0][index], self._rise[index]
        sides = []
        for x_start, y_start in self._starts:
            with np.errstate(over="ignore"):
                along = (y - y_start[index]) / rise
            sides.append(x_start[index] + np.clip(along, 0, 1, out=along) * dx)
        return np.minimum(*sides), np.maximum(*sides)


def _rows(low: FloatArray, high: FloatArray, count: int) -> tuple[IntArray, IntArray]:
    """The rows whose centers, at row + 0.5, lie from low to high."""
    first = np.clip(np.ceil(low - 0.5), 0, count)
    return first.astype(np.int64), np.clip(np.floor(high + 0.5), first, count).astype(np.int64)


def _blocks(heights: IntArray) -> Iterator[slice]:
    """Ranges of shapes, each with some `BLOCK` rows."""
    ends = np.searchsorted(np.cumsum(heights), range(BLOCK, int(heights.sum()), BLOCK), "right")
    edges = [0, *(int(end) + 1 for end in ends), len(heights)]
    for start, end in pairwise(edges):
        yield slice(start, end)


def _intervals(
    shape: _Discs | _Strips,
    block: slice,
    first: IntArray,
    heights: IntArray,
    top: int,
    height: int,
    columns: int,
) -> IntArray:
    """The pixels that each shape covers in each of its rows, packed.

    Args:
        shape: discs or strips.
        block: those of them that are wanted.
        first, heights: (S,) rows of each in the band.
        top, height: of the band.
        columns: of the image.
    """
    heights = heights[block]
    index = np.repeat(np.arange(block.start, block.stop), heights)
    # Row numbers go up by one from each shape's first.
    row = np.arange(len(index)) + np.repeat(first[block] - np.cumsum(heights) + heights, heights)
    left, right = shape.edges(index, np.asarray(row + (top + 0.5), np.float64))
    # The center of column c is at c + 0.5.
    start = np.ceil(np.clip(left, 0, columns) - 0.5).astype(np.int64)
    end = np.floor(np.clip(right, -1, columns) + 0.5).astype(np.int64)
    is_filled = end > start
    return _packed((shape.owner[index] * height + row)[is_filled], start[is_filled], end[is_filled])


def _packed(group: IntArray, start: IntArray, end: IntArray) -> IntArray:
    return (group << 2 * _COLUMN_BITS) | (start << _COLUMN_BITS) | end


def _merge(packed: IntArray) -> IntArray:
    """The same pixels in disjoint intervals, sorted."""
    if not len(packed):
        return packed
    packed = np.sort(packed)
    group = packed >> 2 * _COLUMN_BITS
    # Rows follow each other: the furthest end so far never reaches into the next row.
    offset = group << _COLUMN_BITS
    start = packed >> _COLUMN_BITS  # the offset is in it
    end = np.maximum.accumulate(offset | (packed & _COLUMN_MASK))
    begins = np.concatenate([[True], start[1:] > end[:-1]])
    last = np.concatenate([begins[1:], [True]])
    return _packed(group[begins], start[begins] & _COLUMN_MASK, end[last] & _COLUMN_MASK)


def _layers(packed: IntArray, count: int, height: int) -> list[tuple[RowArray, RowArray]]:
    """Disjoint, sorted intervals as arrays: (count, height) starts and ends; first ones first."""
    group = packed >> 2 * _COLUMN_BITS
    index = np.arange(len(packed))
    rank = index - np.maximum.accumulate(np.where(np.diff(group, prepend=-1) > 0, index, 0))
    layers = []
    for layer in range(int(rank.max(initial=-1)) + 1):
        edges = np.zeros((2, count * height), np.int32)
        intervals = packed[rank == layer]
        edges[:, group[rank == layer]] = (
            (intervals >> _COLUMN_BITS) & _COLUMN_MASK,
            intervals & _COLUMN_MASK,
        )
        start, end = edges.reshape(2, count, height)
        layers.append((start, end))
    return layers
