"""A server of the S3 protocol that fails every third request, in several ways: a proxy before a real one."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.support.s3 import S3Server

_SLOW_DOWN = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
_INTERNAL = (
    b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
)
_GONE = b"<Error><Code>NoSuchUpload</Code><Message>The upload does not exist.</Message></Error>"
WAYS = ("500", "503", "cut before", "cut after", "cut within")
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length"}


class FaultyBucket:
    """Counts what it did.

    Attributes:
        server: how a stack reaches it.
        failures: how often it failed, by the way.
        methods: requests by method.
        damages: of how many parts that come next a bit is turned over, unnoticed.
        lost_part: number of a part that never arrives.
        is_gone: whether the next part is answered as S3 does when its upload has ended.
        part_paths: where parts were sent.
    """

    def __init__(self, target: S3Server) -> None:
        self.failures: Counter[str] = Counter()
        self.methods: Counter[str] = Counter()
        self.is_faulty = True
        self.damages = 0
        self.lost_part: int | None = None
        self.is_gone = False
        self.part_paths: list[str] = []
        self._count = 0
        self._lock = threading.Lock()
        self._target = target
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Says nothing."""

            def handle_any(self) -> None:
                outer.handle(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815 - http.server's

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.server = S3Server(f"http://127.0.0.1:{self._server.server_address[1]}")
        self._thread = threading.Thread(target=self._server.serve_forever)

    def _next_failure(self, method: str) -> str | None:
        with self._lock:
            self.methods[method] += 1
            if not self.is_faulty:
                return None
            self._count += 1
            if self._count % 3:
                return None
            way = WAYS[self._count // 3 % len(WAYS)]
            self.failures[way] += 1
            return way

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """Pass a request on, or fail."""
        length = int(request.headers.get("content-length") or 0)
        body = request.rfile.read(length)
        if len(body) < length:  # the client was killed
            self._cut(request)
            return
        if request.command == "PUT" and "partNumber=" in request.path:
            body = self._on_its_way(request.path, body)
            if f"partNumber={self.lost_part}&" in request.path:
                self._cut(request)
                return
            if self.is_gone:
                self.is_gone = False
                self._answer(request, 404, [], _GONE)
                return
        way = self._next_failure(request.command)
        if way in {"500", "503"}:
            self._answer(request, int(way), [], _INTERNAL if way == "500" else _SLOW_DOWN)
            return
        if way == "cut before":
            self._cut(request)
            return
        address = urlsplit(self._target.url)
        upstream = http.client.HTTPConnection(str(address.hostname), address.port, timeout=180)
        try:
            headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
            upstream.request(request.command, request.path, body, headers)
            answer = upstream.getresponse()
            content = answer.read()
        finally:
            upstream.close()
        if way == "cut after":
            self._cut(request)
            return
        self._answer(request, answer.status, answer.getheaders(), content, is_cut=way is not None)

    def _on_its_way(self, path: str, body: bytes) -> bytes:
        with self._lock:
            self.part_paths.append(path)
            if not self.damages:
                return body
            self.damages -= 1
        return bytes([body[0] ^ 1]) + body[1:]

    @staticmethod
    def _cut(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True

    def _answer(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        headers: list[tuple[str, str]],
        content: bytes,
        *,
        is_cut: bool = False,
    ) -> None:
        request.send_response_only(status)
        length = str(len(content))
        for name, value in headers:
            if name.lower() == "content-length" and request.command == "HEAD":
                length = value
            elif name.lower() not in _HOP_BY_HOP:
                request.send_header(name, value)
        request.send_header("Content-Length", length)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content[: len(content) // 2] if is_cut else content)
        if is_cut:
            self._cut(request)

    @contextmanager
    def running(self) -> Iterator[FaultyBucket]:
        """While the block lasts."""
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
