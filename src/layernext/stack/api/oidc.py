"""An OpenID Connect provider, as the stack talks to it: authorization code with PKCE.

Everything here blocks and runs in threads. What a provider says is believed only as far as it is signed with
one of its keys, for this stack, for this sign-in, and now.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any, cast

import httpx
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from layernext.errors import NotAllowed, StackUnavailable
from layernext.stack.settings import OidcSettings
from layernext.stack.store import Identity

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
"""Of signatures: all with a key that only the provider has."""

LEEWAY_S = 120
"""What the clocks of provider and stack may differ by."""

TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 1 << 20
KEEP_S = 3_600
"""What the provider says of itself is asked again after so long; its keys also when one is unknown."""


class Provider:
    """The provider of one stack. May be used by several threads.

    Args:
        settings: which one, and who the stack is there.
    """

    def __init__(self, settings: OidcSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: KeySet | None = None

    def authorization_url(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where a browser goes to sign in.

        Args:
            redirect_uri: of the stack, to which the provider sends the browser back.
            state, nonce, verifier: random, and known to this browser and the stack alone.

        Raises:
            StackUnavailable: the provider does not answer.
        """
        parameters = {
            "response_type": "code",
            "scope": "openid email profile",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect_uri,
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        url = self._address("authorization_endpoint")
        return str(add_params_to_uri(url, list(parameters.items())))

    def identify(self, code: str, redirect_uri: str, nonce: str, verifier: str) -> Identity:
        """Who has signed in.

        Args:
            code: from the provider, by the browser.
            redirect_uri, nonce, verifier: as in `authorization_url`.

        Raises:
            StackUnavailable: the provider does not answer.
            NotAllowed: the provider does not take the code, its token is not valid, or the person has no
                email address of an allowed domain.
        """
        token = self._exchange(code, redirect_uri, verifier)
        claims = self._verified(token, nonce)
        email = claims.get("email")
        is_verified = claims.get("email_verified") in (True, "true")  # a provider may send anything
        email = email if isinstance(email, str) and is_verified and email.isprintable() else None
        domains = self.settings.domains
        if domains:
            domain = (email or "").rpartition("@")[2].lower()
            if email is None or domain not in domains:
                raise NotAllowed(
                    f"sign in with a verified email address of {' or '.join(domains)}", status=403
                )
        name, subject = claims.get("name"), claims["sub"]
        if not isinstance(subject, str) or not subject or not subject.isprintable():
            raise NotAllowed(f"the token of {self.settings.host} names nobody", status=403)
        return Identity(
            issuer=self.settings.issuer,
            subject=subject,
            email=email,
            name=name if isinstance(name, str) and name.isprintable() else "",
        )

    def _exchange(self, code: str, redirect_uri: str, verifier: str) -> str:
        """The id token that a code stands for."""
        settings = self.settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": settings.client_id,
            "code_verifier": verifier,
        }
        if settings.client_secret is not None:
            form["client_secret"] = settings.client_secret
        status, answer = self._ask("POST", self._address("token_endpoint"), data=form)
        if status >= 500:  # noqa: PLR2004
            raise self._silent(f"status {status}")
        token = answer.get("id_token")
        if status != 200 or not isinstance(token, str):  # noqa: PLR2004
            raise NotAllowed(
                f"{settings.host} did not accept this sign-in; begin again", status=403
            )
        return token

    def _verified(self, token: str, nonce: str) -> dict[str, Any]:
        """The claims of an id token that is this provider's, for this stack, this sign-in and now."""
        try:
            try:
                decoded = jwt.decode(token, self._key_set(), algorithms=ALGORITHMS)
            except (JoseError, ValueError):
                # The provider may have new keys since.
                decoded = jwt.decode(token, self._key_set(fresh=True), algorithms=ALGORITHMS)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                options={
                    "iss": {"essential": True, "value": self.settings.issuer},
                    "aud": {"essential": True, "value": self.settings.client_id},
                    "sub": {"essential": True},
                },
                params={"nonce": nonce, "client_id": self.settings.client_id},
            )
            claims.validate(leeway=LEEWAY_S)
        except (JoseError, ValueError, TypeError) as error:
            raise NotAllowed(
                f"the token of {self.settings.host} is not valid: {error}", status=403
            ) from error
        return dict(claims)

    def _key_set(self, *, fresh: bool = False) -> KeySet:
        with self._lock:
            keys = None if fresh else self._keys
        if keys is None:
            status, answer = self._ask("GET", self._address("jwks_uri"))
            if status != 200:  # noqa: PLR2004
                raise self._silent(f"status {status}")
            keys = KeySet.import_key_set(cast("Any", answer))
            with self._lock:
                self._keys = keys
        return keys

    def _address(self, name: str) -> str:
        """One of the provider's addresses, as its discovery document has it."""
        with self._lock:
            cached = self._metadata
        if cached is None or time.monotonic() - cached[0] > KEEP_S:
            url = get_well_known_url(self.settings.issuer, external=True)
            status, answer = self._ask("GET", url)
            if status != 200 or answer.get("issuer") != self.settings.issuer:  # noqa: PLR2004
                raise self._silent("its discovery document is not that of the issuer")
            cached = (time.monotonic(), answer)
            with self._lock:
                self._metadata, self._keys = cached, None
        address = cached[1].get(name)
        if not isinstance(address, str) or not address.startswith(("https://", "http://")):
            raise self._silent(f"its discovery document has no {name}")
        return address

    def _ask(self, method: str, url: str, **named: Any) -> tuple[int, dict[str, Any]]:
        """Status and JSON of an answer; an empty object for anything else."""
        headers = {"Accept": "application/json"}
        content = b""
        try:
            with (
                httpx.Client(timeout=TIMEOUT_S, trust_env=True) as client,
                client.stream(method, url, headers=headers, **named) as answer,
            ):
                for piece in answer.iter_bytes():
                    content += piece
                    if len(content) > MAX_ANSWER_BYTES:
                        raise self._silent("its answer is too large")
                status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._silent(str(error) or type(error).__name__) from error
        try:
            decoded = json.loads(content)
        except (ValueError, RecursionError):
            decoded = {}
        return status, decoded if isinstance(decoded, dict) else {}

    def _silent(self, reason: str) -> StackUnavailable:
        return StackUnavailable(
            f"the identity provider {self.settings.host} does not answer as it should ({reason});"
            " try again later, or sign in with an API key",
            status=503,
        )
