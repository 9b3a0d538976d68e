"""Between an event loop and the threads that do the work: iterators and the run logger."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, ParamSpec, TypeVar

from layernext.client.cancellation import is_cancelled
from layernext.client.reports import UploadReport
from layernext.client.run_logger import RunLogger
from layernext.client.sources import GivenImage

Element = TypeVar("Element")
Arguments = ParamSpec("Arguments")

CHUNK = 64
"""Elements fetched per change of thread."""


async def as_async_iterator(elements: Iterator[Element]) -> AsyncIterator[Element]:
    """Iterate in a thread, some elements at a time."""

    def next_chunk() -> list[Element]:
        return list(itertools.islice(elements, CHUNK))

    try:
        while chunk := await asyncio.to_thread(next_chunk):
            for element in chunk:
                yield element
    finally:
        close = getattr(elements, "close", None)
        if close is not None:
            await asyncio.shield(asyncio.to_thread(close))


def as_iterable(
    source: str | os.PathLike[str] | Iterable[GivenImage] | AsyncIterable[GivenImage],
    loop: asyncio.AbstractEventLoop,
) -> str | os.PathLike[str] | Iterable[GivenImage]:
    """A source that a thread can read; asynchronous ones are asked on their own loop."""
    if isinstance(source, AsyncIterable):
        return _pulled(source, loop)
    return source


def _pulled(
    source: AsyncIterable[GivenImage], loop: asyncio.AbstractEventLoop
) -> Iterator[GivenImage]:
    iterator = aiter(source)

    async def next_chunk() -> list[GivenImage]:
        chunk: list[GivenImage] = []
        async for item in iterator:
            chunk.append(item)
            if len(chunk) == CHUNK:
                break
        return chunk

    while chunk := asyncio.run_coroutine_threadsafe(next_chunk(), loop).result():
        yield from chunk


async def in_thread(
    function: Callable[Arguments, Element], *arguments: Arguments.args, **named: Arguments.kwargs
) -> Element:
    """Run a call in a thread; if it is cancelled, its work ends at the next image.

    A request that is under way ends by itself.
    """
    event = threading.Event()
    token = is_cancelled.set(event)
    try:
        return await asyncio.to_thread(function, *arguments, **named)
    except asyncio.CancelledError:
        event.set()
        raise
    finally:
        is_cancelled.reset(token)


class AsyncRunLogger:
    """`RunLogger` for asyncio: ``async with client.model_run(…) as run: await run.log(…)``."""

    def __init__(self, logger: RunLogger) -> None:
        self._logger = logger

    @property
    def report(self) -> UploadReport | None:
        """The upload's report, once the block has ended well."""
        return self._logger.report

    async def __aenter__(self) -> AsyncRunLogger:
        """Open the run."""
        self._logger.__enter__()
        return self

    async def __aexit__(self, *reason: object) -> None:
        """Send what is left, or give up if the block failed."""
        await asyncio.to_thread(self._logger.__exit__, *reason)

    async def log(self, image: str, **annotations: Any) -> None:
        """Log one image's annotations; see `RunLogger.log`."""
        await asyncio.to_thread(self._logger.log, image, **annotations)
