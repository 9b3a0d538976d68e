"""Signing in through an OpenID Connect provider.

What belongs to one sign-in is derived from one random text in a cookie of the browser, so that any replica can
end what another has begun: state, nonce and code verifier.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from functools import partial
from typing import Annotated, Any, TypeAlias

from litestar import Response
from litestar.datastructures import Cookie
from msgspec import Struct

from layernext.errors import InvalidRequest, NotAllowed
from layernext.stack.api.admission import Attempts
from layernext.stack.api.audit import Audit
from layernext.stack.api.browser import Browser
from layernext.stack.api.oidc import Provider
from layernext.stack.api.services import Services
from layernext.stack.api.signature import FromRequest
from layernext.stack.api.signed import Links
from layernext.stack.store import SESSION_SECONDS, Identity, Store
from layernext.stack.web.page import OIDC_PATH, page
from layernext.stack.web.sign_in import NextQuery, safe_target

CALLBACK_PATH = f"{OIDC_PATH}/callback"
SECONDS = 600
"""From the link on the sign-in page to the return from the provider."""
StacksProvider: TypeAlias = Annotated[
    Provider, FromRequest(lambda request: request.app.state["oidc"])
]


class CallbackQuery(Struct, frozen=True):
    """What the provider sends back with the browser.

    Attributes:
        state: as the stack has sent it.
        code: stands for a token.
        error: in place of a code.
    """

    state: str = ""
    code: str = ""
    error: str = ""


class Attempt:
    """One sign-in.

    Args:
        secret: of the stack.
        ticket: random text, its time of expiry, and where to go then: the cookie's value.
    """

    def __init__(self, secret: bytes, ticket: str) -> None:
        self._secret = secret
        self.ticket = ticket

    @classmethod
    def begin(cls, secret: bytes, target: str) -> Attempt:
        """A new one."""
        expires = int(time.time()) + SECONDS
        encoded = (
            base64.urlsafe_b64encode(target.encode("utf-8", "surrogatepass")).decode().rstrip("=")
        )
        return cls(secret, f"{secrets.token_urlsafe(32)}.{expires}.{encoded}")

    def derived(self, word: str) -> str:
        """A text that only the stack can derive from the ticket."""
        return hmac.new(self._secret, f"{word} {self.ticket}".encode(), hashlib.sha256).hexdigest()

    @property
    def is_over(self) -> bool:
        """Whether its time is over."""
        expires = self.ticket.split(".")[1]
        return int(expires) < time.time()

    @property
    def target(self) -> str:
        """Where to go afterwards."""
        encoded = self.ticket.split(".")[2]
        content = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        return safe_target(content.decode("utf-8", "replace"))


@page(OIDC_PATH, role=None, threads="ask")
def begin(
    query: NextQuery, provider: StacksProvider, services: Services, links: Links, browser: Browser
) -> Response[Any]:
    """Leads to the provider."""
    attempt = Attempt.begin(services.url_secret, query.next)
    url = provider.authorization_url(
        f"{links.base}{CALLBACK_PATH}",
        attempt.derived("state"),
        attempt.derived("nonce"),
        attempt.derived("verifier"),
    )
    return _leading_to(url, _cookie(browser, _cookie_name(browser), attempt.ticket, SECONDS))


@page(CALLBACK_PATH, role=None)
async def end(
    query: CallbackQuery,
    provider: StacksProvider,
    services: Services,
    links: Links,
    browser: Browser,
    audit: Audit,
    attempts: Annotated[Attempts, FromRequest(Attempts)],
) -> Response[Any]:
    """Signs in whoever comes back from the provider."""
    attempt = _attempt(services, browser, query.state)
    if query.error or not query.code:
        reason = f" ({query.error[:100]})" if query.error.isprintable() and query.error else ""
        raise NotAllowed(f"you were not signed in by the identity provider{reason}", status=403)
    try:
        identity = await services.ask(
            provider.identify,
            query.code,
            f"{links.base}{CALLBACK_PATH}",
            attempt.derived("nonce"),
            attempt.derived("verifier"),
        )
        sign_in = partial(_sign_in, services.store, audit, provider, identity)
        token = await services.call(audit.changing(sign_in))
    except NotAllowed:
        await attempts.note_refused_sign_in(provider.settings.issuer)
        raise
    return _leading_to(
        attempt.target,
        _cookie(browser, browser.cookie_name, token, SESSION_SECONDS),
        _cookie(browser, _cookie_name(browser), "", 0),
    )


def _attempt(services: Services, browser: Browser, state: str) -> Attempt:
    """The sign-in that this browser has begun.

    Raises:
        NotAllowed: it has begun none, or another one.
        InvalidRequest: its time is over.
    """
    ticket = browser.cookies.get(_cookie_name(browser), "")
    attempt = Attempt(services.url_secret, ticket)
    if not ticket or not hmac.compare_digest(attempt.derived("state").encode(), state.encode()):
        raise NotAllowed("this browser did not begin this sign-in; begin again", status=403)
    if attempt.is_over:
        raise InvalidRequest("the sign-in took too long; begin again", status=400)
    return attempt


def _sign_in(store: Store, audit: Audit, provider: Provider, identity: Identity) -> str:
    """A new session's token."""
    user_id, name = store.users.sign_in(identity, provider.settings.default_role)
    audit.note(action="sign in", actor=name, subject=identity.issuer)
    return store.sessions.create_of_user(user_id)


def _cookie_name(browser: Browser) -> str:
    return f"{browser.cookie_name}-oidc"


def _cookie(browser: Browser, name: str, value: str, seconds: int) -> Cookie:
    return Cookie(
        key=name,
        value=value,
        path="/",
        max_age=seconds,
        httponly=True,
        samesite="lax",
        secure=browser.is_https,
    )


def _leading_to(url: str, *cookies: Cookie) -> Response[Any]:
    headers = {"Location": url, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return Response(b"", status_code=303, headers=headers, cookies=cookies, media_type="text/plain")


ROUTES = [begin, end]
