"""Puts the stack together: settings, store, routes, server."""

from __future__ import annotations

import gc
import logging
import sys
from typing import Any

import uvicorn
from litestar import Litestar
from litestar.di import Provide
from litestar.types import ASGIApp

from layernext.errors import ConfigurationError
from layernext.stack.api import auth, health, native, openapi, published
from layernext.stack.api.error_map import answer_error
from layernext.stack.api.front import Front
from layernext.stack.settings import Settings
from layernext.stack.store import NewKey, Store

logger = logging.getLogger("layernext.stack")

STOP_SECONDS = 30
"""Requests in flight get this long to finish after SIGTERM."""

GC_THRESHOLD = 1_000_000
"""Objects more than before at which the collector looks for cycles. Decoded batches come and go
without any, and looking at them costs a tenth of the time that ingesting them takes."""


def open_stack(settings: Settings) -> tuple[Store, NewKey | None]:
    """Open the store; the very first start also makes an administrator's key.

    Returns:
        The store, and the key if one was made: its secret is known only now.

    Raises:
        ConfigurationError: the folder or the database cannot be used.
    """
    store = open_store(settings)
    first = None if store.list_keys() else store.create_key("first key", "admin")
    return store, first


def open_store(settings: Settings) -> Store:
    """Open the store alone.

    Raises:
        ConfigurationError: the folder or the database cannot be used.
    """
    if settings.database is None:
        try:
            settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigurationError(
                f"the data folder {settings.data} cannot be made: {error.strerror}"
            ) from error
    return Store.open(settings.database_url)


def create_routes(store: Store, settings: Settings) -> Litestar:
    """The routed application, without the layer that checks credentials; see `create_app`."""
    handlers: list[Any] = [*health.ROUTES, *published.ROUTES]
    if settings.native:
        handlers += native.ROUTES
    return Litestar(
        route_handlers=handlers,
        dependencies={
            "store": Provide(lambda: store, sync_to_thread=False),
            "settings": Provide(lambda: settings, sync_to_thread=False),
        },
        guards=[auth.guard],
        exception_handlers={Exception: answer_error},
        openapi_config=openapi.config(),
        request_max_body_size=None,  # body.py bounds each route's own
        logging_config=None,
        debug=False,
    )


def create_app(store: Store, settings: Settings) -> ASGIApp:
    """The whole application, as a server or a test runs it."""
    return Front(create_routes(store, settings), store, quiet=settings.quiet)


def serve(store: Store, settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; then finish what is in flight and close the store.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 10, 10)
    _set_up_logging()
    config = uvicorn.Config(
        create_app(store, settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = uvicorn.Server(config)
    try:
        server.run()
    except SystemExit as error:
        raise ConfigurationError(
            f"cannot listen on {settings.host}:{settings.port}; is the port in use?"
        ) from error
    finally:
        store.close()


def _set_up_logging() -> None:
    """One line an event on standard error; the access log's lines are JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger("layernext")
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    root.propagate = False
    logging.getLogger("uvicorn.error").addHandler(handler)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


__all__ = ["Settings", "create_app", "create_routes", "open_stack", "open_store", "serve"]
