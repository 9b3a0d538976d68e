"""Values of attributes as text."""

from __future__ import annotations

from typing import Any

import msgspec


def value_text(value: Any) -> str:
    """The JSON text by which an attribute value is known: compact, keys sorted."""
    return msgspec.json.encode(value, order="sorted").decode()
