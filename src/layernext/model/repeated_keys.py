"""Objects of JSON text that have the same key twice, which every decoder reads as the last value.

Decoders do not report them, and scanning the text in Python is slow. But each key costs one colon, and all other
colons are inside strings. So if a text has as many colons as its decoded value has keys and colons in strings, no
key repeats; only other texts are scanned.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import msgspec

from layernext.errors import DataError, Problem

_LIMIT = 100
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]', re.DOTALL)
_ESCAPED_COLON = b"\\u003"


def colons_of(value: Any) -> int:
    """The colons that the JSON of a decoded value has at least: one a key, and those in strings."""
    count = 0
    # Not recursive: the value may be nested as deeply as the decoder permits.
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            count += part.count(":")
        elif isinstance(part, dict):
            count += len(part)
            waiting += part
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return count


def refuse_repeated_keys(raw: bytes, where: str = "", file: str | None = None) -> None:
    """Refuse valid JSON in which an object has the same key twice.

    Args:
        raw: one JSON value.
        where: its path, for the error's text.
        file: the file's name, for the error's text.

    Raises:
        DataError: with every such key and its path, up to a limit.
    """
    if _ESCAPED_COLON not in raw:
        # JSON that only Python's own decoder accepts, such as NaN, is scanned.
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            if raw.count(b":") == colons_of(msgspec.json.decode(raw)):
                return
    problems = find_repeated_keys(raw, where)
    if problems:
        raise DataError(problems, file=file)


class _Level:
    """An object or list that the scan is inside: its keys so far, and the position in it."""

    __slots__ = ("keys", "position")

    def __init__(self, *, is_object: bool) -> None:
        self.keys: set[str] = set()
        self.position: str | int = "" if is_object else 0

    def is_repeated(self, key: str) -> bool:
        """Move to the value of `key`; returns whether the key came before."""
        before = len(self.keys)
        self.keys.add(key)
        self.position = key
        return len(self.keys) == before


def find_repeated_keys(raw: bytes, where: str) -> list[Problem]:
    """Every repeated key of the valid JSON `raw`, up to a limit; slow."""
    problems: list[Problem] = []
    levels: list[_Level] = []
    text = b""
    for token in (match[0] for match in _TOKEN.finditer(raw)):
        if token == b":":
            key = json.loads(text)
            if levels[-1].is_repeated(key) and len(problems) < _LIMIT:
                path = _path(where, levels[:-1])
                problems.append(Problem(path, f"key {json.dumps(key)} appears twice"))
        elif token in {b"{", b"["}:
            levels.append(_Level(is_object=token == b"{"))
        elif token in {b"}", b"]"}:
            levels.pop()
        elif token != b",":
            text = token
        elif isinstance(levels[-1].position, int):
            levels[-1].position += 1
    return problems


def _path(where: str, levels: list[_Level]) -> str:
    path = where
    for level in levels:
        if isinstance(level.position, int):
            path += f"[{level.position}]"
        elif level.position.isidentifier():
            path += f".{level.position}"
        else:
            path += f"[{level.position!r}]"
    return path.removeprefix(".")
