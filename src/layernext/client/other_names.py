"""Methods and arguments under other names."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


class CallOf(Generic[_Arguments, _Answer]):
    """A method of the client that is a call of one of its groups, under another name.

    Args:
        group: the client's attribute.
        method: of the group's class.
    """

    def __init__(self, group: str, method: Callable[Concatenate[Any, _Arguments], _Answer]) -> None:
        self.group = group
        self.method = method
        self._function = method

    def __set_name__(self, owner: type, name: str) -> None:
        group, method = self.group, self.method

        @functools.wraps(method)
        def call(client: Any, /, *args: Any, **kwargs: Any) -> Any:
            return getattr(getattr(client, group), method.__name__)(*args, **kwargs)

        call.__name__ = name
        call.__qualname__ = f"{owner.__qualname__}.{name}"
        call.__module__ = owner.__module__
        self._function = call

    @overload
    def __get__(
        self, client: None, owner: type
    ) -> Callable[Concatenate[Any, _Arguments], _Answer]: ...

    @overload
    def __get__(self, client: object, owner: type) -> Callable[_Arguments, _Answer]: ...

    def __get__(self, client: object, owner: type) -> Any:
        return self._function if client is None else self._function.__get__(client, owner)


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
