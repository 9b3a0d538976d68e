"""Writes the table of formats in docs/formats.md from what each format declares.

python tools/generate_format_table.py            write the table
python tools/generate_format_table.py --check    only say whether it is up to date
"""

from __future__ import annotations

import sys
from pathlib import Path

from layernext.formats import FORMATS, Format
from layernext.formats.core.losses import FIELDS
from layernext.model import GEOMETRIES

TARGET = Path(__file__).resolve().parents[1] / "docs" / "formats.md"
BEGIN = "<!-- Begin of the table that tools/generate_format_table.py writes. -->"
END = "<!-- End of the table. -->"
COLUMNS = (
    "format",
    "is",
    *GEOMETRIES,
    *FIELDS,
    "splits",
    "runs",
    "sizes",
    "videos",
    "read",
    "written",
)


def row(entry: Format) -> list[str]:
    """The cells of a format; empty where it holds nothing."""
    holds = entry.holds
    return [
        f"`{entry.name}`",
        f"{'folder: ' if entry.is_folder else ''}{entry.about}",
        *(holds.geometries.get(kind, "") for kind in GEOMETRIES),
        *(holds.fields.get(name, "") for name in FIELDS),
        holds.splits or "",
        "yes" if holds.runs else "",
        {"needed": "needed", "kept": "yes", "no": ""}[holds.sizes],
        holds.videos or "",
        "yes" if entry.read else "",
        "yes" if entry.write else "",
    ]


def table() -> str:
    """The table, without columns that are empty for every format."""
    rows = [row(entry) for entry in FORMATS.values()]
    kept = [number for number in range(len(COLUMNS)) if any(cells[number] for cells in rows)]
    lines = [[COLUMNS[number] for number in kept], ["---" for _ in kept]]
    lines += [[cells[number] for number in kept] for cells in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def document(text: str) -> str:
    """The page with a fresh table."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Write the table, or check it."""
    text = TARGET.read_text(encoding="utf-8")
    fresh = document(text)
    if "--check" in arguments:
        if text == fresh:
            return 0
        print("docs/formats.md is not up to date; run python3 dev.py docs", file=sys.stderr)
        return 1
    TARGET.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
