"""The package's modules and what they import, read from the source without running it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"


@dataclass(frozen=True)
class Import:
    """One imported module or name.

    Attributes:
        module: the importing module.
        target: what is imported: a module, or a name in one.
        line: where.
        is_late: inside a function.
        is_for_types: only for the type checker.
    """

    module: str
    target: str
    line: int
    is_late: bool
    is_for_types: bool

    def __str__(self) -> str:
        return f"{self.module}, line {self.line}: {self.target}"


def modules() -> list[str]:
    """Every module of the package by its dotted name; migrations are scripts, not modules."""
    names = []
    for path in sorted((SOURCE / "layernext").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if "migrations" not in parts:
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


@functools.cache
def path_of(module: str) -> Path:
    """The file of a module."""
    folder = SOURCE.joinpath(*module.split("."))
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def imports_of(module: str) -> Iterator[Import]:
    """Every import in a module, wherever it stands."""
    tree = ast.parse(path_of(module).read_text(encoding="utf-8"))
    yield from _imports(module, tree, is_late=False, is_for_types=False)


def _imports(module: str, node: ast.AST, *, is_late: bool, is_for_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(module, alias.name, child.lineno, is_late, is_for_types)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{module}, line {child.lineno}: a relative import"
            for alias in child.names:
                target = f"{child.module}.{alias.name}"
                yield Import(module, target, child.lineno, is_late, is_for_types)
        else:
            late = is_late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            types = is_for_types or (
                isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            )
            yield from _imports(module, child, is_late=late, is_for_types=types)
