"""What `dev.py` runs: installs the checkout into `.venv` and starts the program of each command."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STAMP = VENV / "installed-for"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WORKERS = "3"  # test processes; each starts stacks of its own, and waits for them a good deal

GENERATORS = (
    "tools/generate_async_client.py",
    "tools/generate_cli_reference.py",
    "tools/generate_sdk_reference.py",
    "tools/generate_compatibility.py",
    "tools/generate_format_table.py",
    "tools/generate_rooms_table.py",
)
CHECKS = (
    ("format", ["-m", "ruff", "format", "--check", "--quiet", "."]),
    ("lint", ["-m", "ruff", "check", "--quiet", "."]),
    ("types", ["-m", "mypy"]),
    ("types of the examples", ["-m", "mypy", "examples"]),
    *((f"fresh: {name}", [name, "--check"]) for name in GENERATORS),
)


class Failed(Exception):
    """Something that the user can fix; its text is the line to show."""


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
    """Run what CI runs; with arguments, only pytest with those arguments."""
    install("dev")
    install_browser()
    if rest:
        return hand_over("-m", "pytest", *rest)
    return check([]) or hand_over("-m", "pytest", "-n", WORKERS, "--dist", "loadfile")


def check(_rest: list[str]) -> int:
    """Run every check other than the tests; all of them, even if one fails."""
    install("dev")
    failed = []
    for name, arguments in CHECKS:
        print(f"== {name}", flush=True)
        if call(*arguments):
            failed.append(name)
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
    for name in ("queries", "embeddings", "evaluation", "convert", "viewer", "backup"):
        if f"--{name}" in rest:
            rest.remove(f"--{name}")
            return hand_over(str(Path("benchmarks", f"{name}.py")), *rest)
    name = "files.py" if "--files" in rest else "upload.py"
    return hand_over(str(Path("benchmarks", name)), *rest)


def setup(_rest: list[str]) -> int:
    """Make the environment only."""
    install("dev")
    print(f"ready: {PYTHON}")
    return 0


COMMANDS = {
    "demo": demo,
    "test": test,
    "check": check,
    "fix": fix,
    "docs": docs,
    "bench": bench,
    "run": run,
    "setup": setup,
}


def install(extra: str) -> None:
    """Make .venv and install this checkout into it with an extra, unless that was done before."""
    key = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + str(ROOT).encode()).hexdigest()
    if f"{key} {extra}" in installed():
        return
    if not STAMP.exists():
        make_venv()
    print("installing into .venv (once for each pyproject.toml) …", file=sys.stderr, flush=True)
    pip = ("-m", "pip", "--disable-pip-version-check", "--quiet", "install")
    if call(*pip, "--editable", f".[{extra}]"):
        raise Failed("pip could not install the dependencies; its message is above")
    # The dev extra contains the stack extra.
    done = [extra, "stack"] if extra == "dev" else [extra]
    STAMP.write_text("".join(f"{key} {name}\n" for name in done), encoding="utf-8")


def install_browser() -> None:
    """Install Chromium for the tests of the pages if it is missing and this is root on Debian.

    Elsewhere those tests are skipped and say what to install; with CI=true they fail.
    """
    if any(map(shutil.which, BROWSERS)) or not shutil.which("apt-get") or os.geteuid() != 0:
        return
    print("installing Chromium for the tests of the pages …", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        command = ["apt-get", "-qq", *step]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        if done.returncode:
            print(done.stderr.decode(errors="replace"), file=sys.stderr)
            return


def installed() -> set[str]:
    """The lines of the stamp: what .venv was made for. Empty if its Python no longer runs."""
    try:
        lines = set(STAMP.read_text(encoding="utf-8").splitlines())
    except OSError:
        return set()
    if not succeeds([str(PYTHON), "-c", ""]):
        STAMP.unlink()
        return set()
    return lines


def make_venv() -> None:
    """Make an empty environment with pip, by whatever means this machine has.

    Raises:
        Failed: there is no such means; the message says what to install.
    """
    this, venv, python = sys.executable, str(VENV), str(PYTHON)
    ways = [
        [[this, "-m", "venv", venv]],
        # Debian has ensurepip in a separate package, python3-venv; the other ways do not need it.
        [
            [this, "-m", "venv", "--without-pip", venv],
            [this, "-m", "pip", "--python", python, "--quiet", "install", "pip"],
        ],
        [[this, "-m", "virtualenv", "--quiet", venv]],
        [["uv", "venv", "--quiet", "--seed", "--python", this, venv]],
    ]
    for steps in ways:
        shutil.rmtree(VENV, ignore_errors=True)
        if all(succeeds(step) for step in [*steps, [python, "-m", "pip", "--version"]]):
            return
    shutil.rmtree(VENV, ignore_errors=True)
    version = ".".join(map(str, sys.version_info[:2]))
    raise Failed(
        "this Python cannot make a virtual environment; install its venv module "
        f"(Debian and Ubuntu: sudo apt install python{version}-venv) and try again"
    )


def succeeds(command: list[str]) -> bool:
    """Whether a program exists, runs, and exits with 0; its output is not shown."""
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def call(*arguments: str) -> int:
    """Run .venv's Python with these arguments and return its exit code."""
    return subprocess.call([str(PYTHON), *arguments])


def hand_over(*arguments: str) -> int:
    """Replace this process with .venv's Python, so that it receives Ctrl-C and signals itself."""
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(str(PYTHON), [str(PYTHON), *arguments])
    return call(*arguments)
