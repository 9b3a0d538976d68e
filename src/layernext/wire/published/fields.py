"""Fields of messages under their names on the wire, where a whole message would say too much.

Stacks of others leave fields of an answer out or send them in another type, and give a field that is null another
meaning than one that is absent. So the client sends exactly the fields that it names, and reads answers unchecked.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct


@cache
def _wire_names(kind: type[Struct]) -> Mapping[str, str]:
    return {field.name: field.encode_name for field in msgspec.structs.fields(kind)}


def wire_fields(kind: type[Struct], /, **fields: Any) -> dict[str, Any]:
    """Some fields of a message, as they are sent; all others are absent.

    Args:
        kind: the message.
        fields: by attribute.

    Raises:
        KeyError: the message has no such field.
    """
    names = _wire_names(kind)
    return {names[name]: value for name, value in fields.items()}


class Received:
    """An answer, or an object in one, whose fields are read by the attributes of its message.

    What is absent is None, and nothing is checked. An answer that is no object has no fields.
    """

    __slots__ = ("_fields", "_names")

    def __init__(self, kind: type[Struct], answer: object) -> None:
        self._names = _wire_names(kind)
        self._fields: Mapping[str, Any] = answer if isinstance(answer, Mapping) else {}

    def __getattr__(self, name: str) -> Any:
        try:
            return self._fields.get(self._names[name])
        except KeyError:
            raise AttributeError(f"the message has no field {name!r}") from None

    def has(self, name: str) -> bool:
        """Whether a field is there, even as null."""
        return self._names[name] in self._fields
