"""Processes that help with a job: each reads the database for itself, and ends with its parent."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import cache

from layernext.stack.store import Database


def process_pool(processes: int) -> Executor:
    """Processes started afresh, with nothing of this one: no threads, no connections."""
    return ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_set_up_process
    )


@cache
def reader(url: str) -> Database:
    """The database, open for reading in this process until that ends."""
    return Database(url, reads_only=True)


def _set_up_process() -> None:
    # Ctrl-C goes to all processes of a terminal; the parent decides what comes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that is killed cannot end its processes: they would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
