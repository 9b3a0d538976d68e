"""Sentences about wrong values, and the checks that the slow half of validation shares."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from layernext.errors import DataError, Problem

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


@contextmanager
def naming_image(image: object) -> Iterator[None]:
    """Add the image's name to the problems that the block raises.

    Args:
        image: the name; of `bytes`, the JSON of the image, which is read only if there is a problem.

    Raises:
        DataError: the block did.
    """
    try:
        yield
    except DataError as error:
        name = _name_in(image) if isinstance(image, bytes) else image
        if not isinstance(name, str) or not name:
            raise
        problems = [
            replace(problem, message=f"{problem.message} (image {name!r})")
            for problem in error.problems
        ]
        raise DataError(problems, file=error.file, more=error.more, hint=error.hint) from error


def _name_in(raw: bytes) -> object:
    try:
        image = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return image.get("image") if isinstance(image, dict) else None
