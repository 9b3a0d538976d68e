"""Matching with the highest total: against every possible matching, tried one by one."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layernext.evaluation.assignment import assign, best_columns

values = st.integers(0, 9).map(lambda number: number / 8) | st.floats(0, 1, width=32)
matrices = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(values, min_size=width, max_size=width), min_size=1, max_size=5)
)


def highest_total(matrix):
    """By trying them all."""
    rows = matrix if len(matrix) <= len(matrix[0]) else list(zip(*matrix, strict=True))
    columns = range(len(rows[0]))
    return max(
        sum(row[column] for row, column in zip(rows, chosen, strict=True))
        for chosen in permutations(columns, len(rows))
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(matrices, min_size=1, max_size=3))
def test_no_matching_is_better(groups):
    """Each end is in at most one pair, and no other matching has a higher total, in any group."""
    group, first, second, value = [], [], [], []
    for number, matrix in enumerate(groups):
        for row, line in enumerate(matrix):
            for column, each in enumerate(line):
                if each > 0:
                    group.append(number)
                    first.append(5 * number + row)
                    second.append(5 * number + column)
                    value.append(each)
    arrays = [np.array(each, int) for each in (group, first, second)]
    found = assign(arrays[0], (arrays[1], arrays[2]), np.array(value, float))
    for ends in arrays[1:]:
        assert len(set(ends[found].tolist())) == len(found)
    for number, matrix in enumerate(groups):
        total = sum(value[place] for place in found if group[place] == number)
        assert total == pytest.approx(highest_total(matrix), abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(matrices)
def test_hungarian_method(matrix):
    """The method itself, without the pairs that need no search."""
    costs = (
        matrix
        if len(matrix) <= len(matrix[0])
        else [list(row) for row in zip(*matrix, strict=True)]
    )
    columns = best_columns(costs)
    assert len(set(columns)) == len(costs)
    total = sum(row[column] for row, column in zip(costs, columns, strict=True))
    negated = [[-each for each in row] for row in costs]
    assert total == pytest.approx(-highest_total(negated), abs=1e-9)


def test_greedy_would_be_worse():
    """The best pair is not taken if that costs more than it brings."""
    found = assign(
        np.zeros(3, int), (np.array([0, 0, 1]), np.array([0, 1, 0])), np.array([0.6, 0.5, 0.4])
    )
    assert found.tolist() == [1, 2]


def test_nothing_to_match():
    """No pairs, no matches."""
    none = np.zeros(0, int)
    assert len(assign(none, (none, none), np.zeros(0))) == 0
