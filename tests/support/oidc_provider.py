"""A small OpenID Connect provider on loopback: real HTTP, real signatures, and mistakes when a test asks for them."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "stack", "a secret"

Claims = dict[str, Any]


class OidcProvider:
    """The provider: everybody who comes is `person` and has consented.

    Attributes:
        person: the claims of whoever signs in.
        change: changes the claims of a token before it is signed.
        signing_key: of tokens; another one than `published_key` signs wrongly.
        requests: paths that were asked for.
    """

    def __init__(self) -> None:
        self.person: Claims = {
            "sub": "248289761001",
            "email": "ada@example.com",
            "email_verified": True,
            "name": "Ada Lovelace",
        }
        self.change: Callable[[Claims], Claims] = lambda claims: claims
        self.published_key = self.signing_key = RSAKey.generate_key(2048, {"kid": "1"})
        self.requests: list[str] = []
        self.status = 200
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """From here on nothing listens."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def new_key(self) -> None:
        """Sign with another key from now on, as providers do now and then."""
        self.published_key = self.signing_key = RSAKey.generate_key(
            2048, {"kid": secrets.token_hex(4)}
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                provider.requests.append(parts.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                if parts.path == "/authorize":
                    self.send_response(302)
                    self.send_header("Location", provider.authorize(query))
                    self.end_headers()
                    return
                documents = {
                    "/.well-known/openid-configuration": provider.metadata,
                    "/keys": lambda: {"keys": [provider.published_key.as_dict(private=False)]},
                }
                self.answer(documents[parts.path]())

            def do_POST(self) -> None:
                provider.requests.append(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                token = provider.exchange(form)
                self.answer({"error": "invalid_grant"} if token is None else token, token is None)

            def answer(self, content: Any, is_bad: bool = False) -> None:
                body = json.dumps(content).encode()
                self.send_response(400 if is_bad else provider.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                pass

        return Handler

    def metadata(self) -> dict[str, Any]:
        """The discovery document."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser is sent back to."""
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def exchange(self, form: dict[str, str]) -> dict[str, str] | None:
        """A token for a code, once, if everything is right."""
        query = self._codes.pop(form["code"], None)
        if query is None or form["redirect_uri"] != query["redirect_uri"]:
            return None
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if challenge != query["code_challenge"] or form["client_secret"] != CLIENT_SECRET:
            return None
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": query["nonce"],
            **self.person,
        }
        header = {"alg": "RS256", "kid": self.signing_key.kid}
        token = jwt.encode(header, self.change(claims), self.signing_key)
        return {"id_token": token, "access_token": "x", "token_type": "Bearer"}


@contextmanager
def running_provider() -> Iterator[OidcProvider]:
    """A provider, until the block ends."""
    provider = OidcProvider()
    try:
        yield provider
    finally:
        provider.close()
