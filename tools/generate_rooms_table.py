"""Writes the table of rooms in CONTRIBUTING.md and docs/decisions/0002-rooms.md.

python tools/generate_rooms_table.py            write the tables
python tools/generate_rooms_table.py --check    only say whether they are up to date
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.architecture.rooms import table  # noqa: E402

TARGETS = ("CONTRIBUTING.md", "docs/decisions/0002-rooms.md")
BEGIN = "<!-- Begin of the table that tools/generate_rooms_table.py writes. -->"
END = "<!-- End of the table. -->"


def document(text: str) -> str:
    """The page with a fresh table."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Write the tables, or check them."""
    stale = []
    for name in TARGETS:
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        fresh = document(text)
        if text == fresh:
            continue
        if "--check" in arguments:
            stale.append(name)
        else:
            path.write_text(fresh, encoding="utf-8")
    if stale:
        print(f"{', '.join(stale)} not up to date; run python3 dev.py docs", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
