"""Uploads and downloads over a network that fails: nothing is lost, doubled or half told."""

from __future__ import annotations

import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from layernext import LayerNextClient
from layernext.errors import (
    Conflict,
    ConnectionFailed,
    DataError,
    DownloadIncomplete,
    NotAuthenticated,
    RequestTimeout,
    StackError,
    UploadIncomplete,
)
from layernext.formats import iter_file
from layernext.model import ImageAnnotations, decode_trusted
from tests.support.faulty_network import CutStream, FaultyNetwork
from tests.support.stack_process import StackProcess

IMAGES = 3_500
"""Four batches."""


def fresh() -> str:
    return f"yard-{uuid.uuid4().hex[:8]}"


def box(number: int) -> dict[str, Any]:
    return {"type": "rectangle", "label": f"l{number % 9}", "bbox": [number, 0.1, 1, 2]}


def images(count: int = IMAGES) -> Iterator[dict[str, Any]]:
    return ({"image": f"{n:05}.jpg", "annotations": [box(n), box(n + 1)]} for n in range(count))


def write(path: Path, rows: Iterator[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({"images": list(rows)}))
    return path


def wanted(path: Path) -> list[ImageAnnotations]:
    return [decode_trusted(raw, None) for raw in iter_file(path)]


@pytest.fixture(scope="module")
def run_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("run") / "run.json", images())


@contextmanager
def client_over(
    stack: StackProcess, network: FaultyNetwork, *, retry_for_s: float = 10
) -> Iterator[LayerNextClient]:
    with LayerNextClient(*stack.arguments, http=network, retry_for_s=retry_for_s) as client:
        yield client


def is_batch(request: httpx.Request) -> bool:
    return "/batches/" in request.url.path or "/operationdata/" in request.url.path


def failing_at(*numbers: int, what: Callable[[], httpx.Response] | None = None) -> Any:
    """Fails the batches of these numbers, counted over all tries, before the stack gets them."""
    count = itertools.count()

    def fault(request: httpx.Request, _: int) -> httpx.Response | None:
        if is_batch(request) and next(count) in numbers:
            if what is not None:
                return what()
            raise httpx.ConnectError("the cable is out")
        return None

    return fault


@pytest.fixture(params=["native", "published"])
def stack(
    request: pytest.FixtureRequest, native_stack: StackProcess, published_stack: StackProcess
) -> StackProcess:
    return native_stack if request.param == "native" else published_stack


def test_requests_that_fail(stack: StackProcess, run_file: Path) -> None:
    """Requests that never reach the stack are sent again, and the run is whole."""
    collection = fresh()
    network = FaultyNetwork(failing_at(0, 2, 3, 5))
    with client_over(stack, network) as client:
        report = client.upload_annotations_for_collection(collection, "r", run_file, False, True)
        assert (report.images, report.annotations) == (IMAGES, 2 * IMAGES)
        if stack.native:  # by the published protocol they adapt to the network
            assert report.batches == 4
        assert list(client.iter_annotations(collection, "r")) == wanted(run_file)


def test_answers_that_are_lost(stack: StackProcess, run_file: Path) -> None:
    """Batches that were stored, but whose answer was lost, are sent again and not stored twice."""
    collection = fresh()
    lost = itertools.count()

    def lose(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if is_batch(request) and next(lost) % 2 == 0:
            answer.read()
            answer.close()
            raise httpx.ReadError("the connection was reset")
        return answer

    with client_over(stack, FaultyNetwork(after=lose)) as client:
        report = client.upload_annotations_for_collection(collection, "r", run_file, False, True)
        assert (report.images, report.annotations) == (IMAGES, 2 * IMAGES)
        if stack.native:  # by the published protocol they adapt to the network
            assert report.batches == 4
        assert list(client.iter_annotations(collection, "r")) == wanted(run_file)


def refused() -> httpx.Response:
    return httpx.Response(500, json={"error": {"message": "the disk is full"}})


def test_broken_upload_says_what_is_in(stack: StackProcess, run_file: Path) -> None:
    """An upload that ends early reports exactly what is stored, and why it ended."""
    collection = fresh()
    network = FaultyNetwork(failing_at(2, what=refused))
    with client_over(stack, network) as client:
        with pytest.raises(UploadIncomplete) as caught:
            client.upload_annotations_for_collection(collection, "r", run_file, False, True)
        stored = list(client.iter_annotations(collection, "r"))
    report = caught.value.report
    assert isinstance(caught.value.__cause__, StackError)
    assert "the disk is full" in str(caught.value)
    assert report.images == len(stored)
    assert report.annotations == sum(len(image.annotations) for image in stored)
    assert report.batches == -(-len(stored) // 1_000)
    assert report.bytes_sent > 0


def test_stack_that_is_gone(native_stack: StackProcess, run_file: Path) -> None:
    """When the stack goes away for good, the caller is told in the time that was allowed for it."""
    count = itertools.count()

    def gone(request: httpx.Request, _: int) -> None:
        if (is_batch(request) and next(count) >= 1) or next(count) > 6:
            raise httpx.ConnectError("nobody there")

    started = time.monotonic()
    with (
        client_over(native_stack, FaultyNetwork(gone), retry_for_s=1) as client,
        pytest.raises(UploadIncomplete) as caught,
    ):
        client.upload_annotations_for_collection(fresh(), "r", run_file, False, True)
    assert time.monotonic() - started < 120
    assert isinstance(caught.value.__cause__, ConnectionFailed)


def test_end_that_fails(native_stack: StackProcess, run_file: Path) -> None:
    """When only the end of the upload cannot be told to the stack, it is incomplete, too."""

    def fault(request: httpx.Request, _: int) -> httpx.Response | None:
        return refused() if request.url.path.endswith("/finish") else None

    collection = fresh()
    with (
        client_over(native_stack, FaultyNetwork(fault)) as client,
        pytest.raises(UploadIncomplete) as caught,
    ):
        client.upload_annotations_for_collection(collection, "r", run_file, False, True)
    assert caught.value.report.images == IMAGES
    with client_over(native_stack, FaultyNetwork()) as client:
        report = client.upload_annotations_for_collection(
            collection, "r", run_file, False, True, resume=True
        )
    assert (report.resumed_batches, report.batches, report.bytes_sent) == (4, 4, 0)


def test_resume_sends_the_rest(native_stack: StackProcess, run_file: Path) -> None:
    """After a break, resume=True sends only what the stack does not have."""
    collection = fresh()
    with (
        client_over(native_stack, FaultyNetwork(failing_at(2, what=refused))) as client,
        pytest.raises(UploadIncomplete) as caught,
    ):
        client.upload_annotations_for_collection(collection, "r", run_file, False, True)
    there = caught.value.report.batches
    network = FaultyNetwork()
    with client_over(native_stack, network) as client:
        report = client.upload_annotations_for_collection(
            collection, "r", run_file, False, True, resume=True
        )
        assert list(client.iter_annotations(collection, "r")) == wanted(run_file)
    assert report.resumed_batches == there
    assert sum(is_batch(request) for request in network.requests) == 4 - there
    assert (report.images, report.annotations, report.batches) == (IMAGES, 2 * IMAGES, 4)


@pytest.mark.parametrize("change", ["first image", "shorter"])
def test_resume_with_another_file(native_stack: StackProcess, tmp_path: Path, change: str) -> None:
    """If the file has changed since, all of it is sent, and the stored run is the new file."""
    collection = fresh()
    path = write(tmp_path / "run.json", images())
    with client_over(native_stack, FaultyNetwork(failing_at(3, what=refused))) as client:
        with pytest.raises(UploadIncomplete):
            client.upload_annotations_for_collection(collection, "r", path, False, True)
        if change == "shorter":
            write(path, images(1_000))
        else:
            rows = list(images())
            rows[0]["annotations"] = []
            write(path, iter(rows))
        report = client.upload_annotations_for_collection(
            collection, "r", path, False, True, resume=True
        )
        stored = {image.image: image for image in client.iter_annotations(collection, "r")}
    assert report.resumed_batches == 0
    assert report.images == len(wanted(path))
    for image in wanted(path):
        assert stored[image.image] == image


def test_resume_of_another_iterable(native_stack: StackProcess) -> None:
    """An iterable cannot be read twice: if it differs, the caller is told to upload it again."""
    collection = fresh()
    with client_over(native_stack, FaultyNetwork(failing_at(2, what=refused))) as client:
        with pytest.raises(UploadIncomplete):
            client.upload_modelrun(collection, "r", images())
        other = ({"image": row["image"], "annotations": []} for row in images())
        with pytest.raises(Conflict, match="without resume"):
            client.upload_modelrun(collection, "r", other, resume=True)
        report = client.upload_modelrun(collection, "r", images(), resume=True)
        assert report.images == IMAGES
        assert [i.image for i in client.iter_annotations(collection, "r")] == [
            row["image"] for row in images()
        ]


@pytest.mark.parametrize("validate", ["first", "stream"])
def test_bad_file(stack: StackProcess, tmp_path: Path, validate: Any) -> None:
    """A problem far into a file: with "first" nothing is sent; with "stream" no bad batch is."""
    rows = list(images())
    rows[2_500]["annotations"][0]["bbox"] = [0, 0, -1, 0]
    path = write(tmp_path / "run.json", iter(rows))
    collection = fresh()
    network = FaultyNetwork()
    with client_over(stack, network) as client:
        with pytest.raises(DataError) as caught:
            client.upload_annotations_for_collection(
                collection, "r", path, False, True, validate=validate
            )
        assert caught.value.where == "images[2500].annotations[0].bbox"
        assert caught.value.file == "run.json"
        sent = sum(is_batch(request) for request in network.requests)
        if validate == "first":
            assert sent == 0
            return
        stored = len(list(client.iter_annotations(collection, "r")))
        assert f"{stored:,} images" in str(caught.value)
        if stack.native:
            assert (sent, stored) == (2, 2_000)
        else:  # batches of other sizes
            assert 0 < stored <= 2_500


def test_place_that_the_stack_names(native_stack: StackProcess, run_file: Path) -> None:
    """A problem that only the stack finds is told with the image's number in the whole file."""

    def fault(request: httpx.Request, _: int) -> httpx.Response | None:
        if not request.url.path.endswith("/batches/2"):
            return None
        details = [{"where": "images[7].annotations[1].bbox", "message": "is odd"}]
        return httpx.Response(422, json={"error": {"code": "data", "details": details}})

    with client_over(native_stack, FaultyNetwork(fault)) as client, pytest.raises(DataError) as e:
        client.upload_annotations_for_collection(fresh(), "r", run_file, False, True)
    assert e.value.where == "images[2007].annotations[1].bbox"


class OwnError(Exception):
    """Of the user's code."""


@pytest.mark.parametrize("error", [OwnError, KeyboardInterrupt])
def test_iterable_that_fails(native_stack: StackProcess, error: type[BaseException]) -> None:
    """What the user's own code raises comes out as it is, at once, and no thread stays behind."""

    def failing() -> Iterator[dict[str, Any]]:
        yield from images(2_500)
        raise error

    collection = fresh()
    with client_over(native_stack, FaultyNetwork()) as client:
        with pytest.raises(error):
            client.upload_modelrun(collection, "r", failing())
        assert not [t for t in threading.enumerate() if t.name.startswith("layernext")]
        stored = list(client.iter_annotations(collection, "r"))
    assert len(stored) in {0, 1_000, 2_000}


def test_interruption_does_not_wait_for_retries(native_stack: StackProcess) -> None:
    """Ctrl-C while the stack does not answer ends the upload soon, not when the retries are over."""

    def failing() -> Iterator[dict[str, Any]]:
        yield from images(1_500)
        time.sleep(0.5)
        raise KeyboardInterrupt

    def fault(request: httpx.Request, _: int) -> httpx.Response | None:
        if is_batch(request):
            raise httpx.ConnectError("nobody there")
        return None

    started = time.monotonic()
    with (
        client_over(native_stack, FaultyNetwork(fault), retry_for_s=600) as client,
        pytest.raises(KeyboardInterrupt),
    ):
        client.upload_modelrun(fresh(), "r", failing())
    assert time.monotonic() - started < 300


def test_wrong_secret(stack: StackProcess, run_file: Path) -> None:
    """Wrong credentials are said at the first call, before anything is sent."""
    api_key, _, url = stack.arguments
    with LayerNextClient(api_key, "wrong", url) as client, pytest.raises(NotAuthenticated):
        client.upload_annotations_for_collection(fresh(), "r", run_file, False, True)


def cut_downloads(keep_bytes: int, times: int) -> Any:
    count = itertools.count()

    def cut(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if request.url.path.endswith("/annotations") and next(count) < times:
            assert isinstance(answer.stream, httpx.SyncByteStream)
            answer.stream = CutStream(answer.stream, keep_bytes)
        return answer

    return cut


def test_downloads_go_on_after_a_break(
    native_stack: StackProcess, client: LayerNextClient, run_file: Path, tmp_path: Path
) -> None:
    """A download that breaks off goes on where it was: no image is missing or comes twice."""
    collection = fresh()
    client.upload_annotations_for_collection(collection, "r", run_file, False, True)
    network = FaultyNetwork(after=cut_downloads(5_000, 3))
    with client_over(native_stack, network) as broken:
        assert list(broken.iter_annotations(collection, "r")) == wanted(run_file)
    assert len([r for r in network.requests if r.url.path.endswith("/annotations")]) == 4
    network = FaultyNetwork(after=cut_downloads(5_000, 3))
    with client_over(native_stack, network) as broken:
        report = broken.download_to_file(collection, ["r"], tmp_path / "back.json.zst")
    assert report.images == IMAGES
    assert wanted(tmp_path / "back.json.zst") == wanted(run_file)


def test_download_that_cannot_end(
    native_stack: StackProcess, client: LayerNextClient, run_file: Path, tmp_path: Path
) -> None:
    """A download that breaks off at the same place again and again is given up; no file is left."""
    collection = fresh()
    client.upload_annotations_for_collection(collection, "r", run_file, False, True)
    network = FaultyNetwork(after=cut_downloads(0, 1_000))
    with (
        client_over(native_stack, network, retry_for_s=1) as broken,
        pytest.raises(DownloadIncomplete) as caught,
    ):
        broken.download_to_file(collection, ["r"], tmp_path / "back.json")
    assert caught.value.report.images == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>\n</html>\n", id="html"),
        pytest.param(b'{"end":3}\n', id="wrong-count"),
        pytest.param(b'{"cursor":"1"}\n{"end":1}\n', id="no-set"),
        pytest.param(b'{"cursor":"1","set":{"image":7}}\n{"end":1}\n', id="odd-set"),
    ],
)
def test_odd_downloads(native_stack: StackProcess, client: LayerNextClient, body: bytes) -> None:
    """An answer that is not a whole download is an error, never a shorter run."""
    collection = client.collections.create(fresh()).name

    def fault(request: httpx.Request, _: int) -> httpx.Response | None:
        if request.url.path.endswith("/annotations"):
            return httpx.Response(200, stream=httpx.ByteStream(body))
        return None

    with (
        client_over(native_stack, FaultyNetwork(fault), retry_for_s=1) as broken,
        pytest.raises((DownloadIncomplete, StackError)),
    ):
        list(broken.iter_annotations(collection, "r"))


def test_job_that_does_not_end(native_stack: StackProcess, run_file: Path) -> None:
    """Waiting for a job ends in time, with a last look when the time is over."""

    def fault(request: httpx.Request, _: int) -> httpx.Response | None:
        if "/jobs/" in request.url.path:
            return httpx.Response(200, json={"isSuccess": True, "status": 1, "progress": 40})
        return None

    with client_over(native_stack, FaultyNetwork(fault)) as client:
        started = time.monotonic()
        with pytest.raises(RequestTimeout, match="40"):
            client.wait_for_job_complete("abc", timeout_s=1)
        assert 0.9 < time.monotonic() - started < 60
