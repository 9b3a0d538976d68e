"""Our client offers what each published client offers, read from the unchanged source of each."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import pytest

import layernext
from layernext import AsyncLayerNextClient, LayerNextClient
from layernext.datalake import constants
from tests.contract.published.packages import PACKAGES, Package
from tests.contract.published.surface import (
    LEFT_OUT,
    OTHER_ARGUMENTS,
    OTHER_ORDER,
    SERVED_ONLY,
    TOLD_APART,
)

EACH = pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
WITH_CONSTANTS = pytest.mark.parametrize(
    "package",
    [each for each in PACKAGES.values() if each.version != "0.0.5"],
    ids=lambda p: p.title,
)


def is_listed(table: dict[tuple[str, str], str], method: str, version: str) -> bool:
    """Whether a table speaks of a method in this version, or in all versions 0.x and 1.x."""
    is_early = version.startswith(("0.", "1."))
    return (method, version) in table or (is_early and (method, "1.x") in table)


@EACH
@pytest.mark.parametrize(
    "client", [LayerNextClient, AsyncLayerNextClient], ids=lambda c: c.__name__
)
def test_every_method_is_there(package: Package, client: type) -> None:
    """A method that is missing is on the list of those left out, with the reason."""
    missing = [name for name in package.methods() if not hasattr(client, name)]
    assert [name for name in missing if name not in {*LEFT_OUT, *SERVED_ONLY}] == []


def test_the_lists_are_true() -> None:
    """What is on the lists is published, and what is left out is really not there."""
    methods = {name: args for each in PACKAGES.values() for name, args in each.methods().items()}
    assert {*LEFT_OUT, *SERVED_ONLY} <= set(methods)
    assert [name for name in (*LEFT_OUT, *SERVED_ONLY) if hasattr(LayerNextClient, name)] == []
    for method, argument in OTHER_ARGUMENTS:
        assert any(
            argument in {arg.arg for arg in each.methods().get(method, ast.arguments()).args}
            for each in PACKAGES.values()
            if method in each.methods()
        )
    for method, _ in [*OTHER_ORDER, *TOLD_APART]:
        assert method in methods


@EACH
def test_every_argument_is_taken(package: Package) -> None:
    """By its published name, and at its published place."""
    wrong = []
    for name, published in package.methods().items():
        if name in {*LEFT_OUT, *SERVED_ONLY}:
            continue
        method: Any = getattr(LayerNextClient, name)
        earlier: dict[str, str] = getattr(method, "renamed", {})
        is_static = isinstance(inspect.getattr_static(LayerNextClient, name), staticmethod)
        parameters = inspect.signature(method).parameters
        positional = [
            each.name for each in parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD
        ][0 if is_static else 1 :]
        for place, argument in enumerate(published.args[1:]):
            ours = earlier.get(argument.arg, argument.arg)
            if (name, argument.arg) in OTHER_ARGUMENTS:
                continue
            if ours not in parameters:
                wrong.append(f"{name}({argument.arg}=…) is not taken")
            is_at_place = place < len(positional) and positional[place] == ours
            is_known = any(
                is_listed(table, name, package.version) for table in (OTHER_ORDER, TOLD_APART)
            )
            if not is_at_place and not is_known:
                wrong.append(f"{name}: argument {place + 1} is not {argument.arg}")
    assert wrong == []


@EACH
def test_nothing_more_is_required(package: Package) -> None:
    """A call with only what the published method requires binds to ours."""
    for name, published in package.methods().items():
        if name in {*LEFT_OUT, *SERVED_ONLY}:
            continue
        required = len(published.args) - 1 - len(published.defaults)
        signature = inspect.signature(getattr(LayerNextClient, name))
        is_static = isinstance(inspect.getattr_static(LayerNextClient, name), staticmethod)
        signature.bind(*([None] * (required if is_static else required + 1)))


@WITH_CONSTANTS
def test_constants_are_where_scripts_import_them(package: Package) -> None:
    """Each enumeration has the published members, equal to their values, at both import paths."""
    tree = ast.parse((package.folder() / "__init__.py").read_text(encoding="utf-8"))
    at_top = {
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("datalake.constants")
        for alias in node.names
    }
    assert at_top
    for name in at_top:
        assert getattr(layernext, name) is getattr(constants, name)
    for name, members in package.constants().items():
        ours = getattr(constants, name)
        for member, value in members.items():
            if member == "TEXT_SCORE":  # layernext-beta: a sort of its document search
                continue
            assert ours[member].value == ours[member] == value
