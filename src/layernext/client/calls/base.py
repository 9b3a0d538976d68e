"""What every group of calls works with."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from layernext.client.connection import Connection
from layernext.errors import DataError, Problem
from layernext.model import find_names_problem
from layernext.wire import native

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


def renamed(
    **names: str,
) -> Callable[[Callable[_Arguments, _Answer]], Callable[_Arguments, _Answer]]:
    """Let a method take keyword arguments under names of earlier published clients, too.

    Args:
        names: earlier name to today's name.
    """

    def wrap(method: Callable[_Arguments, _Answer]) -> Callable[_Arguments, _Answer]:
        @functools.wraps(method)
        def call(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Answer:
            for earlier in names.keys() & kwargs.keys():
                name = names[earlier]
                if name in kwargs:
                    raise TypeError(f"{method.__name__}() got both {earlier!r} and {name!r}")
                warnings.warn(f"{earlier} is called {name} now", DeprecationWarning, stacklevel=2)
                kwargs[name] = kwargs.pop(earlier)
            return method(*args, **kwargs)

        call.__dict__["renamed"] = names
        return call

    return wrap


class Calls:
    """A group of the client's calls; `LayerNextClient` is all of them together."""

    _connection: Connection
    _api_key: str

    def _all(self, path: str, kind: Any, what: str, **params: Any) -> list[Any]:
        """All records of a listing, page after page."""
        self._connection.require_native(what)
        records: list[Any] = []
        after: str | None = None
        while True:
            page = self._connection.transport.request_json(
                "GET", path, native.PageOf[kind], params={**params, "after": after}
            )
            records += page.items
            if page.next is None:
                return records
            after = page.next


def check_text(value: object, where: str, what: str) -> str:
    """A name that an argument must be.

    Raises:
        DataError: it is none, with the argument's name.
    """
    problem = find_names_problem(value, what)
    if problem:
        raise DataError(Problem(where, problem))
    return str(value)
