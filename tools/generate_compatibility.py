"""Writes docs/compatibility.md from the matrix of published methods and the table of their faults.

    python tools/generate_compatibility.py            write the file
    python tools/generate_compatibility.py --check    only say whether it is up to date

It fails if a test that is named there does not exist.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "compatibility.md"
sys.path.insert(0, str(ROOT))

from compatibility_faults import FAULTS  # noqa: E402

from tests.contract.published.matrix import ANALYSIS, BROKEN, steps  # noqa: E402

HEAD = """\
# Compatibility with the published clients

<!-- Written by tools/generate_compatibility.py; do not edit. -->

The published packages, unchanged, each in an environment of its own, run against our stack in the tests:
`layerx-sdk` 0.0.5 and 1.0.15, `layernext` 1.1.1 and 2.3.4. What their calls did is compared with what our SDK
finds. `python3 dev.py test tests/contract/published` repeats it.

## Methods

*works*: called in the test, its effect seen. *501*: a stack runs no models and says so
([automatic analysis](automatic-analysis.md)). A number is the fault below that keeps the method from working in
that client, whatever the stack does.

0.0.5 has one method, `upload_modelrun_from_json`: it works.

"""


def document() -> str:
    """The whole page."""
    versions = ("1.0.15", "1.1.1", "2.3.4")
    known: dict[str, dict[str, str]] = {}
    for version in versions:
        for _, method, _, _ in steps(version, "", ""):
            broken = BROKEN[version].get(method)
            word = "501" if method in ANALYSIS else f"fault {broken}" if broken else "works"
            known.setdefault(method, {})[version] = word
    rows = [f"| method | {' | '.join(versions)} |", "| --- | --- | --- | --- |"]
    for method in sorted(known):
        cells = [known[method].get(version, "") for version in versions]
        rows.append(f"| `{method}` | {' | '.join(cells)} |")
    rows += [
        "",
        "`get_valid_sort_fields` asks no stack. Calls of 2.3.4 for analysis give the id of a job that its own",
        "background thread never begins (fault 41).",
        "",
        "## Faults that ours does not repeat",
        "",
        "| | in the published clients | ours | shown by |",
        "| --- | --- | --- | --- |",
    ]
    for number, (fault, ours, test) in sorted(FAULTS.items()):
        check(number, test)
        rows.append(f"| {number} | {fault} | {ours} | `tests/{test}` |")
    return HEAD + "\n".join(rows) + "\n"


def check(number: int, test: str) -> None:
    """Refuse a test that is not there."""
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    if name not in names:
        raise SystemExit(f"fault {number}: there is no test {test}")


def main() -> int:
    """Write or check; the exit code."""
    if sorted(FAULTS) != list(range(1, 114)):
        raise SystemExit("the table of faults has a gap")
    text = document()
    if "--check" in sys.argv:
        if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
            return 0
        print("docs/compatibility.md is not up to date; run: python3 dev.py docs", file=sys.stderr)
        return 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
