"""Exported names, and what importing costs."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
import types

import pytest

from tests.architecture.source import modules, path_of

MOST_IMPORT_MS = 150

FACES = [name for name in modules() if path_of(name).name == "__init__.py"]


def run(program: str) -> str:
    """What a program prints, run by a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_layernext_exports_what_it_lists():
    """`__all__`, the names that load and the names that `dir` shows are the same."""
    import layernext

    assert sorted(layernext.__all__) == layernext.__all__
    assert len(set(layernext.__all__)) == len(layernext.__all__)
    assert dir(layernext) == layernext.__all__
    for name in layernext.__all__:
        assert getattr(layernext, name) is not None
    with pytest.raises(AttributeError, match="nothing_like_this"):
        _ = layernext.nothing_like_this


def test_type_checkers_see_the_same_names():
    """What the type checker is told is what `__all__` lists."""
    import layernext

    tree = ast.parse(path_of("layernext").read_text(encoding="utf-8"))
    block = next(
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    told = [alias.name for node in block.body for alias in node.names]
    assert sorted([*told, "__version__"]) == layernext.__all__


def test_errors_are_all_exported():
    """Every exception that a user can catch has a name in `layernext`."""
    import layernext
    from layernext import errors

    assert set(errors.__all__) <= set(layernext.__all__)
    defined = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and value.__module__ == "layernext.errors"
    }
    assert defined == set(errors.__all__)


@pytest.mark.parametrize("face", [face for face in FACES if face != "layernext"])
def test_rooms_export_what_they_list(face):
    """A room's `__init__` lists exactly what it imports for others."""
    module = importlib.import_module(face)
    for name in getattr(module, "__all__", ()):
        assert hasattr(module, name)  # some are imported when they are first used
    public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType)
        and name != "annotations"
    }
    assert public == set(getattr(module, "__all__", ()))


def test_every_module_can_be_imported():
    """None fails; in which order does not matter, as there is no circle (`test_import_directions`)."""
    program = """
import importlib, sys, traceback
for name in sys.argv[1].split():
    try:
        importlib.import_module(name)
    except Exception:
        print(name, traceback.format_exc())
"""
    names = sorted(name for name in modules() if not name.endswith("__main__"))
    done = subprocess.run(
        [sys.executable, "-c", program, " ".join(names)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_importing_layernext_loads_nothing_heavy():
    """`import layernext` loads no numpy, no HTTP client and no server."""
    heavy = [
        "numpy",
        "httpx",
        "rich",
        "typer",
        "litestar",
        "sqlalchemy",
        "uvicorn",
        "alembic",
        "av",
        "PIL",
        "psycopg",
    ]
    loaded = set(run("import layernext, sys; print(' '.join(sys.modules))").split())
    assert loaded.isdisjoint(heavy)
    assert not any(name.startswith("layernext.stack") for name in loaded)


def test_the_client_loads_no_server():
    """The SDK in use loads no part of the stack, and no numpy."""
    program = "import layernext, sys; layernext.LayerNextClient; print(' '.join(sys.modules))"
    loaded = set(run(program).split())
    assert loaded.isdisjoint(["numpy", "litestar", "sqlalchemy", "uvicorn", "alembic", "typer"])
    assert not any(name.startswith("layernext.stack") for name in loaded)
