"""Traces of requests and jobs, sent to a collector by OTLP over HTTP.

Imported only where traces are on: they are an extra. A span has the template of a route, never a path,
a query string or anything else that was sent. The process's own OpenTelemetry, if it has one, is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from layernext.errors import ConfigurationError
from layernext.stack.api.access_log import Exchange
from layernext.stack.jobs import Handler, JobContext
from layernext.stack.objects import ObjectStore

SERVICE = "layernext-stack"
TRACES_PATH = "/v1/traces"
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
CARRIED = {b"traceparent", b"tracestate"}

_PROPAGATOR = TraceContextTextMapPropagator()


class Tracing:
    """Makes spans, and sends them in the background until it is closed.

    Args:
        endpoint: of the collector, such as ``http://collector:4318``. Headers, sampling, resource attributes
            and the rest come from the environment's ``OTEL_…`` variables.
        version: of the stack.

    Raises:
        ConfigurationError: the endpoint is not a URL.
    """

    def __init__(self, endpoint: str, version: str) -> None:
        defaults = {"service.name": SERVICE, "service.version": version}
        # What the environment says goes before, as everywhere else in OpenTelemetry.
        resource = Resource.create({**defaults, **OTELResourceDetector().detect().attributes})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=traces_url(endpoint))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("layernext.stack", version)

    def close(self) -> None:
        """Send what has not been sent, and stop. May be called twice."""
        self._provider.shutdown()

    @contextmanager
    def request(self, scope: Mapping[str, Any]) -> Iterator[Span]:
        """The span of a request, a child of the client's if it sent one; `end_request` fills it in."""
        carrier = {
            name.decode(): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in CARRIED
        }
        with self._tracer.start_as_current_span(
            "request",
            context=_PROPAGATOR.extract(carrier),
            kind=SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span

    @staticmethod
    def end_request(span: Span, exchange: Exchange) -> None:
        """Say in a request's span what it was and how it ended."""
        method = exchange.method if exchange.method in METHODS else "_OTHER"
        route = exchange.route
        span.update_name(f"{method} {route}" if route else method)
        span.set_attribute("http.request.method", method)
        if route:
            span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", exchange.status)
        span.set_attribute("layernext.request_id", exchange.request_id)
        if exchange.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.set_status(Status(StatusCode.ERROR))

    @contextmanager
    def part(self, name: str, **attributes: str) -> Iterator[None]:
        """A span within that of a request or job; outside of one there is none."""
        if not trace.get_current_span().get_span_context().is_valid:
            yield
            return
        with self._tracer.start_as_current_span(
            name, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False
        ):
            yield

    def job(self, handler: Handler) -> Handler:
        """A handler whose jobs are traced."""

        def traced(context: JobContext) -> Mapping[str, Any] | None:
            with self._tracer.start_as_current_span(
                f"job {context.kind}",
                attributes={"layernext.job.id": context.job_id, "layernext.job.kind": context.kind},
                record_exception=False,
            ):
                return handler(context)

        return traced

    def objects(self, objects: ObjectStore) -> ObjectStore:
        """A store of objects whose calls are traced."""
        return cast("ObjectStore", _TracedObjects(objects, self))

    def pieces(self, name: str, pieces: Iterator[Any]) -> Iterator[Any]:
        """Pieces of an object, in one span from the first to the last."""
        # They may be read in several threads, so the span is never the current one.
        span = self._tracer.start_span(name, kind=SpanKind.CLIENT)
        try:
            yield from pieces
        except BaseException:
            span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            span.end()


def traces_url(endpoint: str) -> str:
    """Where spans go: the collector's URL with OTLP's path, unless it is there already.

    Raises:
        ConfigurationError: it is not a URL.
    """
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(
            f"the URL for traces {endpoint!r} is not a URL: {error}"
        ) from error
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigurationError(
            f"the URL for traces {endpoint!r} must begin with http:// or https:// and a host"
        )
    url = endpoint.rstrip("/")
    return url if url.endswith(TRACES_PATH) else f"{url}{TRACES_PATH}"


class _TracedObjects:
    def __init__(self, inner: Any, tracing: Tracing) -> None:
        self._inner, self._tracing = inner, tracing

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._inner, name)
        return partial(self._call, name, operation) if callable(operation) else operation

    def _call(self, name: str, operation: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        with self._tracing.part(f"objects {name}"):
            result = operation(*arguments, **named)
        if isinstance(result, Iterator):
            if not trace.get_current_span().get_span_context().is_valid:
                return result
            return self._tracing.pieces(f"objects {name}", result)
        return _TracedObjects(result, self._tracing) if name == "write_part" else result
