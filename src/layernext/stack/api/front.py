"""The outermost layer of the server: what happens to a request before it is routed.

Gives it an id, folds repeated slashes in its path, checks its credentials, and writes one line of
access log. A request without valid credentials never reaches a route.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
import time
import uuid
from urllib.parse import unquote_to_bytes

import anyio.to_thread
import msgspec
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from layernext.stack.api.error_map import envelope
from layernext.stack.store import Key, Store

access_log = logging.getLogger("layernext.stack.access")
logger = logging.getLogger("layernext.stack")

PUBLIC_PATHS = {"/health", "/ready", "/api/docs", "/api/openapi.json"}

_SLASHES = re.compile(rb"/{2,}")


class Front:
    """Wraps the routed application; see the module."""

    def __init__(self, app: ASGIApp, store: Store, *, quiet: bool) -> None:
        self._app = app
        self._store = store
        self._quiet = quiet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        started, status, sent = time.perf_counter(), 0, 0
        scope["request_id"] = request_id  # type: ignore[typeddict-unknown-key]

        async def send_on(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            elif message["type"] == "http.response.body":
                sent += len(message["body"])
            await send(message)

        key: Key | None = None
        try:
            _fold_slashes(scope)
            if scope["path"] in PUBLIC_PATHS:
                await self._app(scope, receive, send_on)
                return
            credentials = _credentials(scope)
            if credentials:
                key = await anyio.to_thread.run_sync(self._store.authenticate, *credentials)
            if key is None:
                await _refuse(send_on, request_id, is_missing=credentials is None)
                return
            scope["api_key"] = key  # type: ignore[typeddict-unknown-key]
            await self._app(scope, receive, send_on)
        except Exception:
            logger.exception("request %s failed outside its route", request_id)
            if status:
                raise
            text = "something went wrong here; the log of the stack has it under this request id"
            await _answer(send_on, 500, envelope(500, text, request_id))
        finally:
            if not self._quiet:
                _log(scope, key, request_id, status, sent, time.perf_counter() - started)


def _fold_slashes(scope: Scope) -> None:
    """``//datalake/…`` becomes ``/datalake/…``; an encoded slash (%2F) in a name stays.

    The published clients join URLs by hand (wire-contract 1.1).
    """
    raw = scope.get("raw_path") or scope["path"].encode()
    # Behind this marker stands an operation id, which may have slashes of its own.
    head, marker, rest = raw.split(b"?", 1)[0].partition(b"/operationdata/")
    folded = _SLASHES.sub(b"/", head) + marker + rest
    scope["raw_path"] = folded
    scope["path"] = unquote_to_bytes(folded).decode("utf-8", "replace")


def _credentials(scope: Scope) -> tuple[str, str] | None:
    """Key and secret of the Authorization header; None if there are none (wire-contract 1.2)."""
    for name, value in scope["headers"]:
        if name.lower() == b"authorization":
            kind, _, encoded = value.partition(b" ")
            if kind.lower() != b"basic":
                return None
            try:
                text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
            except (binascii.Error, UnicodeDecodeError):
                return None
            key, colon, secret = text.partition(":")
            return (key, secret) if colon else None
    return None


async def _refuse(send: Send, request_id: str, *, is_missing: bool) -> None:
    if is_missing:
        text = "send an API key and its secret as Basic authentication"
    else:
        text = "this API key is not known here, or the secret is wrong"
    challenge = (b"www-authenticate", b'Basic realm="layernext", charset="UTF-8"')
    await _answer(send, 401, envelope(401, text, request_id), challenge)


async def _answer(
    send: Send, status: int, body: msgspec.Struct, *headers: tuple[bytes, bytes]
) -> None:
    content = msgspec.json.encode(body)
    fixed = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
    ]
    start = {"type": "http.response.start", "status": status, "headers": [*fixed, *headers]}
    await send(start)  # type: ignore[arg-type]
    await send({"type": "http.response.body", "body": content, "more_body": False})


def _log(
    scope: Scope, key: Key | None, request_id: str, status: int, sent: int, seconds: float
) -> None:
    received = next((v for n, v in scope["headers"] if n.lower() == b"content-length"), b"")
    fields = {
        "method": scope.get("method"),
        "path": scope["path"],
        "status": status or 499,  # the client went away first
        "ms": round(seconds * 1000, 1),
        "received": int(received) if received.isdigit() else None,
        "sent": sent,
        "key": key.api_key if key else None,
        "client": (scope.get("client") or ("",))[0],
        "request_id": request_id,
    }
    access_log.info(json.dumps(fields, ensure_ascii=True))
