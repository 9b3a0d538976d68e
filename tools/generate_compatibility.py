"""Writes docs/compatibility.md and docs/migration.md from what the contract tests saw and from their tables.

    python tools/generate_compatibility.py            write the files
    python tools/generate_compatibility.py --check    only say whether they are up to date

It runs no client: tests/contract/published keeps what became of each call, and fails if that changes. It
fails if a test or a method that is named here does not exist.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from client_source import call_of, groups, members  # noqa: E402
from compatibility_faults import FAULTS  # noqa: E402

from tests.contract.published.outcomes import RECORDED  # noqa: E402
from tests.contract.published.surface import (  # noqa: E402
    LEFT_OUT,
    OTHER_ARGUMENTS,
    OTHER_ORDER,
    REPLACED,
    SERVED_ONLY,
    TOLD_APART,
)

VERSIONS = ("0.0.21", "0.1.1", "1.0.1", "1.0.15", "1.1.1", "2.3.4", "3.28.14")

COMPATIBILITY_HEAD = """\
# Compatibility with the published clients

<!-- Written by tools/generate_compatibility.py; do not edit. -->

The tests run the published packages, unchanged, against our stack, each in a separate environment: `layerx-sdk` 0.0.5,
0.0.21, 0.1.1, 1.0.1 and 1.0.15, `layernext` 1.1.1 and 2.3.4, `layernext-beta` 3.28.14. After each call, our SDK checks the
effect on the stack. `python3 dev.py test tests/contract/published` repeats these tests. [Migration](migration.md) says what
changes in a script that moves to our SDK.

## Methods

- *works*: the test calls the method without an error, and compares the effects of uploads and downloads byte for byte and value
  by value.
- *501*: the stack does not support the call and says so. In particular, it runs no models
  ([automatic analysis](automatic-analysis.md)).
- *fault*: a fault in the client keeps the method from working, whatever the stack does. The number is that of the list below.
- An empty cell: the version does not have the method.

0.0.5 has one method, `upload_modelrun_from_json`, which works.

"""

MIGRATION_HEAD = """\
# From a published client to this SDK

<!-- Written by tools/generate_compatibility.py; do not edit. -->

A script for `layernext` 1.1.1 or 2.3.4 runs unchanged: the import name, the client, its methods, their argument
order and the keys of their answers are the same. The tests call every method of 2.3.4 in its published form on our
client and compare the keys of the answers. The published clients themselves also work with a stack
([compatibility](compatibility.md)), so you do not have to move all scripts at once.

## Installing

`layernext-sdk` has the same import name as `layernext` and `layernext-beta`. Do not install them in the same environment: the
package installed last overwrites files of the other, and *uninstalling either removes files that both have*. Remove the
published package first:

<!-- not run -->
```bash
pip uninstall -y layernext layernext-beta
pip install .
```

If both are installed, `layernext doctor` says so. If you then uninstall the published package, `import layernext` gives an empty
module (`module 'layernext' has no attribute 'LayerNextClient'`), and the command `layernext` ends with `layernext is
damaged: …`. `layernext doctor` and this message name the repair:

<!-- not run -->
```bash
pip install --force-reinstall --no-deps .
```

Run it in the folder with the source. To repair from a wheel, replace the dot with the wheel's path.

`layerx-sdk` has the import name `layerx` and may stay installed. In its scripts `from layerx import LayerxClient`
becomes `from layernext import LayerNextClient`.

## What differs

| published | ours |
| --- | --- |
| a failed call prints a message and returns `None` or `{"isSuccess": False}` | it raises an error with the reason ([errors](errors.md)) |
| `wait_for_job_complete` returns `COMPLETED` for a failed job | it raises `JobFailed` |
| an answer is a dictionary | it is a dictionary with the same keys, and also has attributes: `report.job_id`, `report["job_id"]` |
| uploads and downloads return `None` | they return a report |
| no such results | `UploadReport`, `DownloadReport`, `ModelRun` and other new results are not dictionaries: use `report.images`, or `report.to_dict()` for plain data |
| progress and results are printed | only a progress bar is printed, and only on a terminal |
| `MediaType`, `JobType` and the like come from `layernext.datalake.constants` or `layernext` | the same; members equal their values |
| `client.encoded_key_secret` | does not exist: the secret is private |
| `datalake.DatalakeClient`, `studio.StudioClient` and other internal classes | do not exist; the client has all calls |

"""


def compatibility() -> str:
    """docs/compatibility.md."""
    methods = sorted(
        {method for version in VERSIONS for method in RECORDED[version]} - set(LEFT_OUT)
    )
    rows = [f"| method | {' | '.join(VERSIONS)} |", f"| --- |{' --- |' * len(VERSIONS)}"]
    for method in methods:
        cells = [RECORDED[version].get(method, "") for version in VERSIONS]
        rows.append(f"| `{method}` | {' | '.join(cells)} |")
    rows += [
        "",
        "`get_valid_sort_fields` sends no request. The analysis calls of 2.3.4 return the id of a job that the client's own",
        "background thread never starts (fault 41).",
        "",
        "## Methods that are not supported",
        "",
        f"`layernext-beta` 3.28.14 has {len(LEFT_OUT)} more methods. A stack answers their requests with 501 and",
        "a message ([protocol](protocol.md)). Our SDK does not have them.",
        "",
        "| method | why |",
        "| --- | --- |",
        *(f"| `{method}` | {why} |" for method, why in sorted(LEFT_OUT.items())),
        "",
        "## Faults of the published clients that our SDK does not have",
        "",
        "| | in the published clients | ours | shown by |",
        "| --- | --- | --- | --- |",
    ]
    for number, (fault, ours, test) in sorted(FAULTS.items()):
        check_test(number, test)
        rows.append(f"| {number} | {fault} | {ours} | `tests/{test}` |")
    return COMPATIBILITY_HEAD + "\n".join(rows) + "\n"


def migration() -> str:
    """docs/migration.md."""
    ours = {node.name for node in members() if isinstance(node, ast.FunctionDef)}
    ours |= {ast.unparse(node.targets[0]) for node in members() if isinstance(node, ast.Assign)}
    attributes = {group.node.name: group.attribute for group in groups()}
    calls = {
        ast.unparse(node.targets[0]): f"{attributes[call[0]]}.{call[1]}"
        for node in members()
        if isinstance(node, ast.Assign) and (call := call_of(node)) is not None
    }
    published = {method for version in VERSIONS for method in RECORDED[version]}
    published |= {"upload_modelrun_from_json"}
    lost = sorted(published - ours - {*LEFT_OUT, *SERVED_ONLY}) + sorted(
        {new for names in REPLACED.values() for new in names} - ours
    )
    if lost:
        raise SystemExit(f"these methods are named and do not exist: {', '.join(lost)}")
    rows = [
        "## Methods",
        "",
        "Our client has every published method under its name. These have replacements:",
        "",
        "| published | replacement |",
        "| --- | --- |",
        *(
            f"| `{old}` | {', '.join(f'`{name}`' for name in new)} |"
            for old, new in sorted(REPLACED.items())
        ),
        "",
        "These keep their names. Each is also a call of a group, which takes the same arguments:",
        "",
        "| published | call |",
        "| --- | --- |",
        *(
            f"| `{method}` | `client.{calls.get(method, method)}` |"
            for method in sorted((published & ours) - set(REPLACED))
        ),
        "",
        "A stack serves `update_virtual_collection` of `layernext-beta` 3.28.14, but this SDK has no such method. The call",
        "appends a name to the metadata list `virtual_collection` of the selected images; the query",
        '`metadata.virtual_collection = "night shift"` finds them ([protocol](protocol.md)).',
        "",
        f"The {len(LEFT_OUT)} methods of `layernext-beta` that are not supported are listed in [compatibility](compatibility.md).",
        "",
        "## Arguments",
        "",
        "Arguments keep their published names and positions. If versions differ, the client recognizes these:",
        "",
        "| method | version | how |",
        "| --- | --- | --- |",
        *(f"| `{method}` | {version} | {how} |" for (method, version), how in TOLD_APART.items()),
        "",
        "It cannot recognize these:",
        "",
        "| method | version | what to do |",
        "| --- | --- | --- |",
        *(f"| `{method}` | {version} | {how} |" for (method, version), how in OTHER_ORDER.items()),
        *(
            f"| `{method}` | argument `{argument}` | {how} |"
            for (method, argument), how in OTHER_ARGUMENTS.items()
        ),
    ]
    return MIGRATION_HEAD + "\n".join(rows) + "\n"


def check_test(number: int, test: str) -> None:
    """Refuse a test that does not exist."""
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    if name not in names:
        raise SystemExit(f"fault {number}: there is no test {test}")


def main() -> int:
    """Write or check; the exit code."""
    if sorted(FAULTS) != list(range(1, 114)):
        raise SystemExit("the table of faults has a gap")
    code = 0
    for name, text in (("compatibility.md", compatibility()), ("migration.md", migration())):
        target = ROOT / "docs" / name
        if "--check" not in sys.argv:
            target.write_text(text, encoding="utf-8")
        elif not target.exists() or target.read_text(encoding="utf-8") != text:
            print(f"docs/{name} is not up to date; run: python3 dev.py docs", file=sys.stderr)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
