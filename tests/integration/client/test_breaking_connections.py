"""Uploads and downloads while connections break: all of it gets through, exactly."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from layernext import ImageAnnotations, LayerNextClient, Rectangle
from layernext.client import transport
from layernext.client.annotations import published_upload
from tests.integration.client.conftest import Pair
from tests.integration.client.test_files import content_of
from tests.support.faulty_network import FaultyNetwork
from tests.support.faulty_proxy import Fault, FaultyProxy
from tests.support.stack_process import StackProcess

IMAGES = 60
CUT_BYTES = 60_000
"""Less than the first published batch has, and more than an image."""


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_FIRST_WAIT_S", 0.005)


def by_chance(seed: int) -> Callable[[int], Fault]:
    """3 connections of 10 break early, on the way up or down; the others break later on."""
    chance = random.Random(seed)

    def fault(_: int) -> Fault:
        if chance.random() >= 0.3:
            return Fault(sent=chance.randrange(100_000, 400_000))
        if chance.random() < 0.5:
            return Fault(sent=chance.randrange(100, 60_000))
        return Fault(received=chance.randrange(1, 3_000))

    return fault


def breaks_on_the_way_down(seed: int) -> Callable[[int], Fault]:
    """Half of the connections break in the middle of an answer."""
    chance = random.Random(seed)

    def fault(_: int) -> Fault:
        return Fault(received=chance.randrange(200, 40_000)) if chance.random() < 0.5 else Fault()

    return fault


def after_bytes(_: int) -> Fault:
    return Fault(sent=CUT_BYTES)


def sets(count: int = IMAGES) -> list[ImageAnnotations]:
    chance = random.Random(1)
    return [
        ImageAnnotations(
            image=f"{number}.jpg",
            annotations=[
                Rectangle(
                    label=f"l{n % 3}", bbox=(chance.random() * 900, n, 10.5, 20), confidence=0.5
                )
                for n in range(20)
            ],
        )
        for number in range(count)
    ]


def boxes_of(given: Any) -> dict[str, list[Any]]:
    boxes: dict[str, list[Any]] = {}
    for image in given:
        found = boxes.setdefault(image.image.rpartition("/")[2], [])
        found += [(box.label, tuple(box.bbox), box.confidence) for box in image.annotations]
    return boxes


@pytest.mark.parametrize("faults", [by_chance(1), by_chance(2), after_bytes])
def test_an_upload_gets_through(
    pair: Pair, published_stack: StackProcess, native_stack: StackProcess, faults: Any
) -> None:
    """No annotation is lost, and none comes twice."""
    stack = native_stack if pair.protocol == "native" else published_stack
    name = f"yard-{id(faults)}-{pair.protocol}"
    with (
        FaultyProxy(stack.port, faults) as proxy,
        LayerNextClient(stack.api_key, stack.secret, proxy.url) as client,
    ):
        report = client.upload_modelrun(name, f"run {name}", sets())
    assert (report.images, report.annotations) == (IMAGES, IMAGES * 20)
    assert boxes_of(pair.writer.iter_annotations(name, f"run {name}")) == boxes_of(sets())


@pytest.mark.parametrize("faults", [by_chance(3), after_bytes])
def test_an_image_that_comes_twice_has_both(
    published_stack: StackProcess, faults: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if its first batch had to be divided: what comes later is added, and replaces nothing."""
    monkeypatch.setattr(published_upload, "ATTEMPTS_AT_SIZE", 2)
    name = f"twice-{id(faults)}"
    given = [*sets(), *sets()]
    key, secret, _ = published_stack.arguments
    with (
        FaultyProxy(published_stack.port, faults) as proxy,
        LayerNextClient(key, secret, proxy.url) as client,
    ):
        client.upload_modelrun(name, f"run {name}", given)
    with LayerNextClient(*published_stack.arguments) as client:
        assert boxes_of(client.iter_annotations(name, f"run {name}")) == boxes_of(given)


@pytest.mark.parametrize("is_adjacent", [True, False])
def test_sets_of_one_image_do_not_keep_a_batch_whole(
    published_stack: StackProcess, is_adjacent: bool
) -> None:
    """No request above 60 kB gets through, and the first batch has every image twice."""
    name = f"adjacent-{is_adjacent}"
    given = [*sets(30), *sets(30)]
    if is_adjacent:
        given.sort(key=lambda image: image.image)
    key, secret, _ = published_stack.arguments
    with (
        FaultyProxy(published_stack.port, after_bytes) as proxy,
        LayerNextClient(key, secret, proxy.url, retry_for_s=20) as client,
    ):
        client.upload_modelrun(name, f"run {name}", given)
    with LayerNextClient(*published_stack.arguments) as client:
        assert boxes_of(client.iter_annotations(name, f"run {name}")) == boxes_of(given)


def test_few_bytes_and_requests_where_every_connection_breaks(
    published_stack: StackProcess,
) -> None:
    """Requests are compressed, and so large that most connections carry several of them."""
    chance = random.Random(7)
    images = sets(600)
    key, secret, _ = published_stack.arguments
    with (
        FaultyProxy(
            published_stack.port, lambda _: Fault(sent=chance.randrange(100_000, 400_000))
        ) as proxy,
        LayerNextClient(key, secret, proxy.url) as client,
    ):
        report = client.upload_modelrun("harsh", "run harsh", images)
    assert (report.images, report.annotations) == (600, 12_000)
    assert proxy.bytes_sent < 3_000_000  # as plain JSON the shapes have 8 MB
    assert proxy.connections < 20
    assert report.batches < 40
    with LayerNextClient(*published_stack.arguments) as client:
        assert boxes_of(client.iter_annotations("harsh", "run harsh")) == boxes_of(images)


@pytest.mark.parametrize("status", [400, 415, 500])
def test_a_stack_may_refuse_compressed_bodies(published_stack: StackProcess, status: int) -> None:
    """The client asks once, and goes on without; also where the refusal is an odd one."""
    bodies: list[str] = []

    def before(request: httpx.Request, _: int) -> httpx.Response | None:
        if "isNormalized" not in request.url.params:
            return None
        bodies.append(request.headers.get("Content-Encoding", "identity"))
        if len(bodies) == 1:
            raise httpx.WriteError("the connection was reset", request=request)
        if bodies[-1] == "gzip":
            return httpx.Response(status, json={"message": "no"}, request=request)
        return None

    name = f"plain-{status}"
    arguments = published_stack.arguments
    with LayerNextClient(*arguments, http=FaultyNetwork(before)) as client:
        client.upload_modelrun(name, f"run {name}", sets())
        assert boxes_of(client.iter_annotations(name, f"run {name}")) == boxes_of(sets())
    assert bodies.count("gzip") == 1
    assert len(bodies) > 3


@pytest.mark.parametrize("received", [9_000, 40_000])
def test_a_download_gets_through(
    pair: Pair, received: int, published_stack: StackProcess, native_stack: StackProcess
) -> None:
    """Each connection breaks, some in the middle of a page."""
    stack = native_stack if pair.protocol == "native" else published_stack
    name = f"down-{received}-{pair.protocol}"
    pair.writer.upload_modelrun(name, f"run {name}", sets())
    chance = random.Random(received)

    def fault(_: int) -> Fault:
        return Fault(received=chance.randrange(200, received)) if chance.random() < 0.5 else Fault()

    with (
        FaultyProxy(stack.port, fault) as proxy,
        LayerNextClient(stack.api_key, stack.secret, proxy.url) as client,
    ):
        downloaded = list(client.iter_annotations(name, f"run {name}"))
    assert boxes_of(downloaded) == boxes_of(sets())


@pytest.mark.parametrize("seed", [1, 2])
def test_files_get_through(
    pair: Pair,
    published_stack: StackProcess,
    native_stack: StackProcess,
    tmp_path: Path,
    seed: int,
) -> None:
    """Up and down, file by file: each is there once, whole."""
    stack = native_stack if pair.protocol == "native" else published_stack
    name = f"files-{seed}-{pair.protocol}"
    source = tmp_path / "source"
    source.mkdir()
    chance = random.Random(seed)
    for number in range(30):
        (source / f"{number}.bin").write_bytes(chance.randbytes(chance.randrange(60_000)))
    with (
        FaultyProxy(stack.port, by_chance(seed)) as proxy,
        LayerNextClient(stack.api_key, stack.secret, proxy.url) as client,
    ):
        report = client.upload_files_to_collection(source, "other", name, progress=False)
        assert len(report.uploaded) + len(report.skipped) == 30
    with (
        FaultyProxy(stack.port, breaks_on_the_way_down(seed)) as proxy,
        LayerNextClient(stack.api_key, stack.secret, proxy.url) as client,
    ):
        client.files.download(name, tmp_path / "back", content_type="other", progress=False)
    assert content_of(tmp_path / "back") == content_of(source)


@pytest.mark.parametrize("seed", [3, 4])
def test_pages_with_files_get_through(
    published_stack: StackProcess, tmp_path: Path, seed: int
) -> None:
    """The published download: pages of annotations, and the file of each image."""
    name = f"pages-{seed}"
    source = tmp_path / "source"
    source.mkdir()
    chance = random.Random(seed)
    for number in range(30):
        pixels = chance.randbytes(60 * 50 * 3)
        Image.frombytes("RGB", (60, 50), pixels).save(source / f"{number}.png")
    with LayerNextClient(*published_stack.arguments) as client:
        report = client.upload_files_to_collection(source, "image", name, progress=False)
        client.wait_for_job_complete(report.job_id)
        client.upload_modelrun(name, f"run {name}", sets(0))
    with (
        FaultyProxy(published_stack.port, breaks_on_the_way_down(seed)) as proxy,
        LayerNextClient(published_stack.api_key, published_stack.secret, proxy.url) as client,
    ):
        client.download_collection(name, custom_download_path=tmp_path / "back")
    back = {path.name: path.read_bytes() for path in (tmp_path / "back").rglob("*.png")}
    assert back == content_of(source)
