"""SIGKILL at a random moment of everything but annotation uploads: files, purge, restore, exports, evaluations, datasets.

After the stack has started again and tidied up, nothing acknowledged is lost, nothing is half visible, all jobs end,
and no object or staged file is left that no row refers to. `LAYERNEXT_TEST_KILLS` sets how often it is killed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from PIL import Image

from layernext import LayerNextClient
from layernext.errors import LayerNextError
from layernext.stack.jobs import Housekeeping, JobRunner, housekeeping
from layernext.stack.objects import BucketStore, FolderStore, ObjectStore
from layernext.stack.store import ItemFilter, Store
from tests.integration.client.test_files import content_of
from tests.s3 import S3Server, s3_server
from tests.stack_process import StackProcess

__all__ = ["s3_server"]

KILLS = int(os.environ.get("LAYERNEXT_TEST_KILLS", "7"))
LARGE = 3 << 20


class Rounds:
    """What happens in each round, and what was acknowledged so far.

    Attributes:
        acknowledged: SHA-256 of files that are stored, by collection and name.
        uncertain: collections whose trash was being emptied or restored when the stack was killed.
    """

    def __init__(self, stack: StackProcess, folder: Path, seed: int) -> None:
        self.stack, self.folder, self.rng = stack, folder, random.Random(seed)
        self.acknowledged: dict[tuple[str, str], str] = {}
        self.ended: list[str] = []
        self.actions: list[Callable[[LayerNextClient, str], None]] = [
            self.upload, self.purge, self.restore, self.export,
            self.evaluate, self.freeze, self.project,
        ]  # fmt: skip

    def prepare(self, client: LayerNextClient, name: str) -> None:
        """A collection with images, a run and a ground truth."""
        source = self.folder / name
        source.mkdir()
        sets = []
        for number in range(20):
            buffer = io.BytesIO()
            Image.new("RGB", (40, 30), (number, self.rng.randrange(256), 3)).save(buffer, "PNG")
            (source / f"{number}.png").write_bytes(buffer.getvalue())
            boxes = [{"type": "rectangle", "label": "x", "bbox": [1, 2, 9, 8], "confidence": 0.5}]
            sets.append({"image": f"{number}.png", "annotations": boxes})
        self.store_files(client, name, "image", source)
        run = self.folder / f"{name}.json"
        run.write_text(json.dumps({"images": sets}))
        for operation, is_run in (("run", True), ("truth", False)):
            client.upload_annotations_for_collection(
                name, operation, run, False, is_run, progress=False
            )

    def store_files(self, client: LayerNextClient, name: str, kind: str, source: Path) -> None:
        report = client.upload_files_to_collection(source, kind, name, progress=False)
        for file in (*report.uploaded, *report.skipped):
            digest = hashlib.sha256((source / file).read_bytes()).hexdigest()
            self.acknowledged[name, file] = digest

    def forget(self, name: str) -> None:
        self.acknowledged = {key: each for key, each in self.acknowledged.items() if key[0] != name}

    def upload(self, client: LayerNextClient, name: str) -> None:
        source = self.folder / f"{name} files"
        source.mkdir()
        for number in range(20):
            (source / f"{number}.bin").write_bytes(self.rng.randbytes(20_000))
        for number in range(3):
            (source / f"large {number}.bin").write_bytes(self.rng.randbytes(LARGE))
        self.store_files(client, f"{name} files", "other", source)

    def purge(self, client: LayerNextClient, name: str) -> None:
        self.forget(name)
        client.trash_objects_from_collection(name)
        assert client.purge(name).files <= 20

    def restore(self, client: LayerNextClient, name: str) -> None:
        kept = dict(self.acknowledged)
        self.forget(name)
        client.trash_objects_from_collection(name)
        assert client.restore(name) == 20
        self.acknowledged = kept

    def export(self, client: LayerNextClient, name: str) -> None:
        export = client.start_export("coco", collection=name, run="run")
        client.wait_for_job_complete(export.job_id, timeout_s=60)

    def evaluate(self, client: LayerNextClient, name: str) -> None:
        client.evaluate(collection=name, run="run", ground_truth="truth", timeout_s=60)

    def freeze(self, client: LayerNextClient, name: str) -> None:
        place = _id_of(client, name)
        split = {"train": 60, "validation": 20, "test": 20}
        flip = {"id": "FLIP_IMAGE", "properties": [{"id": "FLIP_HORIZONTAL", "values": [True]}]}
        client.create_dataset_from_collection(
            f"set of {name}", place, split, augmentation_list={"IMAGE_LEVEL": [flip]}
        )

    def project(self, client: LayerNextClient, name: str) -> None:
        place = _id_of(client, name)
        client.create_annotation_project_from_collection(f"project of {name}", place)


def _id_of(client: LayerNextClient, name: str) -> str:
    (place,) = (each.id for each in client.list_collections() if each.name == name)
    return place


def kill_while(rounds: Rounds, number: int) -> None:
    """One round: something happens, and the stack is killed at a random moment of it."""
    stack, name = rounds.stack, f"yard-{number}"
    with LayerNextClient(*stack.arguments) as client:
        rounds.prepare(client, name)
    action = rounds.actions[number % len(rounds.actions)]
    failure: list[BaseException] = []

    def act() -> None:
        try:
            with LayerNextClient(*stack.arguments, retry_for_s=60) as client:
                action(client, name)
                rounds.ended.append(action.__name__)
        except LayerNextError as error:  # such as a lost answer to what is not repeated
            rounds.ended.append(f"{action.__name__}: {error}")
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            failure.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    time.sleep(rounds.rng.uniform(0.0, 0.5))
    stack.kill()
    _expire_leases(stack)
    stack.start()
    thread.join(180)
    assert not thread.is_alive(), f"{action.__name__} hangs"
    if failure:
        raise failure[0]


def _expire_leases(stack: StackProcess) -> None:
    """What the killed process worked at may be taken up at once."""
    database = sqlite3.connect(stack.folder / "stack.sqlite3")
    with database:
        database.execute("UPDATE job SET heartbeat_at = '2000' WHERE status = 'in_progress'")
    database.close()


def check(rounds: Rounds, back: Path) -> None:
    """All jobs end; what was acknowledged is there, whole; what is listed can be downloaded."""
    with LayerNextClient(*rounds.stack.arguments) as client:
        until = time.monotonic() + 120
        while left := [j for j in client.list_jobs() if j.status in {"queued", "in_progress"}]:
            assert time.monotonic() < until, left
            time.sleep(0.2)
        names = {name for name, _ in rounds.acknowledged}
        for name in sorted(names):
            kind = "other" if name.endswith("files") else "image"
            client.download_files(name, back / name, content_type=kind, progress=False)
            found = content_of(back / name)
            for (place, file), digest in rounds.acknowledged.items():
                if place == name:
                    assert hashlib.sha256(found[file]).hexdigest() == digest, (name, file)


def check_store(url: str, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """After tidying up with no age limit rows and objects agree."""
    monkeypatch.setattr(housekeeping, "ORPHAN_HOURS", -1.0)
    monkeypatch.setattr(housekeeping, "UPLOAD_LIFE_DAYS", -1.0)
    with closing(Store.open(url)) as store:
        Housekeeping(store, objects, JobRunner(store.jobs, {}), None).tidy()
        sizes = {info.path: info.size for info in objects.list_objects()}
        assert store.references.find_orphans(sizes) == set()
        assert list(objects.list_uploads()) == []
        assert store.dropped.list_some() == []
        rows = store.items.list_after(ItemFilter(), after=0, limit=10_000)
        files = store.files.find_many([row.image_id for row in rows])
        assert {f.name for f in files.values() if sizes.get(f.object_path) != f.size} == set()


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_nothing_is_lost_or_left(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """In each round another kind of work is killed, at a moment that the seed decides."""
    options: tuple[str, ...] = ()
    objects: ObjectStore
    if kind == "bucket":
        server: S3Server = request.getfixturevalue("s3_server")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        url = server.new_bucket()
        options = ("--objects", url, "--objects-endpoint", server.url)
        objects = BucketStore(url, server.options)
    stack = StackProcess(tmp_path / "stack", options=options)
    if kind == "folder":
        objects = FolderStore(stack.folder / "objects")
    seed = int(os.environ.get("LAYERNEXT_TEST_SEED", "1"))
    rounds = Rounds(stack, tmp_path / "sources", seed)
    rounds.folder.mkdir()
    stack.start()
    try:
        for number in range(KILLS):
            kill_while(rounds, number)
        check(rounds, tmp_path / "back")
    finally:
        with suppress(RuntimeError):
            stack.stop()
    check_store(f"sqlite:///{stack.folder / 'stack.sqlite3'}", objects, monkeypatch)
