"""Between an event loop and the threads that do the work: calls, iterators and the run logger.

Two things could wait for each other for ever: a call that waits for its source, and a source that
waits for a free thread. So no thread is shared with the program (`asyncio.to_thread`), iterators
have other threads than calls, and a call that runs the caller's own code, such as a source, has a
thread to itself. All others are bounded, as they wait for nothing but the stack and the disk. Every
thread ends as soon as nothing is left for it to do.

An asynchronous source runs in the task that awaits the call, so that cancelling the task, or a
timeout, reaches the source first, and nothing of it is left running.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import os
import threading
from collections import deque
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
)
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

from layernext.client.annotations.run_logger import RunLogger
from layernext.client.cancellation import Cancelled, go_on_unless_cancelled, is_cancelled
from layernext.client.forks import refresh_after_fork
from layernext.client.logged_shapes import BoxFormat
from layernext.client.outputs.image_names import GivenNames
from layernext.client.outputs.output import Names
from layernext.client.reports import UploadReport

Element = TypeVar("Element")
Arguments = ParamSpec("Arguments")

CHUNK = 64
"""Elements fetched per change of thread."""
THREADS = 32
"""At a time, for calls; and as many for iterators. A client has at most 100 connections."""


class _Threads:
    """Runs jobs in threads of its own, a bounded number at a time; idle threads end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.after_fork()
        refresh_after_fork(self)

    def after_fork(self) -> None:
        """Forget the jobs of the parent process, whose threads are not in this one."""
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], None]] = deque()
        self._running = 0

    def start(self, job: Callable[[], None]) -> None:
        """Run a job as soon as a thread is free. A job must not raise."""
        with self._lock:
            if self._running >= THREADS:
                self._waiting.append(job)
                return
            self._running += 1
        try:
            _start_thread(lambda: self._work(job), self._name)
        except RuntimeError:  # the system has no more threads
            with self._lock:
                self._running -= 1
            raise

    def _work(self, job: Callable[[], None] | None) -> None:
        while job is not None:
            job()
            with self._lock:
                job = self._waiting.popleft() if self._waiting else None
                if job is None:
                    self._running -= 1


_calls = _Threads("layernext-call")
_reads = _Threads("layernext-read")


def _start_thread(job: Callable[[], None], name: str = "layernext-call") -> None:
    # A daemon: what nobody waits for any more does not hold up the end of the program.
    threading.Thread(target=job, name=name, daemon=True).start()


class _Inbox:
    """What threads have to tell a coroutine, in order."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._messages: asyncio.Queue[Any] = asyncio.Queue()

    def put(self, message: object) -> None:
        """Called by threads; nothing happens if the loop has ended meanwhile."""
        try:
            self._loop.call_soon_threadsafe(self._messages.put_nowait, message)
        except RuntimeError:
            if not self._loop.is_closed():
                raise

    async def get(self) -> Any:
        return await self._messages.get()


class _Request:
    """A thread's wish for the next chunk of a source, and where the answer goes."""

    def __init__(self, iterator: AsyncIterator[Any]) -> None:
        self.iterator = iterator
        self.answer: Future[list[Any]] = Future()


class _PulledSource:
    """An asynchronous iterable as a thread reads it: chunk by chunk, from the call's own task."""

    def __init__(self, source: AsyncIterable[Any], inbox: _Inbox) -> None:
        self._iterator = aiter(source)
        self._inbox = inbox
        self._lock = threading.Lock()
        self._request: _Request | None = None
        self._is_closed = False

    def __iter__(self) -> Iterator[Any]:
        while chunk := self._next_chunk():
            yield from chunk

    def _next_chunk(self) -> list[Any]:
        with self._lock:
            if self._is_closed:
                raise Cancelled
            self._request = request = _Request(self._iterator)
        self._inbox.put(request)
        return request.answer.result()

    async def close(self) -> None:
        """End the source; a thread that waits for it waits no longer. Called on the loop."""
        with self._lock:
            self._is_closed = True
            request = self._request
        if request is not None:
            request.answer.cancel()
        aclose = getattr(self._iterator, "aclose", None)
        if aclose is not None:
            await aclose()


async def _answer(request: _Request) -> None:
    """Fetch the chunk that a thread waits for."""
    chunk: list[Any] = []
    try:
        async for item in request.iterator:
            chunk.append(item)
            if len(chunk) == CHUNK:
                break
    except Exception as error:  # noqa: BLE001 - raised in the thread, which ends the upload
        request.answer.set_exception(error)
    else:
        request.answer.set_result(chunk)


def _runs_foreign_code(argument: object) -> bool:
    """Whether a call that gets this argument may wait for something that the caller does."""
    if callable(argument):
        return True
    is_plain = isinstance(argument, str | bytes | os.PathLike | Collection)
    return isinstance(argument, Iterable) and not is_plain


async def in_thread(
    function: Callable[Arguments, Element], *arguments: Arguments.args, **named: Arguments.kwargs
) -> Element:
    """Run a call in a thread; see `in_thread_with_source`."""
    return await in_thread_with_source(function, *arguments, **named)


async def in_thread_with_source(
    function: Callable[..., Element], *arguments: Any, **named: Any
) -> Element:
    """Run a call in a thread; asynchronous iterables among the arguments are read on this loop.

    If it is cancelled its work ends at the next image, and no request is tried again. A request
    that is under way ends by itself.
    """
    inbox = _Inbox()
    pulled: list[_PulledSource] = []

    def adapt(argument: Any) -> Any:
        if not isinstance(argument, AsyncIterable):
            return argument
        pulled.append(_PulledSource(argument, inbox))
        return pulled[-1]

    event = threading.Event()
    context = contextvars.copy_context()
    context.run(is_cancelled.set, event)
    positional = [adapt(argument) for argument in arguments]
    keywords = {name: adapt(argument) for name, argument in named.items()}

    def work() -> None:
        outcome: Future[Element] = Future()
        try:
            context.run(go_on_unless_cancelled)
            outcome.set_result(context.run(function, *positional, **keywords))
        except BaseException as error:  # noqa: BLE001 - raised again on the loop
            outcome.set_exception(error)
        inbox.put(outcome)

    is_foreign = any(map(_runs_foreign_code, (*positional, *keywords.values())))
    start = _start_thread if is_foreign else _calls.start
    start(work)
    try:
        while isinstance(message := await inbox.get(), _Request):
            await _answer(message)
        outcome: Future[Element] = message
        return outcome.result()
    finally:
        event.set()
        for source in pulled:
            await source.close()


class _Reader:
    """Reads an iterator in threads, and closes it once no thread reads any more."""

    def __init__(self, elements: Iterator[Any]) -> None:
        self._elements = elements
        self._inbox = _Inbox()
        self._lock = threading.Lock()
        self._is_reading = False
        self._is_cancelled = threading.Event()
        self._context = contextvars.copy_context()
        self._context.run(is_cancelled.set, self._is_cancelled)

    async def next_chunk(self) -> list[Any]:
        """The next elements; none at the end."""
        self._is_reading = True
        _reads.start(self._read)
        outcome: Future[list[Any]] = await self._inbox.get()
        return outcome.result()

    def close(self) -> None:
        """Close the iterator; a thread that reads it does so itself when its request has ended."""
        with self._lock:
            self._is_cancelled.set()
            is_idle = not self._is_reading
        if is_idle:
            self._close_elements()

    def _read(self) -> None:
        outcome: Future[list[Any]] = Future()
        try:
            outcome.set_result(self._context.run(self._take))
        except BaseException as error:  # noqa: BLE001 - raised again on the loop
            outcome.set_exception(error)
        with self._lock:
            self._is_reading = False
            must_close = self._is_cancelled.is_set()
        if must_close:
            self._close_elements()
        self._inbox.put(outcome)

    def _take(self) -> list[Any]:
        go_on_unless_cancelled()
        return list(itertools.islice(self._elements, CHUNK))

    def _close_elements(self) -> None:
        # Puts a connection back, or closes its socket: nothing that takes time.
        close = getattr(self._elements, "close", None)
        if close is not None:
            self._context.run(close)


async def as_async_iterator(elements: Iterator[Element]) -> AsyncIterator[Element]:
    """Iterate in a thread, some elements at a time.

    Whoever cancels does not wait for the request that is under way.
    """
    reader = _Reader(elements)
    try:
        while chunk := await reader.next_chunk():
            for element in chunk:
                yield element
    finally:
        reader.close()


class AsyncRunLogger:
    """`RunLogger` for asyncio: ``async with client.model_run(…) as run: await run.log(…)``."""

    def __init__(self, logger: RunLogger) -> None:
        self._logger = logger

    @property
    def report(self) -> UploadReport | None:
        """The upload's report, once the block has ended without an error."""
        return self._logger.report

    async def __aenter__(self) -> AsyncRunLogger:
        """Open the run."""
        self._logger.__enter__()
        return self

    async def __aexit__(self, *reason: object) -> None:
        """Send what is left, or give up if the block failed or is cancelled."""
        if isinstance(reason[1], asyncio.CancelledError):
            self._logger.abort()  # without waiting for the request that is under way
            return
        try:
            await in_thread(self._logger.__exit__, *reason)
        except asyncio.CancelledError:
            self._logger.abort()
            raise

    async def log(self, image: str, **annotations: Any) -> None:
        """Log one image's annotations; see `RunLogger.log`."""
        await in_thread(self._logger.log, image, **annotations)

    async def log_results(
        self,
        results: Any,
        image: GivenNames | None = None,
        *,
        names: Names | None = None,
        format: BoxFormat | None = None,
    ) -> None:
        """Log what a model returned; see `RunLogger.log_results`. Takes asynchronous iterables, too."""
        await in_thread_with_source(
            self._logger.log_results, results, image, names=names, format=format
        )
