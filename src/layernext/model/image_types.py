"""Struct types of images that are built from the kinds of geometry."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable
from typing import Any

from msgspec import Struct, defstruct


def image_type(name: str, annotation: Any, base: type[Struct]) -> Any:
    """An image's type with a list of annotations of one type."""
    fields = [("annotations", list[annotation])]
    return defstruct(name, fields, bases=(base,), kw_only=True, gc=False)


def union(types: Iterable[Any]) -> Any:
    """The union of types."""
    return functools.reduce(operator.or_, types)
