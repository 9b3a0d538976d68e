"""Limits of keys over HTTP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.integration.stack.conftest import Stack, assert_error
from tests.integration.stack.server import serving


def test_rate(make_stack: Callable[..., Stack]) -> None:
    """Too many requests are refused with the time to wait; other keys and open routes are not."""
    stack = make_stack(rate_limit=0.01)
    assert stack.ask("GET", "/api/v1", role="read").status_code == 200
    refused = stack.ask("GET", "/api/v1", role="read")
    error = assert_error(refused, 429, "rate-limited")
    assert error["message"] == "this key may send 0.01 requests a second"
    assert 1 <= int(refused.headers["Retry-After"]) <= 100
    assert stack.ask("GET", "/api/v1", role="write").status_code == 200
    assert stack.ask("GET", "/health", role=None).status_code == 200
    assert stack.ask("GET", "/ready", role=None).status_code == 200


def test_a_key_with_a_rate_of_its_own(make_stack: Callable[..., Stack]) -> None:
    """It goes before the stack's, whether that is larger or smaller; the list of keys shows it."""
    stack = make_stack(rate_limit=0.01)
    fast = stack.json("POST", "/api/v1/keys", json={"name": "f", "role": "read", "rate": 100})
    auth = (fast["api_key"], fast["secret"])
    for _ in range(10):
        assert stack.client.get("/api/v1", auth=auth).status_code == 200
    rates = {key.name: key.rate for key in stack.store.keys.list()}
    assert (rates["f"], rates["test read"]) == (100, None)
    unlimited = make_stack()
    for rate in (0, -1, "fast", 1e9):
        body = {"name": "f", "role": "read", "rate": rate}
        assert_error(unlimited.ask("POST", "/api/v1/keys", json=body), 422)


def test_uploads_at_a_time(tmp_path: Path) -> None:
    """A batch that is on its way counts until it has come or is given up."""
    with (
        serving(tmp_path, uploads_per_key=1) as server,
        httpx.Client(base_url=server.url, auth=server.auth) as client,
    ):
        body: dict[str, Any] = {"run": "r", "mode": "machine", "geometry": "rectangle"}
        upload = client.post("/api/v1/uploads", json=body).json()["id"]
        path = f"/api/v1/uploads/{upload}/batches/"
        reached, go_on = threading.Event(), threading.Event()
        line = b'{"image": "a.jpg", "annotations": []}\n'

        def slow() -> Any:
            yield line[:10]
            reached.set()
            go_on.wait(60)
            yield line[10:]

        answers: list[httpx.Response] = []
        sending = threading.Thread(
            target=lambda: answers.append(client.put(f"{path}0", content=slow()))
        )
        sending.start()
        assert reached.wait(60)
        while (refused := client.put(f"{path}1", content=line)).status_code == 200:
            pass  # the first one's head may still be on its way
        error = assert_error(refused, 429, "rate-limited")
        assert error["message"] == "this key may have 1 uploads at a time"
        assert refused.headers["Retry-After"] == "1"
        assert client.get("/api/v1").status_code == 200
        go_on.set()
        sending.join()
        assert answers[0].status_code == 200
        assert client.put(f"{path}2", content=line).status_code == 200
        give_up(server.port, f"{path}3", client)
        while client.put(f"{path}4", content=line).status_code == 429:
            pass  # until the server has noticed


def give_up(port: int, path: str, client: httpx.Client) -> None:
    """Begin a batch and hang up in the middle."""
    request = client.build_request("PUT", path, content=b"x" * 100)
    assert client.auth is not None
    request = next(client.auth.sync_auth_flow(request))
    head = f"PUT {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n"
    head += f"authorization: {request.headers['authorization']}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(head.encode() + b"x" * 10)
