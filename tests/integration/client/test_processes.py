"""A client that several processes share: workers of a data loader, forked servers, process pools."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import threading
import uuid
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from layernext import AsyncLayerNextClient, ImageAnnotations, LayerNextClient, Rectangle
from tests.support.stack_process import StackProcess

HANG_GUARD_S = 120
COLLECTIONS = 6

Start = Literal["fork", "spawn"]


def sets(count: int) -> list[ImageAnnotations]:
    box = Rectangle(label="cup", bbox=(0, 0, 1, 2))
    return [ImageAnnotations(image=f"{n:05}.jpg", annotations=[box]) for n in range(count)]


@pytest.fixture(scope="module")
def runs(native_stack: StackProcess) -> dict[str, list[str]]:
    """The names of the runs of some collections, each with other ones."""
    prefix = f"shared-{uuid.uuid4().hex[:8]}"
    runs = {f"{prefix}-{n}": [f"run-{n}-{m}" for m in range(n + 1)] for n in range(COLLECTIONS)}
    with LayerNextClient(*native_stack.arguments) as client:
        for collection, names in runs.items():
            for name in names:
                client.upload_modelrun(collection, name, sets(2))
    return runs


def names_of(client: LayerNextClient, collection: str) -> list[str]:
    return sorted(run.name for run in client.runs.list(collection))


def in_child(start: Start, work: Callable[..., Any], *arguments: Any) -> Any:
    """What `work` gives in another process, or the exception's text."""
    return in_children(start, [(work, *arguments)])[0]


def in_children(start: Start, tasks: list[tuple[Any, ...]]) -> list[Any]:
    """As `in_child` for several processes at once."""
    context = multiprocessing.get_context(start)
    barrier = context.Barrier(len(tasks))
    pipes = []
    for task in tasks:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=answer, args=(sender, barrier, *task))
        process.start()
        sender.close()
        pipes.append((process, receiver))
    answers = []
    for process, receiver in pipes:
        if not receiver.poll(HANG_GUARD_S):
            process.kill()
            pytest.fail("a worker process hangs")
        answers.append(receiver.recv())
        process.join()
    return answers


def answer(sender: Any, barrier: Any, work: Callable[..., Any], *arguments: Any) -> None:
    barrier.wait(HANG_GUARD_S)
    try:
        sender.send(work(*arguments))
    except Exception as error:  # noqa: BLE001 - shown by the test
        sender.send(f"{type(error).__name__}: {error}")


def list_often(client: LayerNextClient, collection: str) -> list[list[str]]:
    return [names_of(client, collection) for _ in range(10)]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_processes_at_once(
    native_stack: StackProcess, runs: dict[str, list[str]], start: Start
) -> None:
    """A client that was used and is then shared by processes gives each of them its own answers."""
    with LayerNextClient(*native_stack.arguments, retry_for_s=20) as client:
        assert names_of(client, next(iter(runs))) == next(iter(runs.values()))
        answers = in_children(start, [(list_often, client, collection) for collection in runs])
        assert answers == [[names] * 10 for names in runs.values()]
        assert names_of(client, next(iter(runs))) == next(iter(runs.values()))


class Dataset:
    """Reads from the stack in whatever process it is asked, as data sets for training do."""

    def __init__(self, client: LayerNextClient, runs: dict[str, list[str]]) -> None:
        self.client = client
        self.keys = [(collection, run) for collection in runs for run in runs[collection]]

    def __getitem__(self, index: int) -> tuple[str, list[str], list[str]]:
        collection, run = self.keys[index]
        images = [image.image for image in self.client.iter_annotations(collection, run)]
        return collection, names_of(self.client, collection), images


def load(dataset: Dataset, indices: Any, results: Any) -> None:
    while (index := indices.get()) is not None:
        results.put((index, dataset[index]))


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_data_loader(native_stack: StackProcess, runs: dict[str, list[str]], start: Start) -> None:
    """Workers with a queue of indices, as data loaders have them; the parent reads meanwhile."""
    context = multiprocessing.get_context(start)
    with LayerNextClient(*native_stack.arguments, retry_for_s=20) as client:
        dataset = Dataset(client, runs)
        assert dataset[0]
        indices: Any = context.Queue()
        results: Any = context.Queue()
        workers = [
            context.Process(target=load, args=(dataset, indices, results), daemon=True)
            for _ in range(4)
        ]
        for worker in workers:
            worker.start()
        for index in [*range(len(dataset.keys)), *[None] * len(workers)]:
            indices.put(index)
        for collection, names in runs.items():
            assert names_of(client, collection) == names
        for _ in dataset.keys:
            index, (collection, names, images) = results.get(timeout=HANG_GUARD_S)
            assert (collection, names) == (dataset.keys[index][0], runs[collection])
            assert images == ["00000.jpg", "00001.jpg"]
        for worker in workers:
            worker.join(HANG_GUARD_S)
            assert worker.exitcode == 0


def rest_of(images: Iterator[ImageAnnotations]) -> list[str]:
    return [image.image for image in images]


def test_fork_while_reading(native_stack: StackProcess) -> None:
    """An iteration that was begun goes on in parent and child, each with what is left."""
    collection = f"reading-{uuid.uuid4().hex[:8]}"
    images = sets(30_000)
    with LayerNextClient(*native_stack.arguments) as client:
        client.upload_modelrun(collection, "run", images)
        reading = client.iter_annotations(collection, "run")
        first = [next(reading).image for _ in range(10)]
        left = [image.image for image in images[10:]]
        assert in_child("fork", rest_of, reading) == left
        assert first + rest_of(reading) == [image.image for image in images]


def test_fork_while_threads_work(native_stack: StackProcess, runs: dict[str, list[str]]) -> None:
    """Locks that other threads hold at the moment of the fork hold up nobody in the child."""
    stop = threading.Event()
    with LayerNextClient(*native_stack.arguments, retry_for_s=20) as client:
        collection, names = next(iter(runs.items()))

        def work() -> None:
            while not stop.is_set():
                names_of(client, collection)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(10):
                assert in_child("fork", names_of, client, collection) == names
        finally:
            stop.set()
            for thread in threads:
                thread.join(HANG_GUARD_S)


def test_locks_held_at_fork(native_stack: StackProcess, runs: dict[str, list[str]]) -> None:
    """The very locks of a client may be held by another thread at the fork."""
    with LayerNextClient(*native_stack.arguments) as client:
        collection, names = next(iter(runs.items()))
        connection = client._connection
        with connection._lock, connection.transport._lock:
            assert in_child("fork", names_of, client, collection) == names


def leave(client: LayerNextClient) -> str:
    client.close()
    return "closed"


def test_child_that_closes(native_stack: StackProcess, runs: dict[str, list[str]]) -> None:
    """A child that closes the client, and ends, leaves the parent's connections alone."""
    with LayerNextClient(*native_stack.arguments, retry_for_s=0) as client:
        collection, names = next(iter(runs.items()))
        reading = client.iter_annotations(collection, names[0])
        next(reading)
        assert in_child("fork", leave, client) == "closed"
        assert rest_of(reading) == ["00001.jpg"]
        assert names_of(client, collection) == names


def test_logger_in_another_process(client: LayerNextClient) -> None:
    """A run that is open is logged in its own process; elsewhere nothing would be sent."""
    collection = f"logged-{uuid.uuid4().hex[:8]}"
    with client.model_run(collection, "run") as run:
        run.log("a.jpg")
        told = in_child("fork", run.log, "b.jpg")
        assert told.startswith("LayerNextError: this run was opened in another process")
        assert in_child("fork", run.__exit__, None) == told
    assert run.report is not None
    assert run.report.images == 1


def test_foreign_transport(native_stack: StackProcess, runs: dict[str, list[str]]) -> None:
    """Connections of an httpx transport of the caller's are not used in a child."""
    http = httpx.HTTPTransport()
    with LayerNextClient(*native_stack.arguments, http=http) as client:
        collection, names = next(iter(runs.items()))
        assert names_of(client, collection) == names
        told = in_child("fork", names_of, client, collection)
        assert "created before the process was forked" in told


def await_names(client: AsyncLayerNextClient, collection: str) -> list[str]:
    async def work() -> list[str]:
        return sorted(run.name for run in await client.runs.list(collection))

    return asyncio.run(work())


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_async_client(native_stack: StackProcess, runs: dict[str, list[str]], start: Start) -> None:
    """The asynchronous client can be shared, too."""
    client = AsyncLayerNextClient(*native_stack.arguments)
    collection, names = next(iter(runs.items()))
    assert await_names(client, collection) == names
    tasks = [(await_names, client, name) for name in runs]
    assert in_children(start, tasks) == list(runs.values())
    asyncio.run(client.close())


def test_no_leak(native_stack: StackProcess) -> None:
    """Clients are not kept alive for the sake of forks."""
    client = LayerNextClient(*native_stack.arguments)
    transport = weakref.ref(client._connection.transport)
    client.close()
    del client
    gc.collect()
    assert transport() is None


def test_open_files(native_stack: StackProcess, runs: dict[str, list[str]]) -> None:
    """A process that was forked does not open more connections at each call."""
    files = Path("/proc/self/fd")
    if not files.exists():
        pytest.skip("needs /proc")

    with LayerNextClient(*native_stack.arguments) as client:
        collection = next(iter(runs))
        names_of(client, collection)

        def count() -> tuple[int, int]:
            names_of(client, collection)
            before = len(list(files.iterdir()))
            names_of(client, collection)
            return before, len(list(files.iterdir()))

        before, after = in_child("fork", count)
        assert before == after
