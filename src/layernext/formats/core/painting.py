"""Shapes as pixels, in plain Python: a pixel belongs to a shape if its middle is inside of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from operator import itemgetter

from layernext.errors import DataError, Problem
from layernext.model import Point, RunLengths, compressed, counts_of, mask_of_pixels, runs_inside

Run = tuple[int, int]
"""Start and end of pixels, counted column by column."""


def check_size(mask: RunLengths, size: tuple[int, int], where: str) -> None:
    """Refuse a mask that is not of its image's size, which is width and height.

    Raises:
        DataError: it is not.
    """
    width, height = size
    if mask.size != (height, width):
        message = (
            f"its mask has {mask.size[1]} x {mask.size[0]} pixels, its image {width} x {height}"
        )
        raise DataError(Problem(where, message))


def paint(pixels: bytearray, height: int, runs: Iterable[Run], code: int) -> None:
    """Give pixels, which stand row by row, a number."""
    width = len(pixels) // height
    for start, end in runs:
        position = start
        while position < end:  # column by column
            column, row = divmod(position, height)
            rows = min(end - position, height - row)
            first = row * width + column
            pixels[first : first + rows * width : width] = bytes([code]) * rows
            position += rows


def mask_of_outline(points: list[Point], size: tuple[int, int]) -> RunLengths:
    """The pixels inside an outline in an image of this width and height."""
    width, height = size
    pixels = bytearray(width * height)
    fill(pixels, width, height, points, 1)
    columns = b"".join(bytes(pixels[column::width]) for column in range(width))
    return mask_of_pixels((height, width), columns)


def runs_of_mask(mask: RunLengths) -> list[Run]:
    """The runs of pixels inside a mask."""
    return list(runs_inside(counts_of(mask)))


def mask_of_runs(runs: list[Run], size: tuple[int, int]) -> RunLengths:
    """The mask of sorted runs that do not overlap; `size` is height and width."""
    counts: list[int] = []
    done = 0
    for start, end in runs:
        if counts and start == done:  # it goes on
            counts[-1] += end - start
        else:
            counts += [start - done, end - start]
        done = end
    pixels = size[0] * size[1]
    if done < pixels or not counts:
        counts.append(pixels - done)
    return RunLengths(size, compressed(counts))


def visible(runs: list[Run], taken: list[Run]) -> list[Run]:
    """What of some runs is not taken; both are sorted, and none overlaps another of its list."""
    pieces: list[Run] = []
    at = 0
    for start, end in runs:
        while at < len(taken) and taken[at][1] <= start:
            at += 1
        position, following = start, at
        while following < len(taken) and taken[following][0] < end:
            if taken[following][0] > position:
                pieces.append((position, taken[following][0]))
            position = max(position, taken[following][1])
            following += 1
        if position < end:
            pieces.append((position, end))
    return pieces


def fill(pixels: bytearray, width: int, height: int, points: list[Point], code: int) -> None:
    """Give the pixels whose middle is inside an outline a number; those under its corners if there are none.

    Only middles count, as for COCO's tools: what is 20 pixels wide covers 20, not 21.
    """
    near = [(_near(x, width), _near(y, height)) for x, y in points]
    is_empty = True
    for row, xs in _crossings(height, near).items():
        xs.sort()
        for left, right in zip(xs[::2], xs[1::2], strict=True):
            start, end = (max(0, math.ceil(min(x, float(width)) - 0.5)) for x in (left, right))
            if start < end:
                pixels[row * width + start : row * width + end] = bytes([code]) * (end - start)
                is_empty = False
    if is_empty:
        for x, y in near:
            if 0 <= x < width and 0 <= y < height:
                pixels[int(y) * width + int(x)] = code


def _crossings(height: int, points: list[Point]) -> dict[int, list[float]]:
    """Where the middle of each row crosses an outline."""
    crossings: dict[int, list[float]] = {}
    for start, end in zip(points, [*points[1:], *points[:1]], strict=True):
        (top_x, top), (bottom_x, bottom) = sorted((start, end), key=itemgetter(1))
        if top == bottom:
            continue
        first = max(0, math.ceil(top - 0.5))
        last = min(height, math.ceil(bottom - 0.5))
        slope = (bottom_x - top_x) / (bottom - top)
        for row in range(first, last):
            crossings.setdefault(row, []).append(top_x + (row + 0.5 - top) * slope)
    return crossings


def _near(value: float, side: int) -> float:
    # Twice the side beyond the edge: a shape that comes from far away keeps its slope well enough.
    return min(max(value, -2.0 * side), 3.0 * side)
