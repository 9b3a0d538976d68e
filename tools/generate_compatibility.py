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

The published packages, unchanged, each in an environment of its own, run against our stack in the tests:
`layerx-sdk` 0.0.5, 0.0.21, 0.1.1, 1.0.1 and 1.0.15, `layernext` 1.1.1 and 2.3.4, `layernext-beta` 3.28.14. What
their calls did is compared with what our SDK finds. `python3 dev.py test tests/contract/published` repeats it.
[Migration](migration.md) says what changes in a script that moves to our SDK.

## Methods

*works*: called in the test without an error; the effects of uploads and downloads are compared byte for byte and value by value.
*501*: a stack runs no models and says so ([automatic analysis](automatic-analysis.md)), or has nothing of the kind. A
*fault* keeps the method from working in that client, whatever the stack does; its number is that of the list below.

0.0.5 has one method, `upload_modelrun_from_json`: it works.

"""

MIGRATION_HEAD = """\
# From a published client to this SDK

<!-- Written by tools/generate_compatibility.py; do not edit. -->

A script for `layernext` 1.1.1 or 2.3.4 runs as it stands: the import name, the client, its methods, their argument
order and the keys of their answers are the same. The tests call every method of 2.3.4 in its published form on our
client and compare the keys of the answers. A stack also takes the published clients
themselves ([compatibility](compatibility.md)), so nothing has to move at once.

## Installing

`layernext-sdk` has the import name of `layernext` and `layernext-beta`. They cannot be installed beside each other: the last one
installed overwrites files of the other, and *uninstalling either removes files that both have*. So remove the published one first:

<!-- not run -->
```bash
pip uninstall -y layernext layernext-beta
pip install .
```

If they have been installed over each other, `layernext doctor` says so. If the published one has been uninstalled afterwards,
`import layernext` gives an empty module (`module 'layernext' has no attribute 'LayerNextClient'`) and the command
`layernext` ends with `layernext is damaged: …`. Both name the repair:

<!-- not run -->
```bash
pip install --force-reinstall --no-deps .
```

Run it in the folder with the source; for a wheel, its path replaces the dot.

`layerx-sdk` has the import name `layerx` and may stay installed. In its scripts `from layerx import LayerxClient`
becomes `from layernext import LayerNextClient`.

## What differs

| published | ours |
| --- | --- |
| a failed call prints a text and returns `None` or `{"isSuccess": False}` | it raises an error with the reason ([errors](errors.md)) |
| `wait_for_job_complete` answers a failed job with `COMPLETED` | `JobFailed` is raised |
| an answer is a dictionary | it is a dictionary with the same keys, and has attributes too: `report.job_id`, `report["job_id"]` |
| uploads and downloads return `None` | they return a report |
| | `UploadReport`, `DownloadReport`, `ModelRun` and other results that no published client has are not dictionaries: `report.images`; `report.to_dict()` gives plain data |
| progress and results are printed | nothing is printed but a progress bar on a terminal |
| `MediaType`, `JobType` and the like come from `layernext.datalake.constants` or `layernext` | the same; members equal their values |
| `client.encoded_key_secret` | not there: the secret is kept private |
| `datalake.DatalakeClient`, `studio.StudioClient` and other inner classes | not there; the client has all calls |

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
        "`get_valid_sort_fields` asks no stack. Calls of 2.3.4 for analysis give the id of a job that its own",
        "background thread never begins (fault 41).",
        "",
        "## What stays out",
        "",
        f"`layernext-beta` 3.28.14 has {len(LEFT_OUT)} more methods. Their requests are answered with 501 and a sentence",
        "([protocol](protocol.md)), and our SDK does not have them.",
        "",
        "| method | why |",
        "| --- | --- |",
        *(f"| `{method}` | {why} |" for method, why in sorted(LEFT_OUT.items())),
        "",
        "## Faults that ours does not repeat",
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
        "Every published method is there under its name. Better ones have taken the place of these:",
        "",
        "| published | today |",
        "| --- | --- |",
        *(
            f"| `{old}` | {', '.join(f'`{name}`' for name in new)} |"
            for old, new in sorted(REPLACED.items())
        ),
        "",
        "These have the same name. A call of a group takes the same arguments:",
        "",
        "| published | call |",
        "| --- | --- |",
        *(
            f"| `{method}` | `client.{calls.get(method, method)}` |"
            for method in sorted((published & ours) - set(REPLACED))
        ),
        "",
        "`update_virtual_collection` of `layernext-beta` 3.28.14 is served by the stack, but is not a method of this SDK. It",
        "appends a name to the metadata list `virtual_collection` of the selected images; the query",
        '`metadata.virtual_collection = "night shift"` finds them ([protocol](protocol.md)).',
        "",
        f"The {len(LEFT_OUT)} methods of `layernext-beta` that stay out are listed in [compatibility](compatibility.md).",
        "",
        "## Arguments",
        "",
        "Arguments are taken by their published names and places. Where versions differ, these are told apart:",
        "",
        "| method | version | how |",
        "| --- | --- | --- |",
        *(f"| `{method}` | {version} | {how} |" for (method, version), how in TOLD_APART.items()),
        "",
        "These cannot be:",
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
