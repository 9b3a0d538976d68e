"""Jobs in parts: each part of the images is worked on where the engine says, and read there, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from layernext.stack.jobs.engines import Engine
from layernext.stack.jobs.processes import reader
from layernext.stack.jobs.runner import JobContext
from layernext.stack.store import Database, Store

ATTEMPTS = 5
"""So often a job starts over because annotations changed; then it says so and fails."""

SPAN_ANNOTATIONS = 100_000
"""Of one part: about half a second of work, within which a job that is to stop does so."""

SPANS_PER_PROCESS = 4
"""At least, so that all have something to do until the end."""

MERGED_PERCENT = 80.0
"""Of the progress, when all parts are done; then come averages and storing."""

Result = TypeVar("Result")
Repository = TypeVar("Repository")


class Done(NamedTuple, Generic[Result]):
    """A part that is done, and the share of all parts that are."""

    result: Result
    share: float


class SpanPool:
    """Where the parts of one job are worked on.

    Attributes:
        executor: of another process; None if this process does the work.
    """

    def __init__(self, store: Store, executor: Executor) -> None:
        is_inline = isinstance(executor, ThreadPoolExecutor)
        self.executor = None if is_inline else executor
        self._executor = executor
        self._store = store

    def work(
        self,
        context: JobContext,
        repository: Callable[[Database], Repository],
        function: Callable[..., Result],
        arguments: Sequence[tuple[Any, ...]],
    ) -> Iterator[Done[Result]]:
        """Call a function for every part; a job that is to stop does so meanwhile.

        Args:
            context: of the job.
            repository: class of what the function reads from.
            function: of a module; gets the repository and the arguments of a part.
            arguments: of every part.

        Yields:
            Results as they come, in any order.

        Raises:
            BrokenExecutor: a process that worked on a part was killed, several times.
        """
        if self.executor is None:
            call = partial(function, repository(self._store.database))
        else:
            stack_id = str(self._store.identity.namespace())
            call = partial(_work_here, stack_id, repository, function)
        futures = [self._executor.submit(call, *values) for values in arguments]
        try:
            yield from _as_completed(futures, context)
        finally:
            for future in futures:
                future.cancel()


@contextmanager
def span_pool(store: Store, engine: Engine, annotations: int) -> Iterator[SpanPool]:
    """A pool for a job of this size; what is under way when the block is left is waited for."""
    with engine.executor(annotations) as executor:
        yield SpanPool(store, executor)


def _work_here(
    stack_id: str,
    repository: Callable[[Database], Repository],
    function: Callable[..., Result],
    *arguments: Any,
) -> Result:
    """Work on a part, in a process that opens the database for itself."""
    return function(repository(reader(stack_id)), *arguments)


def _as_completed(futures: list[Future[Result]], context: JobContext) -> Iterator[Done[Result]]:
    waiting, done = set(futures), 0
    while waiting:
        ready, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
        context.progress(MERGED_PERCENT * done / len(futures))
        for future in ready:
            done += 1
            yield Done(_result_of(future), done / len(futures))


def _result_of(future: Future[Result]) -> Result:
    try:
        return future.result()
    except Exception as error:
        # Dask's own class for it, which only those who use it can import.
        if type(error).__name__ == "KilledWorker":
            raise BrokenExecutor(str(error)) from error
        raise
