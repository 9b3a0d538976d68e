"""The page of open points names code and tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_point_is_decided() -> None:
    """41 rows in their order; each file and test in them exists."""
    text = (ROOT / "docs" / "decisions" / "0016-open-points.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row[0].strip("| ")) for row in rows] == list(range(1, 42))
    file = ""
    for row in rows:
        for path in re.findall(r"`((?:stack|model|wire|formats)[\w/]*(?:\.py)?)", row[-2]):
            assert (ROOT / "src" / "layernext" / path).exists(), path
        for path, test in re.findall(r"`([\w/.]*\.py)?(?:::(\w+))?`", row[-1]):
            file = path or file
            assert (ROOT / "tests" / file).is_file(), file
            source = (ROOT / "tests" / file).read_text(encoding="utf-8")
            assert f"def {test}" in source, (file, test)
