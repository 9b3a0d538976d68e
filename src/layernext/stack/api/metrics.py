"""What Prometheus reads, at ``/metrics``. Imported only where metrics are on: they are an extra.

The counts are those of this process. Jobs are those of the database, so that any one server shows
them, whoever runs them.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, NamedTuple

from litestar import Response
from prometheus_client import CollectorRegistry, Counter, Histogram, Info, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from layernext.stack.api.access_log import Exchange
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.signature import Binary, FromRequest
from layernext.stack.store import DatabaseUnavailable, Store

PATH = "/metrics"

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
OTHER = "other"
"""Methods and paths that no route has: what a client makes up is not a label."""

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, float("inf"))
"""Seconds. Downloads and uploads of large files take minutes."""


class _Series(NamedTuple):
    """The series of one method and route, looked up once."""

    seconds: Histogram
    received: Counter
    sent: Counter


class Metrics:
    """Counts what a server does.

    Args:
        store: asked at each scrape.
        version: of the stack.
    """

    def __init__(self, store: Store, version: str) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route")
        self._requests = Counter(
            "layernext_requests",
            "Requests, by the template of their route.",
            (*labels, "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "layernext_request_seconds",
            "From the head of a request to the end of its answer.",
            labels,
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._received = Counter(
            "layernext_request_bytes",
            "Bytes of bodies of requests, as they crossed the network.",
            labels,
            registry=self._registry,
        )
        self._sent = Counter(
            "layernext_response_bytes",
            "Bytes of bodies of answers, as they crossed the network.",
            labels,
            registry=self._registry,
        )
        self._files = Counter(
            "layernext_file_bytes",
            "Bytes of files and pictures through the stack; those past it, to a bucket, are not known.",
            ("direction",),
            registry=self._registry,
        )
        self._object_errors = Counter(
            "layernext_object_store_errors",
            "Calls of the store of objects that failed.",
            ("operation",),
            registry=self._registry,
        )
        Info("layernext_build", "The version of the stack.", registry=self._registry).info(
            {"version": version}
        )
        self._in, self._out = self._files.labels("in"), self._files.labels("out")
        self._series: dict[tuple[str, str], _Series] = {}
        self._by_status: dict[tuple[str, str, int], Counter] = {}
        self._registry.register(_StoreCollector(store))
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def observe(self, exchange: Exchange) -> None:
        """Count a request that has been answered; called in the event loop."""
        method = exchange.method if exchange.method in METHODS else OTHER
        route = exchange.route or OTHER
        series = self._series.get((method, route))
        if series is None:
            series = self._series[method, route] = _Series(
                self._seconds.labels(method, route),
                self._received.labels(method, route),
                self._sent.labels(method, route),
            )
        key = (method, route, exchange.status)
        requests = self._by_status.get(key)
        if requests is None:
            requests = self._by_status[key] = self._requests.labels(
                method, route, str(exchange.status)
            )
        requests.inc()
        series.seconds.observe(exchange.seconds)
        received, sent = exchange.received_bytes, exchange.sent_bytes
        if received:
            series.received.inc(received)
        if sent:
            series.sent.inc(sent)
        if exchange.status < HTTPStatus.BAD_REQUEST and exchange.carries_files:
            self._in.inc(received)
            self._out.inc(sent)

    def note_object_error(self, operation_name: str) -> None:
        """Count a call of the store of objects that failed."""
        self._object_errors.labels(operation_name).inc()

    def text(self) -> bytes:
        """All series in Prometheus' text format; reads the database."""
        return generate_latest(self._registry)


class _StoreCollector(Collector):
    """What the store knows, read at each scrape."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering does not ask the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The series of one scrape."""
        yield from self._jobs()
        activity = self._store.activity
        images, annotations = activity.ingested
        yield CounterMetricFamily(
            "layernext_ingested_images", "Images of stored batches.", value=images
        )
        yield CounterMetricFamily(
            "layernext_ingested_annotations", "Annotations of stored batches.", value=annotations
        )
        errors = CounterMetricFamily(
            "layernext_database_errors", "Calls of the database that failed.", labels=["reason"]
        )
        for reason, count in activity.database_errors.items():
            errors.add_metric([reason], count)
        yield errors

    def _jobs(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily(
            "layernext_jobs", "Jobs in the database.", labels=["kind", "status"]
        )
        ages = GaugeMetricFamily(
            "layernext_oldest_queued_job_seconds",
            "Since the oldest job in the queue was created.",
            labels=["kind"],
        )
        is_up = True
        try:
            counts = self._store.jobs.count()
        except DatabaseUnavailable:  # the store has logged it, and counts it
            counts, is_up = [], False
        for group in counts:
            jobs.add_metric([group.kind, group.status], group.count)
            if group.status == "queued":
                ages.add_metric([group.kind], group.oldest_age_s)
        yield jobs
        yield ages
        yield GaugeMetricFamily(
            "layernext_database_up", "Whether the database answers.", value=float(is_up)
        )


@operation(
    "GET",
    PATH,
    Operation(summary="Metrics of this server", tag="Health", role="admin"),
)
def show_metrics(
    metrics: Annotated[Metrics, FromRequest(lambda request: request.app.state["metrics"])],
) -> Binary:
    """In Prometheus' text format. There only if the stack was started with `--metrics`."""
    return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


ROUTES = [show_metrics]
