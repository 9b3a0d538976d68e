"""Sentences about wrong values, and the checks that the slow half of validation shares."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from layernext.errors import Problem

_SHOWN_LENGTH = 60


def show(value: Any) -> str:
    """The value as JSON, cut to a length that fits a sentence."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"


def is_number(value: Any) -> bool:
    """Whether `value` is a finite number, and one that a float can be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of a float
        return False


def listed(words: Iterable[str], joint: str = "or") -> str:
    """Words as a sentence lists them: ``a, b or c``."""
    *first, last = words
    return f"{', '.join(first)} {joint} {last}" if first else str(last)


def wrong(where: str, value: Any, expected: str) -> Problem:
    """The problem of a value that is not what it must be."""
    return Problem(where, f"is {show(value)}, must be {expected}", expected, show(value))
