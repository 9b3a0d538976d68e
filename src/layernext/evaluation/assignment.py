"""One-to-one matching with the highest total similarity, as benchmarks of lanes match.

Most pairs need no search: one that is worth at least as much as the best that both its ends could
have without it is in a best matching. Those are taken first, for all images at once; what remains is
solved image by image by the Hungarian method.
"""

from __future__ import annotations

import math

import numpy as np

from layernext.evaluation.columns import FloatArray, IndexArray


def assign(
    group: IndexArray, pairs: tuple[IndexArray, IndexArray], value: FloatArray
) -> IndexArray:
    """Places of the pairs that are matched, rising; the sum of their values is the highest.

    Args:
        group: (P,) pairs of different groups share no ends.
        pairs: (P,) and (P,): both ends of each pair; no pair twice.
        value: (P,) above 0. Ends that are in no pair stay alone.

    Source: Kuhn, The Hungarian Method for the Assignment Problem, 1955, with the potentials of
        Jonker and Volgenant, 1987.
    """
    matched = []
    left = np.arange(len(value))
    while len(left):
        certain = left[_certain(pairs[0][left], pairs[1][left], value[left])]
        if not len(certain):
            break
        matched.append(certain)
        is_free = ~np.isin(pairs[0][left], pairs[0][certain])
        is_free &= ~np.isin(pairs[1][left], pairs[1][certain])
        left = left[is_free]
    for members in _groups(group[left]):
        rows = left[members]
        matched.append(rows[_solve(pairs[0][rows], pairs[1][rows], value[rows])])
    return np.sort(np.concatenate([np.zeros(0, np.int64), *matched]))


def _certain(first: IndexArray, second: IndexArray, value: FloatArray) -> IndexArray:
    """Places of pairs that some best matching has, at most one for each end."""
    best_first, other_first = _two_best(first, value)
    best_second, other_second = _two_best(second, value)
    rows = np.arange(len(value))
    is_best = (best_first[first] == rows) & (best_second[second] == rows)
    return np.flatnonzero(is_best & (value >= other_first[first] + other_second[second]))


def _two_best(end: IndexArray, value: FloatArray) -> tuple[IndexArray, FloatArray]:
    """For each end the place of its best pair, and the value of its second best, or 0."""
    order = np.lexsort((np.arange(len(value)), -value, end))
    starts = np.flatnonzero(np.diff(end[order], prepend=-1))
    best = np.full(int(end.max()) + 1, -1)
    best[end[order[starts]]] = order[starts]
    other = np.zeros(len(best))
    seconds = starts + 1
    seconds = seconds[seconds < len(order)]
    seconds = seconds[end[order[seconds]] == end[order[seconds - 1]]]
    other[end[order[seconds]]] = value[order[seconds]]
    return best, other


def _groups(group: IndexArray) -> list[IndexArray]:
    """Places of each group's members."""
    order = np.argsort(group, kind="stable")
    cuts = np.flatnonzero(np.diff(group[order])) + 1
    return np.split(order, cuts) if len(group) else []


def _solve(first: IndexArray, second: IndexArray, value: FloatArray) -> IndexArray:
    """Places of the pairs of a best matching of one group."""
    rows, row = np.unique(first, return_inverse=True)
    columns, column = np.unique(second, return_inverse=True)
    size = len(rows), len(columns)
    values = np.zeros(size)
    pair_rows = np.full(size, -1)
    values[row, column], pair_rows[row, column] = value, np.arange(len(value))
    if size[0] > size[1]:
        values, pair_rows = values.T, pair_rows.T
    mates = np.array(best_columns((-values).tolist()))
    mated = pair_rows[np.arange(len(mates)), mates]
    return np.sort(mated[mated >= 0])


def best_columns(costs: list[list[float]]) -> list[int]:  # noqa: C901 - the method is one loop
    """The column for each row that makes the total cost lowest; no more rows than columns.

    Row by row: the cheapest path of exchanges to a free column is found, and taken.
    """
    width = len(costs[0])
    of_row, of_column = [0.0] * len(costs), [0.0] * width  # potentials
    owner = [-1] * width
    for new in range(len(costs)):
        distance, came_from, is_done = [math.inf] * width, [-1] * width, [False] * width
        row, column, reached = new, -1, 0.0
        while row >= 0:
            following = -1
            for other in range(width):
                if is_done[other]:
                    continue
                cost = reached + costs[row][other] - of_row[row] - of_column[other]
                if cost < distance[other]:
                    distance[other], came_from[other] = cost, column
                if following < 0 or distance[other] < distance[following]:
                    following = other
            column, reached = following, distance[following]
            is_done[column] = True
            row = owner[column]
        of_row[new] += reached
        for other in range(width):
            if is_done[other] and other != column:
                of_row[owner[other]] += reached - distance[other]
                of_column[other] -= reached - distance[other]
        while column >= 0:
            before = came_from[column]
            owner[column] = owner[before] if before >= 0 else new
            column = before
    mates = [-1] * len(costs)
    for column, row in enumerate(owner):
        if row >= 0:
            mates[row] = column
    return mates
