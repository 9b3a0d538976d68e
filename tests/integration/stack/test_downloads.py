"""Who keeps the place of a download while others wait for one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from litestar.types import Message

from layernext.stack.api import sending
from layernext.stack.api.native import annotations
from layernext.stack.api.services import Services
from layernext.stack.app import Settings
from layernext.stack.jobs import JobRunner
from layernext.stack.objects import FolderStore
from layernext.stack.store import Store

PIECE = b"x" * annotations.PIECE_BYTES


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """With a single place."""
    settings = Settings(data=tmp_path, download_slots=1)
    store = Store.open(settings.database_url)
    yield Services(store, settings, FolderStore(tmp_path), JobRunner(store.jobs, {}))
    store.close()


def download(services: Services, pieces: Iterator[bytes], seconds: Callable[..., float]) -> int:
    """How many bytes a client gets that takes so long for each message, while another waits."""
    taken = 0

    async def send(message: Message) -> None:
        nonlocal taken
        await anyio.sleep(seconds(**message))
        taken += len(message.get("body", b""))  # type: ignore[arg-type]

    async def receive() -> Any:
        await anyio.sleep_forever()

    async def wait() -> None:
        await anyio.sleep(0.1)
        await services.downloads.acquire()
        services.downloads.release()

    async def main() -> None:
        sender = sending.Sender(services, pieces, [])
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await sender({}, receive, send)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sending, "STALLED_S", 0.5)
        anyio.run(main)
    return taken


def slow_pieces() -> Iterator[bytes]:
    """What the database takes its time for."""
    for _ in range(2):
        time.sleep(1.7)
        yield PIECE


def some_pieces() -> Iterator[bytes]:
    """What is there at once."""
    yield from [PIECE] * 2


def nothing(**message: Any) -> float:
    return 600


def all_but_the_end(**message: Any) -> float:
    return 0 if message.get("more_body", True) else 600


def at_once(**message: Any) -> float:
    return 0


def slowly(**message: Any) -> float:
    return len(message.get("body", b"")) / 200_000


@pytest.mark.parametrize("seconds", [nothing, all_but_the_end])
def test_standstill(
    services: Services, caplog: pytest.LogCaptureFixture, seconds: Callable[..., float]
) -> None:
    """A client that takes nothing loses its place, also if only the end is missing."""
    caplog.set_level("INFO", "layernext")
    started = time.monotonic()
    download(services, some_pieces(), seconds)
    assert time.monotonic() - started < 300
    (record,) = caplog.records
    assert record.getMessage() == "a client that took nothing gave way to another download"
    assert record.exc_info is None


@pytest.mark.parametrize(
    ("pieces", "seconds"),
    [
        pytest.param(slow_pieces, at_once, id="stack"),
        pytest.param(some_pieces, slowly, id="client"),
    ],
)
def test_slowness(
    services: Services, pieces: Callable[[], Iterator[bytes]], seconds: Callable[..., float]
) -> None:
    """Slowness is not a standstill, neither the client's nor our own."""
    assert download(services, pieces(), seconds) == 2 * len(PIECE)


def test_end_not_taken(tmp_path: Path) -> None:
    """Also with nobody waiting, a client that does not take the end is dropped for idling."""
    settings = Settings(data=tmp_path, idle_timeout_s=0.3)
    store = Store.open(settings.database_url)

    async def send(message: Message) -> None:
        await anyio.sleep(all_but_the_end(**message))

    async def receive() -> Any:
        await anyio.sleep_forever()

    async def main() -> None:
        sender = sending.Sender(
            Services(store, settings, FolderStore(tmp_path), JobRunner(store.jobs, {})),
            some_pieces(),
            [],
        )
        with pytest.raises(TimeoutError):
            await sender({}, receive, send)  # type: ignore[arg-type]

    anyio.run(main)
    store.close()
