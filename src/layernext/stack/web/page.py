"""Pages: a struct says what goes into a template, and a route answers it as HTML.

What is put into a template is escaped. What a page's module needs to begin with goes into `data`, a block
of JSON that the browser does not take for a script.
"""

from __future__ import annotations

import gzip
import inspect
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias, cast
from urllib.parse import quote, urlsplit

import jinja2
import msgspec
from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler
from litestar.handlers.base import BaseRouteHandler
from markupsafe import Markup
from msgspec import Struct
from msgspec.structs import replace

from layernext import __version__
from layernext.model import UserRole
from layernext.stack.api.access import HANDLER, Connection, Scope
from layernext.stack.api.error_map import answer_error
from layernext.stack.api.messages import Call
from layernext.stack.api.services import services_of
from layernext.stack.api.signature import Handle, adapt, read_signature
from layernext.stack.objects import ObjectStore
from layernext.stack.store import RANKS, Caller, Role
from layernext.stack.web.static_files import modules_behind, static_url

MIN_PACKED_BYTES = 1_400
"""Smaller pages fit into one packet as they are."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; worker-src 'self';"
    " img-src 'self' blob: data:{bucket}; media-src 'self' blob:{bucket}; font-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
"""No script, style or request but our own: markup in a name could do nothing even if it became any."""

_TITLES = {403: "Not allowed", 404: "Not found", 503: "Busy"}

HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
    "Vary": "Accept-Encoding, Cookie",
}

SIGN_IN_PATH = "/sign-in"
OIDC_PATH = f"{SIGN_IN_PATH}/oidc"

NAVIGATION: list[tuple[str, str]] = [
    ("/", "Collections"),
    ("/runs", "Runs"),
    ("/labels", "Labels"),
    ("/upload", "Upload"),
    ("/jobs", "Jobs"),
    ("/activity", "Activity"),
    ("/api/docs", "API docs"),
]
"""Path and name of what the header of every page leads to."""

ROLES: dict[str, Role] = {"/upload": "write", "/activity": "admin"}
"""The least role that an entry of `NAVIGATION` is shown to; all others are for everybody."""


class Viewer(Struct, frozen=True, kw_only=True):
    """Who looks at a page.

    Attributes:
        user: their name.
        key_name: of the key that they signed in with; None without one.
        role: in the whole stack.
    """

    user: str
    key_name: str | None
    role: UserRole


class Page(Struct, frozen=True, kw_only=True):
    """What goes into a page's template.

    Attributes:
        title: of the window; the stack's name is put behind it.
        section: the entry of `NAVIGATION` that the page belongs to, by its path.
        viewer: who is signed in, or None.
        data: for the page's module, as JSON.
    """

    template: ClassVar[str]

    title: str
    section: str | None = None
    viewer: Viewer | None = None
    data: Any = None


class ErrorPage(Page, frozen=True, kw_only=True):
    """What went wrong.

    Attributes:
        message: a sentence.
        request_id: under which the log knows more, or None.
    """

    template: ClassVar[str] = "error.html"

    message: str
    request_id: str | None


PageHandler: TypeAlias = Callable[..., Page | Response[Any] | Awaitable[Response[Any]]]


def page(
    path: str,
    *,
    role: Role | None = "read",
    scope: Scope | None = None,
    threads: Literal["call", "ask"] = "call",
) -> Callable[[PageHandler], HTTPRouteHandler]:
    """Make a function the route of a page; without a session it leads to the sign-in page.

    The function's parameters are what it works with, as of any route (`signature`). It runs in a thread, and
    returns the page without its viewer, who is added, or a response that leads elsewhere. A coroutine function
    runs in the event loop, and returns a response.

    Args:
        path: of the page.
        role: the least role of a key that may see it; None lets everybody.
        scope: see `Operation`; that of pages to read, which show what the caller may read, is `HANDLER`.
        threads: in which a plain function runs: those for short calls of the database, or for questions to the
            identity provider.
    """

    def decorate(handler: PageHandler) -> HTTPRouteHandler:
        route = HTTPRouteHandler(
            path,
            http_method=["GET", "HEAD"],
            include_in_schema=False,
            exception_handlers={Exception: answer_page_error},
            opt={"role": role, "scope": HANDLER if role == "read" else scope, "is_page": True},
        )
        return route(_handle(handler, path, threads))

    return decorate


def form(
    path: str, check: Callable[[Connection], None]
) -> Callable[[PageHandler], HTTPRouteHandler]:
    """Make a function the route that a page's module posts to; its parameters are as those of a page.

    Args:
        path: of the route.
        check: refuses requests of other sites' pages, before anything else is looked at.
    """

    def guard(connection: Connection, handler: BaseRouteHandler) -> None:  # noqa: ARG001
        check(connection)

    def decorate(handler: PageHandler) -> HTTPRouteHandler:
        route = HTTPRouteHandler(
            path,
            http_method="POST",
            status_code=HTTPStatus.OK,
            include_in_schema=False,
            guards=[guard],
            opt={"role": None, "is_page": True},
        )
        return route(_handle(handler, path, "call"))

    return decorate


def _handle(handler: PageHandler, path: str, threads: Literal["call", "ask"]) -> Handle:
    signature = read_signature(handler, path)

    def answer(request: Call, arguments: Mapping[str, Any]) -> Response[Any]:
        content = cast("Page | Response[Any]", handler(**arguments))
        if isinstance(content, Response):
            return content
        return answer_page(request, replace(content, viewer=viewer_of(request)))

    async def handle(request: Call) -> Response[Any]:
        arguments = await signature.arguments(request)
        if inspect.iscoroutinefunction(handler):
            response: Response[Any] = await handler(**arguments)
            return response
        services = services_of(request)
        run = services.call if threads == "call" else services.ask
        return await run(answer, request, arguments)

    adapt(handle, handler)
    return handle


def viewer_of(request: Call) -> Viewer | None:
    """Who asks, if the route has let them in."""
    return viewer_from(request.scope.get("auth"))


def viewer_from(caller: Caller | None) -> Viewer | None:
    """Whoever this is, as pages show them."""
    if caller is None:
        return None
    key_name = None if caller.api_key is None else caller.name
    return Viewer(user=caller.user, key_name=key_name, role=caller.role)


def answer_page(request: Call, content: Page, *, status: int = 200) -> Response[bytes]:
    """A page as HTML."""
    text = render(content).encode()
    headers = page_headers(services_of(request).objects)
    if len(text) > MIN_PACKED_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        text = gzip.compress(text, 6)
        headers["Content-Encoding"] = "gzip"
    return Response(text, status_code=status, media_type="text/html", headers=headers)


def page_headers(objects: ObjectStore) -> dict[str, str]:
    """The headers that every page has."""
    return {"Content-Security-Policy": policy(objects), **HEADERS}


def policy(objects: ObjectStore) -> str:
    """What a page may load: our own, and pictures from the bucket that files may be redirected to."""
    url = objects.read_url("files/any", 60, {})
    if url is None:
        return POLICY.format(bucket="")
    parts = urlsplit(url)
    return POLICY.format(bucket=f" {parts.scheme}://{parts.netloc}")


def render(content: Page) -> str:
    """A page's HTML."""
    fields = {name: getattr(content, name) for name in content.__struct_fields__}
    return ENVIRONMENT.get_template(content.template).render(fields)


def answer_page_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The answer for an exception that came out of a page's handler: for people."""
    plain = answer_error(request, error)
    if plain.status_code == HTTPStatus.UNAUTHORIZED:
        return to_sign_in(request)
    fault = msgspec.json.decode(plain.content)["error"]
    message, status = fault["message"], plain.status_code or HTTPStatus.INTERNAL_SERVER_ERROR
    content = ErrorPage(
        title=_TITLES.get(status, "That did not work"),
        viewer=viewer_of(request),
        message=f"{message[:1].upper()}{message[1:]}.",
        request_id=fault["requestId"],
    )
    answer = answer_page(request, content, status=status)
    if "Retry-After" in plain.headers:
        answer.headers["Retry-After"] = plain.headers["Retry-After"]
    return answer


def answer_any_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Likewise, of any route: for people if a browser shows the answer, else for programs."""
    is_shown = request.headers.get("accept", "").startswith("text/html")
    return (answer_page_error if is_shown else answer_error)(request, error)


def to_sign_in(request: Request[Any, Any, Any]) -> Response[Any]:
    """To the sign-in page, and from there back to here."""
    query = request.scope["query_string"].decode("latin-1")
    origin = request.scope["path"] + (f"?{query}" if query else "")
    target = SIGN_IN_PATH if origin == "/" else f"{SIGN_IN_PATH}?next={quote(origin, safe='/')}"
    headers = {"Location": target, "Cache-Control": "no-store"}
    return Response(b"", status_code=HTTPStatus.SEE_OTHER, headers=headers, media_type="text/plain")


def _module(name: str) -> Markup:
    """The tags that load a module, and everything that it imports, at once."""
    tags = [
        Markup('<link rel="modulepreload" href="{}">').format(url) for url in modules_behind(name)
    ]
    return Markup("\n").join(
        [*tags, Markup('<script type="module" src="{}"></script>').format(static_url(name))]
    )


def may_open(role: UserRole, path: str) -> bool:
    """Whether somebody with this role may see an entry of `NAVIGATION`.

    Whoever has none in the whole stack may write where that is granted.
    """
    least = ROLES.get(path)
    return least is None or RANKS[role] >= RANKS[least] or (role, least) == ("none", "write")


def _json_block(data: Any) -> Markup:
    """Data as JSON that can stand between script tags: it has no ``<``."""
    text = msgspec.json.encode(data).decode().replace("<", "\\u003c")
    return Markup(text)  # noqa: S704 - as the docstring says


ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.globals |= {
    "static": static_url,
    "module": _module,
    "navigation": NAVIGATION,
    "may_open": may_open,
    "version": __version__,
}
ENVIRONMENT.filters["json_block"] = _json_block
