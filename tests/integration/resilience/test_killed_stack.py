"""SIGKILL of the stack in each stage of an upload of a file, and of the client in each.

Nothing that was acknowledged is lost, nothing partial is visible, and the upload comes to its end: of a killed
stack by the client's own retries once it runs again, of a killed client by the same call again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from layernext import LayerNextClient
from layernext.wire import published
from layernext.wire.published import PART_BYTES
from tests.integration.client.conftest import native_stack
from tests.integration.client.test_files import content_of
from tests.support.faulty_network import FaultyNetwork
from tests.support.stack_process import StackProcess

__all__ = ["native_stack"]

MIB = 1 << 20
SIZE = PART_BYTES + MIB
"""Two parts."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    """A stack that is killed and started again; every test has a collection of its own."""
    process = StackProcess(tmp_path_factory.mktemp("stack"))
    process.start()
    try:
        yield process
    finally:
        process.stop()


@pytest.fixture
def yard(stack: StackProcess, tmp_path: Path) -> str:
    """A collection with one file that was acknowledged before anything happens."""
    name = f"yard {time.time_ns()}"
    (tmp_path / "first.bin").write_bytes(b"first")
    with LayerNextClient(*stack.arguments) as client:
        client.upload_files_to_collection(tmp_path / "first.bin", "other", name, progress=False)
    return name


def write_file(path: Path, size: int) -> Path:
    block = os.urandom(MIB)
    with path.open("wb") as file:
        for number in range(size // MIB):
            file.write(number.to_bytes(4, "big") + block[4:])
    return path


def visible(stack: StackProcess, collection: str) -> dict[str, int]:
    with LayerNextClient(*stack.arguments) as client:
        return {file.name: file.size for file in client.files.list(collection)}


class Killer:
    """Kills the stack once, starts it again, and notes what was visible then."""

    def __init__(self, stack: StackProcess, collection: str) -> None:
        self.stack, self.collection = stack, collection
        self.seen: dict[str, int] | None = None

    def __call__(self) -> None:
        self.stack.kill()
        self.stack.start()
        self.seen = visible(self.stack, self.collection)


def at(stage: str, moment: str, number: int, kill: Callable[[], None]) -> FaultyNetwork:
    """A network that lets `kill` happen once: before, during or after a request of a stage."""
    count = [0]

    def is_it(request: httpx.Request) -> bool:
        return stage in request.url.path and count[0] == number

    def before(request: httpx.Request, _: int) -> None:
        if not is_it(request):
            return
        if moment == "before":
            count[0] += 1
            kill()
        elif moment == "during":
            count[0] += 1
            request.stream = Cutting(request.stream, kill)  # type: ignore[assignment]

    def after(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if stage not in request.url.path:
            return response
        if moment == "after" and count[0] == number:
            count[0] += 1
            response.close()
            kill()
            raise httpx.ReadError("the answer is lost", request=request)
        count[0] += moment == "after" or count[0] < number
        return response

    return FaultyNetwork(before, after)


class Cutting(httpx.SyncByteStream):
    """A body in whose middle something happens."""

    def __init__(self, stream: Iterator[bytes], happening: Callable[[], None]) -> None:
        self._stream, self._happening = stream, happening

    def __iter__(self) -> Iterator[bytes]:
        for number, piece in enumerate(self._stream):
            half = len(piece) // 2
            yield piece[:half]
            if number == 0:
                self._happening()
            yield piece[half:]


STAGES = [
    pytest.param("/upload/", "before", 0, id="before the first part"),
    pytest.param("/upload/", "during", 0, id="during a part"),
    pytest.param("/upload/", "after", 0, id="after a part"),
    pytest.param("/upload/", "before", 1, id="between parts"),
    pytest.param(published.FINISH_FILE_PATH, "before", 0, id="before the end"),
    pytest.param(published.FINISH_FILE_PATH, "after", 0, id="after the end"),
    pytest.param("/complete", "before", 0, id="before the upload ends"),
]


@pytest.mark.parametrize(("stage", "moment", "number"), STAGES)
def test_the_stack_is_killed(
    stack: StackProcess, yard: str, tmp_path: Path, stage: str, moment: str, number: int
) -> None:
    """At a known point of an upload, where it matters of two parts; the same client ends it."""
    size = SIZE if stage == "/upload/" else MIB
    path = write_file(tmp_path / "large.bin", size)
    kill = Killer(stack, yard)
    network = at(stage, moment, number, kill)
    with LayerNextClient(
        *stack.arguments, http=network, protocol="published", retry_for_s=60
    ) as client:
        report = client.upload_files_to_collection(path, "other", yard, parallel=1, progress=False)
    assert report.uploaded == ["large.bin"]
    assert kill.seen is not None, "nothing was killed"
    is_stored = stage == "/complete" or (stage, moment) == (published.FINISH_FILE_PATH, "after")
    assert kill.seen == {"first.bin": 5} | ({"large.bin": size} if is_stored else {})
    with LayerNextClient(*stack.arguments) as client:
        client.files.download(yard, tmp_path / "back", progress=False)
    found = content_of(tmp_path / "back")
    assert found == {"first.bin": b"first", "large.bin": path.read_bytes()}


def test_the_stack_is_killed_anywhere(stack: StackProcess, yard: str, tmp_path: Path) -> None:
    """Again and again while many small files and one of two parts go up, and while it inspects them."""
    rng = random.Random(1)
    source = tmp_path / "source"
    source.mkdir()
    for number in range(150):
        Image.new("RGB", (40, 30), (number, 2, 3)).save(source / f"{number}.png")
    write_file(source / "large.bin", SIZE)
    wanted = {path.name: path.stat().st_size for path in source.iterdir()} | {"first.bin": 5}
    ended = threading.Event()
    killed: list[int] = []

    def kill() -> None:
        while len(killed) < 4 and not ended.wait(rng.uniform(0.02, 0.6)):
            stack.kill()
            killed.append(1)
            stack.start()
            there = visible(stack, yard)
            assert there.items() <= wanted.items(), "a file is visible with another size"

    thread = threading.Thread(target=kill)
    # A busy machine may need a minute for each start, and hardly anything gets done between two kills.
    with LayerNextClient(*stack.arguments, retry_for_s=600) as client:
        thread.start()
        report = client.upload_files_to_collection(source, "other", yard, progress=False)
        ended.set()
        thread.join()
        assert report.is_success
        assert killed
        stack.kill()
        stack.start()
        # Nobody has to ask for the look that the kill has ended: the stack does it when it starts.
        client.wait_for_job_complete(report.job_id, timeout_s=60)
        client.files.download(yard, tmp_path / "back", progress=False)
        states = {file.state for file in client.files.list(yard)}
    assert states == {"ready"}
    found = content_of(tmp_path / "back")
    assert found.pop("first.bin") == b"first"
    assert found == {path.name: path.read_bytes() for path in source.iterdir()}


CLIENT = """
import os, signal, sys, httpx, layernext
key, secret, url, name, path, stage, moment, protocol = sys.argv[1:]
network = httpx.HTTPTransport()
class Dying(httpx.BaseTransport):
    def handle_request(self, request):
        is_it = stage in request.url.path
        if is_it and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if is_it and moment == "during":
            stream = request.stream
            def half():
                for piece in stream:
                    yield piece[:len(piece) // 2]
                    os.kill(os.getpid(), signal.SIGKILL)
            class Half(httpx.SyncByteStream):
                def __iter__(self):
                    return half()
            request.stream = Half()
        answer = network.handle_request(request)
        if is_it and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
client = layernext.LayerNextClient(key, secret, url, http=Dying(), protocol=protocol or None)
client.upload_files_to_collection(path, "other", name, parallel=1, progress=False)
"""


@pytest.mark.parametrize(
    ("stage", "moment", "protocol"),
    [
        pytest.param(published.BEGIN_FILE_PATH, "after", "published", id="before the first part"),
        pytest.param("/upload/", "during", "published", id="during a part"),
        pytest.param("/upload/", "after", "published", id="between parts"),
        pytest.param(published.FINISH_FILE_PATH, "before", "published", id="before the end"),
        pytest.param(published.FINISH_FILE_PATH, "after", "published", id="after the end"),
        pytest.param("/complete", "before", "published", id="before the upload ends"),
        pytest.param("/bundle", "during", "", id="during a bundle"),
        pytest.param("/bundle", "after", "", id="after a bundle"),
    ],
)
def test_the_client_is_killed(
    native_stack: StackProcess, tmp_path: Path, stage: str, moment: str, protocol: str
) -> None:
    """At a known point; what is visible is whole, and the same call again ends it."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("a.bin", "b.bin"):
        (source / name).write_bytes(os.urandom(50_000))
    name = f"yard {time.time_ns()}"
    arguments = [*native_stack.arguments, name, str(source), stage, moment, protocol]
    died = subprocess.run([sys.executable, "-c", CLIENT, *arguments], check=False)
    assert died.returncode == -signal.SIGKILL
    wanted = {path.name: path.read_bytes() for path in source.iterdir()}
    with LayerNextClient(*native_stack.arguments, protocol=protocol or None) as client:
        with LayerNextClient(*native_stack.arguments) as native:
            there = {file.name: file.size for file in native.list_files(name, content_type="other")}
        assert there.items() <= {each: len(content) for each, content in wanted.items()}.items()
        report = client.upload_files_to_collection(source, "other", name, progress=False)
        assert sorted([*report.uploaded, *report.skipped]) == sorted(wanted)
        assert set(there) <= set(report.skipped)
        client.files.download(name, tmp_path / "back", content_type="other", progress=False)
    assert content_of(tmp_path / "back") == wanted
