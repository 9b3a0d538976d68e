"""More connections than the system has room for: nobody is shut out."""

from __future__ import annotations

import base64
import http.client
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.integration.stack.server import Server, serving


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """The tests' own end of the connections needs files, too."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def connect_many(stack: ExitStack, server: Server, count: int) -> list[socket.socket]:
    """Connections on which nothing, or only the beginning of a request, is sent."""
    connections = []
    for number in range(count):
        connection = stack.enter_context(server.connect())
        if number % 2:
            connection.sendall(b"GET /health HTTP/1.1\r\n")
        connections.append(connection)
    return connections


def test_limit_is_raised(tmp_path: Path) -> None:
    """A shell's limit of open files is not a limit of the stack, if the system permits more."""
    with serving(tmp_path / "data", open_files=(64, 1_000), quiet=True) as server:
        assert resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE) == (1_000, 1_000)


@pytest.mark.parametrize("limit", [128, 1_024])
def test_idle_connections_shut_nobody_out(tmp_path: Path, limit: int) -> None:
    """Where there are too many connections the oldest idle ones go, used ones last."""
    with serving(tmp_path / "data", open_files=(limit, limit), quiet=True) as server:
        used = http.client.HTTPConnection("127.0.0.1", server.port, timeout=180)
        used.request("GET", "/health")
        assert used.getresponse().read()
        address = used.sock.getsockname()
        with ExitStack() as stack:
            connect_many(stack, server, limit * 2)
            for path, status in (("/health", 200), ("/ready", 200), ("/api/v1/collections", 200)):
                answer = httpx.get(f"{server.url}{path}", auth=server.auth, timeout=180)
                assert answer.status_code == status
            used.request("GET", "/health")
            assert used.getresponse().read()
            assert used.sock.getsockname() == address
        used.close()
    assert "error" not in (tmp_path / "serve.log").read_text().lower()


def test_connections_at_work_are_kept(tmp_path: Path) -> None:
    """Where all connections are at work, the one that is too many hears so."""
    with (
        serving(tmp_path / "data", open_files=(128, 128), quiet=True) as server,
        ExitStack() as stack,
    ):
        key = base64.b64encode(":".join(server.auth).encode())
        head = (
            b"POST /api/v1/uploads HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " + key + b"\r\n"
            b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"
        )
        busy = [stack.enter_context(server.connect()) for _ in range(64)]
        for connection in busy:
            connection.sendall(head)
        for connection in busy:
            assert connection.recv(100).startswith(b"HTTP/1.1 100")
        refused = httpx.get(f"{server.url}/health", timeout=180)
        assert refused.status_code == 503
        assert refused.json()["error"]["message"] == "the stack has too many connections"
        busy[0].sendall(b" " * 100)
        assert busy[0].recv(100).startswith(b"HTTP/1.1 400")


def test_slow_bodies_of_strangers(tmp_path: Path) -> None:
    """Whoever has shown no key and never ends a body keeps nobody out."""
    with (
        serving(tmp_path / "data", open_files=(128, 128), quiet=True) as server,
        ExitStack() as stack,
    ):
        head = (
            b"POST /sign-in HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\n"
            b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"
        )
        for _ in range(64):
            connection = stack.enter_context(server.connect())
            connection.sendall(head)
            assert connection.recv(100).startswith(b"HTTP/1.1 100")
        for _ in range(3):
            assert httpx.get(f"{server.url}/health", timeout=180).status_code == 200
