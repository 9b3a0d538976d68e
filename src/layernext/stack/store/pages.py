"""Cursors of pages: where the next page begins."""

from __future__ import annotations

from layernext.errors import InvalidRequest

_LARGEST = 1 << 63


def read_cursor(after: str | None) -> int:
    """The row id that a page begins behind; 0 for the first page.

    Raises:
        InvalidRequest: the text is not a cursor.
    """
    return read_pair(after and f"{after}-0")[0]


def read_pair(after: str | None, start: int = 0) -> tuple[int, int]:
    """The two numbers of a cursor; `start` twice for the first page.

    Raises:
        InvalidRequest: the text is not a cursor.
    """
    if after is None:
        return start, start
    first, dash, second = after.partition("-")
    if dash and first.isascii() and first.isdecimal() and second.isascii() and second.isdecimal():
        pair = int(first[:20]), int(second[:20])
        if max(pair) < _LARGEST:
            return pair
    raise InvalidRequest(f"{after!r} is not a cursor from an earlier answer", status=400)
