"""SIGKILL inside a purge and inside a restore from the trash, on both databases.

A purge removes rows in several transactions and then objects one by one; the stack is killed in each of the two.
`LAYERNEXT_TEST_KILLS` sets how often, `LAYERNEXT_TEST_SEED` when.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from layernext import LayerNextClient
from layernext.stack.search import ItemFilter, Search
from layernext.stack.search.purge import IMAGES_AT_ONCE
from layernext.stack.store import Store
from tests.support.stack_process import COMMAND, StackProcess

KILLS = int(os.environ.get("LAYERNEXT_TEST_KILLS", "6"))
SEED = int(os.environ.get("LAYERNEXT_TEST_SEED", "1"))
FILES = IMAGES_AT_ONCE + 100
JPEG_BEGIN = b"\xff\xd8\xff"
"""Of files that are images by their first bytes, but cannot be read, so that they get no thumbnails."""
STAYING = 20
HANG_S = 240.0


class Yard:
    """A stack with a collection that comes and goes, and one that stays.

    Attributes:
        landed: kills that came while a call was at work.
    """

    def __init__(self, folder: Path, database: str | None) -> None:
        self.stack = StackProcess(folder / "stack", database=database)
        self.url = database or f"sqlite:///{folder / 'stack' / 'stack.sqlite3'}"
        self.rng = random.Random(SEED)
        self.landed = 0
        for name, count in (("goes", FILES), ("stays", STAYING)):
            (folder / name).mkdir()
            for number in range(count):
                (folder / name / f"{number}.jpg").write_bytes(JPEG_BEGIN + self.rng.randbytes(200))
        self.folder = folder

    def fill(self, name: str) -> None:
        """Upload files and a run that annotates each."""
        count = len(list((self.folder / name).iterdir()))
        boxes = [{"type": "rectangle", "label": "x", "bbox": [1, 2, 9, 8], "confidence": 0.5}]
        images = [{"image": f"{number}.jpg", "annotations": boxes} for number in range(count)]
        run = self.folder / f"{name}.json"
        run.write_text(json.dumps({"images": images}))
        with LayerNextClient(*self.stack.arguments) as client:
            client.upload_files_to_collection(self.folder / name, "image", name, progress=False)
            client.upload_annotations_for_collection(name, "run", run, False, True, progress=False)

    def object_count(self) -> int:
        """How many files the stack has."""
        # Folders that the stack removes meanwhile are no error here.
        return sum(len(files) for _, _, files in os.walk(self.stack.folder / "objects"))

    def call_and_kill(
        self, call: Callable[[LayerNextClient], object], moments: list[Callable[[], None]]
    ) -> object:
        """Make a call; at each moment, a function that waits for it, kill the stack and start it again."""
        outcomes: list[object] = []
        begun, is_over = threading.Event(), threading.Event()

        def run() -> None:
            try:
                with LayerNextClient(*self.stack.arguments, retry_for_s=HANG_S) as client:
                    client.jobs.list()  # where nothing has ever answered, the client soon gives up
                    begun.set()
                    outcomes.append(call(client))
            except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
                outcomes.append(error)
            finally:
                begun.set()
                is_over.set()

        thread = threading.Thread(target=run)
        thread.start()
        begun.wait(HANG_S)
        for wait in moments:
            wait()
            self.landed += not is_over.is_set()
            self.stack.kill()
            self.stack.start()
        thread.join(HANG_S)
        assert not thread.is_alive()
        (outcome,) = outcomes
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def check(self) -> None:
        """Rows and objects agree, both ways and byte for byte."""
        options = ["--data", str(self.stack.folder)]
        if self.stack.database:
            options += ["--database", self.stack.database]
        command = [*COMMAND, "check", "--checksums", "--orphans-after", "0", "--json", *options]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, (done.stdout, done.stderr)


@pytest.fixture(params=["sqlite", "postgresql"])
def yard(request: pytest.FixtureRequest, tmp_path: Path) -> Yard:
    database = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    return Yard(tmp_path, database)


def test_killed_restores_and_purges_are_whole(yard: Yard) -> None:
    """What a restore has answered is all there, and of what was purged nothing is left."""
    yard.stack.start()
    try:
        yard.fill("stays")
        yard.fill("goes")
        check_restores(yard)
        check_purges(yard)
        with LayerNextClient(*yard.stack.arguments) as client:
            assert len(list(client.iter_annotations("stays", "run"))) == STAYING
            assert [job for job in client.jobs.list() if job.status == "failed"] == []
        yard.check()
        assert yard.landed, "no kill met a call at work"
    finally:
        yard.stack.stop()


def check_restores(yard: Yard) -> None:
    with LayerNextClient(*yard.stack.arguments) as client:
        client.trash_objects_from_collection("goes")
        started = time.monotonic()
        assert client.trash.restore("goes") == FILES
        usual_s = time.monotonic() - started
    for _ in range(KILLS // 2):
        with LayerNextClient(*yard.stack.arguments) as client:
            client.trash_objects_from_collection("goes")
        wait_s = yard.rng.uniform(0, usual_s)
        restored = yard.call_and_kill(
            lambda client: client.trash.restore("goes"), [lambda s=wait_s: time.sleep(s)]
        )
        assert restored == FILES
        with LayerNextClient(*yard.stack.arguments) as client:
            assert len(client.files.list("goes")) == FILES
            assert len(list(client.iter_annotations("goes", "run"))) == FILES
            assert list(client.trash.iter()) == []
            (run,) = client.runs.list("goes")
            assert (run.image_count, run.annotation_count) == (FILES, FILES)


def check_purges(yard: Yard) -> None:
    """Each purge is killed while rows go, and again while objects go."""
    for number in range(max(1, KILLS // 6)):
        if number:
            yard.fill("goes")
        with LayerNextClient(*yard.stack.arguments) as client:
            client.trash_objects_from_collection("goes")
        kept = yard.object_count() - FILES
        many, few = (kept + yard.rng.randrange(*r) for r in ((FILES // 2, FILES), (1, FILES // 2)))
        with closing(Store.open(yard.url)) as store:
            moments = [
                *(lambda n=n: wait_for_rows(yard, store, n) for n in (FILES, FILES - 1)),
                *(lambda n=n: wait_for_objects(yard, n) for n in (many, few)),
            ]
            report = yard.call_and_kill(lambda client: client.trash.purge("goes"), moments)
        assert (report.files, report.collections, report.kept) == (FILES, 1, 0)  # type: ignore[attr-defined]
        with LayerNextClient(*yard.stack.arguments) as client:
            assert {row.name for row in client.collections.list()} == {"stays"}
            assert list(client.trash.iter()) == []
        assert yard.object_count() == kept


def wait_for_rows(yard: Yard, store: Store, most: int) -> None:
    """Wait until the trash has at most so many files, and a little longer."""
    until = time.monotonic() + HANG_S
    while time.monotonic() < until and len(trash_of(store)) > most:
        time.sleep(0.002)
    time.sleep(yard.rng.uniform(0, 0.1))


def trash_of(store: Store) -> list[int]:
    rows = Search(store).items.list_trash(ItemFilter(), after=0, limit=10_000)
    return [row.image_id for row in rows]


def wait_for_objects(yard: Yard, most: int) -> None:
    """Wait until at most so many objects are left."""
    until = time.monotonic() + HANG_S
    while time.monotonic() < until and yard.object_count() > most:
        time.sleep(0.002)
