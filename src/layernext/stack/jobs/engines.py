"""Where the parts of a job are worked on: in processes of this machine, or in a cluster."""

from __future__ import annotations

import os
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Protocol
from urllib.parse import urlsplit

from layernext.errors import ConfigurationError
from layernext.stack.jobs.processes import process_pool
from layernext.stack.store import Store

INLINE_ANNOTATIONS = 400_000
"""Up to this size a job is done in the time that starting processes takes."""

PROCESSES = "processes"
_DASK_SCHEMES = {"dask": "tcp", "dask+tls": "tls"}


class Engine(Protocol):
    """Where the parts of a job are worked on."""

    def executor(self, annotations: int) -> Executor:
        """An executor for a job of this size, to be shut down after it.

        A `ThreadPoolExecutor` works with this process's own store, every other with `reader`.
        """
        ...


class LocalProcesses:
    """A thread for little work, a process for each processor for much.

    Args:
        database_url: from which each process reads.
        inline_annotations: up to this size a thread does it.
        processes: for much work; None is one for each processor.
    """

    def __init__(
        self,
        database_url: str,
        *,
        inline_annotations: int = INLINE_ANNOTATIONS,
        processes: int | None = None,
    ) -> None:
        self._database_url = database_url
        self._inline_annotations = inline_annotations
        self._processes = processes

    def executor(self, annotations: int) -> Executor:
        """See `Engine`."""
        if annotations <= self._inline_annotations:
            return ThreadPoolExecutor(1)
        return process_pool(self._processes or processors(), self._database_url)


class DaskCluster:
    """Workers of a Dask cluster, each started by ``layernext worker --engine``.

    Args:
        address: of the scheduler.
        stack_id: whose database the workers must have.
        inline_annotations: up to this size a thread of this process does the work.
    """

    def __init__(
        self, address: str, stack_id: str, *, inline_annotations: int = INLINE_ANNOTATIONS
    ) -> None:
        from layernext.stack.jobs import dask_cluster  # noqa: PLC0415 - an optional part

        self._open = dask_cluster.open_executor
        self._address = address
        self._stack_id = stack_id
        self._inline_annotations = inline_annotations

    def executor(self, annotations: int) -> Executor:
        """See `Engine`.

        Raises:
            StackUnavailable: no scheduler answers, or no worker of this version has the stack's database.
        """
        if annotations <= self._inline_annotations:
            return ThreadPoolExecutor(1)
        return self._open(self._address, self._stack_id)


def scheduler_address(text: str) -> str | None:
    """The address of a Dask scheduler in the setting ``engine``; None for processes of this machine.

    Raises:
        ConfigurationError: the text is neither.
    """
    if text == PROCESSES:
        return None
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in _DASK_SCHEMES and parts.hostname and parts.port
    except ValueError:
        is_address = False
    if not is_address or parts.path.strip("/") or parts.query or "@" in parts.netloc:
        raise ConfigurationError(
            f"the engine {text!r} is neither {PROCESSES} nor dask://HOST:PORT or dask+tls://HOST:PORT"
        )
    return f"{_DASK_SCHEMES[parts.scheme]}://{parts.netloc}"


def engine_for(store: Store, setting: str) -> Engine:
    """The engine that an operator has set.

    Raises:
        ConfigurationError: it is none, or the extra that it needs is not installed.
    """
    address = scheduler_address(setting)
    if address is None:
        return LocalProcesses(store.database_url)
    load_dask()
    return DaskCluster(address, str(store.identity.namespace()))


def load_dask() -> None:
    """Load the library.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    try:
        import distributed  # noqa: F401, PLC0415 - an optional part
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "the engine needs an extra that is not installed; run: pip install '.[dask,stack]' in the source folder"
        ) from error


def processors() -> int:
    """How many this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
