"""Signing in with an API key, or by a link that works once; signing out."""

from __future__ import annotations

from functools import partial
from typing import ClassVar
from urllib.parse import quote, urlsplit

import anyio
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from layernext.errors import DataError, InvalidRequest, NotAuthenticated, Problem
from layernext.stack.api.admission import check_attempt, note_failure, note_success
from layernext.stack.api.audit import actor_of, changing, note, note_nothing
from layernext.stack.api.browser import (
    check_api_request,
    check_own_page,
    session_cookie,
    session_token,
)
from layernext.stack.api.messages import Call, answer, read_message
from layernext.stack.api.services import Services, services_of
from layernext.stack.store import SESSION_SECONDS
from layernext.stack.web.page import OIDC_PATH, SIGN_IN_PATH, Page, page

MAX_FORM_BYTES = 4 << 10
FORM_SECONDS = 30


class SignInPage(Page, frozen=True, kw_only=True):
    """Asks for key and secret. `data` says where to go then.

    Attributes:
        provider: host of the identity provider that people may sign in with instead, or None.
        provider_path: where that begins.
    """

    template: ClassVar[str] = "sign_in.html"

    provider: str | None
    provider_path: str


class SignIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Key and secret, or a link's token in their place."""

    api_key: str = ""
    secret: str = ""
    token: str = ""


class SignedIn(Struct, frozen=True):
    """Who is signed in now."""

    key_name: str
    role: str


def safe_target(target: str) -> str:
    """Where to go after signing in: a path of this stack, whatever was asked for."""
    parts = urlsplit(target)
    is_path = target.startswith("/") and not target.startswith("//") and "\\" not in target
    if not is_path or parts.scheme or parts.netloc or not target.isprintable():
        return "/"
    return target


@page(SIGN_IN_PATH, role=None)
def sign_in_page(request: Call) -> SignInPage:
    """The page to sign in on."""
    target = safe_target(request.query_params.get("next", "/"))
    oidc = services_of(request).settings.oidc
    return SignInPage(
        title="Sign in",
        data={"next": target},
        provider=None if oidc is None else oidc.host,
        provider_path=f"{OIDC_PATH}?next={quote(target, safe='')}",
    )


async def sign_in(request: Call) -> Response[bytes]:
    """Takes a key and its secret, or a link's token, and gives the browser its cookie."""
    check_own_page(request)
    form, services = await _read_form(request), services_of(request)
    if not form.token and not (form.api_key and form.secret):
        raise DataError(Problem("the form", "needs an API key and its secret"))
    # A link's token counts as a key that is the same for all.
    api_key = "" if form.token else form.api_key.strip()
    secret = "" if form.token else form.secret.strip()
    check_attempt(request, api_key, secret)
    session = await _made(request, services, form)
    if session is None:
        await note_failure(request, api_key, "sign in")
        text = "the link has been used, or is too old; sign in with a key"
        if not form.token:
            text = "unknown API key or wrong secret"
        raise NotAuthenticated(text, status=401)
    if not form.token:
        note_success(request, api_key, secret)
    token, done = session
    reply = answer(done)
    reply.set_header("Set-Cookie", session_cookie(request, token, SESSION_SECONDS))
    reply.set_header("Cache-Control", "no-store")
    return reply


async def _read_form(request: Call) -> SignIn:
    """What was sent, which anybody may send: it must be small and come soon."""
    try:
        with anyio.fail_after(FORM_SECONDS):
            return await read_message(request, SignIn, limit=MAX_FORM_BYTES)
    except TimeoutError as error:
        text = f"the body did not come within {FORM_SECONDS} seconds"
        raise InvalidRequest(text, status=408) from error


async def _made(request: Call, services: Services, form: SignIn) -> tuple[str, SignedIn] | None:
    """A new session's token and whose it is; None if the key, the secret or the link is wrong."""
    sessions = services.store.sessions
    caller = None
    if not form.token:
        secret = form.secret.strip()
        caller = await services.call(services.store.keys.authenticate, form.api_key.strip(), secret)
        if caller is None:
            return None

    def work() -> tuple[str, SignedIn] | None:
        if caller is not None:
            token, key = sessions.create(caller), caller
        else:
            used = sessions.use_link(form.token)
            if used is None:
                return None
            token, key = used
        note(request, action="sign in", actor=actor_of(key), api_key=key.api_key)
        return token, SignedIn(key.name, key.role)

    return await services.call(changing(request, work))


async def sign_out(request: Call) -> Response[bytes]:
    """Ends the session, here and in the database; without one it does nothing."""
    check_api_request(request, changes=True)
    token, services = session_token(request), services_of(request)
    if token is not None:
        await services.call(changing(request, partial(_sign_out, request, services, token)))
    reply = Response(b"{}", media_type="application/json")
    reply.set_header("Set-Cookie", session_cookie(request, "", 0))
    reply.set_header("Clear-Site-Data", '"cache"')
    return reply


def _sign_out(request: Call, services: Services, token: str) -> None:
    sessions = services.store.sessions
    key = sessions.find(token)
    if key is None:
        note_nothing(request)
    else:
        note(request, action="sign out", actor=actor_of(key), api_key=key.api_key)
    sessions.end(token)


ROUTES = [
    sign_in_page,
    HTTPRouteHandler(
        SIGN_IN_PATH, http_method="POST", status_code=200, include_in_schema=False,
        opt={"role": None, "is_page": True},
    )(sign_in),
    HTTPRouteHandler(
        "/sign-out", http_method="POST", status_code=200, include_in_schema=False,
        opt={"role": None, "is_page": True},
    )(sign_out),
]  # fmt: skip
