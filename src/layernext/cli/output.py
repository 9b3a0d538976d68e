"""Printing: tables for people or one JSON document for programs on standard output, the rest on
standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_json(data: Any) -> None:
    """One JSON document on standard output."""
    text = msgspec.json.format(msgspec.json.encode(data, enc_hook=str), indent=2)
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """A table on standard output, or `empty` if there are no rows; numbers to the right."""
    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    kept = [list(row) for row in rows]
    for position, column in enumerate(columns):
        is_number = bool(kept) and all(isinstance(row[position], int) for row in kept)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in kept:
        table.add_row(*(Text(f"{v:,}" if isinstance(v, int) else str(v)) for v in row))
    if kept:
        console.print(table)
    else:
        console.print(empty, style="dim")


def say(text: str) -> None:
    """A line for people, on standard error."""
    print(text, file=sys.stderr)  # noqa: T201 - this is the command line
