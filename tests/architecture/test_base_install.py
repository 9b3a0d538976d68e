"""The base install, as `pip install layernext-sdk` makes it: the SDK without the stack's libraries.

Built and installed for real, so that a file or a dependency that the distribution lacks is missed.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.support.wheels import build

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "src" / "layernext" / "cli" / "samples"
SENTENCE = (
    "error: this command needs the stack, which is not installed; "
    "run: pip install '.[stack]' in the source folder"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A virtual environment with the distribution and its base dependencies.

    The dependencies stay between test runs; the distribution itself is installed again. Test runs
    share it, so each file of tests stays with one worker (`--dist loadfile`).
    """
    lock = ROOT / "constraints.txt"
    dependencies = (ROOT / "pyproject.toml").read_bytes() + lock.read_bytes()
    key = hashlib.sha256(dependencies).hexdigest()[:16]
    home = ROOT / f".venv-base-{sys.version_info[0]}{sys.version_info[1]}"
    python = home / "bin" / "python"
    stamp = home / "made-for"
    if not stamp.exists() or stamp.read_text() != key:
        venv.create(home, clear=True, with_pip=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    folder = tmp_path_factory.mktemp("wheel")
    build(ROOT, folder, "-t", "wheel")
    (wheel,) = map(str, folder.glob("*.whl"))
    if not stamp.exists():
        first = [*pip, "--constraint", str(lock), wheel]
        subprocess.run(first, check=True, capture_output=True, text=True)
        stamp.write_text(key)
    else:
        # The version has not changed, so pip would keep what was there.
        again = [*pip, "--force-reinstall", "--no-deps", "--no-index", wheel]
        subprocess.run(again, check=True, capture_output=True, text=True)
    return home / "bin"


def run(*command, **options):
    return subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, check=False, **options
    )


def test_imports_without_the_stack(base, tmp_path):
    """The package imports and its client can be made with the base dependencies alone."""
    program = "import layernext; print(layernext.LayerNextClient('k', 's', 'http://127.0.0.1:1'))"
    done = run(base / "python", "-c", program, cwd=tmp_path)
    assert done.stdout == "LayerNextClient('http://127.0.0.1:1', api_key='k')\n", done.stderr


def test_base_dependencies_are_small(base, tmp_path):
    """No server, no numpy and no database comes with the base install."""
    done = run(base / "python", "-m", "pip", "list", "--format", "json")
    names = {row["name"].lower() for row in json.loads(done.stdout)}
    assert {"httpx", "msgspec"} <= names
    assert names.isdisjoint(
        ["numpy", "litestar", "sqlalchemy", "uvicorn", "av", "pillow", "psycopg"]
    )


def test_validates_without_the_stack(base, tmp_path):
    """`layernext validate` needs neither stack nor server."""
    done = run(base / "layernext", "validate", SAMPLES / "example_bbox.json", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["annotations"] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["serve", "--data", "stack"], id="serve"),
        pytest.param(["demo"], id="demo"),
        pytest.param(["keys", "list", "--data", "stack"], id="keys"),
        pytest.param(["backup", "backups", "--data", "stack"], id="backup"),
    ],
)
def test_says_how_to_get_the_stack(base, tmp_path, arguments):
    """A command that needs the stack says in one sentence how to install it."""
    done = run(base / "layernext", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr.strip(), done.stdout) == (3, SENTENCE, "")


def test_ships_what_it_needs(base, tmp_path):
    """Samples, migrations and the typing marker are in the distribution."""
    program = (
        "import importlib.resources as r; p = r.files('layernext'); "
        "print([(p / n).is_file() for n in ('py.typed', 'cli/samples/example_line.json', "
        "'stack/store/migrations/script.py.mako', 'stack/store/migrations/env.py')])"
    )
    done = run(base / "python", "-c", program, cwd=tmp_path)
    assert done.stdout.strip() == str([True] * 4), done.stderr
