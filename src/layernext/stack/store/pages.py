"""Cursors of pages: where the next page begins."""

from __future__ import annotations

from layernext.errors import InvalidRequest

_LARGEST = 1 << 63


def read_cursor(after: str | None) -> int:
    """The row id that a page begins behind; 0 for the first page.

    Raises:
        InvalidRequest: the text is not a cursor.
    """
    if after is None:
        return 0
    row_id = _number(after)
    if row_id is None:
        raise _refusal(after)
    return row_id


def read_pair(after: str | None, start: int = 0) -> tuple[int, int]:
    """The two numbers of a cursor; `start` twice for the first page.

    Raises:
        InvalidRequest: the text is not a cursor.
    """
    if after is None:
        return start, start
    first, second = map(_number, after.partition("-")[::2])
    if first is None or second is None:
        raise _refusal(after)
    return first, second


def _number(text: str) -> int | None:
    number = int(text[:20]) if text.isascii() and text.isdecimal() else _LARGEST
    return number if number < _LARGEST else None


def _refusal(after: str) -> InvalidRequest:
    return InvalidRequest(f"{after[:100]!r} is not a cursor from an earlier answer", status=400)
