"""Signing in with an API key, or by a link that works once; signing out."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any, ClassVar
from urllib.parse import urlsplit

import anyio
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from layernext.errors import DataError, InvalidRequest, NotAuthenticated, Problem, RateLimited
from layernext.stack.api.browser import (
    check_api_request,
    check_own_page,
    session_cookie,
    session_token,
)
from layernext.stack.api.messages import Call, answer, read_message
from layernext.stack.api.services import Services, services_of
from layernext.stack.store import SESSION_SECONDS
from layernext.stack.web.page import SIGN_IN_PATH, Page, answer_page, page

MEMORY_S = 600
"""So long after the last failure of an address it counts as one that has not failed."""

MAX_FORM_BYTES = 4 << 10
FORM_SECONDS = 30

FREE_FAILURES = 3
LONGEST_DELAY_S = 8.0
MAX_WAITING = 64
MAX_ADDRESSES = 10_000


class SignInPage(Page, frozen=True, kw_only=True):
    """Asks for key and secret. `data` says where to go then."""

    template: ClassVar[str] = "sign_in.html"


class SignIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Key and secret, or a link's token in their place."""

    api_key: str = ""
    secret: str = ""
    token: str = ""


class SignedIn(Struct, frozen=True):
    """Who is signed in now."""

    key_name: str
    role: str


class Brake:
    """Makes those wait who keep failing: twice as long each time, by address.

    A secret has too many bits to be guessed; this keeps whoever tries from wasting our time.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._waiting = 0

    def delay_s(self, address: str, now: float) -> float:
        """How long the next failure of an address takes."""
        count, last = self._failures.get(address, (0, now))
        if now - last > MEMORY_S or count < FREE_FAILURES:
            return 0.0
        return min(0.5 * 2.0 ** (count - FREE_FAILURES), LONGEST_DELAY_S)

    async def wait(self, address: str) -> None:
        """Note a failure, and hold its answer back.

        Raises:
            RateLimited: too many are waiting already.
        """
        now = time.monotonic()
        delay = self.delay_s(address, now)
        count, last = self._failures.pop(address, (0, now))
        self._failures[address] = (1 if now - last > MEMORY_S else count + 1, now)
        if len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)
        if not delay:
            return
        if self._waiting >= MAX_WAITING:
            raise RateLimited("too many wrong keys; wait a moment", status=429)
        self._waiting += 1
        try:
            await anyio.sleep(delay)
        finally:
            self._waiting -= 1


def safe_target(wanted: str) -> str:
    """Where to go after signing in: a path of this stack, whatever was asked for."""
    parts = urlsplit(wanted)
    is_path = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted
    if not is_path or parts.scheme or parts.netloc or not wanted.isprintable():
        return "/"
    return wanted


@page(SIGN_IN_PATH, role=None)
async def sign_in_page(request: Call) -> Response[Any]:
    """The page to sign in on."""
    target = safe_target(request.query_params.get("next", "/"))
    return answer_page(request, SignInPage(title="Sign in", data={"next": target}))


async def sign_in(request: Call) -> Response[bytes]:
    """Takes a key and its secret, or a link's token, and gives the browser its cookie."""
    check_own_page(request)
    wanted, services = await _read_form(request), services_of(request)
    if not wanted.token and not (wanted.api_key and wanted.secret):
        raise DataError(Problem("the form", "needs an API key and its secret"))
    made = await _made(services, wanted)
    if made is None:
        client = request.client
        await request.app.state["brake"].wait(client.host if client else "")
        text = "the link has been used, or is too old; sign in with a key"
        if not wanted.token:
            text = "unknown API key or wrong secret"
        raise NotAuthenticated(text, status=401)
    token, done = made
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


async def _made(services: Services, wanted: SignIn) -> tuple[str, SignedIn] | None:
    store = services.store
    if wanted.token:
        found = await services.call(store.sessions.use_link, wanted.token)
        if found is None:
            return None
        token, key = found
        return token, SignedIn(key.name, key.role)
    known = await services.call(store.authenticate, wanted.api_key.strip(), wanted.secret.strip())
    if known is None:
        return None
    token = await services.call(store.sessions.create, known.api_key)
    return token, SignedIn(known.name, known.role)


async def sign_out(request: Call) -> Response[bytes]:
    """Ends the session, here and in the database; without one it does nothing."""
    check_api_request(request, changes=True)
    token, services = session_token(request), services_of(request)
    if token is not None:
        await services.call(services.store.sessions.end, token)
    reply = Response(b"{}", media_type="application/json")
    reply.set_header("Set-Cookie", session_cookie(request, "", 0))
    reply.set_header("Clear-Site-Data", '"cache"')
    return reply


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
