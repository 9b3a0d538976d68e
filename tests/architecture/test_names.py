"""Names are nouns and verbs: what a binding holds, not that it was found, chosen or given."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.source import SOURCE

WORDS = frozenset(
    [
        "found",
        "chosen",
        "mine",
        "own",
        "one",
        "each",
        "some",
        "made",
        "wanted",
        "given",
        "there",
        "here",
        "kept",
        "known",
        "shown",
        "told",
        "looked",
        "place",
        "places",
        "theirs",
        "usual",
        "gone",
        "asked",
        "into",
    ]
)
ROOMS = (
    "client",
    "evaluation",
    "formats",
    "model",
    "stack/api",
    "stack/search",
    "stack/store",
    "stack/web",
    "wire",
)
"""Rooms that are held to it; the others follow."""
PUBLIC_FIELDS = {
    ("layernext/client/files/reports.py", "kept"),
    ("layernext/client/reports.py", "kept"),
    ("layernext/wire/native/items.py", "kept"),
}
"""Fields of reports and messages that scripts and clients read; their names stay."""


@pytest.mark.parametrize("room", ROOMS)
def test_bindings_are_named_by_nouns(room: str) -> None:
    """No variable and no argument is a pronoun or a participle."""
    wrong = []
    for path in sorted((SOURCE / "layernext" / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            name = None
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                name = node.id
            elif isinstance(node, ast.arg):
                name = node.arg
            file = path.relative_to(SOURCE).as_posix()
            if name in WORDS and (file, name) not in PUBLIC_FIELDS:
                wrong.append(f"{file}:{node.lineno}: {name}")  # type: ignore[attr-defined]
    assert wrong == []
