"""References of labels, attributes and values (E02)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from layernext.wire.published.paths import CLIENT

USER_NAME = "Python SDK"

LABEL_REFERENCES_PATH = f"{CLIENT}/system/label/references"  # E02, POST


class AttributeReference(Struct, frozen=True):
    """References of an attribute, and of its values by their text."""

    ref: str
    texts: dict[str, str]


class LabelReference(Struct, frozen=True):
    """References of a label, and of its attributes by name."""

    ref: str
    color: str
    texts: dict[str, AttributeReference]


class ReferencesRequest(Struct, frozen=True):
    """E02: label to attribute to values."""

    labels: dict[str, dict[str, list[Any]]] = field(default_factory=dict)


class SentReferencesRequest(ReferencesRequest, frozen=True, rename="camel", kw_only=True):
    """E02 as clients send it."""

    user_name: str
