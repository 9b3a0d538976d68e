"""Runs work in threads, a bounded amount ahead, and lets the caller's thread show how far it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from layernext.client.progress import Advance

Result = TypeVar("Result")

TICK_S = 0.1
"""How often progress is shown while nothing ends."""


class ByteCount:
    """Bytes moved, counted by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fresh = 0
        self.total = 0

    def add(self, count: int) -> None:
        """Count bytes; negative ones that come again."""
        with self._lock:
            self._fresh += count
            self.total += count

    def take(self) -> int:
        """Those counted since the last call."""
        with self._lock:
            fresh, self._fresh = self._fresh, 0
        return fresh


def run_in_flight(
    tasks: Iterable[Callable[[], Result]],
    *,
    threads: int,
    count: ByteCount,
    advance: Advance,
    stop: threading.Event,
) -> Iterator[Result]:
    """The results of tasks in the order they end.

    The first exception ends it: `stop` is set, so that tasks under way can end early, those that
    were not begun are not, and the exception is raised when no thread works any more.

    Args:
        tasks: taken one by one, at most two for each thread ahead.
        threads: at a time.
        count: what the tasks move; shown with `advance`, in the caller's thread.
        advance: of the progress; whatever it raises ends the work, too.
        stop: set at the end in any case.
    """
    waiting: set[Future[Result]] = set()
    source = iter(tasks)
    with ThreadPoolExecutor(threads, thread_name_prefix="layernext-files") as executor:
        try:
            is_open = True
            while is_open or waiting:
                while is_open and len(waiting) < 2 * threads:
                    task = next(source, None)
                    if task is None:
                        is_open = False
                    else:
                        waiting.add(executor.submit(task))
                done, waiting = wait(waiting, TICK_S, FIRST_COMPLETED)
                advance(count.take())
                for future in done:
                    yield future.result()
        finally:
            stop.set()
            for future in waiting:
                future.cancel()
    advance(count.take())
