"""`dev.py` on whatever `python3` is: old ones get one sentence, newer ones are used if they run."""

from __future__ import annotations

import ast
import glob
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "dev.py"
SENTENCE = "dev.py: needs Python 3.10 or newer; this is Python "


def old_interpreters() -> list[str]:
    """Every Python older than 3.10 on this machine: those of the PATH and those of pyenv."""
    names = ["python2", "python2.7", *(f"python3.{minor}" for minor in range(10))]
    paths = {path for path in map(shutil.which, names) if path}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    # Unlike Path.glob, it passes over a folder of another user that cannot be read.
    paths |= set(glob.glob(f"{glob.escape(str(pyenv))}/*/bin/python"))  # noqa: PTH207
    return sorted(path for path in paths if is_old(path))


def is_old(path: str) -> bool:
    check = "import sys; sys.exit(sys.version_info >= (3, 10))"
    try:
        return subprocess.run([path, "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run(python: str, path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, str(SCRIPT), *arguments],
        env={"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_old_syntax_only():
    """The file has nothing that Python 2.7 or an early Python 3 cannot parse."""
    source = SCRIPT.read_text(encoding="ascii")
    tree = ast.parse(source, feature_version=(3, 7))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Starred, ast.Nonlocal, ast.AsyncWith)
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, newer)] == []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert [each.name for each in functions if each.returns or each.args.kwonlyargs] == []
    arguments = [node for node in ast.walk(tree) if isinstance(node, ast.arg)]
    assert [each.arg for each in arguments if each.annotation] == []
    assert "__future__" not in source


@pytest.mark.parametrize("python", old_interpreters() or [pytest.param(None, id="none-here")])
def test_old_python_gets_a_sentence(python, tmp_path):
    """An old Python on a machine without a newer one says what is needed; one line, exit code 1."""
    if python is None:
        pytest.skip("no Python older than 3.10 on this machine")
    done = run(python, str(tmp_path), "test")
    assert done.returncode == 1
    assert done.stderr.startswith(SENTENCE)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


@pytest.mark.parametrize("python", old_interpreters() or [pytest.param(None, id="none-here")])
def test_old_python_hands_over_to_a_newer_one(python, tmp_path):
    """A newer Python on the PATH takes over; a shim that exists but does not run is skipped."""
    if python is None:
        pytest.skip("no Python older than 3.10 on this machine")
    shims, newer = tmp_path / "shims", tmp_path / "newer"
    for folder in (shims, newer):
        folder.mkdir()
    for name in ("python3.13", "python3.12", "python3.11", "python3.10"):
        shim = shims / name
        shim.write_text("#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n")
        shim.chmod(0o755)
    (newer / "python3.10").symlink_to(sys.executable)
    done = run(python, f"{shims}{os.pathsep}{newer}", "help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "python3 dev.py test" in done.stdout


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A PATH with nothing but an `apt-get` that notes its calls, for root; returns its notes."""
    from tools import environment

    notes = tmp_path / "notes"
    script = tmp_path / "apt-get"
    script.write_text(f'#!/bin/sh\necho "$@" >> {notes}\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(environment.os, "geteuid", lambda: 0)
    return notes


@pytest.mark.parametrize(
    ("answer", "without_asking", "ci", "installs"),
    [
        ("y\n", False, "", True),
        ("\n", False, "", False),
        ("", False, "", False),
        (None, False, "", False),
        (None, True, "", True),
        (None, False, "true", True),
    ],
    ids=["yes", "enter", "end", "no-terminal", "--yes", "CI"],
)
def test_asks_before_it_installs_a_browser(
    machine, monkeypatch, capsys, answer, without_asking, ci, installs
):
    """System packages come only with a yes: on a terminal, by `--yes`, or in CI."""
    from tools.environment import install_browser

    terminal = io.StringIO(answer or "")
    terminal.isatty = lambda: answer is not None
    monkeypatch.setattr(sys, "stdin", terminal)
    monkeypatch.setenv("CI", ci)
    install_browser(without_asking=without_asking)
    assert machine.exists() == installs
    assert ("tests of the pages are skipped" in capsys.readouterr().err) == (not installs)
