"""Values of decoded JSON and of text, checked: what readers of further formats share."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

from layernext.errors import FormatError, Problem
from layernext.formats.core.sample import check_finite
from layernext.model import Box, Point

MAX_SIDE = 10**9


def number_of(value: Any, where: str) -> float:
    """A finite number; text that is one counts.

    Raises:
        FormatError: it is not.
    """
    try:
        if isinstance(value, bool) or value is None:
            raise TypeError  # noqa: TRY301 - the same sentence
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise FormatError(Problem(where, f"is {shown_value(value)}, must be a number")) from error
    if not isfinite(number):
        raise FormatError(Problem(where, f"is {shown_value(value)}, must be a finite number"))
    return number


def numbers_of(values: Any, count: int | None, where: str) -> list[float]:
    """A list of numbers.

    Args:
        values: the list.
        count: how many there must be; None for any.
        where: its location.

    Raises:
        FormatError: it is not.
    """
    if not isinstance(values, list | tuple) or (count is not None and len(values) != count):
        expected = "a list of numbers" if count is None else f"{count} numbers"
        raise FormatError(Problem(where, f"is {shown_value(values)}, must be {expected}"))
    return [number_of(value, f"{where}[{index}]") for index, value in enumerate(values)]


def points_in(numbers: list[float], where: str) -> list[Point]:
    """Points from numbers in a row: x, y, x, y.

    Raises:
        FormatError: there are none, or half of one.
    """
    if not numbers or len(numbers) % 2:
        raise FormatError(Problem(where, f"has {len(numbers)} numbers, must be pairs of x and y"))
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def box_in(left: float, top: float, width: float, height: float, where: str) -> Box:
    """A box.

    Raises:
        FormatError: its width or height is negative.
        DataError: it is too large for floating point numbers.
    """
    if width < 0 or height < 0:
        raise FormatError(Problem(where, "width and height must be ≥ 0"))
    check_finite((left, top, width, height), where)
    return (left, top, width, height)


def box_around(points: Iterable[Point], where: str) -> Box:
    """The smallest box around points.

    Raises:
        DataError: it is too large for floating point numbers.
    """
    xs, ys = zip(*points, strict=True)
    return box_in(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys), where)


def text_of(value: Any, where: str, what: str) -> str:
    """Text that is not empty; a number counts as text.

    Raises:
        FormatError: it is not.
    """
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise FormatError(Problem(where, f"has no {what}"))


def object_of(value: Any, where: str) -> dict[str, Any]:
    """An object.

    Raises:
        FormatError: it is not.
    """
    if not isinstance(value, dict):
        raise FormatError(Problem(where, f"is {shown_value(value)}, must be an object"))
    return value


def list_of(value: Any, where: str) -> list[Any]:
    """A list.

    Raises:
        FormatError: it is not.
    """
    if not isinstance(value, list):
        raise FormatError(Problem(where, f"is {shown_value(value)}, must be a list"))
    return value


def side_of(value: Any) -> int | None:
    """Width or height in pixels; None if it is not known."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 < value < MAX_SIDE and float(value).is_integer() else None


def shown_value(value: Any) -> str:
    """A value for messages, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"  # noqa: PLR2004 - fits a line
