"""A network that fails when a test says so, around the real one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import httpx

Before: TypeAlias = Callable[[httpx.Request, int], httpx.Response | None]
"""Gets a request and its number from 0. Raises, answers in the stack's place, or gives None: then
the request goes on to the stack."""
After: TypeAlias = Callable[[httpx.Request, httpx.Response], httpx.Response]
"""Gets a request that the stack has carried out, and its answer. Raises, or gives an answer."""


class FaultyNetwork(httpx.BaseTransport):
    """Asks `before` ahead of each request, and `after` when the stack has already answered it."""

    def __init__(self, before: Before | None = None, after: After | None = None) -> None:
        self._network = httpx.HTTPTransport()
        self._before, self._after = before, after
        self._lock = threading.Lock()
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
        answer = self._before(request, number) if self._before else None
        if answer is not None:
            return answer
        answer = self._network.handle_request(request)
        if self._after is None:
            return answer
        return self._after(request, answer)

    def close(self) -> None:
        self._network.close()


class CutStream(httpx.SyncByteStream):
    """The beginning of a stream, then a broken connection."""

    def __init__(self, stream: Iterable[bytes], keep_bytes: int) -> None:
        self._stream, self._keep_bytes = stream, keep_bytes

    def __iter__(self) -> Iterator[bytes]:
        left = self._keep_bytes
        for chunk in self._stream:
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                raise httpx.ReadError("the connection was reset")
