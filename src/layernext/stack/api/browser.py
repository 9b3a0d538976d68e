"""Requests of browsers: the cookie of those who are signed in, and whose page a request comes from.

A browser sends the cookie with whatever any site makes it ask for. Therefore a request counts only if
its own headers, which no site can set, say that a page of ours made it; and if it may change something,
it must also carry `HEADER`, which another site's page cannot send without being allowed to first.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection

from layernext.errors import NotAllowed
from layernext.stack.api.services import services_of

Connection = ASGIConnection[Any, Any, Any, Any]

HEADER = "x-layernext-page"
"""Sent by our pages' modules with every request to the API; its value says nothing."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

NAME_DIGITS = 10


def is_https(connection: Connection) -> bool:
    """Whether the browser reached us, or the proxy in front of us, encrypted."""
    public = services_of(connection).settings.public_url
    if public is not None:
        return public.startswith("https:")
    scheme = connection.headers.get("x-forwarded-proto", connection.scope["scheme"])
    return scheme.partition(",")[0].strip() == "https"


def cookie_name(connection: Connection) -> str:
    """The session cookie's name: each stack has its own, as cookies do not tell ports apart."""
    secret = services_of(connection).url_secret
    digits = hmac.new(secret, b"cookie", hashlib.sha256).hexdigest()[:NAME_DIGITS]
    # A browser takes a __Host- cookie only from an encrypted answer of this very host.
    return f"{'__Host-' if is_https(connection) else ''}layernext-{digits}"


def session_token(connection: Connection) -> str | None:
    """The token that the browser sent, if it is signed in."""
    return connection.cookies.get(cookie_name(connection)) or None


class Browser:
    """The browser that asks, and its cookies.

    Args:
        connection: of the request.
    """

    def __init__(self, connection: Connection) -> None:
        self.cookies = connection.cookies
        self.is_https = is_https(connection)
        self.cookie_name = cookie_name(connection)
        self._connection = connection

    @property
    def session_token(self) -> str | None:
        """See `session_token`."""
        return session_token(self._connection)

    def session_cookie(self, token: str, seconds: int) -> str:
        """The Set-Cookie header that gives the browser its token; with no token, takes it away."""
        flags = "; Secure" if self.is_https else ""
        return (
            f"{self.cookie_name}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{flags}"
        )


def check_own_page(connection: Connection) -> None:
    """Let a request pass that no other site's page can have made.

    Raises:
        NotAllowed: another site's page made it, or nothing says that ours did.
    """
    headers = connection.headers
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if site is not None:
        is_ours = site == "same-origin" or (site == "none" and _is_safe(connection))
    elif origin is not None:
        is_ours = _is_own_origin(connection, origin)
    else:
        # Browsers that say neither, in requests that can only read, are kept off by SameSite.
        is_ours = _is_safe(connection)
    if not is_ours:
        raise NotAllowed("this request comes from a page of another site", status=403)


def check_api_request(connection: Connection, *, changes: bool) -> None:
    """Let a request to the API pass that comes with the cookie.

    Args:
        connection: of the request.
        changes: whether the route may change something, whatever the method: the published protocol
            has GET requests that delete.

    Raises:
        NotAllowed: as `check_own_page`; or it could change something and lacks `HEADER`.
    """
    check_own_page(connection)
    if (changes or not _is_safe(connection)) and HEADER not in connection.headers:
        text = f"a request with a session cookie that changes something needs the header {HEADER}"
        raise NotAllowed(text, status=403)


def shows_no_dialog(connection: Connection) -> bool:
    """Whether a browser's page asks, which has a sign-in page of its own.

    It must not be answered with ``WWW-Authenticate``: the browser would ask for name and password.
    """
    headers = connection.headers
    destination = headers.get("sec-fetch-dest", "document")
    return HEADER in headers or destination != "document" or session_token(connection) is not None


def _is_safe(connection: Connection) -> bool:
    return connection.scope.get("method") in SAFE_METHODS


def _is_own_origin(connection: Connection, origin: str) -> bool:
    public = services_of(connection).settings.public_url
    if public is not None:
        parts = urlsplit(public)
        return origin.lower() == f"{parts.scheme}://{parts.netloc}".lower()
    scheme = "https" if is_https(connection) else "http"
    host = connection.headers.get("host", "")
    return origin.lower() == f"{scheme}://{host}".lower()
