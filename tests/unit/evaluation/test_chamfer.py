"""Chamfer distance: against points walked along the lines and compared one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layernext.evaluation.chamfer import chamfer_distance
from tests.unit.evaluation.slow_lines import chamfer as slow_chamfer

coordinates = st.floats(-1000, 3000, width=32) | st.integers(-1000, 3000).map(float)
lines = st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=6)
closed = lines.map(lambda points: [*points, points[0]])
some_lines = st.lists(lines | closed, min_size=1, max_size=3)


@settings(max_examples=15, deadline=None)
@given(lines | closed, lines | closed)
def test_equal_to_a_slow_implementation(line, other):
    """A distance is what one gets by walking along both lines."""
    found = chamfer_distance([line], [other])[0, 0]
    assert found == pytest.approx(slow_chamfer(line, other), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize(
    ("line", "other", "expected"),
    [
        pytest.param([(0, 0), (99, 0)], [(0, 4), (99, 4)], 4.0, id="parallel"),
        pytest.param([(0, 0), (99, 0)], [(99, 0), (40, 0), (0, 0)], 0.0, id="turned-round"),
        pytest.param([(3, 4)], [(0, 0)], 5.0, id="two-dots"),
        # From the dot: 0. From the points at 0, 1, ... 99: 49.5 on average.
        pytest.param([(0, 0)], [(0, 0), (99, 0)], 49.5 / 2, id="dot-at-an-end"),
        pytest.param([(5, 5), (5, 5), (5, 5)], [(5, 7)], 2.0, id="no-length"),
    ],
)
def test_numbers_to_check_by_hand(line, other, expected):
    """Distances that one can work out in the head."""
    assert chamfer_distance([line], [other])[0, 0] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(some_lines, some_lines, st.integers(-500, 500), st.integers(-500, 500))
def test_what_changes_nothing(runs, truths, right, down):
    """Exchanging both sides, turning lines round, and moving all lines together."""
    expected = chamfer_distance(runs, truths)
    assert np.array_equal(chamfer_distance(truths, runs).T, expected)
    turned = chamfer_distance([run[::-1] for run in runs], truths)
    np.testing.assert_allclose(turned, expected, rtol=1e-9, atol=1e-6)
    moved = [[[(x + right, y + down) for x, y in line] for line in some] for some in (runs, truths)]
    np.testing.assert_allclose(chamfer_distance(*moved), expected, rtol=1e-9, atol=1e-6)
    assert (chamfer_distance(runs, runs).diagonal() == 0).all()
    assert (expected >= 0).all()


@settings(max_examples=40, deadline=None)
@given(some_lines, some_lines, st.floats(0, 2000))
def test_the_cutoff_loses_no_pair_below_it(runs, truths, cutoff):
    """With a cutoff a distance is as without, or infinite and really above the cutoff."""
    exact = chamfer_distance(runs, truths)
    found = chamfer_distance(runs, truths, cutoff=cutoff)
    assert ((found == exact) | (np.isinf(found) & (exact > cutoff))).all()


def test_no_lines():
    """Nothing against something has a shape and no numbers."""
    assert chamfer_distance([], [[(0, 0)]]).shape == (0, 1)
    assert chamfer_distance([[(0, 0)]], []).shape == (1, 0)
