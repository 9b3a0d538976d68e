"""No test depends on how fast the machine is: time limits only guard against hangs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parents[1]
LEAST_S = 14
"""The shortest limit of a measured time: three times the database's own wait for a lock."""

CLOCKS = {"monotonic", "perf_counter", "time", "process_time"}


def is_elapsed(node: ast.expr) -> bool:
    """Whether an expression is the difference of a clock and an earlier time."""
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Sub)
        and isinstance(node.left, ast.Call)
        and isinstance(node.left.func, ast.Attribute)
        and node.left.func.attr in CLOCKS
    )


def short_limits(tree: ast.AST) -> Iterator[int]:
    """Lines with an assertion that a measured time is below a constant of few seconds."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assert):
            continue
        for part in ast.walk(node):
            if not isinstance(part, ast.Compare):
                continue
            sides = [part.left, *part.comparators]
            for left, operator, right in zip(sides, part.ops, sides[1:], strict=False):
                if not is_elapsed(left) or not isinstance(operator, ast.Lt | ast.LtE):
                    continue
                if isinstance(right, ast.Constant) and right.value < LEAST_S:
                    yield node.lineno


def test_measured_times_have_generous_limits() -> None:
    """An assertion that something takes less than some seconds fails on a busy machine."""
    places = [
        f"{path.relative_to(TESTS)}:{line}"
        for path in TESTS.rglob("*.py")
        for line in short_limits(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert places == []


def test_short_limits_are_noticed() -> None:
    """The search itself: a short limit is found, a long one and a lower one are not."""
    text = "assert time.monotonic() - a < {}\nassert 0.5 < time.monotonic() - a"
    assert list(short_limits(ast.parse(text.format(5)))) == [1]
    assert list(short_limits(ast.parse(text.format(60)))) == []


def test_examples_have_no_deadline() -> None:
    """Hypothesis neither times examples nor complains of slow data."""
    assert settings.default is not None
    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check
    deadlines = {
        ast.unparse(keyword.value)
        for path in TESTS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "deadline"
    }
    assert deadlines == {"None"}
