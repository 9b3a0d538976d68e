"""What both databases can hold as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layernext.errors import DataError, Problem

SHOWN_CHARACTERS = 100
KEEPS_NUL = "keeps_nul"
"""Execution option of a connection to SQLite that restores rows as they were: older versions stored U+0000."""


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


def refuse_unstorable(
    _connection: Any, _cursor: Any, _statement: str, parameters: Any, context: Any, many: bool
) -> None:
    """Refuse a statement with a text that PostgreSQL cannot hold, on SQLite alike.

    Requests are checked where they come in; this holds for every text, wherever it comes from, except on a
    connection with the option `KEEPS_NUL`.

    Raises:
        DataError: there is such a text, and which.
    """
    if context is not None and context.execution_options.get(KEEPS_NUL):
        return
    for row in parameters if many else (parameters,):
        for value in row.values() if isinstance(row, Mapping) else row:
            if type(value) is str and "\x00" in value:
                excerpt = repr(value[:SHOWN_CHARACTERS])
                raise DataError(
                    Problem(excerpt, "contains the character U+0000, which cannot be stored")
                )
