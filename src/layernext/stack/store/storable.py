"""What both databases can hold as text."""

from __future__ import annotations


def is_storable(text: str) -> bool:
    """Whether a row can hold `text`: no U+0000 (PostgreSQL) and no half of a surrogate pair.

    What is not storable was never stored, so a search for it need not reach the database.
    """
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
