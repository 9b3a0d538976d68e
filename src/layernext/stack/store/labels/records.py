"""Labels and their references, as records."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class ValueRef(Struct, frozen=True):
    """A value of an attribute, and the attribute's and label's names."""

    attribute: str
    value: Any


class LabelRef(Struct, frozen=True, kw_only=True):
    """A label's reference table: attribute name to its ref and its values' refs by text."""

    ref: str
    color: str
    attributes: dict[str, tuple[str, dict[str, str]]]


class LabelGroup(Struct, frozen=True, kw_only=True):
    """A named group of labels."""

    id: str
    name: str
    label_refs: list[str]
