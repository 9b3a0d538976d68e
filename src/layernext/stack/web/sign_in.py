"""Signing in with an API key, or by a link that works once; signing out."""

from __future__ import annotations

from functools import partial
from typing import Annotated, ClassVar
from urllib.parse import quote, urlsplit

import msgspec
from litestar import Response
from msgspec import Struct

from layernext.errors import DataError, NotAuthenticated, Problem
from layernext.stack.api.admission import Attempts
from layernext.stack.api.audit import Audit, actor_of
from layernext.stack.api.browser import Browser, check_api_request, check_own_page
from layernext.stack.api.services import Services
from layernext.stack.api.signature import FromRequest, Limit
from layernext.stack.settings import Settings
from layernext.stack.store import SESSION_SECONDS, Store
from layernext.stack.web.page import OIDC_PATH, SIGN_IN_PATH, Page, form, page

MAX_FORM_BYTES = 4 << 10
FORM_SECONDS = 30


class NextQuery(Struct, frozen=True):
    """Where to go after signing in.

    Attributes:
        next: a path of this stack.
    """

    next: str = "/"


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
def sign_in_page(query: NextQuery, settings: Settings) -> SignInPage:
    """The page to sign in on."""
    target, oidc = safe_target(query.next), settings.oidc
    return SignInPage(
        title="Sign in",
        data={"next": target},
        provider=None if oidc is None else oidc.host,
        provider_path=f"{OIDC_PATH}?next={quote(target, safe='')}",
    )


# Anybody may send this: it must be small and come soon.
@form(SIGN_IN_PATH, check_own_page)
async def sign_in(
    body: Annotated[SignIn, Limit(MAX_FORM_BYTES, FORM_SECONDS)],
    attempts: Annotated[Attempts, FromRequest(Attempts)],
    services: Services,
    audit: Audit,
    browser: Browser,
) -> Response[bytes]:
    """Takes a key and its secret, or a link's token, and gives the browser its cookie."""
    if not body.token and not (body.api_key and body.secret):
        raise DataError(Problem("the form", "needs an API key and its secret"))
    # A link's token counts as a key that is the same for all.
    api_key = "" if body.token else body.api_key.strip()
    secret = "" if body.token else body.secret.strip()
    attempts.check(api_key, secret)
    session = await services.call(_create_session, services.store, audit, body)
    if session is None:
        await attempts.note_failure(api_key, "sign in")
        text = "the link has been used, or is too old; sign in with a key"
        if not body.token:
            text = "unknown API key or wrong secret"
        raise NotAuthenticated(text, status=401)
    if not body.token:
        attempts.note_success(api_key, secret)
    token, done = session
    headers = {
        "Set-Cookie": browser.session_cookie(token, SESSION_SECONDS),
        "Cache-Control": "no-store",
    }
    return Response(msgspec.json.encode(done), headers=headers, media_type="application/json")


def _create_session(store: Store, audit: Audit, form: SignIn) -> tuple[str, SignedIn] | None:
    """A new session's token and whose it is; None if the key, the secret or the link is wrong."""
    caller = None
    if not form.token:
        caller = store.keys.authenticate(form.api_key.strip(), form.secret.strip())
        if caller is None:
            return None

    def work() -> tuple[str, SignedIn] | None:
        if caller is not None:
            token, key = store.sessions.create(caller), caller
        else:
            used = store.sessions.use_link(form.token)
            if used is None:
                return None
            token, key = used
        audit.note(action="sign in", actor=actor_of(key), api_key=key.api_key)
        return token, SignedIn(key.name, key.role)

    return audit.changing(work)()


@form("/sign-out", partial(check_api_request, changes=True))
def sign_out(browser: Browser, store: Store, audit: Audit) -> Response[bytes]:
    """Ends the session, here and in the database; without one it does nothing."""
    token = browser.session_token
    if token is not None:
        audit.changing(partial(_sign_out, store, audit, token))()
    headers = {"Set-Cookie": browser.session_cookie("", 0), "Clear-Site-Data": '"cache"'}
    return Response(b"{}", headers=headers, media_type="application/json")


def _sign_out(store: Store, audit: Audit, token: str) -> None:
    key = store.sessions.find(token)
    if key is None:
        audit.note_nothing()
    else:
        audit.note(action="sign out", actor=actor_of(key), api_key=key.api_key)
    store.sessions.end(token)


ROUTES = [sign_in_page, sign_in, sign_out]
