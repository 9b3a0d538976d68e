"""The asynchronous twin: the same results, without holding up the event loop."""

from __future__ import annotations

import asyncio
import inspect
import json
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from layernext import AsyncLayerNextClient, ImageAnnotations, LayerNextClient, Rectangle
from layernext.errors import DataError, NotFound
from tests.support.stack_process import StackProcess

ROOT = Path(__file__).parents[3]


def fresh() -> str:
    return f"yard-{uuid.uuid4().hex[:8]}"


def sets(count: int) -> list[ImageAnnotations]:
    return [
        ImageAnnotations(
            image=f"{n:05}.jpg", annotations=[Rectangle(label="cup", bbox=(n, 0, 1, 2))]
        )
        for n in range(count)
    ]


def test_generated_file_is_fresh() -> None:
    """async_client.py is what the generator makes of client.py."""
    command = [sys.executable, str(ROOT / "tools" / "generate_async_client.py"), "--check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_same_calls() -> None:
    """Both clients have the same public calls with the same parameters."""

    def calls(client: type) -> dict[str, list[tuple[str, object, object]]]:
        return {
            name: [
                (p.name, p.kind, p.default)
                for p in inspect.signature(member).parameters.values()
                if p.name != "self"
            ]
            for name, member in inspect.getmembers(client, callable)
            if not name.startswith("_")
        }

    assert calls(AsyncLayerNextClient) == calls(LayerNextClient)


def test_round_trip(native_stack: StackProcess, tmp_path: Path) -> None:
    """Uploads and reads, one after the other and side by side, give what the sync client gives."""
    collection = fresh()
    path = tmp_path / "run.json"
    box = {"label": "cup", "bbox": [1, 2, 3, 4]}
    path.write_text(json.dumps({"images": [{"image": "a.jpg", "annotations": [box]}]}))

    async def work() -> None:
        async with AsyncLayerNextClient(*native_stack.arguments) as client:
            reports = await asyncio.gather(
                *(client.upload_modelrun(collection, f"r{n}", sets(1_500)) for n in range(3))
            )
            sizes = {report.bytes_sent for report in reports}
            assert len(sizes) == 1, "uploads side by side count their own bytes"
            for number in range(3):
                read = [i async for i in client.iter_annotations(collection, f"r{number}")]
                assert read == sets(1_500)
            report = await client.upload_modelrun_from_json(collection, "file", path, "rectangle")
            assert (report.images, report.annotations) == (1, 1)
            runs = await client.runs.list(collection)
            assert {run.name for run in runs} == {"r0", "r1", "r2", "file"}
            written = await client.download_to_file(collection, ["file"], tmp_path / "out.json")
            assert written.images == 1
            assert (await client.remove_annotations(collection, "r0")).images == 1_500
            with pytest.raises(NotFound):
                await client.runs.list(fresh())

    asyncio.run(work())


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 128, 129, 1_000])
def test_every_image_is_read(native_stack: StackProcess, count: int) -> None:
    """The asynchronous reader gives every image, whatever their number."""
    collection = fresh()

    async def work() -> list[ImageAnnotations]:
        async with AsyncLayerNextClient(*native_stack.arguments) as client:
            await client.upload_modelrun(collection, "r", sets(count))
            return [image async for image in client.iter_annotations(collection, "r")]

    assert asyncio.run(work()) == sets(count)


@pytest.mark.parametrize("count", [0, 1, 64, 65, 1_500])
def test_asynchronous_source(native_stack: StackProcess, count: int) -> None:
    """An asynchronous iterable is a source like any other; it runs on the caller's loop."""
    collection = fresh()

    async def images(loop: asyncio.AbstractEventLoop) -> AsyncIterator[ImageAnnotations]:
        for image in sets(count):
            assert asyncio.get_running_loop() is loop
            await asyncio.sleep(0)
            yield image

    async def work() -> list[ImageAnnotations]:
        async with AsyncLayerNextClient(*native_stack.arguments) as client:
            source = images(asyncio.get_running_loop())
            report = await client.upload_modelrun(collection, "r", source)
            assert report.images == count
            return [image async for image in client.iter_annotations(collection, "r")]

    assert asyncio.run(work()) == sets(count)


def test_run_logger(native_stack: StackProcess) -> None:
    """`async with client.model_run(…)` logs as the sync client does, and raises as it does."""
    collection = fresh()

    async def work() -> None:
        async with AsyncLayerNextClient(*native_stack.arguments) as client:
            async with client.model_run(collection, "r") as run:
                for number in range(200):
                    await run.log(f"{number:05}.jpg", boxes=[[number, 0, 1, 2]], labels=["cup"])
                with pytest.raises(DataError):
                    await run.log("bad.jpg", boxes=[[0, 0, 1, 1]], labels=[])
            assert run.report is not None
            assert run.report.images == 200
            read = [image async for image in client.iter_annotations(collection, "r")]
            assert read == sets(200)
            with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what is tested
                async with client.model_run(collection, "aborted") as run:
                    await run.log("a.jpg")
                    raise ZeroDivisionError
            assert run.report is None

    asyncio.run(work())


def test_loop_stays_free(native_stack: StackProcess) -> None:
    """While an upload runs, other tasks run, too."""

    async def work() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        async with AsyncLayerNextClient(*native_stack.arguments) as client:
            task = asyncio.create_task(tick())
            await client.upload_modelrun(fresh(), "r", sets(8_000))
            task.cancel()
        return ticks

    assert asyncio.run(work()) >= 5


def test_reading_is_broken_off(native_stack: StackProcess) -> None:
    """Leaving an asynchronous reader early closes its request."""
    collection = fresh()

    async def work() -> None:
        async with AsyncLayerNextClient(*native_stack.arguments) as client:
            await client.upload_modelrun(collection, "r", sets(500))
            reader = client.iter_annotations(collection, "r")
            async for _ in reader:
                break
            await reader.aclose()  # type: ignore[attr-defined]
            assert len(await client.runs.list(collection)) == 1

    asyncio.run(work())


@pytest.mark.parametrize("validate", ["first", "stream"])
def test_cancelled_upload_ends(
    native_stack: StackProcess, tmp_path: Path, validate: Literal["first", "stream"]
) -> None:
    """Work goes no further once the call is cancelled, and what was sent by then is stored."""
    path, collection, total = tmp_path / "run.json", fresh(), 60_000
    path.write_bytes(b'{"images": [' + b",".join(map(msgspec.json.encode, sets(total))) + b"]}")
    done: dict[str, int] = {}
    client = AsyncLayerNextClient(*native_stack.arguments)

    async def work() -> None:
        started = asyncio.Event()
        loop = asyncio.get_running_loop()

        def progress(what: str, images: int, _total: int | None) -> None:
            done[what] = images
            loop.call_soon_threadsafe(started.set)

        call = client.upload_modelrun(collection, "r", path, validate=validate, progress=progress)
        task = asyncio.create_task(call)
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())
    asyncio.run(client.close())
    assert done
    assert max(done.values()) < total
