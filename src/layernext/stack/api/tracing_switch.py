"""Turns traces on where the settings ask for them. `tracing` itself is an extra, imported only then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from layernext import __version__
from layernext.errors import ConfigurationError
from layernext.stack.jobs import Handler
from layernext.stack.settings import Settings
from layernext.stack.store import Store


def load_tracing() -> ModuleType:
    """The module that sends traces.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    try:
        from layernext.stack.api import tracing  # noqa: PLC0415 - an optional part
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise ConfigurationError(
            "traces need an extra that is not installed;"
            " run: pip install '.[otel,stack]' in the source folder"
        ) from error
    return tracing


def start_tracing(store: Store, settings: Settings) -> Any:
    """Trace a store, and what else is told; None if traces are off. The caller closes it.

    Raises:
        ConfigurationError: the extra is not installed, or the collector's URL is not one.
    """
    if settings.traces is None:
        return None
    tracing = load_tracing().Tracing(settings.traces, __version__)
    system = "sqlite" if settings.database_file is not None else "postgresql"
    store.trace(lambda name: tracing.part(f"database {name}", **{"db.system.name": system}))
    return tracing


def traced_handlers(handlers: dict[str, Handler], tracing: Any) -> dict[str, Handler]:
    """The handlers of jobs, traced if traces are on."""
    if tracing is None:
        return handlers
    return {kind: tracing.job(handler) for kind, handler in handlers.items()}


@contextmanager
def closing(tracing: Any) -> Iterator[None]:
    """Send what is left of the traces at the end of a block; None if traces are off."""
    try:
        yield
    finally:
        if tracing is not None:
            tracing.close()
