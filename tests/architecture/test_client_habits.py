"""What the library never does, held for all of its code: faults of the published clients by construction."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator

import pytest

import layernext
from tests.architecture.source import modules, path_of

LIBRARY = [
    name for name in modules() if not f"{name}.".startswith(("layernext.cli.", "layernext.stack."))
]
CLIENTS = (layernext.LayerNextClient, layernext.AsyncLayerNextClient)


def calls(module: str) -> Iterator[tuple[int, str]]:
    """The line and the dotted name of everything that a module calls."""
    tree = ast.parse(path_of(module).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def found(names: set[str]) -> list[str]:
    """Calls of the library whose last word is one of these."""
    return [
        f"{module}, line {line}: {name}()"
        for module in LIBRARY
        for line, name in calls(module)
        if name.rpartition(".")[2] in names
    ]


def test_the_library_is_looked_at() -> None:
    """The tests below speak of the client's calls and transport, too."""
    assert {"layernext.client.transport", "layernext.client.groups.files"} <= set(LIBRARY)


def test_nothing_is_printed() -> None:
    """Neither text nor stack traces go to standard output (faults 52, 86)."""
    assert found({"print", "print_exc", "print_exception"}) == []


def test_the_process_is_left_alone() -> None:
    """No call ends the process or changes its working directory (faults 42, 57)."""
    assert found({"chdir", "quit", "exit", "_exit"}) == []


def test_no_archive_is_unpacked() -> None:
    """What a stack sends is never opened as an archive (faults 53, 93, 94); what a user names is, in one place."""
    opened = found({"extractall", "extract", "unpack_archive", "ZipFile"})
    assert {line.partition(",")[0] for line in opened} == {"layernext.formats.core.archive"}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda each: each.__name__)
def test_defaults_cannot_be_changed(client: type) -> None:
    """No public method has a list, a dictionary or a set as its default (faults 81, 97)."""
    instance = client("key", "secret", "https://a.example")
    groups = [value for name, value in vars(instance).items() if not name.startswith("_")]
    methods = [
        method
        for owner in [client, *map(type, groups)]
        for name, method in inspect.getmembers(owner, callable)
        if not name.startswith("_")
    ]
    assert len(groups) > 15
    assert len(methods) > 200
    wrong = [
        f"{method.__name__}({name})"
        for method in methods
        for name, parameter in inspect.signature(method).parameters.items()
        if isinstance(parameter.default, (list, dict, set, bytearray))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("published", "right"),
    [
        ("upload_annoations_for_folder", "upload_annotations_for_folder"),
        ("remove_labels_to_studio_project", "remove_labels_from_studio_project"),
    ],
)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda each: each.__name__)
def test_misspelt_names_have_right_ones(client: type, published: str, right: str) -> None:
    """Both are there, and take the same arguments (fault 100)."""
    old, new = (inspect.signature(getattr(client, name)) for name in (published, right))
    assert old.parameters == new.parameters
