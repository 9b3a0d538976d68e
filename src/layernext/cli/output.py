"""Printing: data on standard output, as a table or one JSON document; the rest on standard error.

Text from data (names, messages of a stack) is shown without control characters, so that it cannot
move the cursor or forge lines.

`msgspec` and `rich` are imported where they are used: ``--version`` and ``--help`` do without them.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

SHOWN_NAMES = 20
"""Names that people are shown of a list; the JSON document has all."""

UNBOUNDED = 10_000
"""Columns of a table that goes to a file or a pipe: nothing is wrapped there."""


class Interrupted(Exception):
    """Ctrl-C where there is more to say than that; the text is the whole line."""


class Record(Protocol):
    """What a stack answers, as data."""

    def to_dict(self) -> dict[str, Any]:
        """The record as plain data."""


Row = TypeVar("Row", bound=Record)


def print_json(data: Any) -> None:
    """One JSON document on standard output, in UTF-8 wherever that goes."""
    import msgspec  # noqa: PLC0415

    text = msgspec.json.format(msgspec.json.encode(data, enc_hook=str), indent=2)
    sys.stdout.flush()
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """A table on standard output, or `empty` if there are no rows; numbers to the right."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console() if sys.stdout.isatty() else Console(width=UNBOUNDED)
    cells = [list(row) for row in rows]
    if not cells:
        console.print(empty, style="dim")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, column in enumerate(columns):
        is_number = all(isinstance(row[position], int) for row in cells)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(f"{v:,}" if isinstance(v, int) else visible(str(v))) for v in row))
    console.print(table)


def print_rows(
    rows: Sequence[Row],
    columns: Sequence[str],
    cells: Callable[[Row], Sequence[object]],
    empty: str,
    *,
    as_json: bool,
) -> None:
    """Records on standard output: one JSON document, or a table with the `cells` of each."""
    if as_json:
        print_json([row.to_dict() for row in rows])
    else:
        print_table(columns, map(cells, rows), empty)


def tell(text: str = "") -> None:
    """A line that is part of what the command shows, on standard output.

    Line breaks before and after it set it apart; one within it would come from data.
    """
    line = text.strip("\n")
    before, _, after = text.partition(line) if line else (text, "", "")
    print(f"{before}{visible(line)}{after}")  # noqa: T201 - this is the command line


def say(text: str) -> None:
    """A line for people, on standard error."""
    print(visible(text), file=sys.stderr)  # noqa: T201 - this is the command line


def tell_names(before: str, names: Sequence[str]) -> None:
    """A line for each of the first names, and one that says how many more there are."""
    for name in names[:SHOWN_NAMES]:
        tell(f"{before}: {name}")
    if len(names) > SHOWN_NAMES:
        tell(f"{before}: and {len(names) - SHOWN_NAMES:,} more; --json names all")


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: ``1 image``, ``2,000 images``."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def size_text(count: int) -> str:
    """A number of bytes: ``1,234.5 MB``."""
    return f"{count / 1e6:,.1f} MB"


def time_text(moment: str) -> str:
    """A time in ISO 8601, to the second: ``2026-03-01 12:00:00``."""
    return moment[:19].replace("T", " ")


def visible(text: str) -> str:
    """The text with everything unprintable, line breaks included, as escapes."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def own_command() -> str:
    """What to type to run this program again: its name, or its path if the shell cannot find it."""
    if shutil.which("layernext"):
        return "layernext"
    beside = Path(sys.executable).parent / "layernext"
    if not beside.exists():
        return f"{Path(sys.executable).name} -m layernext"
    folder = Path.cwd()
    return str(beside.relative_to(folder) if beside.is_relative_to(folder) else beside)
