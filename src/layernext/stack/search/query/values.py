"""Columns compared with the values of a query, every value a bound parameter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from layernext.stack.search.query.parse import Condition

Clause = sa.ColumnElement[bool]


class _Written(sa.types.UserDefinedType[str]):
    """An array as PostgreSQL writes it: the driver takes ten times as long to send a list."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type's name in SQL."""
        return "BIGINT[]"


FEW_IDS = 20
"""So many ids are values of their own; more are one parameter."""


def compare(column: Any, condition: Condition) -> Clause:
    """A column compared as a condition has it."""
    first = condition.values[0]
    result: Clause
    if condition.until is not None:
        result = column.between(first, condition.until)
    elif condition.operator == "=":
        values = list(condition.values)
        result = column == first if len(values) == 1 else column.in_(values)
    elif condition.operator == "~":
        result = column.ilike(_like(str(first)), escape="\\")
    else:
        result = column.op(condition.operator, is_comparison=True)(first)
    return result


def _like(pattern: str) -> str:
    """A pattern with ``*`` and ``?`` as SQL has it; without them, a text to contain."""
    escaped = re.sub(r"([\\%_])", r"\\\1", pattern)
    if "*" in pattern or "?" in pattern:
        return escaped.replace("*", "%").replace("?", "_")
    return f"%{escaped}%"


def is_among(column: sa.ColumnElement[int], ids: Sequence[int], *, is_sqlite: bool) -> Clause:
    """Whether a column is one of some row ids, of which there can be many."""
    if len(ids) <= FEW_IDS:
        return column.in_(ids)
    if is_sqlite:
        text = sa.bindparam(None, msgspec.json.encode(ids).decode(), sa.Text)
        listed = sa.func.json_each(text).table_valued("value")
        return column.in_(sa.select(listed.c.value))
    # A table, not `= ANY`: that is searched row by row once the statement is prepared.
    written = sa.bindparam(None, "{" + ",".join(map(str, ids)) + "}", _Written())
    array = sa.cast(written, postgresql.ARRAY(sa.BigInteger))
    return column.in_(sa.select(sa.func.unnest(array)))
