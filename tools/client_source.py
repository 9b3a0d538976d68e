"""The calls of `LayerNextClient` as source, for the tools that write its twin and its reference."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

CLIENT = Path(__file__).resolve().parents[1] / "src" / "layernext" / "client"


def groups() -> list[ast.ClassDef]:
    """The classes that the client's calls stand in: its bases in order, then itself."""
    found = {
        node.name: node
        for path in [*sorted((CLIENT / "calls").glob("*.py")), CLIENT / "client.py"]
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    }

    def with_bases(node: ast.ClassDef) -> list[ast.ClassDef]:
        bases = [found[ast.unparse(base)] for base in node.bases if ast.unparse(base) in found]
        return [*(each for base in bases for each in with_bases(base)), node]

    return list(dict.fromkeys(with_bases(found["LayerNextClient"])))


def members() -> Iterator[ast.FunctionDef | ast.Assign]:
    """Public methods and their other names, group by group."""
    for group in groups():
        for node in group.body:
            is_method = isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
            if is_method or isinstance(node, ast.Assign):
                yield node
