"""Routes: what a handler says of itself in its record and in its signature.

A handler is written as ``@operation("GET", path, Operation(...))`` over a function whose parameters are
what it works with and whose return type is its answer; see `signature`. A plain function runs in a
thread. If its record has an action, all of it is one transaction, with the entry of the audit log and,
if the answer is recorded, with that. `openapi` describes routes from the same two, so that they cannot
drift apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from typing import Any, Literal

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.types import Method
from msgspec import Struct, field

from layernext.stack.api.access import Scope
from layernext.stack.api.audit import changing
from layernext.stack.api.error_map import JSON
from layernext.stack.api.messages import Call
from layernext.stack.api.replay import change_once, repeatable, replay
from layernext.stack.api.services import services_of
from layernext.stack.api.signature import (
    Change,
    Handle,
    Parameter,
    Signature,
    adapt,
    read_signature,
)
from layernext.stack.api.signed import SignedQuery
from layernext.stack.store import Role


class Operation(Struct, frozen=True, kw_only=True):
    """What a route does, as far as its handler's signature does not say it.

    Attributes:
        summary: one line; the handler's docstring is the description.
        tag: the group it is listed in.
        role: the least role of a key that may use it; None needs no key.
        scope: which collections it is about, for those who have the role only there; None: it is about the
            whole stack.
        signed: a template of its path, with the segments' names: the URL must be signed for that; None
            if it need not be. See `signed`.
        path: parameters that the signature does not have: headers that a part of the stack reads for it.
        status: of the answer.
        errors: statuses beside those that every route can have.
        is_recorded: its answer is recorded, so that the request can be repeated; see `replay`.
        action: what the audit log says that a request did: a verb phrase. None if it changes nothing, or is
            a part of something that has an entry of its own.
        is_upload: it counts as one of the uploads that a key may have at a time.
        threads: in which a plain function runs: those for short calls of the database, for work that
            takes long, or for files.
        wakes_jobs: it may have queued a job.
        is_transaction: a plain function with an action is one transaction; False for one that makes several, or
            remembers what it has committed: it passes its work through `Audit.recorded`.
        refusal: for an answer with a secret; see `change_once`.
        answer_headers: headers of every answer that is not an error.
    """

    summary: str
    tag: str
    role: Role | None
    scope: Scope | None = None
    signed: str | None = None
    path: tuple[Parameter, ...] = ()
    status: int = 200
    errors: tuple[int, ...] = ()
    is_recorded: bool = False
    action: str | None = None
    is_upload: bool = False
    threads: Literal["call", "ingest", "write"] = "call"
    wakes_jobs: bool = False
    is_transaction: bool = True
    refusal: Callable[[bytes], str] | None = None
    answer_headers: Mapping[str, str] = field(default_factory=dict)


class DescribedOperation(Operation, frozen=True, kw_only=True):
    """An operation with what the signature of its handler says; see `Signature`."""

    query: type[Struct] | None
    body: Any
    answer: Any
    is_binary: bool


def operation(
    method: Method | list[Method], path: str | list[str], record: Operation
) -> Callable[[Callable[..., Any]], HTTPRouteHandler]:
    """Make a handler a route; see the module."""

    def decorate(handler: Callable[..., Any]) -> HTTPRouteHandler:
        signature = read_signature(handler, path)
        described = _described(record, signature)
        handle = _handle(handler, signature, record)
        if record.is_recorded:
            handle = repeatable(handle, has_body=described.body is not None)
        adapt(handle, handler)
        route = HTTPRouteHandler(
            path,
            http_method=method,
            status_code=record.status,
            include_in_schema=False,
            before_request=replay if record.is_recorded else None,
            opt={"role": record.role, "scope": record.scope, "operation": described},
        )
        return route(handle)

    return decorate


def _described(record: Operation, signature: Signature) -> DescribedOperation:
    fields = {name: getattr(record, name) for name in Operation.__struct_fields__}
    fields["path"] = signature.parameters + record.path
    return DescribedOperation(
        **fields,
        query=SignedQuery if record.signed is not None else signature.query,
        body=signature.body,
        answer=signature.answer,
        is_binary=signature.is_binary,
    )


def _handle(handler: Callable[..., Any], signature: Signature, record: Operation) -> Handle:
    is_coroutine = iscoroutinefunction(handler)
    is_transaction = (
        record.action is not None and record.is_transaction and not signature.takes(Change)
    )
    threads = record.threads

    def respond(content: Any) -> Response[Any]:
        if isinstance(content, Response):
            return content
        body = msgspec.json.encode(content)
        return Response(body, status_code=record.status, media_type=JSON)

    def run(request: Call, arguments: Mapping[str, Any]) -> Response[Any]:
        if not is_transaction:
            return respond(handler(**arguments))
        if record.is_recorded:
            return change_once(request, lambda: respond(handler(**arguments)), record.refusal)
        return changing(request, lambda: respond(handler(**arguments)))()

    async def handle(request: Call) -> Response[Any]:
        arguments = await signature.arguments(request)
        if is_coroutine:
            response = respond(await handler(**arguments))
        else:
            services = services_of(request)
            response = await getattr(services, threads)(run, request, arguments)
        if record.wakes_jobs:
            services_of(request).jobs.wake()
        response.headers.update(record.answer_headers)
        return response

    return handle


__all__ = ["DescribedOperation", "Operation", "Parameter", "operation"]
