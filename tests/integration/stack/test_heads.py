"""What a connection may send before anybody is known, reads being cut where they hurt most."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable

import msgspec
import pytest
import uvicorn
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.server import ServerState

from layernext.stack import server as http_server

OK = b"HTTP/1.1 200 "
TOO_LARGE = b"HTTP/1.1 431 "


class _Wire(asyncio.Transport):
    """The server's end of a connection, which keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_closed
        self.written += bytes(data)

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Connection:
    """A connection to an application that answers 200, at once or when it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.requests = 0
        self.wire = _Wire()
        config = uvicorn.Config(
            self._answer, log_config=None, ws="none", lifespan="off", interface="asgi3"
        )
        self._protocol = http_server.Protocol(config, ServerState(), {})
        self._protocol.connection_made(self.wire)

    async def _answer(
        self,
        scope: Scope,
        receive: ASGIReceiveCallable,
        send: ASGISendCallable,
    ) -> None:
        self.requests += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await self.may_answer.wait()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def send(self, *reads: bytes) -> bytes:
        """Send, each part being one read of the server; what it has answered so far."""
        for data in reads:
            if not self.wire.is_closed:
                self._protocol.data_received(data)
            for _ in range(5):
                await asyncio.sleep(0)
        return self.wire.written

    def end(self) -> None:
        """Hang up."""
        self.may_answer.set()
        self._protocol.connection_lost(None)


@pytest.fixture
def run() -> Callable[..., None]:
    """Runs what takes a connection."""

    def run_it(use: Callable[[Connection], object]) -> None:
        async def main() -> None:
            connection = Connection()
            try:
                await use(connection)  # type: ignore[misc]
            finally:
                connection.end()

        asyncio.run(main())

    return run_it


def head(size: int, method: str = "GET", *more: str) -> bytes:
    """A head with a header of `size` bytes."""
    lines = [f"{method} /health HTTP/1.1", "Host: x", *more, "X: " + "a" * size, "", ""]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize("step", [1_000, 65_536, 1 << 20])
@pytest.mark.parametrize(
    ("text", "begin"),
    [
        pytest.param(head(60_000), OK, id="large"),
        pytest.param(head(70_000), TOO_LARGE, id="too-large"),
        pytest.param(head(250_000), TOO_LARGE, id="much-too-large"),
        pytest.param(head(70_000)[:-4], TOO_LARGE, id="never-complete"),
        pytest.param(b"GET /" + b"a" * 66_000, TOO_LARGE, id="url-without-end"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 12_000 + b"\r\n", TOO_LARGE, id="many"),
    ],
)
def test_size(run: Callable[..., None], text: bytes, begin: bytes, step: int) -> None:
    """It makes no difference with how many reads a head comes."""

    async def use(connection: Connection) -> None:
        answer = await connection.send(*[text[at : at + step] for at in range(0, len(text), step)])
        assert answer.startswith(begin)
        assert connection.wire.is_closed == (begin == TOO_LARGE)
        assert connection.requests == (begin == OK)
        if begin == TOO_LARGE:
            error = msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])["error"]
            assert error["statusCode"] == 431
            assert error["message"] == "the head of the request is larger than 64 KiB"

    run(use)


def test_body_is_no_head(run: Callable[..., None]) -> None:
    """A head that begins in the same read as a large body ends is no larger for it."""

    async def use(connection: Connection) -> None:
        body = head(1, "POST", "Content-Length: 100000") + b"b" * 100_000
        for _ in range(3):
            await connection.send(body + b"GET /hea", b"lth HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.wire.written.count(OK) == 6
        assert not connection.wire.is_closed

    run(use)


def test_large_chunks(run: Callable[..., None]) -> None:
    """Only what is behind the last chunk counts, not the chunks."""

    async def use(connection: Connection) -> None:
        start = head(1, "POST", "Transfer-Encoding: chunked")
        chunks = [b"30000\r\n", b"b" * 100_000, b"b" * 96_608 + b"\r\n", b"0\r\nX: y\r\n\r\n"]
        await connection.send(start, *chunks)
        await connection.send(head(60_000))
        assert connection.wire.written.count(OK) == 2
        assert not connection.wire.is_closed

    run(use)


def test_trailers(run: Callable[..., None]) -> None:
    """Trailers are bounded as headers are, also when the answer has been sent already."""

    async def use(connection: Connection) -> None:
        start = head(1, "POST", "Transfer-Encoding: chunked")
        await connection.send(start + b"1\r\nb\r\n", b"0\r\nX: ", *[b"a" * 1_000] * 70)
        assert connection.wire.is_closed

    run(use)


def test_nothing_within_an_answer(run: Callable[..., None]) -> None:
    """A refusal is not written into the middle of an answer: it would be taken for its content."""

    async def use(connection: Connection) -> None:
        connection.may_answer.clear()
        await connection.send(head(1), head(70_000)[:-4])
        assert connection.wire.is_closed
        assert connection.wire.written.count(b"HTTP/1.1") == 1

    run(use)


@pytest.mark.parametrize("start", [b"", b"GET /hea", head(1), head(1) + b"GET /hea"])
def test_late_head(run: Callable[..., None], monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    """A head has to come in time, however busily it trickles."""
    monkeypatch.setattr(http_server, "HEAD_TIMEOUT_S", 0.2)
    is_open_head = not start.endswith(b"\r\n\r\n")

    async def use(connection: Connection) -> None:
        if start:
            await connection.send(start)
        assert not connection.wire.is_closed
        for _ in range(8):
            await asyncio.sleep(0.04)
            if is_open_head and start:
                await connection.send(b"a")
        # Between two requests it is the time for idle connections that counts.
        assert connection.wire.is_closed == is_open_head

    run(use)


def test_late_head_behind_a_slow_answer(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer under way is not cut off for the head behind it, which may not have been read."""
    monkeypatch.setattr(http_server, "HEAD_TIMEOUT_S", 0.1)

    async def use(connection: Connection) -> None:
        connection.may_answer.clear()
        await connection.send(head(1) + b"GET /hea")
        await asyncio.sleep(0.3)
        assert not connection.wire.is_closed
        connection.may_answer.set()
        await asyncio.sleep(0.3)
        assert connection.wire.is_closed

    run(use)


@pytest.mark.parametrize("tick", [http_server.GC_TICKS, http_server.FULL_GC_TICKS])
def test_garbage_is_collected(tick: int) -> None:
    """What requests leave behind in cycles goes soon, whatever the collector's threshold is."""

    class Node:
        pass

    async def main() -> None:
        config = uvicorn.Config(Connection, log_config=None)
        config.load()
        server = http_server.Server(config)
        node = Node()
        node.node = node  # type: ignore[attr-defined]
        left = weakref.ref(node)
        del node
        await server.on_tick(1)
        assert left() is not None
        await server.on_tick(tick)
        assert left() is None

    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()
