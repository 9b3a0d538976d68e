"""Ending work in a thread for which nobody waits any more."""

from __future__ import annotations

import threading
from contextvars import ContextVar

is_cancelled: ContextVar[threading.Event | None] = ContextVar("layernext_cancelled", default=None)
"""Set for the calls of an asynchronous client; a thread gets it with the rest of its context."""


class Cancelled(Exception):
    """Ends the work. Nobody sees it: the caller has its own `asyncio.CancelledError`."""


def go_on_unless_cancelled() -> None:
    """Go on, unless the call was cancelled.

    Raises:
        Cancelled: it was.
    """
    if is_cancelled_here():
        raise Cancelled


def is_cancelled_here() -> bool:
    """Whether nobody waits for the call any more that this thread works for."""
    event = is_cancelled.get()
    return event is not None and event.is_set()
