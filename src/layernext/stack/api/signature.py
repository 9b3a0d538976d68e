"""What a handler's parameters and return type say of its route, and how its arguments come about.

A parameter is, in this order:

- a variable segment of the path, by its name: a `str`, decoded; ``Annotated[str, Meta(description=…)]``;
- ``query``, a struct of the query string's fields;
- ``body``, a struct (or another type) of the JSON body, or a `BodyStream` that the handler receives itself;
- a header: ``Annotated[str, Header(…)]``; or what is read in another way: ``Annotated[…, FromRequest(…)]``;
- what the handler works with, by its type: `Store`, `Services`, `Permissions` and the others in `PROVIDED`.

The return type is the answer: what is encoded as JSON, or an `Encoded` of it, or a `Response` that is
`Lines`, `Binary`, `Html` or has a `Shape`. docs/decisions/0028 says why this is not Litestar's own injection.
"""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from litestar import Litestar, Request, Response
from litestar.datastructures import Headers
from msgspec import Meta, Struct

from layernext.errors import TooLarge
from layernext.stack.api.access import Permissions
from layernext.stack.api.audit import Audit, changing
from layernext.stack.api.body import Body, chunks, received
from layernext.stack.api.browser import Browser
from layernext.stack.api.messages import (
    MAX_MESSAGE_BYTES,
    Call,
    Encoded,
    read_message,
    read_path,
    read_query,
)
from layernext.stack.api.replay import change_once
from layernext.stack.api.routing import is_unprefixed
from layernext.stack.api.services import Services, services_of
from layernext.stack.api.signed import Links
from layernext.stack.jobs import JobRunner
from layernext.stack.search import Search
from layernext.stack.settings import Settings
from layernext.stack.store import Caller, Store

Answer = TypeVar("Answer")
Provide: TypeAlias = Callable[[Call], Any]
Handle: TypeAlias = Callable[[Call], Awaitable[Response[Any]]]
"""What Litestar calls."""

WRITE_BYTES = 1 << 20
"""Of a body, handed to a thread at a time."""

_SEGMENT = re.compile(r"\{(\w+)")


class Parameter(Struct, frozen=True):
    """A path or header parameter, as it is described."""

    name: str
    description: str
    schema: dict[str, Any] = msgspec.field(
        default_factory=lambda: {"type": "string", "minLength": 1}
    )
    source: str = "path"


class Header(Struct, frozen=True):
    """Marks a parameter that is a header's value, empty if it is not sent.

    Attributes:
        name: of the header.
        description: of it.
    """

    name: str
    description: str


class Limit(Struct, frozen=True):
    """Marks a body with its own limits.

    Attributes:
        size: in bytes.
        seconds: within which all of it must come.
    """

    size: int
    seconds: float = math.inf


class Shape(Struct, frozen=True):
    """Marks a response, or a body that the handler receives itself, with the type it is described as.

    Attributes:
        kind: as `Signature.answer`.
        is_binary: see `Signature`.
    """

    kind: Any
    is_binary: bool = False


class FromRequest(Struct, frozen=True):
    """Marks a parameter that is read from the request in another way.

    Attributes:
        read: makes the argument.
        query: a struct of the query fields that it reads, if they are to be described.
    """

    read: Callable[[Call], Any]
    query: type[Struct] | None = None


def unquoted(kind: type[Struct]) -> FromRequest:
    """Marks a query in which ``+`` is itself; None if it has none.

    For clients that send names unquoted, so that a plus sign can be a space or itself.
    """

    def read(request: Call) -> Struct | None:
        if b"+" not in request.scope["query_string"]:
            return None
        return read_query(request, kind, plus_is_space=False)

    return FromRequest(read)


RequestId: TypeAlias = Annotated[
    str | None, FromRequest(lambda request: request.scope["state"].get("request_id"))
]
"""The id of the request, which the log and its answer have."""

IsUnprefixed: TypeAlias = Annotated[bool, FromRequest(lambda request: is_unprefixed(request.scope))]
"""Whether layernext-beta asks, which leaves out the prefix of the data lake; see `routing`."""

Lines: TypeAlias = Annotated[Response[Any], Shape(bytes)]
"""A response of lines of JSON."""

Binary: TypeAlias = Annotated[Response[Any], Shape(bytes, is_binary=True)]
"""A response of any bytes."""

Html: TypeAlias = Annotated[Response[Any], Shape(str)]
"""A response that is a page."""


class BodyStream:
    """A body that the handler receives itself.

    Args:
        request: nothing of its body has been read.
    """

    is_binary = False

    def __init__(self, request: Call) -> None:
        self._request = request

    def received(self, limit: int) -> AbstractAsyncContextManager[Body]:
        """The whole body, in bounded memory; see `body.received`."""
        return received(self._request, limit)

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; see `body.chunks`."""
        return chunks(self._request)

    async def gathered(self, limit: int, refusal: TooLarge) -> AsyncIterator[list[bytes]]:
        """The body as it comes, gathered into pieces that are worth a call of a thread.

        Args:
            limit: most bytes.
            refusal: raised if there are more; at once if the client announces more.
        """
        if (self.announced_size or 0) > limit:
            raise refusal
        gathered: list[bytes] = []
        waiting = size = 0
        async for chunk in self.chunks():
            gathered.append(chunk)
            waiting += len(chunk)
            size += len(chunk)
            self.note_size(size)
            if size > limit:
                raise refusal
            if waiting >= WRITE_BYTES:
                yield gathered
                gathered, waiting = [], 0
        if gathered:
            yield gathered

    @property
    def announced_size(self) -> int | None:
        """The length that the client announces, in bytes."""
        text = self._request.headers.get("content-length", "")
        return int(text[:20]) if text.isdecimal() else None

    def note_size(self, size: int) -> None:
        """Note for the access log how many bytes have come."""
        self._request.scope["state"]["received_bytes"] = size


class JsonStream(BodyStream):
    """A body of JSON that the handler decodes in a thread of its choice; a `Shape` describes it."""


class LineStream(BodyStream):
    """A body of lines of JSON."""


class ByteStream(BodyStream):
    """A body of any bytes."""

    is_binary = True


class Change:
    """Carries out the part of a handler that changes something; the rest of it only checks.

    For handlers whose checks take too long to be made in the transaction of the change.

    Args:
        request: of the handler.
    """

    def __init__(self, request: Call) -> None:
        self._request = request

    def __call__(self, work: Callable[[], Answer]) -> Encoded[Answer]:
        """Do `work`, once for all attempts at the call, in one transaction with its audit entry."""
        request = self._request

        def encode() -> Response[Any]:
            return Encoded(msgspec.json.encode(work()))

        if request.route_handler.opt["operation"].is_recorded:
            return change_once(request, encode)  # type: ignore[return-value]
        return changing(request, encode)()  # type: ignore[return-value]


PROVIDED: dict[Any, Provide] = {
    Litestar: lambda request: request.app,
    Headers: lambda request: request.headers,
    Services: services_of,
    Store: lambda request: services_of(request).store,
    Search: lambda request: services_of(request).search,
    Settings: lambda request: services_of(request).settings,
    Caller: lambda request: request.auth,
    Permissions: Permissions,
    Audit: Audit,
    Links: Links,
    Browser: Browser,
    Change: Change,
    JobRunner: lambda request: services_of(request).jobs,
}
"""What a handler may work with, by its type."""


class Signature(Struct, frozen=True, kw_only=True):
    """What a signature says.

    Attributes:
        parameters: path and header parameters.
        query: a struct of the query's fields.
        body: type of the body; ``bytes`` for one that the handler receives itself.
        answer: type of the answer; ``bytes`` for lines, ``str`` for a page, None if it is not said.
        is_binary: the ``bytes`` are any bytes.
        message: type of a body that is read for the handler, and its limits.
        provided: how the other arguments are made.
        kinds: types of the parameters.
    """

    parameters: tuple[Parameter, ...]
    query: type[Struct] | None
    body: Any
    answer: Any
    is_binary: bool
    message: tuple[Any, Limit] | None
    provided: tuple[tuple[str, Provide], ...]
    kinds: frozenset[Any]

    async def arguments(self, request: Call) -> dict[str, Any]:
        """The arguments of the handler for a request.

        Raises:
            InvalidRequest, DataError, TooLarge: path, query or body are wrong.
        """
        arguments = {name: provide(request) for name, provide in self.provided}
        if self.message is not None:
            kind, limit = self.message
            arguments["body"] = await read_message(
                request, kind, limit=limit.size, seconds=limit.seconds
            )
        return arguments

    def takes(self, kind: Any) -> bool:
        """Whether a parameter is of this type."""
        return kind in self.kinds


def read_signature(handler: Callable[..., Any], path: str | list[str]) -> Signature:
    """The signature of a handler.

    Raises:
        TypeError: it has a parameter that nothing can be given for.
    """
    hints = get_type_hints(handler, include_extras=True)
    result = hints.pop("return", None)
    segments = _SEGMENT.findall(path if isinstance(path, str) else path[0])
    parameters: list[Parameter] = []
    provided: list[tuple[str, Provide]] = []
    query = body = message = None
    is_binary = False
    # What a client reads first in an error is what comes first in the request.
    for name in sorted(hints, key=lambda name: (name not in segments, name != "query")):
        kind, *marks = _parts(hints[name])
        if name in segments:
            parameters.append(_described(name, marks))
            provided.append((name, _path_reader(name)))
        elif name == "query":
            query = kind
            provided.append((name, _query_reader(kind)))
        elif name == "body" and isinstance(kind, type) and issubclass(kind, BodyStream):
            body = next((mark.kind for mark in marks if isinstance(mark, Shape)), bytes)
            is_binary = kind.is_binary
            provided.append((name, kind))
        elif name == "body":
            body = kind
            limits = [mark for mark in marks if isinstance(mark, Limit)]
            message = (kind, limits[0] if limits else Limit(MAX_MESSAGE_BYTES))
        elif reader := next((mark for mark in marks if isinstance(mark, FromRequest)), None):
            query = reader.query or query
            provided.append((name, reader.read))
        elif header := next((mark for mark in marks if isinstance(mark, Header)), None):
            parameters.append(
                Parameter(header.name, header.description, {"type": "string"}, "header")
            )
            provided.append((name, _header_reader(header.name)))
        else:
            provided.append((name, _provider(handler, name, kind)))
    parameters.sort(key=lambda parameter: _rank(segments, parameter.name))
    answer, is_binary_answer = _answer_of(result)
    return Signature(
        parameters=tuple(parameters),
        query=query,
        body=body,
        answer=answer,
        is_binary=is_binary or is_binary_answer,
        message=message,
        provided=tuple(provided),
        kinds=frozenset(get_origin(_parts(hint)[0]) or _parts(hint)[0] for hint in hints.values()),
    )


def adapt(handle: Handle, handler: Callable[..., Any]) -> None:
    """Give what Litestar calls the name and the documentation of the handler that it stands for."""
    # Litestar reads from these what it is to call it with.
    handle.__annotations__ = {"request": Request, "return": Response}
    handle.__doc__, handle.__name__ = handler.__doc__, handler.__name__
    handle.__module__, handle.__qualname__ = handler.__module__, handler.__qualname__


def _rank(segments: list[str], name: str) -> int:
    return segments.index(name) if name in segments else len(segments)


def _parts(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) is Annotated else (hint,)


def _described(name: str, marks: list[Any]) -> Parameter:
    metas = [mark for mark in marks if isinstance(mark, Meta)]
    description = next((meta.description for meta in metas if meta.description), "")
    schema = next((meta.extra_json_schema for meta in metas if meta.extra_json_schema), None)
    return Parameter(name, description) if schema is None else Parameter(name, description, schema)


def _path_reader(name: str) -> Provide:
    return lambda request: read_path(request, name)


def _query_reader(kind: type[Struct]) -> Provide:
    return lambda request: read_query(request, kind)


def _header_reader(name: str) -> Provide:
    return lambda request: request.headers.get(name, "")


def _provider(handler: Callable[..., Any], name: str, kind: Any) -> Provide:
    provide = PROVIDED.get(get_origin(kind) or kind)
    if provide is None:
        raise TypeError(f"{handler.__module__}.{handler.__name__}: nothing is known for {name!r}")
    return provide


def _answer_of(result: Any) -> tuple[Any, bool]:
    kind, *marks = _parts(result)
    for mark in marks:
        if isinstance(mark, Shape):
            return mark.kind, mark.is_binary
    origin = get_origin(kind) or kind
    if origin is Encoded:
        return get_args(kind)[0], False
    if isinstance(origin, type) and issubclass(origin, Response):
        return None, False
    return kind, False


__all__ = [
    "Binary",
    "ByteStream",
    "Change",
    "FromRequest",
    "Handle",
    "Header",
    "Html",
    "IsUnprefixed",
    "JsonStream",
    "Limit",
    "LineStream",
    "Lines",
    "Parameter",
    "RequestId",
    "Shape",
    "Signature",
    "adapt",
    "read_signature",
    "unquoted",
]
