"""Parts of what is too much for one statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

Key = TypeVar("Key", bound=Any)  # numbers or strings, which have an order

CHUNK = 5_000
"""Keys in a statement: as many as both databases have room for."""


def sorted_chunks(keys: Iterable[Key]) -> Iterator[list[Key]]:
    """Keys, as many at a time as one statement takes, in the same order everywhere.

    Writers that lock rows in one order do not wait for each other in a circle.
    """
    ordered = sorted(keys)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]
