"""A Dask cluster as an engine: the executor of its client, and its workers. Needs the extra ``dask``."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar
from weakref import WeakSet

import distributed
from msgspec import Struct

from layernext import __version__
from layernext.errors import ConfigurationError, StackUnavailable
from layernext.stack.jobs.processes import DATABASE_VARIABLE, reader

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10
"""For the scheduler to answer."""

Result = TypeVar("Result")


class WorkerDescription(Struct, frozen=True):
    """What a worker says of itself: its version, and why it cannot help if it cannot."""

    version: str
    problem: str | None


def describe_worker(stack_id: str) -> WorkerDescription:
    """What this worker is; called on every one before it gets work."""
    try:
        reader(stack_id)
    except ConfigurationError as error:
        return WorkerDescription(__version__, str(error))
    return WorkerDescription(__version__, None)


class DaskExecutor(Executor):
    """A client's executor that ends as those of the standard library do, and closes the client.

    Args:
        client: connected.
        workers: addresses of those that get the work.
    """

    def __init__(self, client: distributed.Client, workers: list[str]) -> None:
        self._client = client
        # Equal arguments are no reason to take an earlier result: annotations change.
        self._executor = client.get_executor(workers=workers, pure=False)
        self._futures: WeakSet[Future[Any]] = WeakSet()

    def submit(
        self, function: Callable[..., Result], /, *arguments: Any, **named: Any
    ) -> Future[Result]:
        """See `Executor`."""
        future: Future[Result] = self._executor.submit(function, *arguments, **named)
        self._futures.add(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See `Executor`."""
        if cancel_futures:
            for future in list(self._futures):
                future.cancel()
        self._executor.shutdown(wait=wait)
        self._client.close()


def open_executor(address: str, stack_id: str) -> DaskExecutor:
    """An executor of the workers that have the stack's database and this version.

    Raises:
        StackUnavailable: no scheduler answers, or there is no such worker; the message says why.
    """
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise StackUnavailable(f"no Dask scheduler answers at {address}", status=503) from error
    try:
        return DaskExecutor(client, _fitting_workers(client, address, stack_id))
    except BaseException:
        client.close()
        raise


def _fitting_workers(client: distributed.Client, address: str, stack_id: str) -> list[str]:
    answers = client.run(describe_worker, stack_id, on_error="return")
    fitting, reasons = [], []
    for worker, answer in answers.items():
        if not isinstance(
            answer, WorkerDescription
        ):  # a worker without this package, or of long ago
            reasons.append(f"worker {worker} cannot help: {answer}")
        elif answer.version != __version__:
            reasons.append(f"worker {worker} has version {answer.version}, the stack {__version__}")
        elif answer.problem is not None:
            reasons.append(f"worker {worker} cannot help: {answer.problem}")
        else:
            fitting.append(worker)
    for reason in reasons:
        log.warning("Dask %s", reason)
    if not fitting:
        reason = reasons[0] if reasons else "it has no workers; start `layernext worker --engine`"
        raise StackUnavailable(
            f"the Dask cluster at {address} cannot be used: {reason}", status=503
        )
    return fitting


def run_workers(address: str, database_url: str, processes: int, name: str | None) -> None:
    """Be workers of a cluster until SIGTERM or Ctrl-C; to be called in the main thread.

    Args:
        address: of the scheduler.
        database_url: of the stack.
        processes: how many workers, each a process with one thread.
        name: of the workers in the cluster; None for names that Dask makes.

    Raises:
        ConfigurationError: no scheduler answers.
    """
    os.environ[DATABASE_VARIABLE] = database_url
    asyncio.run(_run_workers(address, processes, name))


async def _run_workers(address: str, processes: int, name: str | None) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    nannies = [
        distributed.Nanny(
            address,
            nthreads=1,
            name=None if name is None else f"{name}-{number}",
            death_timeout=CONNECT_SECONDS,
            # Imported before there is work, for which the worker would not answer meanwhile.
            preload=["layernext.stack.jobs.dask_cluster", "layernext.stack.jobs.statistics"],
        )
        for number in range(processes)
    ]
    starting: asyncio.Future[Any] = asyncio.gather(*nannies)
    stop: asyncio.Future[Any] = asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait({starting, stop}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            ended: asyncio.Future[Any] = asyncio.gather(*(nanny.finished() for nanny in nannies))
            await asyncio.wait({ended, stop}, return_when=asyncio.FIRST_COMPLETED)
        starting.cancel()
        stop.cancel()
    except (OSError, TimeoutError, asyncio.TimeoutError) as error:
        raise ConfigurationError(
            f"no Dask scheduler answers at {address}", hint="start it first: dask scheduler"
        ) from error
    finally:
        await asyncio.gather(*(nanny.close() for nanny in nannies), return_exceptions=True)
