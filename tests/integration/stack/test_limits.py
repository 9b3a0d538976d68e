"""Limits of keys over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from layernext.wire import published
from tests.integration.stack.conftest import BASE_URL, Stack, assert_error
from tests.integration.stack.server import Server, serving
from tests.support.s3 import S3Server, s3_server

__all__ = ["s3_server"]


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
        line = b'{"image": "a.jpg", "annotations": []}\n'
        with under_way(server, client.build_request("PUT", f"{path}0"), line) as go_on:
            refused = client.put(f"{path}1", content=line)
            error = assert_error(refused, 429, "rate-limited")
            assert error["message"] == "this key may have 1 uploads at a time"
            assert refused.headers["Retry-After"] == "1"
            assert client.get("/api/v1").status_code == 200
            assert go_on().startswith(b"HTTP/1.1 200 ")
        while (again := client.put(f"{path}2", content=line)).status_code == 429:
            pass  # the end of the first one is counted after its answer
        assert again.status_code == 200
        give_up(server, client.build_request("PUT", f"{path}3"))
        while client.put(f"{path}4", content=line).status_code == 429:
            pass  # until the server has noticed


def test_parts_count(tmp_path: Path) -> None:
    """A part of a large file counts as an upload and as a request of the key that asked for its URL."""
    with (
        serving(tmp_path, uploads_per_key=1) as server,
        httpx.Client(base_url=server.url, auth=server.auth) as client,
    ):
        (url,) = part_urls(client, "large.bin", 1)
        upload = {"run": "r", "mode": "machine", "geometry": "rectangle"}
        batch = (
            f"/api/v1/uploads/{client.post('/api/v1/uploads', json=upload).json()['id']}/batches/0"
        )
        (other,) = part_urls(client, "other.bin", 1)
        with under_way(server, httpx.Request("PUT", url), b"xy") as go_on:
            line = b'{"image": "a.jpg", "annotations": []}\n'
            assert_error(client.put(batch, content=line), 429, "rate-limited")
            assert_error(httpx.put(other, content=b"x"), 429, "rate-limited")
            assert client.get("/api/v1").status_code == 200
            assert go_on().startswith(b"HTTP/1.1 200 ")
        while (again := httpx.put(other, content=b"x")).status_code == 429:
            pass  # the end of the first one is counted after its answer
        assert again.status_code == 200


def test_parts_count_as_requests(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack()
    slow = stack.json("POST", "/api/v1/keys", json={"name": "s", "role": "write", "rate": 2})
    (url,) = part_urls(client_of(stack, slow), "large.bin", 1)
    statuses = [stack.ask("PUT", url, role=None, content=b"x").status_code for _ in range(4)]
    assert statuses[-1] == 429


def test_files_past_the_stack_count(make_stack: Callable[..., Stack], s3_server: S3Server) -> None:
    """A file whose parts go straight to a bucket counts from its URLs to its end, on whatever server that is."""
    stack = make_stack(
        uploads_per_key=1, objects=s3_server.new_bucket(), objects_options=s3_server.options
    )
    key = stack.json("POST", "/api/v1/keys", json={"name": "k", "role": "write"})
    client = client_of(stack, key)
    first, second = begin_file(client, "first.bin"), begin_file(client, "second.bin")
    (url,) = urls_of(client, first)
    assert urls_of(client, first)
    wanted = {"fileId": second, "parts": 1}
    assert_error(client.post(published.PART_URLS_PATH, json=wanted), 429, "rate-limited")
    upload = client.post("/api/v1/uploads", json={"run": "r", "mode": "machine"}).json()["id"]
    assert_error(client.put(f"/api/v1/uploads/{upload}/batches/0", content=b""), 429)
    tag = httpx.put(url, content=b"x").headers["etag"].strip('"')
    finished = {"fileId": first, "parts": [{"PartNumber": 1, "ETag": tag}]}
    assert client.post(published.FINISH_FILE_PATH, json=finished).status_code == 200
    assert urls_of(client, second)
    # Another server ends the second one, and this one hears of it when it matters.
    item = stack.store.files.find_item(second)
    stack.store.files.finish_file(item, 1, None, [])
    third = begin_file(client, "third.bin")
    assert urls_of(client, third)


@pytest.mark.parametrize("way", ["key", "user"])
def test_a_revoked_key_sends_no_parts(stack: Stack, way: str) -> None:
    """The URLs of a key that is revoked, or whose user is removed, are no good any more."""
    stack.json("POST", "/api/v1/users", json={"name": "ada", "role": "write"})
    made = {"name": "ada", "role": "write", "user": "ada"}
    key = stack.json("POST", "/api/v1/keys", json=made)
    first, second = part_urls(client_of(stack, key), "large.bin", 2)
    assert stack.ask("PUT", first, role=None, content=b"x").status_code == 200
    stranger = first.replace(key["api_key"], stack.keys["write"].api_key)
    assert stranger != first
    assert_error(stack.ask("PUT", stranger, role=None, content=b"x"), 403)
    assert_error(stack.ask("PUT", first.partition("&holder")[0], role=None, content=b"x"), 403)
    if way == "key":
        stack.json("DELETE", f"/api/v1/keys/{key['api_key']}")
    else:
        stack.json("DELETE", "/api/v1/users", params={"name": "ada"})
    error = assert_error(stack.ask("PUT", second, role=None, content=b"x"), 403)
    assert error["message"] == "the key that asked for this URL is not in use any more"


def client_of(stack: Stack, key: dict[str, str]) -> httpx.Client:
    """Asks a stack of this process with a key."""
    transport = stack.client._transport
    auth = (key["api_key"], key["secret"])
    return httpx.Client(transport=transport, base_url=BASE_URL, auth=auth)


def begin_file(client: httpx.Client, name: str) -> str:
    """A file that begins, in an upload of its own."""
    opened = client.post(published.UPLOAD_METADATA_PATH, json={"collectionName": "files"}).json()
    wanted = {"fileName": name, "uploadId": opened["uploadId"]}
    return str(client.post(published.BEGIN_FILE_PATH, json=wanted).json()["fileId"])


def urls_of(client: httpx.Client, file_id: str, count: int = 1) -> list[str]:
    """Where its parts go."""
    wanted = {"fileId": file_id, "parts": count}
    answer = client.post(published.PART_URLS_PATH, json=wanted)
    assert answer.status_code == 200, answer.text
    return [part["signedUrl"] for part in answer.json()["parts"]]


def part_urls(client: httpx.Client, name: str, count: int) -> list[str]:
    """Where the parts of a new file go."""
    return urls_of(client, begin_file(client, name), count)


@contextmanager
def under_way(server: Server, request: httpx.Request, body: bytes) -> Iterator[Callable[[], bytes]]:
    """A request of which the server has begun to read the body; what is yielded sends that, and has the answer."""
    with server.connect() as connection:
        connection.sendall(head_of(server, request, len(body)) + b"expect: 100-continue\r\n\r\n")
        assert connection.recv(1_000).startswith(b"HTTP/1.1 100 ")

        def go_on() -> bytes:
            connection.sendall(body)
            return connection.recv(10_000)

        yield go_on


def head_of(server: Server, request: httpx.Request, size: int) -> bytes:
    """The head of a request with the server's first key, but for the empty line."""
    request = next(httpx.BasicAuth(*server.auth).sync_auth_flow(request))
    target = request.url.raw_path.decode()
    head = f"{request.method} {target} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {size}\r\n"
    return f"{head}authorization: {request.headers['authorization']}\r\n".encode()


def give_up(server: Server, request: httpx.Request) -> None:
    """Begin an upload and hang up in the middle."""
    with server.connect() as connection:
        connection.sendall(head_of(server, request, 100) + b"\r\n" + b"x" * 10)
