"""The SDK waits where a stack is limiting requests, with both protocols and both clients."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import httpx
import pytest

from layernext import AsyncLayerNextClient, LayerNextClient
from tests.support.stack_process import StackProcess, running_stack

RATE = 1.0
IMAGES = [{"image": f"{number}.jpg", "annotations": []} for number in range(30)]
WAITING = "is limiting requests"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with running_stack(tmp_path_factory.mktemp("limited"), "--uploads-per-key", "1") as running:
        yield running


@pytest.fixture
def slow_key(stack: StackProcess) -> tuple[str, str]:
    """A key of its own for each test, whose bucket is full."""
    body = {"name": "slow", "role": "write", "rate": RATE}
    made = httpx.post(f"{stack.url}/api/v1/keys", json=body, auth=(stack.api_key, stack.secret))
    fields = made.raise_for_status().json()
    return fields["api_key"], fields["secret"]


@pytest.mark.parametrize("protocol", [None, "published"], ids=["native", "published"])
def test_waits(
    stack: StackProcess,
    slow_key: tuple[str, str],
    protocol: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every call succeeds, later; nothing is lost or doubled."""
    caplog.set_level(logging.WARNING, "layernext.client")
    with LayerNextClient(*slow_key, stack.url, protocol=protocol) as client:  # type: ignore[arg-type]
        for number in range(5):
            client.upload_modelrun(f"{protocol}", f"run {number}", IMAGES, progress=False)
    assert WAITING in caplog.text
    with LayerNextClient(*stack.arguments) as admin:
        runs = [run for run in admin.runs.list() if run.image_count == len(IMAGES)]
    assert len([run for run in runs if run.collection == f"{protocol}"]) == 5


def test_async_waits(
    stack: StackProcess, slow_key: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Many calls at a time share the limit."""
    caplog.set_level(logging.WARNING, "layernext.client")

    async def work() -> list[object]:
        async with AsyncLayerNextClient(*slow_key, stack.url) as client:
            calls = [client.collections.create(f"async {number}") for number in range(12)]
            return list(await asyncio.gather(*calls))

    assert len(asyncio.run(work())) == 12
    assert WAITING in caplog.text
