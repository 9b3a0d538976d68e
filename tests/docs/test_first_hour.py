"""The first hour of a newcomer: the shell blocks of README and getting-started, in a fresh environment.

The lines run as they are written, by a shell, in a copy of the source folder, with an empty home. Only
the dependencies do not come from an index: they are those that run this test.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

import layernext
from tests.support.stack_process import free_port

ROOT = Path(__file__).parents[2]
SOURCE = ("pyproject.toml", "README.md", "LICENSE")
PAGES = [ROOT / "README.md", ROOT / "docs" / "getting-started.md"]
HANG_S = 600
MAKE_VENV = "python3 -m venv ~/layernext-venv"


def shell_blocks(page: Path) -> list[list[str]]:
    """The lines of each block for the shell."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [block.splitlines() for block in blocks]


def block_with(page: Path, beginning: str) -> list[str]:
    (block,) = [b for b in shell_blocks(page) if any(line.startswith(beginning) for line in b)]
    return block


@pytest.fixture
def newcomer(tmp_path: Path) -> Path:
    """A folder with the source and an empty home beside it."""
    source = tmp_path / "source"
    source.mkdir()
    for name in SOURCE:
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("home", "bin"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    packages = sysconfig.get_path("purelib")
    (tmp_path / "dependencies.pth").write_text(packages)
    return source


def environment(source: Path) -> dict[str, str]:
    """As small as that of a new user, and without an index."""
    return {
        "HOME": str(source.parent / "home"),
        "PATH": f"{source.parent / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin",
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        # In pip's own logic this turns the isolation off: the build tool comes from this test, too.
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_COMPILE": "1",
    }


def run(source: Path, lines: list[str], **more: str) -> str:
    """Run lines by a shell that stops at the first that fails; what they print."""
    home, link = source.parent / "home", source.parent / "dependencies.pth"
    script: list[str] = ["set -e"]
    for line in lines:
        script.append(line)
        if line.startswith(MAKE_VENV):
            script.append(f"cp {link} {home}/layernext-venv/lib/python3*/site-packages/")
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=source,
        env={**environment(source), **more},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, (lines, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture
def served(newcomer: Path) -> Iterator[dict[str, str]]:
    """The README's first block, with its last line left running; the variables that it printed."""
    *install, serve = block_with(PAGES[0], MAKE_VENV)
    assert serve.split()[:2] == ["layernext", "serve"]
    run(newcomer, install)
    activate = ". ~/layernext-venv/bin/activate"
    process = subprocess.Popen(
        ["bash", "-c", f"{activate}\nexec {serve.partition('#')[0]} --port {free_port()}"],
        cwd=newcomer,
        env=environment(newcomer),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        variables = {}
        while len(variables) < 3:
            line = process.stdout.readline()
            assert line, "the stack ended"
            found = re.fullmatch(r"export (LAYERNEXT_\w+)=(\S+)\n", line)
            if found:
                variables[found[1]] = found[2]
        yield variables
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=HANG_S)


def test_readme(newcomer: Path, served: dict[str, str]) -> None:
    """Install, start a stack, and every line of the block that uses it."""
    activate = ". ~/layernext-venv/bin/activate"
    said = run(newcomer, [activate, *block_with(PAGES[0], "layernext validate")], **served)
    assert "valid: 1 annotation on 1 image" in said
    assert "test model v1.0.1" in said
    back, sent = (
        json.loads((newcomer / name).read_text()) for name in ("back.json", "example_bbox.json")
    )
    assert back == sent


def test_getting_started(newcomer: Path) -> None:
    """Install from source with the samples, and from the wheel in another environment."""
    page = PAGES[1]
    ask = "python -c 'import layernext; print(layernext.__file__)'"
    said = run(newcomer, [*block_with(page, MAKE_VENV), "layernext --version", ask])
    assert f"layernext {layernext.__version__}\n" in said
    assert said.splitlines()[-1].startswith(str(newcomer.parent / "home" / "layernext-venv"))
    samples = sorted(path.name for path in newcomer.glob("example_*.json"))
    assert samples == ["example_bbox.json", "example_line.json", "example_polygon.json"]
    shutil.rmtree(newcomer.parent / "home" / "layernext-venv")
    wheel, install = block_with(page, "pip wheel")
    venv, activate, *_ = block_with(page, MAKE_VENV)
    said = run(newcomer, [venv, activate, wheel, install, "python -m layernext --version"])
    assert f"layernext {layernext.__version__}\n" in said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sample_files_are_linked(page: Path) -> None:
    """A page that uses the sample files links to each."""
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"\bexample_\w+\.json", text))
    assert named == {"example_bbox.json", "example_line.json", "example_polygon.json"}
    assert [name for name in named if not re.search(rf"\]\(\S*/{name}\)", text)] == []


def test_every_extra_is_explained() -> None:
    """README says what each extra is for."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = project.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    extras = re.findall(r"^(\w+) = \[", section, re.MULTILINE)
    readme = PAGES[0].read_text(encoding="utf-8")
    assert extras
    assert [extra for extra in extras if f"| `{extra}` |" not in readme] == []


def test_version_of_the_wheel() -> None:
    """The name of the wheel in the pages is that of this version."""
    names = {
        name for page in PAGES for name in re.findall(r"layernext_sdk-[\w.]+-", page.read_text())
    }
    assert names == {f"layernext_sdk-{layernext.__version__}-"}
