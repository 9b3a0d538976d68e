"""Records as people see them: one short line in a console, a table in a notebook.

Neither shows everything: `to_dict` does.
"""

from __future__ import annotations

import dataclasses
import html
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

MAIN_NUMBERS = ("mIoU", "PQ", "accuracy", "AP", "AP50", "macro_f1", "f1")
"""The numbers of an evaluation that stand for the others where there is room for a few."""

MAX_CHARACTERS = 80
"""Of a string; longer ones are cut."""

MAX_ITEMS = 5
"""Of a list or mapping; of longer ones only the number of items is shown."""

MAX_ROWS = 20
"""Of a table in a notebook."""


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun: ``1 image``, ``2,000 images``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def _field_names(record: Any) -> list[str]:
    """Of a struct or a dataclass."""
    if isinstance(record, msgspec.Struct):
        return list(record.__struct_fields__)
    return [field.name for field in dataclasses.fields(record)]


def short_repr(record: Any) -> str:
    """A record with its fields on one line, long values cut."""
    fields = ", ".join(f"{name}={_short(getattr(record, name))}" for name in _field_names(record))
    return f"{type(record).__name__}({fields})"


def _short(value: Any) -> str:
    if isinstance(value, str):
        return repr(value if len(value) <= MAX_CHARACTERS else value[: MAX_CHARACTERS - 1] + "…")
    if isinstance(value, msgspec.Struct) or dataclasses.is_dataclass(value):
        return f"{type(value).__name__}(…)"
    if isinstance(value, Mapping):
        pairs = [f"{key!r}: {_short(entry)}" for key, entry in _first(value.items())]
        return f"{{{_joined(pairs, len(value))}}}"
    if isinstance(value, Sequence):
        return f"[{_joined([_short(entry) for entry in _first(value)], len(value))}]"
    if isinstance(value, float):
        return f"{value:.6g}"
    return repr(os.fspath(value) if isinstance(value, os.PathLike) else value)


def _first(entries: Iterable[Any]) -> list[Any]:
    return [entry for entry, _ in zip(entries, range(MAX_ITEMS), strict=False)]


def _joined(entries: list[str], count: int) -> str:
    text = ", ".join(entries)
    if count > MAX_ITEMS or len(text) > MAX_CHARACTERS:
        return f"… {count:,} {'item' if count == 1 else 'items'} …"
    return text


def record_html(record: Any) -> str:
    """A record as an HTML table, a row for each field."""
    rows = ((name.replace("_", " "), getattr(record, name)) for name in _field_names(record))
    body = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(_cell(value))}</td></tr>"
        for name, value in rows
    )
    return f"<table><caption>{html.escape(type(record).__name__)}</caption>{body}</table>"


def table_html(caption: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as an HTML table: the first of them, if there are many."""
    head = "".join(f"<th>{html.escape(name.replace('_', ' '))}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_cell(row[name]))}</td>" for name in columns) + "</tr>"
        for row in rows[:MAX_ROWS]
    )
    left_out = len(rows) - MAX_ROWS
    if left_out > 0:
        body += f'<tr><td colspan="{len(columns)}">… and {left_out:,} more</td></tr>'
    return f"<table><caption>{html.escape(caption)}</caption><tr>{head}</tr>{body}</table>"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return value[:1_000] if isinstance(value, str) else _short(value)


def number_text(name: str, value: float | None) -> str:
    """A named number with three decimals; `-` if it is undefined."""
    return f"{name} {value:.3f}" if value is not None else f"{name} -"
