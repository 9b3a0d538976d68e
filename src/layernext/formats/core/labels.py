"""Labels as other tools write them."""

from __future__ import annotations

from typing import Any


def label_of(value: Any) -> str:
    """A label as text; some tools write numbers.

    Raises:
        ValueError: it is empty, or neither text nor a number.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
        raise ValueError(value)
    return str(value)
