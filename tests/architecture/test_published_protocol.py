"""The published protocol has one home, `wire/published` (docs/decisions/0027-published-protocol.md)."""

from __future__ import annotations

import re
from pathlib import Path

from tests.architecture.source import SOURCE

PACKAGE = SOURCE / "layernext"
ENDPOINT_NUMBER = re.compile(r"\bE\d\d\b")
WIRE_NAME = re.compile(r"""["'][a-z]+[A-Z][A-Za-z]*["']""")


def occurrences(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    """Lines below a folder that a pattern fits, with their files."""
    return [
        f"{path.relative_to(SOURCE).as_posix()}:{number}: {line.strip()}"
        for path in sorted(folder.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def test_endpoint_numbers_stay_at_home() -> None:
    """The numbers of the protocol's contract are in no other module, comments included."""
    home = "layernext/wire/published/"
    numbers = occurrences(PACKAGE, ENDPOINT_NUMBER)
    assert [line for line in numbers if not line.startswith(home)] == []
    assert numbers


def test_the_client_writes_no_names_of_the_wire() -> None:
    """The client names fields by the attributes of messages."""
    assert occurrences(PACKAGE / "client", WIRE_NAME) == []
