"""Uploads and downloads while connections break: all of it gets through, exactly."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from layernext import ImageAnnotations, LayerNextClient, Rectangle
from layernext.client import published_upload, transport
from tests.faulty_proxy import Fault, FaultyProxy
from tests.integration.client.conftest import Pair
from tests.stack_process import StackProcess

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
