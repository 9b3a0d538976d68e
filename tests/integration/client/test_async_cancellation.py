"""Asynchronous calls that wait for each other, are cancelled or run out of time: none hangs."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeVar

import msgspec
import pytest

from layernext import AsyncLayerNextClient, ImageAnnotations, LayerNextClient, Rectangle
from layernext.client.bridge import THREADS
from layernext.wire import native
from tests.support.scripted_server import Answer, ScriptedServer
from tests.support.stack_process import StackProcess

HANG_GUARD_S = 180
AT_ONCE = THREADS + 8
"""More than any pool of threads has."""

Result = TypeVar("Result")


def fresh() -> str:
    return f"yard-{uuid.uuid4().hex[:8]}"


def sets(count: int) -> list[ImageAnnotations]:
    box = Rectangle(label="cup", bbox=(0, 0, 1, 2))
    return [ImageAnnotations(image=f"{n:05}.jpg", annotations=[box]) for n in range(count)]


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("layernext-")]


def expect_no_threads() -> None:
    """Wait until no thread of the SDK is left."""
    deadline = time.monotonic() + HANG_GUARD_S
    while threads():
        assert time.monotonic() < deadline, threads()
        time.sleep(0.01)


def run(work: Callable[[], Awaitable[Result]]) -> Result:
    """Run a test on a loop, and see that it leaves no task and no thread behind."""

    async def guarded() -> Result:
        result = await asyncio.wait_for(work(), HANG_GUARD_S)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    result = asyncio.run(guarded())
    expect_no_threads()
    return result


def test_uploads_from_iterators(native_stack: StackProcess) -> None:
    """Many uploads at once, each from an iterator of the same client, all end."""
    collection = fresh()

    async def work() -> None:
        async with AsyncLayerNextClient(*native_stack.arguments) as client:
            await client.upload_modelrun(collection, "source", sets(200))
            reports = await asyncio.gather(
                *(
                    client.upload_modelrun(
                        collection, f"copy-{n}", client.iter_annotations(collection, "source")
                    )
                    for n in range(AT_ONCE)
                )
            )
            assert [report.images for report in reports] == [200] * AT_ONCE

    run(work)


def test_sources_that_use_threads(native_stack: StackProcess) -> None:
    """Sources may use the loop's own threads, call the client, or block on the loop."""
    collection = fresh()

    async def work() -> None:
        loop = asyncio.get_running_loop()
        async with AsyncLayerNextClient(*native_stack.arguments) as client:
            await client.upload_modelrun(collection, "first", sets(1))

            async def computed() -> AsyncIterator[ImageAnnotations]:
                for image in sets(3):
                    yield await asyncio.to_thread(lambda image=image: image)

            async def calling() -> AsyncIterator[ImageAnnotations]:
                for image in sets(3):
                    await client.runs.list(collection)
                    yield image

            def blocking() -> Iterator[ImageAnnotations]:
                for image in sets(3):
                    call = client.runs.list(collection)
                    asyncio.run_coroutine_threadsafe(call, loop).result()
                    yield image

            sources = [kind() for _ in range(AT_ONCE // 3 + 1) for kind in (computed, calling)]
            reports = await asyncio.gather(
                *(client.upload_modelrun(fresh(), "run", source) for source in sources),
                *(client.upload_modelrun(fresh(), "run", blocking()) for _ in range(AT_ONCE)),
            )
            assert {report.images for report in reports} == {3}

    run(work)


def test_source_runs_in_the_callers_task(native_stack: StackProcess) -> None:
    """A source stays in one task, as timeouts and task groups around its elements need it."""

    async def source() -> AsyncIterator[ImageAnnotations]:
        task = asyncio.current_task()
        for image in sets(300):
            await asyncio.sleep(0)
            assert asyncio.current_task() is task
            yield image

    async def work() -> None:
        async with AsyncLayerNextClient(*native_stack.arguments) as client:
            assert (await client.upload_modelrun(fresh(), "run", source())).images == 300

    run(work)


@pytest.mark.parametrize("by", ["cancel", "timeout"])
def test_source_that_hangs(native_stack: StackProcess, by: str) -> None:
    """An upload whose source never gives another image can be ended; the source is closed."""
    closed: list[str] = []

    async def source(waits: asyncio.Event) -> AsyncIterator[ImageAnnotations]:
        try:
            yield sets(1)[0]
            waits.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            closed.append("cancelled")
            raise

    async def work() -> None:
        async with AsyncLayerNextClient(*native_stack.arguments) as client:
            waits = asyncio.Event()
            task = asyncio.ensure_future(client.upload_modelrun(fresh(), "run", source(waits)))
            await waits.wait()
            if by == "cancel":
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(task, 0.01)
        assert closed == ["cancelled"]

    run(work)


@pytest.mark.parametrize("count", [0, 1])
def test_blocked_source_of_an_ended_upload(native_stack: StackProcess, count: int) -> None:
    """What a source gives after its upload was cancelled is not sent."""
    collection, waits, goes_on = fresh(), threading.Event(), threading.Event()

    def source() -> Iterator[ImageAnnotations]:
        yield sets(1)[0]
        waits.set()
        goes_on.wait(HANG_GUARD_S)
        yield from sets(count)

    async def work() -> None:
        async with AsyncLayerNextClient(*native_stack.arguments) as client:
            task = asyncio.ensure_future(client.upload_modelrun(collection, "run", source()))
            await asyncio.to_thread(waits.wait, HANG_GUARD_S)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            goes_on.set()
            await asyncio.to_thread(expect_no_threads)

    run(work)
    with LayerNextClient(*native_stack.arguments) as client:
        assert client.runs.list(collection) == []


def test_source_of_a_failed_upload(native_stack: StackProcess) -> None:
    """An upload that fails closes its source, and a source's error is the upload's."""
    closed: list[str] = []

    async def broken() -> AsyncIterator[ImageAnnotations]:
        yield sets(1)[0]
        raise ZeroDivisionError

    async def wrong() -> AsyncIterator[dict[str, object]]:
        try:
            for _ in range(1_000):
                yield {"image": 5}
        finally:
            closed.append("closed")

    async def work() -> None:
        async with AsyncLayerNextClient(*native_stack.arguments) as client:
            with pytest.raises(ZeroDivisionError):
                await client.upload_modelrun(fresh(), "run", broken())
            with pytest.raises(ValueError, match="image"):
                await client.upload_modelrun(fresh(), "run", wrong())
        assert closed == ["closed"]

    run(work)


@pytest.fixture
def silent() -> Iterator[tuple[ScriptedServer, threading.Event, threading.Event]]:
    """A stack that stops in the middle of its third answer: it was asked, it may go on."""
    asked, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        asked.set()
        assert go_on.wait(HANG_GUARD_S)

    offer = native.NativeOffer(version=native.VERSION, base_path=native.BASE_PATH)
    handshake = msgspec.json.encode({"isCompatible": True, "native": offer})
    with ScriptedServer(Answer(body=handshake), Answer(before=wait)) as server:
        try:
            yield server, asked, go_on
        finally:
            go_on.set()


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, HANG_GUARD_S)


@pytest.mark.parametrize("by", ["cancel", "timeout"])
def test_iteration_that_is_cancelled(
    silent: tuple[ScriptedServer, threading.Event, threading.Event], by: str
) -> None:
    """Cancelling while a thread reads is a cancellation, not an error about generators."""
    server, asked, go_on = silent

    async def read(client: AsyncLayerNextClient) -> None:
        async for _ in client.iter_annotations("yard", "run", ground_truth=False):
            pass

    async def work() -> None:
        client = AsyncLayerNextClient("key", "secret", server.url, retry_for_s=0)
        task = asyncio.ensure_future(read(client))
        await until(asked)
        if by == "cancel":
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(task, 0.01)
        go_on.set()
        await client.close()

    run(work)


@pytest.mark.parametrize("moment", range(0, 40, 4))
def test_iteration_cancelled_at_any_moment(native_stack: StackProcess, moment: int) -> None:
    """Whatever the thread is at, the iteration ends as cancelled and its request is closed."""
    collection = fresh()
    with LayerNextClient(*native_stack.arguments) as sync:
        sync.upload_modelrun(collection, "run", sets(2_000))

    async def work() -> None:
        async with AsyncLayerNextClient(*native_stack.arguments) as client:

            async def read() -> None:
                while True:
                    async for _ in client.iter_annotations(collection, "run"):
                        pass

            task = asyncio.ensure_future(read())
            for _ in range(moment):
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert len(await client.runs.list(collection)) == 1

    run(work)


def test_call_without_an_answer(
    silent: tuple[ScriptedServer, threading.Event, threading.Event],
) -> None:
    """A call that gets no answer is over when its time is; its thread ends with the request."""
    server, asked, go_on = silent

    async def work() -> None:
        client = AsyncLayerNextClient("key", "secret", server.url, retry_for_s=60)
        call = asyncio.ensure_future(client.runs.list("yard"))
        await until(asked)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(call, 0.01)
        assert threads()
        go_on.set()
        await client.close()

    run(work)


@pytest.mark.parametrize("waits_in", ["block", "end"])
def test_model_run_that_is_cancelled(
    silent: tuple[ScriptedServer, threading.Event, threading.Event], waits_in: str
) -> None:
    """Cancelling a run that is logged ends its upload, in the block and at its end."""
    server, asked, go_on = silent

    async def log(client: AsyncLayerNextClient) -> None:
        async with client.model_run("yard", "run") as model_run:
            await model_run.log("a.jpg")
            if waits_in == "block":
                await asyncio.Event().wait()

    async def work() -> None:
        client = AsyncLayerNextClient("key", "secret", server.url, retry_for_s=60)
        task = asyncio.ensure_future(log(client))
        await until(asked)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        await client.close()

    run(work)
