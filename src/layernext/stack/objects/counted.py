"""A store of objects that counts its errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from layernext.errors import StackUnavailable, StorageFull
from layernext.stack.objects.face import ObjectStore

FAILURES = (StackUnavailable, StorageFull, OSError)
"""What is not the caller's mistake."""


def count_errors(objects: ObjectStore, note: Callable[[str], None]) -> ObjectStore:
    """The same store; `note` gets the name of each operation that failed."""
    return cast("ObjectStore", _Counted(objects, note))


class _Counted:
    def __init__(self, inner: Any, note: Callable[[str], None]) -> None:
        self._inner, self._note = inner, note

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._inner, name)
        if not callable(operation):
            return operation

        def call(*arguments: Any, **named: Any) -> Any:
            try:
                result = operation(*arguments, **named)
            except FAILURES:
                self._note(name)
                raise
            if isinstance(result, Iterator):
                return self._pieces(name, result)
            return _Counted(result, self._note) if name == "write_part" else result

        return call

    def _pieces(self, name: str, pieces: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from pieces
        except FAILURES:
            self._note(name)
            raise
