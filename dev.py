"""The developers' commands. Needs Python 3.10 or newer and nothing else.

    python3 dev.py demo     see it work: a temporary stack, uploads, downloads, a comparison
    python3 dev.py test     everything that CI runs: check, then the tests

    python3 dev.py check    format, lint, types, generated files
    python3 dev.py fix      format, and write the generated files anew
    python3 dev.py docs     write the generated files anew: docs/cli.md, docs/sdk.md, async client
    python3 dev.py bench    benchmarks; `bench --files` those of files, `--large` the long ones
    python3 dev.py run      a stack with sample data, up until Ctrl-C
    python3 dev.py setup    only make .venv; later commands use it

What follows a command goes to the program behind it: `python3 dev.py test tests/unit -k line`
runs just those tests. Everything is installed into .venv, again whenever pyproject.toml changes;
the system's Python stays as it is.
"""

# This file is read by whatever `python3` is, so it must parse on older ones to say that they are old.

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 10)
NEWER = ("python3.13", "python3.12", "python3.11", "python3.10")
ROOT = Path(__file__).resolve().parent
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
)
CHECKS = (
    ("format", ["-m", "ruff", "format", "--check", "--quiet", "."]),
    ("lint", ["-m", "ruff", "check", "--quiet", "."]),
    ("types", ["-m", "mypy"]),
    *((f"fresh: {name}", [name, "--check"]) for name in GENERATORS),
)


class Failed(Exception):
    """Something that the user can mend; its text is the one line to say."""


def main(arguments: list[str]) -> int:
    """Run one command and give its exit code."""
    command, rest = (arguments or ["help"])[0], arguments[1:]
    if command not in COMMANDS:
        print((__doc__ or "").strip())
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
    """What CI runs; with arguments, pytest alone with these."""
    install("dev")
    install_browser()
    if rest:
        return hand_over("-m", "pytest", *rest)
    return check([]) or hand_over("-m", "pytest", "-n", WORKERS, "--dist", "loadfile")


def check(_rest: list[str]) -> int:
    """Every check that is no test; all of them, even if one fails."""
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
    """Write the generated files anew."""
    install("dev")
    return max(call(name) for name in GENERATORS)


def fix(_rest: list[str]) -> int:
    """Generate, mend what ruff can mend, and format."""
    code = docs([])
    code = max(code, call("-m", "ruff", "check", "--fix", "--quiet", "."))
    return max(code, call("-m", "ruff", "format", "--quiet", "."))


def bench(rest: list[str]) -> int:
    """The benchmarks: of annotations; with `--files`, `--queries` and so on of these."""
    install("dev")
    for name in ("queries", "embeddings", "evaluation", "convert", "viewer", "backup"):
        if f"--{name}" in rest:
            rest.remove(f"--{name}")
            return hand_over(str(Path("benchmarks", f"{name}.py")), *rest)
    name = "files.py" if "--files" in rest else "upload.py"
    return hand_over(str(Path("benchmarks", name)), *rest)


def setup(_rest: list[str]) -> int:
    """Only the environment."""
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
    """Make .venv and install this checkout into it with an extra, unless that has been done."""
    key = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + str(ROOT).encode()).hexdigest()
    if f"{key} {extra}" in installed():
        return
    if not STAMP.exists():
        make_venv()
    print("installing into .venv (once for each pyproject.toml) …", file=sys.stderr, flush=True)
    pip = ("-m", "pip", "--disable-pip-version-check", "--quiet", "install")
    if call(*pip, "--editable", f".[{extra}]"):
        raise Failed("pip could not install what is needed; its reason stands above")
    # The dev extra contains the stack extra.
    done = [extra, "stack"] if extra == "dev" else [extra]
    STAMP.write_text("".join(f"{key} {each}\n" for each in done), encoding="utf-8")


def install_browser() -> None:
    """Chromium for the pages' tests, where it is missing and we may install packages: root on Debian.

    Elsewhere those tests skip themselves and say what to install; with CI=true they fail.
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
    """The lines of the stamp: what .venv was last made for. None if its Python has gone."""
    try:
        lines = set(STAMP.read_text(encoding="utf-8").splitlines())
    except OSError:
        return set()
    if not succeeds([str(PYTHON), "-c", ""]):
        STAMP.unlink()
        return set()
    return lines


def make_venv() -> None:
    """An empty environment with pip, by whatever means this machine has.

    Raises:
        Failed: it has none; what to install.
    """
    this, venv, python = sys.executable, str(VENV), str(PYTHON)
    ways = [
        [[this, "-m", "venv", venv]],
        # Debian splits ensurepip off into python3-venv; the others do without it.
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
        "this Python cannot make a virtual environment; install the part of it that does "
        f"(Debian and Ubuntu: sudo apt install python{version}-venv) and try again"
    )


def succeeds(command: list[str]) -> bool:
    """Whether a program is there, runs, and ends well; what it prints is not shown."""
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def call(*arguments: str) -> int:
    """The exit code of .venv's Python with these arguments."""
    return subprocess.call([str(PYTHON), *arguments])


def hand_over(*arguments: str) -> int:
    """Run .venv's Python in place of this one, so that Ctrl-C and signals are its own."""
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(str(PYTHON), [str(PYTHON), *arguments])
    return call(*arguments)


def use_newer_python() -> None:
    """Start again under a newer Python if this one is too old, or say that there is none."""
    for name in NEWER:
        path = shutil.which(name)
        if path:
            os.execv(path, [path, *sys.argv])
    this, oldest = (".".join(map(str, version[:2])) for version in (sys.version_info, OLDEST))
    sys.exit(f"dev.py: this is Python {this}; install Python {oldest} or newer")


if __name__ == "__main__":
    if sys.version_info < OLDEST:
        use_newer_python()
    sys.exit(main(sys.argv[1:]))
