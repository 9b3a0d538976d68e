"""Traces, received by a collector on loopback over real HTTP."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from layernext.errors import ConfigurationError
from layernext.stack.api.tracing import traces_url
from tests.integration.stack.server import Server, serving

TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET_WORDS = ("hunter2", "secret-query", "private.jpg")


class Collector:
    """Takes spans by OTLP over HTTP."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.requests: list[ExportTraceServiceRequest] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    import gzip

                    body = gzip.decompress(body)
                collector.paths.append(self.path)
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for request in list(self.requests)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def attributes(span: Any) -> dict[str, Any]:
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes
    }


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.close()


@pytest.fixture(scope="module")
def spans(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> list[Any]:
    """Spans of some requests and a job, all sent before the server has ended."""
    folder = tmp_path_factory.mktemp("traced")
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        server = stack.enter_context(serving(folder, traces=collector.url))
        ask_things(server)
        assert server.stop() == 0
    return collector.spans


def ask_things(server: Server) -> None:
    with httpx.Client(base_url=server.url, auth=server.auth, timeout=60) as client:
        client.get("/ready")
        client.get("/api/v1").raise_for_status()  # the first request makes the secret of cookies
        headers = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01", "X-Request-Id": "mine"}
        client.get("/api/v1/collections?limit=7", headers=headers).raise_for_status()
        client.get("/api/v1/runs", params={"collection": "secret-query"})
        client.get("/api/v1", auth=("key_x", "hunter2"), headers={"traceparent": "nonsense"})
        client.get("/nowhere/private.jpg")
        body = {"run": "r", "mode": "machine", "geometry": "rectangle", "collection": "c"}
        for mode in ("machine", "human"):
            upload = client.post("/api/v1/uploads", json={**body, "mode": mode}).json()["id"]
            line = b'{"image": "private.jpg", "annotations": []}'
            client.put(f"/api/v1/uploads/{upload}/batches/0", content=line).raise_for_status()
            client.post(f"/api/v1/uploads/{upload}/finish", json={"batches": 1})
        body = {"run": "r", "ground_truth": "r", "collection": "c", "truth_mode": "human"}
        made = client.post("/api/v1/evaluations", json={**body, "run_mode": "machine"}).json()
        deadline = time.monotonic() + 60
        while client.get(f"/api/v1/evaluations/{made['id']}").json()["status"] != "completed":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        start = {"format": "coco", "collection": "c", "run": "r", "mode": "machine"}
        export = client.post("/api/v1/exports", json=start).json()
        while client.get(f"/api/v1/exports/{export['id']}").json()["status"] != "completed":
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_requests(collector: Collector, spans: list[Any]) -> None:
    """A span for each, named by the route's template, a child of the client's own span."""
    assert set(collector.paths) == {"/v1/traces"}
    resource = collector.requests[0].resource_spans[0].resource
    told = attributes(resource)
    assert told["service.name"] == "layernext-stack"
    assert told["deployment.environment.name"] == "test"
    (listing,) = [span for span in spans if span.name == "GET /api/v1/collections"]
    assert listing.trace_id.hex() == TRACE_ID
    assert listing.parent_span_id.hex() == PARENT_ID
    assert listing.kind == listing.SPAN_KIND_SERVER
    assert attributes(listing) == {
        "http.request.method": "GET",
        "http.route": "/api/v1/collections",
        "http.response.status_code": 200,
        "layernext.request_id": "mine",
    }
    batches = [span for span in spans if "batches" in span.name]
    assert {span.name for span in batches} == {"PUT /api/v1/uploads/{upload_id}/batches/{sequence}"}
    (refused,) = [
        span for span in spans if attributes(span).get("http.response.status_code") == 401
    ]
    assert refused.parent_span_id == b""
    assert [span for span in spans if span.name == "GET"]  # of no route


def test_what_a_request_does_is_within_it(spans: list[Any]) -> None:
    """Transactions, and calls of the store of files."""
    (listing,) = [span for span in spans if span.name == "GET /api/v1/collections"]
    parts = [span for span in spans if span.parent_span_id == listing.span_id]
    assert {span.name for span in parts} == {"database read"}
    assert {attributes(span)["db.system.name"] for span in parts} == {"sqlite"}
    batch = next(span for span in spans if "batches" in span.name)
    written = [span.name for span in spans if span.parent_span_id == batch.span_id]
    assert "database write" in written
    jobs = {span.name: span for span in spans if span.name.startswith("job ")}
    assert {"job evaluation", "job export"} <= set(jobs)
    within = {span.name for span in spans if span.parent_span_id == jobs["job export"].span_id}
    assert {"database read", "database write"} <= within
    assert any(name.startswith("objects ") for name in within)


def test_nothing_that_was_sent(collector: Collector, spans: list[Any]) -> None:
    """No path, query, name or secret."""
    assert spans
    text = "".join(map(str, collector.requests))
    assert not [word for word in SECRET_WORDS if word in text]


def test_nothing_is_imported_when_off(tmp_path: Path) -> None:
    """Litestar itself looks whether OpenTelemetry's interface is installed."""
    script = f"""
import sys
from pathlib import Path
from layernext.stack.app import Settings, create_app, open_stack
settings = Settings(data=Path({str(tmp_path)!r}))
store, _ = open_stack(settings)
create_app(store, settings)
store.close()
assert "layernext.stack.api.tracing" not in sys.modules
assert not [name for name in sys.modules if name.startswith("opentelemetry.sdk")]
assert not [name for name in sys.modules if name.startswith("opentelemetry.exporter")]
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://example.org/otlp/v1/traces", "https://example.org/otlp/v1/traces"),
    ],
)
def test_urls(given: str, url: str) -> None:
    assert traces_url(given) == url


@pytest.mark.parametrize(
    "given", ["", "collector:4318", "grpc://collector", "http://", "http://a:b"]
)
def test_what_is_not_a_url(given: str) -> None:
    with pytest.raises(ConfigurationError, match="URL for traces"):
        traces_url(given)
