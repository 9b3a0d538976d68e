"""Overlap of drawn lines: against every pixel's distance to every part, one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layernext.errors import DataError
from layernext.evaluation import lanes as module
from layernext.evaluation.lanes import lane_iou
from tests.unit.evaluation.slow_lines import margin

WIDTH, HEIGHT = 90, 60
coordinates = st.floats(-50, 130) | st.integers(-50, 130).map(float)
lines = st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=6)
closed = lines.map(lambda points: [*points, points[0]])
some_lines = st.lists(lines | closed, min_size=1, max_size=3)


def slow_bounds(line, other, width):
    """Lowest and highest IoU: pixels exactly on a border may fall on either side by rounding."""
    first, second = (margin(each, width, (WIDTH, HEIGHT)) for each in (line, other))
    near = 1e-9
    inner = ((first > near) & (second > near)).sum(), ((first > -near) | (second > -near)).sum()
    outer = ((first > -near) & (second > -near)).sum(), ((first > near) | (second > near)).sum()
    return (
        inner[0] / inner[1] if inner[1] else 0.0,
        min(1.0, outer[0] / outer[1]) if outer[1] else float(outer[0] > 0),
    )


@settings(max_examples=20, deadline=None)
@given(some_lines, some_lines, st.floats(0.5, 40))
def test_equal_to_a_slow_implementation(runs, truths, width):
    """Every overlap is that of the pixels whose centers are near enough, counted one by one."""
    found = lane_iou(runs, truths, width=width, image_wh=(WIDTH, HEIGHT))
    for row, run in enumerate(runs):
        for column, truth in enumerate(truths):
            low, high = slow_bounds(run, truth, width)
            assert low - 1e-12 <= found[row, column] <= high + 1e-12


@pytest.mark.parametrize(
    ("line", "other", "expected"),
    [
        pytest.param([(0, 50), (100, 50)], [(0, 50), (100, 50)], 1.0, id="identical"),
        pytest.param([(0, 50), (100, 50)], [(0, 65), (100, 65)], 15 / 45, id="half-a-width-apart"),
        pytest.param([(0, 50), (100, 50)], [(0, 60), (100, 60)], 20 / 40, id="at-the-threshold"),
        pytest.param([(0, 20), (100, 20)], [(0, 50), (100, 50)], 0.0, id="just-apart"),
        # 30 px times 100 px each; they share a square of 30 px.
        pytest.param([(0, 50), (100, 50)], [(50, 0), (50, 100)], 900 / 5100, id="crossing"),
        pytest.param([(-900, 50), (900, 50)], [(0, 50), (100, 50)], 1.0, id="cut-at-the-image"),
        pytest.param([(-90, -90)], [(-90, -90)], 0.0, id="outside"),
    ],
)
def test_numbers_to_check_by_hand(line, other, expected):
    """Overlaps that one can work out in the head, in an image of 100 x 100 pixels."""
    assert lane_iou([line], [other], image_wh=(100, 100)) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(some_lines, some_lines, st.integers(-500, 500), st.integers(-500, 500))
def test_what_changes_nothing(runs, truths, right, down):
    """Exchanging both sides, turning lines round, repeating points and moving all by whole pixels."""
    expected = lane_iou(runs, truths)
    assert np.array_equal(lane_iou(truths, runs).T, expected)
    repeated = [[point for point in run for _ in range(2)] for run in runs]
    assert (lane_iou(repeated, truths) == expected).all()
    turned = lane_iou([run[::-1] for run in runs], truths)
    np.testing.assert_allclose(turned, expected, atol=0.01)  # a pixel on the border, by rounding
    moved = [[[(x + right, y + down) for x, y in line] for line in some] for some in (runs, truths)]
    np.testing.assert_allclose(lane_iou(*moved), expected, atol=0.01)


@settings(max_examples=40, deadline=None)
@given(some_lines)
def test_a_line_overlaps_itself_wholly(runs):
    """The overlap of a line with itself is 1; no overlap is outside 0 to 1."""
    found = lane_iou(runs, runs)
    assert (found.diagonal() == 1).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_lines_in_pieces(monkeypatch):
    """A line of many points, worked on in small blocks and bands of rows, is the same line."""
    turns = np.linspace(0, 40, 3000)
    spiral = np.stack([400 + 9 * turns * np.cos(turns), 400 + 9 * turns * np.sin(turns)], axis=1)
    others = [spiral + 3, spiral[:900], [(400, 400)]]
    whole = lane_iou([spiral], others, width=12)
    monkeypatch.setattr(module, "BLOCK", 1000)
    assert (lane_iou([spiral], others, width=12) == whole).all()
    assert 0.3 < whole[0, 0] < 0.7
    assert 0 < whole[0, 2] < whole[0, 1] < 0.3


def test_no_lines():
    """Nothing against something has a shape and no numbers."""
    assert lane_iou([], [[(0, 0)]]).shape == (0, 1)
    assert lane_iou([[(0, 0)]], []).shape == (1, 0)


def test_lines_that_cannot_be_drawn():
    """Coordinates that no image has are named, unless the image's size bounds them."""
    far = [[(0.0, 0.0), (1e12, 5.0)]]
    with pytest.raises(DataError, match=r"1e\+12x35 pixels cannot be drawn"):
        lane_iou(far, far)
    assert lane_iou(far, far, image_wh=(100, 100)) == 1
