"""Two servers on one PostgreSQL behind a proxy, restarted one after the other while clients upload."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from layernext import LayerNextClient
from tests.support.round_robin import round_robin
from tests.support.stack_process import StackProcess

IMAGES = 200
FILES = 5
FILE_BYTES = 400_000
COLLECTION, FILE_COLLECTION = "yard", "raw"


def images_of(run: str) -> list[dict[str, Any]]:
    box = {"type": "rectangle", "label": run, "bbox": [1, 2, 3, 4], "confidence": 0.5}
    return [{"image": f"{number}.jpg", "annotations": [box] * 3} for number in range(IMAGES)]


def upload_runs(client: LayerNextClient, is_over: threading.Event, name: str) -> list[str]:
    """Upload run after run; the names of those that were acknowledged."""
    runs: list[str] = []
    while not is_over.is_set() or not runs:
        run = f"{name}-{len(runs)}"
        client.upload_modelrun(COLLECTION, run, images_of(run))
        runs.append(run)
    return runs


def upload_files(
    client: LayerNextClient, is_over: threading.Event, folder: Path
) -> dict[str, bytes]:
    """Upload folder after folder; the files that were acknowledged."""
    files: dict[str, bytes] = {}
    while not is_over.is_set() or not files:
        source = folder / str(len(files))
        source.mkdir(parents=True)
        new = {f"{source.name}-{number}.bin": os.urandom(FILE_BYTES) for number in range(FILES)}
        for name, content in new.items():
            (source / name).write_bytes(content)
        client.upload_files_to_collection(source, "other", FILE_COLLECTION, progress=False)
        files |= new
    return files


def uploading(url: str, key: tuple[str, str], work: Callable[[LayerNextClient], Any]) -> Any:
    with LayerNextClient(*key, url) as client:
        return work(client)


def restart(stack: StackProcess, *, is_orderly: bool) -> None:
    if is_orderly:
        assert stack.stop() == 0
    else:
        stack.kill()
    stack.start()


@pytest.mark.parametrize("is_orderly", [True, False], ids=["SIGTERM", "SIGKILL"])
def test_rolling_restart(tmp_path: Path, postgres_url: str, is_orderly: bool) -> None:
    """Nothing that was acknowledged is lost, and no call of the SDK fails."""
    data = tmp_path / "stack"
    first = StackProcess(data, database=postgres_url)
    first.start()
    key = (first.api_key, first.secret)
    second = StackProcess(data, database=postgres_url, api_key=key[0], secret=key[1])
    second.start()
    is_over = threading.Event()
    try:
        with round_robin([first.port, second.port]) as proxy, ThreadPoolExecutor() as pool:
            url = f"http://127.0.0.1:{proxy.port}"
            runs = [
                pool.submit(uploading, url, key, lambda c, n=name: upload_runs(c, is_over, n))
                for name in ("a", "b")
            ]
            files = pool.submit(
                uploading, url, key, lambda c: upload_files(c, is_over, tmp_path / "source")
            )
            try:
                for stack in (first, second, first, second):
                    restart(stack, is_orderly=is_orderly)
            finally:
                is_over.set()
            acknowledged = [run for future in runs for run in future.result()]
            uploaded: dict[str, bytes] = files.result()
            assert min(proxy.connections.values()) > 1
            with LayerNextClient(*key, url) as client:
                for run in acknowledged:
                    sets = list(client.iter_annotations(COLLECTION, run))
                    assert {len(item.annotations) for item in sets} == {3}
                    assert len(sets) == IMAGES
                copy = tmp_path / "copy"
                client.files.download(FILE_COLLECTION, copy, progress=False)
                contents = {path.name: path.read_bytes() for path in copy.glob("*.bin")}
            assert contents == uploaded
    finally:
        first.stop()
        second.stop()
