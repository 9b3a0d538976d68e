"""The application as the server sees it: what happens around every request.

A request gets an id, its path is brought into the form that the router knows, its answer is
watched for the access log, and whatever goes wrong outside of a handler is answered like the rest.
"""

from __future__ import annotations

import logging
import re
import secrets
from typing import Any, cast

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import (
    HTTPScope,
    LifeSpanReceive,
    LifeSpanScope,
    LifeSpanSend,
    Receive,
    Scope,
    Send,
)

from layernext.stack.api.access_log import Exchange
from layernext.stack.api.admission import release
from layernext.stack.api.error_map import JSON, envelope
from layernext.stack.api.routing import routed_path
from layernext.stack.api.source import source_in

logger = logging.getLogger("layernext.stack")

# A client may bring an id of its own, to find its requests in our log.
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class StackApplication(Litestar):
    """Litestar with the front of the stack; see the module."""

    async def __call__(
        self,
        scope: Scope | LifeSpanScope,
        receive: Receive | LifeSpanReceive,
        send: Send | LifeSpanSend,
    ) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != ScopeType.HTTP:
            await super().__call__(scope, receive, send)
            return
        await self._serve(cast("HTTPScope", scope), cast("Receive", receive), cast("Send", send))

    async def _serve(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        proxies = self.state["services"].settings.trusted_proxies
        exchange = Exchange(scope, request_id, send, source_in(scope, proxies))
        scope["path"] = routed_path(scope)
        tracing = self.state.get("tracing")
        if tracing is None:
            await self._answer(scope, receive, exchange)
            return
        with tracing.request(scope) as span:
            await self._answer(scope, receive, exchange)
            tracing.end_request(span, exchange)

    async def _answer(self, scope: HTTPScope, receive: Receive, exchange: Exchange) -> None:
        request_id = exchange.request_id
        try:
            await super().__call__(scope, receive, exchange.send)
        except Exception:
            if exchange.has_started:
                # The only way left to tell the client is to cut the answer off.
                logger.exception("request %s failed while it was answered", request_id)
            else:
                logger.exception("request %s failed", request_id)
                await _answer_failure(exchange)
        finally:
            release(self.state["admission"], scope)
            exchange.log()
            metrics = self.state.get("metrics")
            if metrics is not None:
                metrics.observe(exchange)


def _request_id(scope: HTTPScope) -> str:
    for name, value in scope["headers"]:
        if name.lower() == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value.decode()
    return secrets.token_hex(8)


async def _answer_failure(exchange: Exchange) -> None:
    body = envelope(500, "something went wrong in the stack", exchange.request_id)
    headers = [
        (b"content-type", JSON.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    start: Any = {"type": "http.response.start", "status": 500, "headers": headers}
    await exchange.send(start)
    await exchange.send({"type": "http.response.body", "body": body, "more_body": False})
