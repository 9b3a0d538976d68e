"""No request holds up the others: `/health` goes on answering while the worst ones are served."""

from __future__ import annotations

import gzip
import http.client
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
import zstandard

from tests.integration.stack.server import Server, serving

BODY_BYTES = (16 << 20) - 4096
MESSAGE_BYTES = 3 << 20
HANG_SECONDS = 10.0
"""An answer that takes longer may have been held up; one that takes less is fast enough, whatever
else the machine does."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("responsive") / "data", quiet=True) as running:
        yield running


class Watch:
    """Asks for `/health` without a pause while its block runs; knows the longest wait."""

    def __init__(self, server: Server) -> None:
        self._port = server.port
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.answers = 0
        self.longest_wait = 0.0

    def __enter__(self) -> Watch:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self.duration = time.monotonic() - self._began

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        while not self._is_over.is_set():
            began = time.monotonic()
            connection.request("GET", "/health")
            answer = connection.getresponse()
            assert answer.read() == b'{"status":"ok"}'
            self.answers += 1
            self.longest_wait = max(self.longest_wait, time.monotonic() - began)
        connection.close()


def ask(server: Server, method: str, path: str, **named: Any) -> tuple[int, Watch]:
    """The status of an answer, after `/health` went on answering all the time."""
    with Watch(server) as watch:
        status = httpx.request(method, f"{server.url}{path}", timeout=120, **named).status_code
    assert watch.answers
    assert watch.longest_wait < max(HANG_SECONDS, watch.duration / 2), (method, path)
    assert status < 500, (method, path)
    return status, watch


def many_parts(encoding: str) -> bytes:
    """A body of parts that hold nothing."""
    empty = gzip.compress(b"") if encoding == "gzip" else zstandard.ZstdCompressor().compress(b"")
    return empty * (BODY_BYTES // len(empty))


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "identity"])
def test_sign_in(server: Server, encoding: str) -> None:
    """Who has shown no key sends a few KiB, or is refused before the rest is read."""
    content = b" " * BODY_BYTES if encoding == "identity" else many_parts(encoding)
    for body in (content, iter([content])):
        status, _ = ask(
            server,
            "POST",
            "/sign-in",
            content=body,
            headers={"Content-Encoding": encoding, "Sec-Fetch-Site": "same-origin"},
        )
        assert status == 413


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("kind", ["parts", "spaces"])
@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/uploads",
        "/api/v1/keys",
        "/api/v1/annotation-files?run=r&mode=machine",
        "/datalake/api/client/system/label/references",
        "/datalake/api/metadata/operationdata/1/2/run/update",
    ],
)
def test_compressed(server: Server, path: str, kind: str, encoding: str) -> None:
    """Bodies of many members, and those that become as large as they may."""
    if kind == "parts":
        content = many_parts(encoding)
    else:
        pack = gzip.compress if encoding == "gzip" else zstandard.ZstdCompressor().compress
        content = pack(b" " * BODY_BYTES)
    headers = {"Content-Encoding": encoding}
    status, _ = ask(server, "POST", path, content=content, headers=headers, auth=server.auth)
    assert status in {400, 413, 422}


class Filler:
    """Makes values of schemas, the first list in which takes up a budget of bytes."""

    def __init__(self, document: dict[str, Any], budget: int) -> None:
        self._schemas = document["components"]["schemas"]
        self._budget = budget

    def fill(self, schema: dict[str, Any]) -> Any:
        """A value of a schema."""
        while "$ref" in schema or "anyOf" in schema:
            name = schema.get("$ref", "").rpartition("/")[2]
            schema = self._schemas[name] if name else schema["anyOf"][0]
        if "enum" in schema:
            return schema["enum"][0]
        match schema.get("type"):
            case "array":
                return self._list(schema.get("items") or {"type": "string"})
            case "object" if "properties" in schema:
                return {name: self.fill(inner) for name, inner in schema["properties"].items()}
            case "object":
                values = schema.get("additionalProperties")
                names = self._list({"type": "string"})
                return dict.fromkeys(names, self.fill(values if isinstance(values, dict) else {}))
        samples = {"string": "a", "integer": 1, "number": 0.5, "boolean": False}
        return samples.get(str(schema.get("type")))

    def _list(self, items: dict[str, Any]) -> list[Any]:
        budget, self._budget = self._budget, 0
        if items.get("type") == "string":
            return [f"name {number:012}" for number in range(budget // 22)]
        value = self.fill(items)
        return [value] * (budget // (len(msgspec.json.encode(value)) + 1))


STORED_BYTES = 100_000
"""For routes that store what they are sent, which takes longer than to read it."""
STORING = {"/datalake/api/client/system/label/references"}


def test_largest_messages(server: Server) -> None:
    """Every route that takes a message, with much in its lists."""
    document = httpx.get(f"{server.url}/api/openapi.json").json()
    count = 0
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            media = described.get("requestBody", {}).get("content", {}).get("application/json")
            if media is None or "security" not in described:
                continue
            budget = STORED_BYTES if path in STORING else MESSAGE_BYTES
            body = msgspec.json.encode(Filler(document, budget).fill(media["schema"]))
            url = path.replace("{", "").replace("}", "")
            ask(server, method.upper(), url, content=body, auth=server.auth)
            count += len(body) > budget // 2
    assert count > 20


def test_api_docs(server: Server) -> None:
    """The description is built once: it is there as soon as it is asked for, or known already."""
    for path in ("/api/docs", "/api/openapi.json"):
        first = httpx.get(f"{server.url}{path}")
        again = httpx.get(f"{server.url}{path}", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        plain = httpx.get(f"{server.url}{path}", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.content == first.content
