"""Outlines of what is not a single polygon: masks, ellipses and objects of several parts.

Where nothing else can hold them, they become one polygon that covers the same area: the outlines of the parts, joined
by seams of no width, which go there and back. Holes are kept in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from layernext.model import Point, RunLengths, compressed, counts_of

MAX_EDGES = 400_000
"""Edges of a mask's outline; a mask with more is noise, and is read as its box."""

MAX_PARTS = 2_000
ELLIPSE_CORNERS = 72
"""Corners of an ellipse: the polygon covers 99.9 % of it."""

Run = tuple[int, int]


def joined(parts: Sequence[Sequence[Point]]) -> list[Point]:
    """Several outlines as one, with seams between the corners that are closest.

    Args:
        parts: outlines of three points or more. Holes run the other way round than what they are in.
    """
    outline = list(parts[0])
    for part in parts[1:]:
        at, start = _closest(outline, part)
        seam = [*part[start:], *part[: start + 1]]
        outline[at : at + 1] = [outline[at], *seam, outline[at]]
    return outline


def _closest(outline: Sequence[Point], part: Sequence[Point]) -> tuple[int, int]:
    """Indexes of a corner of each that are close to each other."""
    # The closest pair takes the product of both lengths; a seam has no width, so near enough will do.
    best = (math.inf, 0, 0)
    for start in range(0, len(part), max(1, len(part) // 16)):
        x, y = part[start]
        for at in range(0, len(outline), max(1, len(outline) // 256)):
            other_x, other_y = outline[at]
            distance = (x - other_x) ** 2 + (y - other_y) ** 2
            if distance < best[0]:
                best = (distance, at, start)
    return best[1], best[2]


def ellipse_outline(center: Point, radii: Point, degrees: float = 0.0) -> list[Point]:
    """The corners of an ellipse, clockwise as seen in the image; `degrees` rotate it clockwise."""
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    outline = []
    for number in range(ELLIPSE_CORNERS):
        turn = 2 * math.pi * number / ELLIPSE_CORNERS
        x, y = radii[0] * math.cos(turn), radii[1] * math.sin(turn)
        outline.append((center[0] + x * cosine - y * sine, center[1] + x * sine + y * cosine))
    return outline


def runs_of_counts(counts: Iterable[int], length: int) -> dict[int, list[Run]]:
    """The runs of set pixels in each line of a mask.

    Args:
        counts: lengths of runs, in turns of pixels outside and inside, beginning outside.
        length: pixels of a line; a run may go on in the next one.
    """
    lines: dict[int, list[Run]] = {}
    position, is_inside = 0, False
    for count in counts:
        end = position + count
        while is_inside and position < end:
            line, start = divmod(position, length)
            stop = min(length, start + end - position)
            runs = lines.setdefault(line, [])
            if runs and runs[-1][1] == start:
                runs[-1] = (runs[-1][0], stop)
            else:
                runs.append((start, stop))
            position += stop - start
        position, is_inside = end, not is_inside
    return lines


def transposed(lines: dict[int, list[Run]]) -> dict[int, list[Run]]:
    """Runs of rows as those of columns, or the other way round.

    The work grows with the edges of the pixels, not with their number.
    """
    across: dict[int, list[Run]] = {}
    begun: dict[int, int] = {}
    before: list[Run] = []
    for number, following in pairwise([*sorted(lines), -1]):
        runs = lines[number]
        for start, stop in _without(runs, before):
            begun.update(dict.fromkeys(range(start, stop), number))
        end = number + 1
        for start, stop in _without(runs, lines[following] if following == end else []):
            for position in range(start, stop):
                across.setdefault(position, []).append((begun.pop(position), end))
        before = runs if following == end else []
    return across


def mask_of_rows(
    rows: dict[int, list[Run]], size: tuple[int, int], corner: tuple[int, int] = (0, 0)
) -> RunLengths:
    """The mask of runs in rows; what is outside of the image is left out.

    Args:
        rows: the runs of each row.
        size: height and width of the image.
        corner: x and y of what the rows and runs are counted from.
    """
    height, width = size
    left, top = corner
    counts: list[int] = []
    done = 0
    for column, runs in sorted(transposed(rows).items()):
        if not 0 <= column + left < width:
            continue
        for start, stop in runs:
            begin = (column + left) * height + max(0, start + top)
            end = (column + left) * height + min(height, stop + top)
            if begin >= end:
                continue
            if begin == done and counts:
                counts[-1] += end - begin
            else:
                counts += [begin - done, end - begin]
            done = end
    if done < height * width or not counts:
        counts.append(height * width - done)
    return RunLengths(size, compressed(counts))


def rows_of_mask(mask: RunLengths) -> dict[int, list[Run]]:
    """The runs of pixels inside in each row of a mask."""
    return transposed(runs_of_counts(counts_of(mask), mask.size[0]))


def outlines_of_mask(mask: RunLengths) -> list[list[Point]] | None:
    """As `outlines_of_runs`; empty if there are no pixels inside."""
    height = mask.size[0]
    outlines = outlines_of_runs(runs_of_counts(counts_of(mask), height))
    # COCO's masks go down the columns: the outlines are those of the transposed mask.
    return outlines and [[(float(x), float(y)) for y, x in reversed(part)] for part in outlines]


def outlines_of_runs(lines: dict[int, list[Run]]) -> list[list[Point]] | None:
    """The outlines of a mask along the edges of its pixels, outer ones clockwise, holes the other way.

    Args:
        lines: the runs of each row: y, and the first and the last x + 1 of each run.

    Returns:
        None if there are more than `MAX_EDGES` or `MAX_PARTS`.
    """
    if 2 * sum(map(len, lines.values())) > MAX_EDGES:
        return None
    following: dict[Point, list[Point]] = {}

    def add(start: Point, end: Point) -> None:
        following.setdefault(start, []).append(end)

    for y, runs in lines.items():
        for left, right in runs:
            add((right, y), (right, y + 1))
            add((left, y + 1), (left, y))
        for left, right in _without(runs, lines.get(y - 1, [])):
            add((left, y), (right, y))
        for left, right in _without(runs, lines.get(y + 1, [])):
            add((right, y + 1), (left, y + 1))
    outlines: list[list[Point]] = []
    while following:
        if len(outlines) == MAX_PARTS:
            return None
        outlines.append(_walk(following))
    # What is around comes before what is inside of it.
    return sorted(outlines, key=lambda outline: min((y, x) for x, y in outline))


def _without(runs: list[Run], others: list[Run]) -> Iterable[Run]:
    """The parts of runs that no other run covers."""
    for start, stop in runs:
        position = start
        for left, right in others:
            if right <= position or left >= stop:
                continue
            if left > position:
                yield position, left
            position = max(position, right)
        if position < stop:
            yield position, stop


def _walk(following: dict[Point, list[Point]]) -> list[Point]:
    """Take one closed outline out of the edges."""
    start = next(iter(following))
    outline: list[Point] = []
    before: Point | None = None
    at = start
    while True:
        ends = following[at]
        end = ends[0] if len(ends) == 1 or before is None else _right_turn(before, at, ends)
        ends.remove(end)
        if not ends:
            del following[at]
        if before is None or not _is_straight(before, at, end):
            outline.append(at)
        before, at = at, end
        if at == start:
            break
    return outline


def _right_turn(before: Point, at: Point, ends: list[Point]) -> Point:
    """Where two pixels touch at a corner, each keeps its outline: turn to the right, as seen in the image."""
    dx, dy = at[0] - before[0], at[1] - before[1]
    return max(ends, key=lambda end: dx * (end[1] - at[1]) - dy * (end[0] - at[0]))


def _is_straight(before: Point, at: Point, end: Point) -> bool:
    return (before[0] == at[0] == end[0]) or (before[1] == at[1] == end[1])
