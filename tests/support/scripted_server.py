"""A small HTTP server on loopback that answers as a test tells it to: for faults no stack makes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec


@dataclass
class Received:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass
class Answer:
    """What to answer, or how to fail.

    Attributes:
        hang_up: close the connection without an answer.
        cut_after: send only so many bytes of the body, then close.
        before: called before anything is sent, to wait for one.
    """

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    cut_after: int | None = None
    before: Callable[[], object] | None = None


def refusal(status: int, message: str, **fields: object) -> Answer:
    """An error answer in the stack's shape."""
    headers = {key: str(fields.pop(key)) for key in ("retry-after",) if key in fields}
    error = {"statusCode": status, "message": message, **fields}
    return Answer(status, msgspec.json.encode({"error": error}), headers)


class ScriptedServer:
    """Answers the requests with `script`, one after the other; the last answer is repeated."""

    def __init__(self, *script: Answer) -> None:
        self.script = list(script)
        self.requests: list[Received] = []
        self._connections: list[socket.socket] = []
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                with server._lock:
                    server._connections.append(self.connection)

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                with server._lock:
                    number = server._connections.index(self.connection)
                    server.requests.append(
                        Received(self.command, self.path, dict(self.headers), body, number)
                    )
                    place = min(len(server.requests), len(server.script)) - 1
                    planned = server.script[place]
                if planned.before:
                    planned.before()
                if planned.hang_up:
                    self.close_connection = True
                    return
                self.send_response(planned.status)
                for name, value in planned.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(planned.body)))
                self.end_headers()
                self.wfile.write(planned.body[: planned.cut_after])
                if planned.cut_after is not None:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - names that http.server asks for

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Tests look at `requests` instead."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )

    @property
    def connections(self) -> int:
        """How many connections were opened."""
        return len(self._connections)

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        for connection in self._connections:
            connection.close()
        self._server.server_close()


@contextmanager
def silent_port() -> Iterator[str]:
    """The URL of a port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
