"""Puts the stack together: the store, the routes, the server."""

from __future__ import annotations

import asyncio
import gc
import getpass
import logging
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import cast

import uvicorn
from litestar.datastructures import State

from layernext import __version__
from layernext.errors import ConfigurationError
from layernext.stack import backup
from layernext.stack.api import auth, exports, health, native, openapi, published, transfer
from layernext.stack.api.access_log import JsonFormatter
from layernext.stack.api.admission import Admission, note_refusal
from layernext.stack.api.audit import describe_key
from layernext.stack.api.error_map import answer_error
from layernext.stack.api.front import StackApplication
from layernext.stack.api.published.annotations import PagePlaces
from layernext.stack.api.services import Services
from layernext.stack.api.tracing_switch import closing, load_tracing, start_tracing, traced_handlers
from layernext.stack.connections import raise_file_limit
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
from layernext.stack.objects import (
    BucketStore,
    FolderStore,
    ObjectStore,
    count_errors,
    with_links,
)
from layernext.stack.server import Protocol, Server
from layernext.stack.settings import OidcSettings, Settings
from layernext.stack.store import Database, NewAuditEntry, NewKey, Role, Store
from layernext.stack.web import ROUTES as PAGES
from layernext.stack.web import answer_any_error, show_docs

FIRST_KEY_NAME = "first key"

KEEP_ALIVE_S = 75
"""Longer than the pauses of a client between its batches, so that connections are used again."""

BACKLOG = 128
"""Connections that wait to be accepted. As many may be accepted before any is counted, so they must
be fewer than the files that are kept free."""

GC_THRESHOLD = 1_000_000
"""New objects after which the collector looks for cycles. Decoded batches come and go without any;
looking at them would cost a tenth of the time that storing them takes."""

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
    inner: ObjectStore
    if settings.objects is not None:
        inner = BucketStore(settings.objects, settings.objects_options)
    else:
        prepare_folder(settings.data)
        inner = FolderStore(settings.objects_folder)
    return with_links(inner, settings.allow_link, settings.objects_options)


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
            http=Protocol,
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
                Server(config).run()
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
