"""Runs jobs and housekeeping: in a server beside the requests, or alone in ``layernext worker``."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from layernext.stack.jobs.housekeeping import Housekeeping
from layernext.stack.jobs.runner import JobRunner
from layernext.stack.objects import ObjectStore
from layernext.stack.store import Store

SIGNALS = (signal.SIGINT, signal.SIGTERM)

SLEEP_SECONDS = 3600.0
"""A signal ends the sleep, so its length does not matter."""


@contextmanager
def running_jobs(
    store: Store,
    objects: ObjectStore,
    runner: JobRunner,
    purge_trash_after_days: float | None,
    audit_days: float,
) -> Iterator[None]:
    """Run jobs and housekeeping in threads while the block lasts.

    At the end, jobs in progress end at their next report and are queued again.
    """
    housekeeping = Housekeeping(store, objects, runner, purge_trash_after_days, audit_days)
    runner.start()
    housekeeping.start()
    try:
        yield
    finally:
        housekeeping.stop()
        runner.stop()


class _Signaled(BaseException):
    """Leaves the wait for a signal."""


@contextmanager
def stop_signals() -> Iterator[Callable[[], None]]:
    """Take SIGINT and SIGTERM while the block lasts; for the main thread.

    The first signal ends the wait, even if it came before. Later ones are ignored, so that nothing interrupts
    an orderly stop.

    Yields:
        A function that waits for the first signal.
    """
    is_waiting = has_come = False

    def note(number: int, frame: object) -> None:
        nonlocal has_come
        del number, frame
        is_first, has_come = not has_come, True
        if is_waiting and is_first:
            raise _Signaled

    def wait() -> None:
        nonlocal is_waiting
        with suppress(_Signaled):
            is_waiting = True
            while not has_come:
                time.sleep(SLEEP_SECONDS)

    handlers = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield wait
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
