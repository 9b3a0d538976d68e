"""Measures which lines of the rooms in `FLOORS` the quick tests run, and holds them to a floor.

A plugin of pytest, with which `dev.py test` runs the tests; afterwards it runs this file, which adds up
what all test processes have measured. Only while a test in `MEASURED` runs: measuring doubles its time.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from coverage import Coverage

ROOT = Path(__file__).parents[1]

MEASURED = "tests/unit/"
"""The tests that take the least time for the lines that they run, and need no other process."""

FLOORS = {"model": 92, "formats": 92, "client": 45, "stack/store": 44, "stack/search": 42}
"""Percent of the lines of each room: a little less than what was measured."""

_coverage = Coverage(config_file=str(ROOT / "pyproject.toml"), data_suffix=True)


def pytest_configure(config: pytest.Config) -> None:
    """Forget earlier runs; do not measure the process that only hands tests to others."""
    if hasattr(config, "workerinput"):
        return
    for path in ROOT.glob(".coverage.*"):
        path.unlink()
    if getattr(config.option, "numprocesses", None):
        _coverage.stop()


def pytest_collection_finish() -> None:
    """Stop when all modules are imported: their lines outside of functions have run."""
    _coverage.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure one test."""
    if not item.nodeid.startswith(MEASURED):
        return (yield)
    _coverage.start()
    try:
        return (yield)
    finally:
        _coverage.stop()


def pytest_unconfigure() -> None:
    """Write down what was measured."""
    _coverage.save()


def main() -> int:
    """Add up and compare with the floors."""
    total = Coverage(config_file=str(ROOT / "pyproject.toml"))
    total.combine()
    low = []
    for room, floor in FLOORS.items():
        percent = total.report(include=[f"src/layernext/{room}/*"], file=io.StringIO())
        print(f"{room}: {percent:.1f} % of the lines run, at least {floor} % must")
        if percent < floor:
            low.append(room)
    if low:
        print(f"too few lines run: {', '.join(low)}", file=sys.stderr)
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
else:
    _coverage.start()
