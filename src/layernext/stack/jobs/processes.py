"""Processes that help with a job: each reads the database for itself, and ends with its parent.

What is sent to such a process names the stack and never its database: a URL may hold a password. The
process has the URL from whoever started it.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import cache

from layernext.errors import ConfigurationError
from layernext.stack.store import Database, StackIdentity

DATABASE_VARIABLE = "LAYERNEXT_DATABASE"
"""The environment variable from which a process that helps has the URL of the database."""


def process_pool(processes: int, database_url: str) -> Executor:
    """Processes started afresh, with nothing of this one: no threads, no connections."""
    return ProcessPoolExecutor(
        processes,
        multiprocessing.get_context("spawn"),
        initializer=_set_up_process,
        initargs=(database_url,),
    )


@cache
def reader(stack_id: str) -> Database:
    """The database of a stack, open for reading in this process until that ends.

    Raises:
        ConfigurationError: this process has no database, or that of another stack.
    """
    url = os.environ.get(DATABASE_VARIABLE)
    if url is None:
        raise ConfigurationError(
            f"{DATABASE_VARIABLE} is not set in a process that helps with jobs"
        )
    database = Database(url, reads_only=True)
    if str(StackIdentity(database).namespace()) != stack_id:
        database.close()
        raise ConfigurationError(
            "a process that helps with jobs has the database of another stack",
            hint=f"start it with the {DATABASE_VARIABLE} of the server",
        )
    return database


def _set_up_process(database_url: str) -> None:
    os.environ[DATABASE_VARIABLE] = database_url
    # Ctrl-C goes to all processes of a terminal; the parent decides what comes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that is killed cannot end its processes: they would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
