"""Answers that are streams: sent as fast as their client takes them, and no faster.

A stream holds a place, and often a connection to the database, for as long as it lasts; so only some
run at a time, and a client that stops taking them is dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import anyio
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from layernext.errors import StackUnavailable
from layernext.stack.api.services import Services

logger = logging.getLogger("layernext.stack.download")

SEND_BYTES = 64 << 10
"""Pieces are sent in parts of this size: whoever takes one in time is slow, but not stalled."""

QUEUE_S = 30.0
"""A stream waits so long for its turn before its client is told to come again."""

STALLED_S = 10.0
"""While others wait, a stream whose client takes nothing for so long loses its place."""


class Sender(ASGIResponse):
    """Sends pieces. Each is made in a thread, and no more are made when the client is gone.

    Args:
        services: of the application.
        pieces: what to send; closed at the end.
        headers: of the answer; a length is left out unless `keeps_length`.
        status: of the answer.
        slots: taken for as long as it lasts; that of downloads if none is given.
        keeps_length: whether the headers' length is that of all pieces.
    """

    def __init__(
        self,
        services: Services,
        pieces: Iterator[bytes],
        headers: list[tuple[bytes, bytes]],
        *,
        status: int = 200,
        slots: CapacityLimiter | None = None,
        keeps_length: bool = False,
    ) -> None:
        super().__init__()
        self._services = services
        self._pieces = pieces
        self._sending_since: float | None = None
        """The start of the part that the client is taking; None while we make the next piece."""
        self._status = status
        self._places = slots or services.downloads
        self._headers = [
            pair for pair in headers if keeps_length or pair[0].lower() != b"content-length"
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the stream (ASGI)."""
        try:
            with anyio.fail_after(QUEUE_S):
                await self._places.acquire()
        except TimeoutError as error:
            raise StackUnavailable("too many downloads at the same time", status=503) from error
        failure: BaseException | None = None
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(_cancel_when_gone, receive, group.cancel_scope)
                group.start_soon(self._give_way, group.cancel_scope)
                try:
                    await self._send_all(send)
                except Exception as error:  # noqa: BLE001 - raised below, outside of the group
                    failure = error
                group.cancel_scope.cancel()
        finally:
            self._places.release()
        if failure is not None:
            raise failure

    async def _give_way(self, scope: anyio.CancelScope) -> None:
        """End a download whose client stands still while another one waits for its place."""
        while True:
            await anyio.sleep(1)
            others = self._places.statistics().tasks_waiting
            since = self._sending_since
            if others and since is not None and anyio.current_time() - since > STALLED_S:
                logger.info("a client that took nothing gave way to another download")
                scope.cancel()
                return

    async def _send_all(self, send: Send) -> None:
        try:
            # The first piece comes before the first header, so that what goes wrong at once
            # is answered and not cut off.
            piece = await self._next()
            start = {
                "type": "http.response.start",
                "status": self._status,
                "headers": self._headers,
            }
            await self._hand_over(send, start)
            while piece is not None:
                for at in range(0, len(piece), SEND_BYTES):
                    part = piece[at : at + SEND_BYTES]
                    body = {"type": "http.response.body", "body": part, "more_body": True}
                    await self._hand_over(send, body)
                piece = await self._next()
            # This, too, waits until the client has taken what came before.
            end = {"type": "http.response.body", "body": b"", "more_body": False}
            await self._hand_over(send, end)
        finally:
            with anyio.CancelScope(shield=True):
                await run_sync(
                    self._pieces.close,  # type: ignore[attr-defined]
                    limiter=self._services.download_threads,
                )

    async def _hand_over(self, send: Send, message: dict[str, Any]) -> None:
        self._sending_since = anyio.current_time()
        with anyio.fail_after(self._services.settings.idle_timeout_s):
            await send(message)  # type: ignore[arg-type]
        self._sending_since = None

    async def _next(self) -> bytes | None:
        limiter = self._services.download_threads
        return await run_sync(next, self._pieces, None, limiter=limiter)


async def _cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            logger.info("a client left its download")
            scope.cancel()
            return
