"""The calls of `LayerNextClient` as source, for the tools that write its twin and its reference."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CLIENT = Path(__file__).resolve().parents[1] / "src" / "layernext" / "client"
NAME_LISTS = {"PublishedNames": "published_names.py", "EarlierNames": "earlier_names.py"}
"""Classes that only add other names for calls of the groups, and their files."""


@dataclass(frozen=True)
class SourceGroup:
    """A group of calls.

    Attributes:
        attribute: of the client.
        node: the class.
        path: its file.
    """

    attribute: str
    node: ast.ClassDef
    path: Path

    @property
    def methods(self) -> list[ast.FunctionDef]:
        """Its calls; `list`, which stands last in the class, comes first."""
        methods = public_methods(self.node)
        return sorted(methods, key=lambda method: method.name != "list")


def class_in(path: Path, name: str) -> ast.ClassDef:
    """A class of a file."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
    raise LookupError(f"{path} has no class {name}")


def public_methods(node: ast.ClassDef) -> list[ast.FunctionDef]:
    """The methods of a class that users call."""
    return [
        member
        for member in node.body
        if isinstance(member, ast.FunctionDef) and not member.name.startswith("_")
    ]


def core() -> ast.ClassDef:
    """The client's own class."""
    return class_in(CLIENT / "client.py", "LayerNextClient")


def groups() -> list[SourceGroup]:
    """The client's groups, as its constructor sets them."""
    constructor = next(
        node
        for node in core().body
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    )
    groups = []
    for node in constructor.body:
        if not isinstance(node, ast.Assign) or ast.unparse(node.value)[-12:] != "(connection)":
            continue
        target, name = node.targets[0], ast.unparse(node.value)[:-12]
        attribute = target.attr if isinstance(target, ast.Attribute) else ""
        path = CLIENT / "groups" / f"{attribute.strip('_')}.py"
        groups.append(SourceGroup(attribute, class_in(path, name), path))
    return groups


def name_lists() -> list[ast.ClassDef]:
    """The classes with other names for calls of the groups."""
    return [class_in(CLIENT / file, name) for name, file in NAME_LISTS.items()]


def members() -> Iterator[ast.FunctionDef | ast.Assign]:
    """What the client has under its own name: methods, and other names for calls."""
    for node in [core(), *name_lists()]:
        for member in node.body:
            is_method = isinstance(member, ast.FunctionDef) and not member.name.startswith("_")
            if is_method or isinstance(member, ast.Assign):
                yield member


def call_of(member: ast.FunctionDef | ast.Assign) -> tuple[str, str] | None:
    """Class and method of the group's call that a member is another name for; None if it is none."""
    if not isinstance(member, ast.Assign) or not isinstance(member.value, ast.Call):
        return None
    method = member.value.args[-1]
    if not isinstance(method, ast.Attribute):
        return None
    return ast.unparse(method.value), method.attr
