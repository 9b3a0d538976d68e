"""Puts the stack together: the store, the routes, the server."""

from __future__ import annotations

import gc
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import msgspec
import uvicorn
from litestar.datastructures import State
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from layernext.errors import ConfigurationError
from layernext.stack.api import auth, health, native, openapi, published
from layernext.stack.api.access_log import JsonFormatter
from layernext.stack.api.error_map import JSON, answer_error, envelope
from layernext.stack.api.front import StackApplication
from layernext.stack.api.published.annotations import PagePlaces
from layernext.stack.api.services import Services
from layernext.stack.settings import Settings
from layernext.stack.store import NewKey, Store

FIRST_KEY_NAME = "first key"

KEEP_ALIVE_S = 75
"""Longer than the pauses of a client between its batches, so that connections are used again."""

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
        first = None if store.list_keys() else store.create_key(FIRST_KEY_NAME, "admin")
    except BaseException:
        store.close()
        raise
    return store, first


def open_store(settings: Settings) -> Store:
    """Open the store alone, as `open_stack` does.

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


def create_app(store: Store, settings: Settings) -> StackApplication:
    """The stack as an ASGI application.

    Args:
        store: stays the caller's, to be closed after the application has ended.
        settings: ``native`` decides whether the native protocol is there at all.
    """
    routes = [*health.ROUTES, *openapi.ROUTES, *published.ROUTES]
    if settings.native:
        routes += native.ROUTES
    app = StackApplication(
        route_handlers=routes,
        guards=[auth.guard],
        exception_handlers={Exception: answer_error},
        state=State({"services": Services(store, settings), "page_places": PagePlaces()}),
        openapi_config=None,  # openapi.py describes the routes
        request_max_body_size=None,  # body.py bounds each
        logging_config=None,
        debug=False,
    )
    app.state["openapi"] = msgspec.json.encode(openapi.describe(app.routes))
    return app


def serve(store: Store, settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish what is in flight and close the store.

    Args:
        store: from `open_stack`.
        settings: of the stack.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    try:
        _set_up_logging(settings)
        app = create_app(store, settings)
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
            timeout_graceful_shutdown=settings.stop_timeout_s,
        )
        try:
            _Server(config).run()
        except SystemExit as error:
            # uvicorn has logged the reason.
            raise ConfigurationError(
                f"cannot listen on {settings.host}:{settings.port}: is the port in use?"
            ) from error
    finally:
        store.close()


class _Server(uvicorn.Server):
    """uvicorn's server, which returns after a signal instead of dying of it.

    So the store is closed, and the process ends with 0.
    """

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
    """uvicorn's HTTP, which answers what is no HTTP in the shape of every other error."""

    def send_400_response(self, msg: str) -> None:
        body = envelope(400, msg, None)
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
            f"content-type: {JSON}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def _set_up_logging(settings: Settings) -> None:
    """Log to standard error, unless whoever starts the stack has set logging up already."""
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler()
        text = "%(asctime)s %(levelname)-7s %(name)s %(message)s"
        formatter = JsonFormatter() if settings.log_format == "json" else logging.Formatter(text)
        handler.setFormatter(formatter)
        root.addHandler(handler)
    logging.getLogger("layernext").setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    if settings.quiet:
        logging.getLogger("layernext.stack.access").setLevel(logging.WARNING)


__all__ = ["Settings", "create_app", "open_stack", "open_store", "serve"]
