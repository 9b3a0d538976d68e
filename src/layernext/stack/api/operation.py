"""Routes with what they say of themselves: role, parameters, body, answers.

A handler is written as ``@operation("GET", path, Operation(...))``. The router takes it as any
Litestar handler; `openapi` describes it from the same record, so that the two cannot drift.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from litestar.handlers import HTTPRouteHandler
from litestar.types import Method
from msgspec import Struct, field

from layernext.stack.api.access import Scope
from layernext.stack.api.replay import Handler, repeatable, replay
from layernext.stack.store import Role


class Parameter(Struct, frozen=True):
    """A path or header parameter."""

    name: str
    description: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string", "minLength": 1})
    place: Literal["path", "header"] = "path"


class Operation(Struct, frozen=True, kw_only=True):
    """What a route does, takes and answers.

    Attributes:
        summary: one line; the handler's docstring is the description.
        tag: the group it is listed in.
        role: the least role of a key that may use it; None needs no key.
        scope: which collections it is about, for those who have the role only there; None: it is about the
            whole stack.
        path: its variable segments.
        query: a struct of its query fields.
        body: type of its JSON body; ``bytes`` for lines of JSON.
        answer: type of its answer; ``bytes`` for lines of JSON, ``str`` for a page.
        is_binary: ``bytes`` are any bytes, not lines of JSON.
        status: of the answer.
        errors: statuses beside those that every route can have.
        is_recorded: its answer is recorded, so that the request can be repeated; see `replay`.
        action: what the audit log says that a request did: a verb phrase. None if it changes nothing, or is
            a part of something that has an entry of its own.
        is_upload: it counts as one of the uploads that a key may have at a time.
    """

    summary: str
    tag: str
    role: Role | None
    scope: Scope | None = None
    path: tuple[Parameter, ...] = ()
    query: type[Struct] | None = None
    body: Any = None
    answer: Any = None
    is_binary: bool = False
    status: int = 200
    errors: tuple[int, ...] = ()
    is_recorded: bool = False
    action: str | None = None
    is_upload: bool = False


def operation(
    method: Method | list[Method], path: str | list[str], record: Operation
) -> Callable[[Handler], HTTPRouteHandler]:
    """Make a handler a route; see the module."""
    route = HTTPRouteHandler(
        path,
        http_method=method,
        status_code=record.status,
        include_in_schema=False,
        before_request=replay if record.is_recorded else None,
        opt={"role": record.role, "scope": record.scope, "operation": record},
    )

    def decorate(handler: Handler) -> HTTPRouteHandler:
        if record.is_recorded:
            handler = repeatable(handler, has_body=record.body is not None)
        return route(handler)

    return decorate
