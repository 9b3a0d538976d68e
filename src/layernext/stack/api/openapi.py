"""The stack's description of itself: OpenAPI 3.1, made of the records and signatures of routes (`operation`)."""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, TypeAlias

import msgspec
from litestar import Response
from litestar.datastructures import Headers
from litestar.handlers import HTTPRouteHandler
from litestar.routes import BaseRoute, HTTPRoute
from msgspec import Struct

from layernext import __version__
from layernext.stack.api.docs_page import render_body, render_page
from layernext.stack.api.documents import Document, make_document
from layernext.stack.api.error_map import JSON
from layernext.stack.api.messages import Call
from layernext.stack.api.operation import DescribedOperation, Operation, Parameter, operation
from layernext.stack.api.replay import CALL_ID_HEADER
from layernext.stack.api.signature import FromRequest, Html, Shape
from layernext.wire.native import NDJSON
from layernext.wire.published import ErrorEnvelope

BINARY = "application/octet-stream"
OPENAPI_PATH = "/api/openapi.json"
DOCS_PATH = "/api/docs"

ShowDocs: TypeAlias = Callable[[str], Response[bytes]]
"""Puts the page's text into the frame of the other pages."""

_CALL_ID = Parameter(
    CALL_ID_HEADER,
    "A random id of the call, the same in each attempt at it. If the first answer got lost, the work "
    "is not done again and the answer is repeated, with `Idempotency-Replayed: true`. Kept for a day.",
    {"type": "string", "minLength": 1, "maxLength": 200},
    "header",
)
_REF = "#/components/schemas/{name}"
_PARAMETER_TYPE = re.compile(r"\{(\w+):\w+\}")
_ATTRIBUTE = re.compile(r"^ {4}((?:\w+, )*\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)

INTRODUCTION = """\
A LayerNext stack keeps what vision models predicted, and what humans annotated, image by image.

Every request but those under *Health* needs an API key and its secret as Basic authentication.
Each answer has an `X-Request-Id` that the stack's log knows; each error has the same shape. The
routes tagged *Published protocol* are those of the published clients (the number before a title is
the endpoint's in docs/protocol.md); the others are the native protocol.
"""

LINES_IN = """\
Lines of JSON, one image a line, as in a LayerNext JSON file:
`{"image": "a.jpg", "annotations": [{"label": "car", "bbox": [1, 2, 3, 4], "confidence": 0.9}]}`.
The upload's `geometry` says which shape annotations without a `type` have.
"""
BYTES = "application/octet-stream"
BYTES_OUT = "The bytes of files; the description says in what order."

LINES_OUT = """\
Lines of JSON. Each has `cursor`, `run`, `mode`, `geometry`, `normalized` and `set`, an image with
its annotations as they were uploaded. The last line has `end`, the number of sets, alone.
"""


def describe(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The OpenAPI document of an application's routes."""
    operations = sorted(_operations(routes), key=lambda entry: (entry[0], entry[1]))
    types = [ErrorEnvelope]
    for _, _, _, record in operations:
        types += [kind for kind in (record.body, record.answer) if kind not in (None, bytes, str)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    schema_of = {_key(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for path, method, handler, record in operations:
        described = _described(method, handler, record, schema_of)
        paths.setdefault(path, {})[method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "LayerNext stack", "version": __version__, "description": INTRODUCTION},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "basic"}},
        },
    }


def _operations(
    routes: Iterable[BaseRoute],
) -> Iterator[tuple[str, str, HTTPRouteHandler, DescribedOperation]]:
    for route in routes:
        if not isinstance(route, HTTPRoute):
            continue
        for handler in route.route_handlers:
            record = handler.opt.get("operation")
            if record is not None:
                for method in handler.http_methods:
                    path = _PARAMETER_TYPE.sub(r"{\1}", route.path_format)
                    yield path, str(method), handler, record


def _described(
    method: str, handler: HTTPRouteHandler, record: DescribedOperation, schema_of: dict[str, Any]
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": record.summary,
        "description": inspect.getdoc(handler.fn) or "",
        "tags": [record.tag],
        "operationId": f"{handler.fn.__module__.rsplit('.', 1)[1]}_{handler.fn.__name__}"
        + ("_head" if method == "HEAD" else ""),
        "responses": _responses(method, record, schema_of),
    }
    parameters = [*map(_parameter, record.path), *_query_parameters(record.query)]
    if record.is_recorded:
        parameters.append(_parameter(_CALL_ID))
    if parameters:
        described["parameters"] = parameters
    if record.body is bytes and record.is_binary:
        media = {"schema": {"type": "string", "contentMediaType": BINARY}}
        described["requestBody"] = {"required": True, "content": {BINARY: media}}
    elif record.body is bytes:
        lines = {"schema": {"type": "string", "contentMediaType": NDJSON}}
        described["requestBody"] = {
            "required": True, "description": LINES_IN, "content": {NDJSON: lines},
        }  # fmt: skip
    elif record.body is not None:
        media = {"schema": schema_of[_key(record.body)]}
        described["requestBody"] = {"required": True, "content": {JSON: media}}
    if record.role is not None:
        described["security"] = [{"key": []}]
        described["description"] += f"\n\nNeeds a key with the role *{record.role}*."
    return described


def _responses(
    method: str, record: DescribedOperation, schema_of: dict[str, Any]
) -> dict[str, Any]:
    request_id = {"X-Request-Id": {"schema": {"type": "string"}}}
    done: dict[str, Any] = {"description": "Done.", "headers": request_id}
    if method == "HEAD":
        pass
    elif record.answer is bytes and record.is_binary:
        schema = {"type": "string", "contentMediaType": BINARY}
        done |= {"description": "The bytes.", "content": {"*/*": {"schema": schema}}}
    elif record.answer is bytes:
        schema = {"type": "string", "contentMediaType": NDJSON}
        done |= {"description": LINES_OUT, "content": {NDJSON: {"schema": schema}}}
    elif record.answer is str:
        done["content"] = {"text/html": {"schema": {"type": "string"}}}
    elif record.answer is not None:
        done["content"] = {JSON: {"schema": schema_of[_key(record.answer)]}}
    responses = {str(record.status): done}
    common = () if record.role is None else (400, 401, 403)
    failed = {JSON: {"schema": schema_of[_key(ErrorEnvelope)]}}
    repeated = (409, 422) if record.is_recorded else ()
    for status in sorted({*common, *repeated, *record.errors}):
        refused: dict[str, Any] = {"description": HTTPStatus(status).phrase, "headers": request_id}
        if method != "HEAD":
            refused["content"] = failed
        responses[str(status)] = refused
    return responses


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.source,
        "required": parameter.source == "path",
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _query_parameters(query: type[Struct] | None) -> Iterator[dict[str, Any]]:
    if query is None:
        return
    _, components = msgspec.json.schema_components([query], ref_template=_REF)
    schema = components[query.__name__]
    texts = _attribute_texts(query)
    for field in msgspec.structs.fields(query):
        of_field = dict(schema["properties"][field.encode_name])
        if "anyOf" in of_field:
            # A query string has no null: the field is left out.
            options = [option for option in of_field["anyOf"] if option != {"type": "null"}]
            of_field = options[0] if len(options) == 1 else {"anyOf": options}
        if of_field.get("default", ...) is None:
            del of_field["default"]
        yield {
            "name": field.encode_name,
            "in": "query",
            "required": field.required,
            "description": texts.get(field.name, ""),
            "schema": of_field,
        }


def _attribute_texts(kind: type[Struct]) -> dict[str, str]:
    """What the docstrings of a struct and its bases say of each attribute."""
    texts: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        for names, text in _ATTRIBUTE.findall(inspect.cleandoc(base.__doc__ or "")):
            plain = " ".join(text.split())
            texts |= dict.fromkeys(names.split(", "), plain[0].upper() + plain[1:])
    return texts


def _key(kind: Any) -> str:
    return repr(kind)


class Texts(Struct, frozen=True):
    """What a stack says of itself.

    Attributes:
        document: for programs.
        body: for people, as HTML, without the frame of a page.
        page: for people, where there are no other pages.
    """

    document: Document
    body: str
    page: Document


class Description:
    """The description of an application's routes, made when somebody first asks for it.

    Args:
        routes: of the application.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes = routes
        self._lock = threading.Lock()
        self._texts: Texts | None = None

    def texts(self) -> Texts:
        """The description. The first time it takes a quarter of a second: call it in a thread."""
        with self._lock:
            if self._texts is None:
                self._texts = _make_texts(self._routes)
            return self._texts


def _make_texts(routes: Iterable[BaseRoute]) -> Texts:
    described = describe(routes)
    body = render_body(described, OPENAPI_PATH)
    return Texts(
        document=make_document(msgspec.json.encode(described), JSON),
        body=body,
        page=make_document(render_page(described, body).encode(), "text/html"),
    )


def _show_docs_of(request: Call) -> ShowDocs | None:
    show: Callable[[Call, str], Response[bytes]] | None = request.app.state["show_docs"]
    return None if show is None else partial(show, request)


AppDescription: TypeAlias = Annotated[
    Description, FromRequest(lambda request: request.app.state["description"])
]


@operation(
    "GET",
    OPENAPI_PATH,
    Operation(summary="This description, for programs", tag="Documentation", role=None),
)
def document(
    description: AppDescription, headers: Headers
) -> Annotated[Response[Any], Shape(dict)]:
    """The OpenAPI document of this stack."""
    return description.texts().document.answer(headers, {"Cache-Control": "no-cache"})


@operation(
    "GET",
    DOCS_PATH,
    Operation(summary="This description, to read", tag="Documentation", role=None),
)
def page(
    description: AppDescription,
    headers: Headers,
    show: Annotated[ShowDocs | None, FromRequest(_show_docs_of)],
) -> Html:
    """A page that needs no network and no script."""
    if show is not None:
        return show(description.texts().body)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    fields = {"Cache-Control": "no-cache", "Content-Security-Policy": policy}
    return description.texts().page.answer(headers, fields)


ROUTES = [document, page]
