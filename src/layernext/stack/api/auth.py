"""Who asks, and what they may do: Basic authentication or a session, and a role for each route."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from layernext.errors import NotAuthenticated
from layernext.stack.api.access import IS_KNOWN, limit_access
from layernext.stack.api.admission import Attempts, admit, admit_holder
from layernext.stack.api.browser import check_api_request, session_token
from layernext.stack.api.operation import Operation
from layernext.stack.api.services import services_of
from layernext.stack.api.signed import check_signature
from layernext.stack.store import RANKS, Caller, Role


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a request pass whose key is known and whose role suffices for the route.

    A session's cookie stands for the key that it was signed in with, if the request comes from a page
    of ours; credentials in the header go before it. Where the URL has to be signed, its signature stands for
    the key that asked for it.

    Raises:
        InvalidRequest: the URL has to be signed, but is not.
        NotAuthenticated: no credentials, or wrong ones.
        NotAllowed: neither the key's role nor what is granted to its user suffices, another site's
            page used the cookie, or the URL's signature is wrong.
        NotFound: the path names something that the user may not read.
        RateLimited: after too many wrong secrets, or the key is over one of its limits.
    """
    # A route that names no role is not open by mistake: it asks for the smallest one.
    least: Role | None = handler.opt.get("role", "read")
    record: Operation | None = handler.opt.get("operation")
    if record is not None and record.signed is not None:
        await admit_holder(connection, check_signature(connection, record.signed))
    if least is None:
        return
    key = await _signed_in(connection, handler) or await _authenticated(connection)
    connection.scope["auth"] = key
    connection.scope["state"][IS_KNOWN] = True
    await admit(connection, key)
    if RANKS[key.role] < RANKS[least]:
        await limit_access(connection, handler.opt.get("scope"), key, least)


async def _signed_in(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> Caller | None:
    token = session_token(connection)
    if token is None or "authorization" in connection.headers:
        return None
    services = services_of(connection)
    key = await services.call(services.store.sessions.find, token)
    # A page is only shown, and links from everywhere may lead to it.
    if key is not None and not handler.opt.get("is_page"):
        check_api_request(connection, changes=handler.opt.get("role", "read") != "read")
    return key


async def _authenticated(connection: ASGIConnection[Any, Any, Any, Any]) -> Caller:
    api_key, secret = _credentials(connection.headers.get("authorization"))
    services, attempts = services_of(connection), Attempts(connection)
    attempts.check(api_key, secret)
    key = await services.call(services.store.keys.authenticate, api_key, secret)
    if key is None:
        await attempts.note_failure(api_key, "authenticate")
        raise NotAuthenticated("unknown API key or wrong secret", status=401)
    attempts.note_success(api_key, secret)
    return key


def _credentials(header: str | None) -> tuple[str, str]:
    if header is None:
        raise NotAuthenticated("credentials are missing: send API key and secret", status=401)
    scheme, _, encoded = header.partition(" ")
    text = ""
    if scheme.lower() == "basic":
        with suppress(ValueError):  # no ASCII, no Base64, or no UTF-8 in it
            text = base64.b64decode(encoded.strip(), validate=True).decode()
    api_key, colon, secret = text.partition(":")
    if not colon or "\x00" in text:
        raise NotAuthenticated(
            "the Authorization header is not Basic authentication with key and secret", status=401
        )
    return api_key, secret
