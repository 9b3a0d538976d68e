"""What tables and Markdown reports of different results have in common."""

from __future__ import annotations

from typing import Any

from layernext.model.tables import Row, Table, markdown_text

MARKDOWN_ROWS = 50


def document(title: str, about: str, sections: dict[str, str]) -> str:
    """A report of sections by heading; those without text are left out."""
    parts = [f"# {markdown_text(title)}\n\n{about}.\n"]
    parts += [f"## {heading}\n\n{text}" for heading, text in sections.items() if text]
    return "\n".join(parts)


def first_rows(table: Table) -> str:
    """The first rows as Markdown, and how many more there are."""
    head = Table(columns=table.columns, rows=table.rows[:MARKDOWN_ROWS])
    rest = len(table.rows) - len(head.rows)
    return head.to_markdown() + (f"\nand {rest:,} more\n" if rest else "")


def with_scores(records: list[Any], columns: tuple[str, ...]) -> Table:
    """A table of the fields, then of each record's `scores`, a column for each name."""
    names: dict[str, None] = {}
    for record in records:
        names.update(dict.fromkeys(record.scores))
    rows = [
        {column: getattr(record, column) for column in columns}
        | {name: record.scores.get(name) for name in names}
        for record in records
    ]
    return Table(columns=[*columns, *names], rows=rows)


def cells(labels: list[str], counts: list[list[int]], row: str, column: str) -> Table:
    """The cells of a matrix that are not 0; the background's label is None."""
    names = [*labels, None]
    rows: list[Row] = [
        {row: names[y], column: names[x], "count": count}
        for y, line in enumerate(counts)
        for x, count in enumerate(line)
        if count
    ]
    return Table(columns=[row, column, "count"], rows=rows)
