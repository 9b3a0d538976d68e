"""The server: uvicorn's, with an orderly stop and limits on what has not shown a key yet."""

from __future__ import annotations

import asyncio
import gc
import heapq
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from layernext.stack.api.access import IS_KNOWN
from layernext.stack.api.error_map import JSON, envelope
from layernext.stack.connections import AcceptFailures, connection_limit
from layernext.stack.memory import release_memory

MAX_HEAD_BYTES = 64 << 10
"""Of a request's URL and headers, or of its trailers. They are read before anybody has shown a
key."""

HEAD_TIMEOUT_S = 30
"""For a request's head to come, from the opening of the connection or the head's first byte."""

CLOSED_AT_ONCE = 16
"""Where there are too many connections, one of so many is closed in one go: finding those that have
been idle for longest means looking at all."""

BODY_AHEAD_BYTES = 1 << 20
"""Of a body, taken in while what came before is hashed and written. uvicorn itself waits at 64 KiB, which
costs a large file a turn of the loop for every read."""

GC_TICKS = 100
"""Of the server, a tenth of a second each, between collections of what has become garbage since. What
requests leave behind in cycles would otherwise stay until the threshold: some 200 MB."""
FULL_GC_TICKS = 6_000

TRIM_TICKS = 600
"""Between two times that freed memory is given back to the system."""


class Server(uvicorn.Server):
    """uvicorn's server, which returns after a signal instead of dying of it.

    So the store is closed, and the process ends with 0.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        asyncio.get_running_loop().set_exception_handler(AcceptFailures())
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        """What is done every tenth of a second; true ends the server."""
        if counter % GC_TICKS == 0:
            gc.collect(2 if counter % FULL_GC_TICKS == 0 else 1)
        if counter % TRIM_TICKS == 0:
            # It waits for the locks of the allocator, and lets go of Python's meanwhile.
            asyncio.get_running_loop().run_in_executor(None, release_memory)
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop in order after a signal, while the block lasts."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._stop) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.handle_exit(number, frame)


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP, with bounds on the part of a request that comes before anybody is known.

    What is not HTTP, or too large, is answered in the shape of every other error.
    """

    _head_bytes: int | None = 0
    """Taken in of a head, or of the trailers behind a chunked body; None in a body."""
    _new_bytes = 0
    """Of the data that has just come: what belongs to no earlier part of the connection."""
    _head_timer: asyncio.TimerHandle | None = None
    _is_head_too_large = False
    idle_since: tuple[bool, float] = (False, 0.0)
    """Whether a request was answered on this connection, and when its last one ended; those that come
    first in this order are closed first when there are too many."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Close those that have been idle for longest if there are too many connections."""
        super().connection_made(transport)
        self.idle_since = (False, self.loop.time())
        self._start_head_timer()
        if len(self.connections) > connection_limit():
            self._make_room()

    def _make_room(self) -> None:
        """Close the connections that have been idle for longest, or this one if all are at work."""
        others = [
            other
            for other in self.connections
            if isinstance(other, Protocol) and other is not self and other.is_idle
        ]
        count = max(1, len(self.connections) // CLOSED_AT_ONCE)
        for other in heapq.nsmallest(count, others, key=lambda other: other.idle_since):
            other.transport.close()
        if not others:
            self._refuse("503 Service Unavailable", "the stack has too many connections")

    @property
    def is_idle(self) -> bool:
        """Whether this connection may be closed for others: nothing is at work on it.

        A stranger whose body is still on its way keeps nobody out: it may be on its way for as long as
        the stranger likes.
        """
        if self.transport.is_closing():
            return False
        cycle = self._last_cycle()
        if cycle is None or cycle.response_complete:
            return True
        return cycle.more_body and IS_KNOWN not in cycle.scope["state"]

    def on_response_complete(self) -> None:
        """Begin to count the idle time."""
        self.idle_since = (True, self.loop.time())
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_head_timer()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to count the head, and start its timer."""
        super().on_message_begin()
        self._start_head_timer()

    def on_headers_complete(self) -> None:
        """Refuse a head that is too large; stop its timer."""
        self._stop_head_timer()
        # A head may come whole with one read, and has not been counted then.
        fields = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.url) + fields > MAX_HEAD_BYTES:
            self._is_head_too_large = True
            raise ValueError  # ends the parser, which leads to send_400_response
        self._head_bytes = None
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """Count the trailers that may follow anew."""
        # Behind the last chunk come trailers, which the parser gathers like headers.
        self._count_anew()

    def on_body(self, body: bytes) -> None:
        """Take in some of the body ahead."""
        self._head_bytes = None
        super().on_body(body)
        if self.flow.read_paused and len(self.cycle.body) < BODY_AHEAD_BYTES:
            self.flow.resume_reading()

    def on_message_complete(self) -> None:
        """The next head may begin."""
        super().on_message_complete()
        self._count_anew()

    def data_received(self, data: bytes) -> None:
        """Count what may be a head."""
        self._new_bytes = len(data)
        super().data_received(data)
        if self._head_bytes is None or self.transport.is_closing():
            return
        self._head_bytes += self._new_bytes
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse_head()

    def _count_anew(self) -> None:
        self._head_bytes = self._new_bytes = 0

    def _start_head_timer(self) -> None:
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._head_is_late)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        # While requests wait for their answers, reading may pause, and the next head with it.
        cycle = self._last_cycle()
        if cycle is not None and not cycle.response_complete:
            self._start_head_timer()
        else:
            self.transport.close()

    def _last_cycle(self) -> RequestResponseCycle | None:
        return self.cycle  # None before the first request, which uvicorn's types leave out

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        if self._is_head_too_large:
            self._refuse_head()
        else:
            self._refuse("400 Bad Request", msg)

    def _refuse_head(self) -> None:
        text = f"the head of the request is larger than {MAX_HEAD_BYTES >> 10} KiB"
        self._refuse("431 Request Header Fields Too Large", text)

    def _refuse(self, status: str, text: str) -> None:
        # Within an answer that is under way, another one would be taken for a part of it.
        cycle = self._last_cycle()
        if cycle is None or cycle.response_complete or not cycle.response_started:
            body = envelope(int(status[:3]), text, None)
            head = (
                f"HTTP/1.1 {status}\r\n"
                f"content-type: {JSON}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()
