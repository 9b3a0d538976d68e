"""Puts the stack together: the store, the routes, the server."""

from __future__ import annotations

import asyncio
import gc
import getpass
import heapq
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType, ModuleType
from typing import cast

import uvicorn
from litestar.datastructures import State
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from layernext import __version__
from layernext.errors import ConfigurationError
from layernext.stack import backup
from layernext.stack.api import auth, exports, health, native, openapi, published, transfer
from layernext.stack.api.access import IS_KNOWN
from layernext.stack.api.access_log import JsonFormatter
from layernext.stack.api.admission import Admission, note_refusal
from layernext.stack.api.audit import describe_key
from layernext.stack.api.error_map import JSON, answer_error, envelope
from layernext.stack.api.front import StackApplication
from layernext.stack.api.published.annotations import PagePlaces
from layernext.stack.api.services import Services
from layernext.stack.api.tracing_switch import closing, load_tracing, start_tracing, traced_handlers
from layernext.stack.connections import AcceptFailures, connection_limit, raise_file_limit
from layernext.stack.folder import hold_folder, prepare_folder
from layernext.stack.jobs import (
    JobRunner,
    engine_for,
    handlers_for,
    load_dask,
    running_jobs,
    scheduler_address,
    stop_signals,
)
from layernext.stack.memory import release_memory
from layernext.stack.objects import BucketStore, FolderStore, ObjectStore, count_errors
from layernext.stack.settings import OidcSettings, Settings
from layernext.stack.store import Database, NewAuditEntry, NewKey, Role, Store
from layernext.stack.web import ROUTES as PAGES
from layernext.stack.web import answer_any_error, show_docs

FIRST_KEY_NAME = "first key"

KEEP_ALIVE_S = 75
"""Longer than the pauses of a client between its batches, so that connections are used again."""

MAX_HEAD_BYTES = 64 << 10
"""Of a request's URL and headers, or of its trailers. They are read before anybody has shown a
key."""

HEAD_TIMEOUT_S = 30
"""For a request's head to come, from the opening of the connection or the head's first byte."""

CLOSED_AT_ONCE = 16
"""Where there are too many connections, one of so many is closed in one go: finding those that have
been idle for longest means looking at all."""

BACKLOG = 128
"""Connections that wait to be accepted. As many may be accepted before any is counted, so they must
be fewer than the files that are kept free."""

BODY_AHEAD_BYTES = 1 << 20
"""Of a body, taken in while what came before is hashed and written. uvicorn itself waits at 64 KiB, which
costs a large file a turn of the loop for every read."""

GC_THRESHOLD = 1_000_000
"""New objects after which the collector looks for cycles. Decoded batches come and go without any;
looking at them would cost a tenth of the time that storing them takes."""

GC_TICKS = 100
"""Of the server, a tenth of a second each, between collections of what has become garbage since. What
requests leave behind in cycles would otherwise stay until the threshold: some 200 MB."""
FULL_GC_TICKS = 6_000

TRIM_TICKS = 600
"""Between two times that freed memory is given back to the system."""

SWITCH_INTERVAL_S = 0.001
"""While a thread decodes, the event loop gets its turn within this time, and batches that arrive
meanwhile are not held up by the usual 5 ms at every chunk."""


def open_stack(settings: Settings) -> tuple[Store, NewKey | None]:
    """Open the store; the very first time, an administrator's key is made.

    Args:
        settings: where the data is.

    Returns:
        The store, which the caller closes, and that first key: its secret is known only now.

    Raises:
        ConfigurationError: the folder or the database cannot be used.
    """
    store = open_store(settings)
    try:
        first = None if store.keys.list() else _create_first_key(store)
    except BaseException:
        store.close()
        raise
    return store, first


def _create_first_key(store: Store) -> NewKey | None:
    """Make an administrator's key, unless another server that starts now makes it."""
    first: NewKey | None = None
    entry = operator_entry("create key")

    def work() -> NewKey | None:
        nonlocal first
        first = store.keys.create_first(FIRST_KEY_NAME, "admin")
        entry.subject = describe_key(first) if first else None
        return first

    return store.audit.together(lambda: entry if first else None, work)


def open_store(settings: Settings) -> Store:
    """Open the store alone, as `open_stack` does.

    Raises:
        ConfigurationError: the folder or the database cannot be used.
    """
    _make_data_folder(settings)
    return Store.open(settings.database_url)


def open_database(settings: Settings) -> Database:
    """Open the database and leave its tables as they are: for backups, restores and checks.

    Raises:
        ConfigurationError: the folder or the database cannot be used.
    """
    _make_data_folder(settings)
    return Database(settings.database_url, migrates=False)


def operator_entry(
    action: str, subject: str | None = None, count: int | None = None
) -> NewAuditEntry:
    """An entry of the audit log for what somebody does on the stack's own machine, by a command."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        user = str(os.getuid()) if hasattr(os, "getuid") else ""
    actor = f"command line ({user})" if user else "command line"
    return NewAuditEntry(actor=actor, action=action, subject=subject, count=count)


def create_key(
    store: Store, name: str, role: Role, rate: float | None = None, user: str | None = None
) -> NewKey:
    """Make an API key on the stack's own machine, with its entry in the audit log."""
    entry = operator_entry("create key")

    def work() -> NewKey:
        key = store.keys.create(name, role, rate, user)
        entry.subject = describe_key(key)
        return key

    return store.audit.together(lambda: entry, work)


def revoke_key(store: Store, api_key: str) -> bool:
    """End a key's life likewise; False if no such key is in use."""
    is_revoked = False

    def work() -> bool:
        nonlocal is_revoked
        is_revoked = store.keys.revoke(api_key)
        return is_revoked

    entry = operator_entry("revoke key", api_key)
    return store.audit.together(lambda: entry if is_revoked else None, work)


def open_objects(settings: Settings) -> ObjectStore:
    """Open the store of objects.

    Raises:
        ConfigurationError: the bucket cannot be used.
    """
    if settings.objects is not None:
        return BucketStore(settings.objects, settings.objects_options)
    prepare_folder(settings.data)
    return FolderStore(settings.objects_folder)


def _make_data_folder(settings: Settings) -> None:
    if settings.database is None:
        prepare_folder(settings.data)


def load_metrics() -> ModuleType:
    """The module that counts for Prometheus.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    try:
        from layernext.stack.api import metrics  # noqa: PLC0415 - an optional part
    except ModuleNotFoundError as error:
        if error.name != "prometheus_client":
            raise
        raise ConfigurationError(
            "metrics need an extra that is not installed;"
            " run: pip install '.[metrics,stack]' in the source folder"
        ) from error
    return metrics


def load_oidc() -> ModuleType:
    """The routes of signing in through an OpenID Connect provider.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    try:
        from layernext.stack.web import oidc  # noqa: PLC0415 - an optional part
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"authlib", "joserfc"}:
            raise
        raise ConfigurationError(
            "signing in through OpenID Connect needs an extra that is not installed;"
            " run: pip install '.[oidc,stack]' in the source folder"
        ) from error
    return oidc


def create_app(store: Store, settings: Settings, *, holds_folder: bool = False) -> StackApplication:
    """The stack as an ASGI application. Its jobs wait for `services_in(app).jobs.start()`.

    Args:
        store: stays the caller's, to be closed after the application has ended.
        settings: ``native`` decides whether the native protocol is there at all.
        holds_folder: from `hold_folder`.
    """
    routes = [*health.ROUTES, *openapi.ROUTES, *transfer.ROUTES, *exports.ROUTES, *published.ROUTES]
    if settings.native:
        routes += [*native.ROUTES, *PAGES]
    provider = None
    if settings.oidc is not None:
        oidc = load_oidc()
        routes += oidc.ROUTES
        provider = oidc.Provider(settings.oidc)
    objects = open_objects(settings)
    counts = None
    if settings.metrics:
        metrics = load_metrics()
        routes += metrics.ROUTES
        counts = metrics.Metrics(store, __version__)
        objects = count_errors(objects, counts.note_object_error)
    tracing = start_tracing(store, settings)
    if tracing is not None:
        objects = tracing.objects(objects)
    engine = engine_for(store, settings.engine)
    handlers = traced_handlers(handlers_for(store, objects, engine), tracing)
    jobs = JobRunner(store.jobs, handlers, holds_folder=holds_folder)
    app = StackApplication(
        route_handlers=routes,
        guards=[auth.guard],
        after_exception=[note_refusal],
        exception_handlers={Exception: answer_any_error if settings.native else answer_error},
        state=State(
            {
                "services": Services(store, settings, objects, jobs),
                "page_places": PagePlaces(),
                "admission": Admission(settings),
                "show_docs": show_docs if settings.native else None,
                "metrics": counts,
                "oidc": provider,
                "tracing": tracing,
            }
        ),
        openapi_config=None,  # openapi.py describes the routes
        request_max_body_size=None,  # body.py bounds each
        logging_config=None,
        debug=False,
    )
    app.state["description"] = openapi.Description(app.routes)
    return app


def services_in(app: StackApplication) -> Services:
    """What the stack works with; the caller of `create_app` starts and stops its jobs."""
    return cast("Services", app.state["services"])


def serve(store: Store, settings: Settings, *, holds_folder: bool = False) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish what is in flight and close the store.

    Args:
        store: from `open_stack`.
        settings: of the stack.
        holds_folder: from `hold_folder`.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    try:
        set_up_logging(settings)
        raise_file_limit()
        app = create_app(store, settings, holds_folder=holds_folder)
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 10, 10)
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=_Protocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            backlog=BACKLOG,
            timeout_graceful_shutdown=settings.stop_timeout_s,
        )
        services = services_in(app)
        with closing(app.state["tracing"]), _jobs_if_on(services):
            try:
                _Server(config).run()
            except SystemExit as error:
                # uvicorn has logged the reason.
                raise ConfigurationError(
                    f"cannot listen on {settings.host}:{settings.port}: is the port in use?"
                ) from error
    finally:
        store.close()


def _jobs_if_on(services: Services) -> AbstractContextManager[None]:
    settings = services.settings
    if not settings.jobs:
        return nullcontext()
    return running_jobs(
        services.store,
        services.objects,
        services.jobs,
        settings.purge_trash_after_days,
        settings.audit_days,
    )


def work(store: Store, settings: Settings) -> None:
    """Run jobs and housekeeping without serving, until SIGTERM or Ctrl-C.

    Jobs in progress end at their next report and are queued again. To be called in the main thread.

    Args:
        store: from `open_store`; closed at the end.
        settings: of the stack; those of the server itself have no effect.

    Raises:
        ConfigurationError: the folder or the bucket of uploaded files cannot be used.
    """
    try:
        objects = open_objects(settings)
        tracing = start_tracing(store, settings)
        if tracing is not None:
            objects = tracing.objects(objects)
        handlers = handlers_for(store, objects, engine_for(store, settings.engine))
        runner = JobRunner(store.jobs, traced_handlers(handlers, tracing))
        with (
            closing(tracing),
            stop_signals() as wait_for_signal,
            running_jobs(
                store, objects, runner, settings.purge_trash_after_days, settings.audit_days
            ),
        ):
            wait_for_signal()
    finally:
        store.close()


def help_cluster(store: Store, settings: Settings, processes: int, name: str | None) -> None:
    """Be workers of the Dask cluster that `settings.engine` names, until SIGTERM or Ctrl-C.

    To be called in the main thread.

    Args:
        store: from `open_store`; closed before the workers start.
        settings: of the stack.
        processes: how many workers, each with one thread.
        name: of the workers in the cluster; None for names that Dask makes.

    Raises:
        ConfigurationError: the engine is no cluster, or no scheduler answers.
    """
    store.close()
    address = scheduler_address(settings.engine)
    if address is None:
        raise ConfigurationError(
            "the engine is not a cluster", hint="pass --engine dask://HOST:PORT"
        )
    load_dask()
    from layernext.stack.jobs.dask_cluster import run_workers  # noqa: PLC0415 - an optional part

    run_workers(address, settings.database_url, processes, name)


class _Server(uvicorn.Server):
    """uvicorn's server, which returns after a signal instead of dying of it.

    So the store is closed, and the process ends with 0.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        asyncio.get_running_loop().set_exception_handler(AcceptFailures())
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        """What is done every tenth of a second; true ends the server."""
        if counter % GC_TICKS == 0:
            gc.collect(2 if counter % FULL_GC_TICKS == 0 else 1)
        if counter % TRIM_TICKS == 0:
            # It waits for the locks of the allocator, and lets go of Python's meanwhile.
            asyncio.get_running_loop().run_in_executor(None, release_memory)
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._stop) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.handle_exit(number, frame)


class _Protocol(HttpToolsProtocol):
    """uvicorn's HTTP, with bounds on the part of a request that comes before anybody is known.

    What is not HTTP, or too large, is answered in the shape of every other error.
    """

    _head_bytes: int | None = 0
    """Taken in of a head, or of the trailers behind a chunked body; None in a body."""
    _new_bytes = 0
    """Of the data that has just come: what belongs to no earlier part of the connection."""
    _head_timer: asyncio.TimerHandle | None = None
    _is_head_too_large = False
    idle_since: tuple[bool, float] = (False, 0.0)
    """Whether a request was answered on this connection, and when its last one ended; those that come
    first in this order are closed first when there are too many."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.idle_since = (False, self.loop.time())
        self._start_head_timer()
        if len(self.connections) > connection_limit():
            self._make_room()

    def _make_room(self) -> None:
        """Close the connections that have been idle for longest, or this one if all are at work."""
        others = [
            other
            for other in self.connections
            if isinstance(other, _Protocol) and other is not self and other.is_idle
        ]
        count = max(1, len(self.connections) // CLOSED_AT_ONCE)
        for other in heapq.nsmallest(count, others, key=lambda other: other.idle_since):
            other.transport.close()
        if not others:
            self._refuse("503 Service Unavailable", "the stack has too many connections")

    @property
    def is_idle(self) -> bool:
        """Whether this connection may be closed for others: nothing is at work on it.

        A stranger whose body is still on its way keeps nobody out: it may be on its way for as long as
        the stranger likes.
        """
        if self.transport.is_closing():
            return False
        cycle = self._last_cycle()
        if cycle is None or cycle.response_complete:
            return True
        return cycle.more_body and IS_KNOWN not in cycle.scope["state"]

    def on_response_complete(self) -> None:
        self.idle_since = (True, self.loop.time())
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._start_head_timer()

    def on_headers_complete(self) -> None:
        self._stop_head_timer()
        # A head may come whole with one read, and has not been counted then.
        fields = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.url) + fields > MAX_HEAD_BYTES:
            self._is_head_too_large = True
            raise ValueError  # ends the parser, which leads to send_400_response
        self._head_bytes = None
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        # Behind the last chunk come trailers, which the parser gathers like headers.
        self._count_anew()

    def on_body(self, body: bytes) -> None:
        self._head_bytes = None
        super().on_body(body)
        if self.flow.read_paused and len(self.cycle.body) < BODY_AHEAD_BYTES:
            self.flow.resume_reading()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._count_anew()

    def data_received(self, data: bytes) -> None:
        self._new_bytes = len(data)
        super().data_received(data)
        if self._head_bytes is None or self.transport.is_closing():
            return
        self._head_bytes += self._new_bytes
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse_head()

    def _count_anew(self) -> None:
        self._head_bytes = self._new_bytes = 0

    def _start_head_timer(self) -> None:
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._head_is_late)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        # While requests wait for their answers, reading may pause, and the next head with it.
        cycle = self._last_cycle()
        if cycle is not None and not cycle.response_complete:
            self._start_head_timer()
        else:
            self.transport.close()

    def _last_cycle(self) -> RequestResponseCycle | None:
        return self.cycle  # None before the first request, which uvicorn's types leave out

    def send_400_response(self, msg: str) -> None:
        if self._is_head_too_large:
            self._refuse_head()
        else:
            self._refuse("400 Bad Request", msg)

    def _refuse_head(self) -> None:
        text = f"the head of the request is larger than {MAX_HEAD_BYTES >> 10} KiB"
        self._refuse("431 Request Header Fields Too Large", text)

    def _refuse(self, status: str, text: str) -> None:
        # Within an answer that is under way, another one would be taken for a part of it.
        cycle = self._last_cycle()
        if cycle is None or cycle.response_complete or not cycle.response_started:
            body = envelope(int(status[:3]), text, None)
            head = (
                f"HTTP/1.1 {status}\r\n"
                f"content-type: {JSON}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def set_up_logging(settings: Settings) -> None:
    """Log to standard error, unless whoever starts the stack has set logging up already.

    May be called again, with the same settings.
    """
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler()
        text = "%(asctime)s %(levelname)-7s %(name)s %(message)s"
        formatter = JsonFormatter() if settings.log_format == "json" else logging.Formatter(text)
        handler.setFormatter(formatter)
        root.addHandler(handler)
    logging.getLogger("layernext").setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # That requests were cut off at the end of the time to stop is one line; each need not tell how.
    logging.getLogger("uvicorn.error").addFilter(_is_no_cancellation)
    if settings.quiet:
        logging.getLogger("layernext.stack.access").setLevel(logging.WARNING)


__all__ = [
    "OidcSettings",
    "Settings",
    "backup",
    "create_app",
    "create_key",
    "hold_folder",
    "load_metrics",
    "load_oidc",
    "load_tracing",
    "open_database",
    "open_objects",
    "open_stack",
    "open_store",
    "operator_entry",
    "revoke_key",
    "serve",
    "services_in",
    "set_up_logging",
    "work",
]
