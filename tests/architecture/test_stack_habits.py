"""What the stack never does, held for all of its code."""

from __future__ import annotations

import ast

from tests.architecture.source import modules, path_of


def test_no_iterator_is_taken_to_have_a_next() -> None:
    """`next` has a default: a StopIteration that leaves a coroutine is an error without a reason."""
    bare = [
        f"{module}, line {node.lineno}"
        for module in modules()
        if f"{module}.".startswith("layernext.stack.")
        for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "next" and len(node.args) < 2
    ]
    assert bare == []
