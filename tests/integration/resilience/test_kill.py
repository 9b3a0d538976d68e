"""The stack is killed while a run is being uploaded, again and again; nothing acknowledged is lost."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import threading
from pathlib import Path

import pytest

from layernext import LayerNextClient
from layernext.errors import LayerNextError
from layernext.formats import iter_file
from layernext.model import decode_trusted
from tests.support.stack_process import StackProcess

KILLS = int(os.environ.get("LAYERNEXT_TEST_KILLS", "12"))
IMAGES = 6_000
BOXES = 30


def write_run(path: Path, seed: int) -> None:
    """A run of several batches; one image in fifty comes a second time, to be merged."""
    rng = random.Random(seed)
    with path.open("w") as file:
        file.write('{"images": [')
        for number in range(IMAGES):
            again = number % 50 == 49
            boxes = [
                {
                    "type": "rectangle",
                    "label": f"label {rng.randrange(40)}",
                    "bbox": [rng.uniform(0, 600), rng.uniform(0, 400), rng.random(), rng.random()],
                    "confidence": rng.random(),
                }
                for _ in range(BOXES)
            ]
            name = f"{number - 1 if again else number:06}.jpg"
            file.write(
                f"{',' if number else ''}{json.dumps({'image': name, 'annotations': boxes})}"
            )
        file.write("]}")


def merged(path: Path) -> dict[str, list[object]]:
    wanted: dict[str, list[object]] = {}
    for raw in iter_file(path):
        image = decode_trusted(raw, None)
        wanted.setdefault(image.image, []).extend(image.annotations)
    return wanted


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_and_resume(tmp_path: Path, seed: int) -> None:
    """After any number of SIGKILLs, a resumed upload leaves the stored run equal to the file."""
    rng = random.Random(seed)
    path = tmp_path / "run.json"
    write_run(path, seed)
    stack = StackProcess(tmp_path / "stack")
    stack.start()
    interrupted = 0
    resumed = 0
    try:
        for _ in range(KILLS // 2):
            killer = threading.Timer(rng.uniform(0.02, 0.9), stack.kill)
            with LayerNextClient(*stack.arguments, retry_for_s=0) as client:
                killer.start()
                try:
                    report = client.upload_annotations_for_collection(
                        "yard", f"run {seed}", str(path), False, True, resume=True, progress=False
                    )
                    resumed += report.resumed_batches
                except LayerNextError:
                    interrupted += 1
                killer.join()
            database = sqlite3.connect(tmp_path / "stack" / "stack.sqlite3")
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            database.close()
            stack.start()
        with LayerNextClient(*stack.arguments) as client:
            client.upload_annotations_for_collection(
                "yard", f"run {seed}", str(path), False, True, resume=True, progress=False
            )
            stored = {
                s.image: s.annotations for s in client.iter_annotations("yard", f"run {seed}")
            }
            (run,) = client.runs.list("yard")
    finally:
        stack.stop()
    wanted = merged(path)
    assert stored == wanted
    assert (run.image_count, run.annotation_count) == (len(wanted), IMAGES * BOXES)
    assert interrupted, "no kill hit an upload; the test shows nothing"
