"""U+0000 in the text of a message: PostgreSQL cannot store it, so no stack does, on any database.

JSON values of a type that the stack does not inspect, such as metadata, keep it: they are stored
as JSON, where it is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from layernext.errors import DataError, Problem
from layernext.stack.api.body import Content

ESCAPED = b"\\u0000"
"""The only way in which JSON can have it."""

SENTENCE = "contains the character U+0000, which cannot be stored"


def check_texts(content: Content, message: Any, kind: Any) -> None:
    """Refuse a message that has U+0000 in a text or in a key.

    Args:
        content: the message as it came.
        message: the same, decoded.
        kind: its type.

    Raises:
        DataError: with every place of it.
    """
    if content.find(ESCAPED) < 0:
        return
    problems = [Problem(where, SENTENCE) for where in _places(message, kind, "")]
    if problems:
        raise DataError(problems)


def _places(value: Any, kind: Any, where: str) -> Iterator[str]:
    if isinstance(value, str):
        if kind is not Any and "\x00" in value:
            yield where
    elif isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(value):
            path = f"{where}.{field.encode_name}".lstrip(".")
            yield from _places(getattr(value, field.name), field.type, path)
    elif isinstance(value, list | tuple):
        item = _arguments(kind, type(value), 1)[0]
        for number, inner in enumerate(value):
            yield from _places(inner, item, f"{where}[{number}]")
    elif isinstance(value, Mapping) and kind is not Any:
        _, item = _arguments(kind, dict, 2)
        for key, inner in value.items():
            path = f"{where}[{msgspec.json.encode(key).decode()}]"
            if isinstance(key, str) and "\x00" in key:
                yield path
            yield from _places(inner, item, path)


def _arguments(kind: Any, container: type, count: int) -> tuple[Any, ...]:
    """The types of what a container holds; `Any` where nobody says."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _arguments(get_args(kind)[0], container, count)
    if origin in {Union, UnionType}:
        options = [_arguments(option, container, count) for option in get_args(kind)]
        return next((option for option in options if option != (Any,) * count), (Any,) * count)
    if isinstance(origin, type) and (issubclass(container, origin) or issubclass(origin, Mapping)):
        return get_args(kind)[:count] or (Any,) * count
    return (Any,) * count
