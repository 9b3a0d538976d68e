"""`import layernext`: what it offers, and what it does not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import layernext

HEAVY = (
    "httpx",
    "rich",
    "typer",
    "numpy",
    "msgspec",
    "stamina",
    "litestar",
    "sqlalchemy",
    "zstandard",
)


def run(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_every_name_is_there() -> None:
    """Each public name can be had, is listed by dir(), and is told to type checkers."""
    for name in layernext.__all__:
        assert getattr(layernext, name) is not None
    assert set(layernext.__all__) <= set(dir(layernext))
    tree = ast.parse(Path(layernext.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {
        alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed | {"__version__"} == set(layernext.__all__)
    assert list(layernext.__all__) == sorted(layernext.__all__)


def test_unknown_names() -> None:
    """A name that does not exist is an AttributeError like any other."""
    with pytest.raises(AttributeError, match="no attribute 'LayerNextCleint'"):
        layernext.LayerNextCleint  # noqa: B018
    assert not hasattr(layernext, "__wrapped__")


def test_every_error_is_offered() -> None:
    """What can be raised can be caught by its public name."""
    assert set(layernext.errors.__all__) <= set(layernext.__all__)


def test_import_is_cheap() -> None:
    """Importing the package loads neither the network, nor the terminal, nor numpy, nor the stack."""
    loaded = run("import sys, layernext; print(*sys.modules)").split()
    assert not {name for name in loaded if name.split(".")[0] in HEAVY}
    assert not [name for name in loaded if name.startswith("layernext.")]


def test_client_loads_no_server() -> None:
    """Making a client loads what it needs, and neither numpy, nor typer, nor the stack."""
    code = "import sys, layernext; layernext.LayerNextClient('k', 's', 'https://a.b'); print(*sys.modules)"
    loaded = run(code).split()
    assert not {
        n for n in loaded if n.split(".")[0] in {"numpy", "typer", "litestar", "sqlalchemy"}
    }
    assert not [name for name in loaded if name.startswith("layernext.stack")]


def test_import_loads_next_to_nothing() -> None:
    """What takes time is not loaded before a name is used, nor are modules that only types need."""
    code = "import sys; before = {*sys.modules}; import layernext; print(*{*sys.modules} - before)"
    assert set(run(code).split()) == {"layernext", "__future__"}


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_command_loads_little(option: str) -> None:
    """Neither the SDK nor the libraries that only commands need."""
    code = (
        "import sys, runpy; sys.argv[1:] = [sys.argv[1]]\n"
        "try: runpy.run_module('layernext')\n"
        "except SystemExit: print('MODULES', *sys.modules)"
    )
    output = subprocess.run(
        [sys.executable, "-c", code, option], check=True, capture_output=True, text=True
    ).stdout
    loaded = set(output.partition("MODULES ")[2].split())
    assert "layernext.cli.app" in loaded
    assert not loaded & {"msgspec", "httpx", "numpy", "rich", "layernext.client", "layernext.model"}
