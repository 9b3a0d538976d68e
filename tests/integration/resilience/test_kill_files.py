"""SIGKILL at a random moment of everything but annotation uploads: files, purge, restore, exports, evaluations, datasets.

Every action ends well in spite of the kill. After the stack has tidied up, everything acknowledged is there and
whole, what was purged is gone, all jobs have ended, and no object or staged file is left that no row refers to.
`LAYERNEXT_TEST_KILLS` sets how often it is killed, `LAYERNEXT_TEST_SEED` when.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import threading
import time
import zipfile
from bisect import bisect_right
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from PIL import Image

from layernext import LayerNextClient
from layernext.stack.jobs import Housekeeping, JobRunner, housekeeping, orphans
from layernext.stack.objects import BucketStore, FolderStore, ObjectStore, write_marker
from layernext.stack.search import ItemFilter, Search
from layernext.stack.store import Store
from tests.integration.client.test_files import content_of
from tests.support.faulty_network import FaultyNetwork
from tests.support.s3 import S3Server, s3_server
from tests.support.stack_process import StackProcess

__all__ = ["s3_server"]

KILLS = int(os.environ.get("LAYERNEXT_TEST_KILLS", "7"))
LARGE = 3 << 20
IMAGES = 20
HANG_S = 240.0


@dataclass
class Acknowledged:
    """What the stack has confirmed.

    Attributes:
        files: SHA-256 by collection and name.
        annotated: collections whose images have a run and a ground truth.
        purged: collections that are gone.
        exports, versions, projects: ids.
        evaluations: the summary of each, by its id.
    """

    files: dict[tuple[str, str], str] = field(default_factory=dict)
    annotated: set[str] = field(default_factory=set)
    purged: set[str] = field(default_factory=set)
    exports: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    projects: list[str] = field(default_factory=list)
    evaluations: dict[str, dict[str, float | None]] = field(default_factory=dict)


class Watch:
    """Notes when the requests of an action begin, and waits for one of them."""

    def __init__(self) -> None:
        self.begins: list[float] = []
        self.is_over = False
        self._has_begun = False
        self._changed = threading.Condition()

    def note(self, _: httpx.Request, __: int) -> None:
        if not self._has_begun:
            return
        with self._changed:
            self.begins.append(time.monotonic())
            self._changed.notify_all()

    def begin(self, client: LayerNextClient) -> None:
        """Have one answer from the stack: where nothing has ever answered, a client soon gives up."""
        client.jobs.list()
        self._has_begun = True

    def end(self) -> None:
        with self._changed:
            self.is_over = True
            self._changed.notify_all()

    def wait_for(self, number: int) -> bool:
        """Wait until the request of this number has begun; False if the action ended without it."""
        with self._changed:
            self._changed.wait_for(
                lambda: len(self.begins) > number or self.is_over, timeout=HANG_S
            )
            return not self.is_over


class Rounds:
    """What happens in each round.

    Attributes:
        acknowledged: all that the stack has confirmed so far.
        landed: how many kills hit an action that had not ended.
    """

    def __init__(self, stack: StackProcess, folder: Path, seed: int) -> None:
        self.stack, self.folder, self.rng = stack, folder, random.Random(seed)
        self.acknowledged = Acknowledged()
        self.landed = 0
        self.actions: list[Callable[[LayerNextClient, str], None]] = [
            self.upload, self.purge, self.restore, self.export,
            self.evaluate, self.freeze, self.project,
        ]  # fmt: skip

    def prepare(self, client: LayerNextClient, name: str) -> None:
        """A collection with images, a run and a ground truth."""
        source = self.folder / name
        source.mkdir()
        sets = []
        for number in range(IMAGES):
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
        self.acknowledged.annotated.add(name)

    def store_files(self, client: LayerNextClient, name: str, kind: str, source: Path) -> None:
        report = client.upload_files_to_collection(source, kind, name, progress=False)
        for file in (*report.uploaded, *report.skipped):
            digest = hashlib.sha256((source / file).read_bytes()).hexdigest()
            self.acknowledged.files[name, file] = digest

    def upload(self, client: LayerNextClient, name: str) -> None:
        source = self.folder / f"{name} files"
        source.mkdir()
        for number in range(IMAGES):
            (source / f"{number}.bin").write_bytes(self.rng.randbytes(20_000))
        for number in range(3):
            (source / f"large {number}.bin").write_bytes(self.rng.randbytes(LARGE))
        self.store_files(client, f"{name} files", "other", source)

    def purge(self, client: LayerNextClient, name: str) -> None:
        self.forget(name)
        client.trash_objects_from_collection(name)
        report = client.trash.purge(name)
        assert (report.files, report.collections, report.kept) == (IMAGES, 1, 0)
        self.acknowledged.purged.add(name)

    def restore(self, client: LayerNextClient, name: str) -> None:
        files = dict(self.acknowledged.files)
        self.forget(name)
        client.trash_objects_from_collection(name)
        assert client.trash.restore(name) == IMAGES
        self.acknowledged.files = files
        self.acknowledged.annotated.add(name)

    def forget(self, name: str) -> None:
        acknowledged = self.acknowledged
        acknowledged.annotated.discard(name)
        acknowledged.files = {key: sha for key, sha in acknowledged.files.items() if key[0] != name}

    def export(self, client: LayerNextClient, name: str) -> None:
        export = client.exports.start("coco", collection=name, run="run")
        self.acknowledged.exports.append(export.id)
        client.wait_for_job_complete(export.job_id, timeout_s=HANG_S)

    def evaluate(self, client: LayerNextClient, name: str) -> None:
        evaluation = client.evaluate(
            collection=name, run="run", ground_truth="truth", timeout_s=HANG_S
        )
        self.acknowledged.evaluations[evaluation.info.id] = evaluation.summary

    def freeze(self, client: LayerNextClient, name: str) -> None:
        collection_id = _id_of(client, name)
        split = {"train": 60, "validation": 20, "test": 20}
        flip = {"id": "FLIP_IMAGE", "properties": [{"id": "FLIP_HORIZONTAL", "values": [True]}]}
        version = client.create_dataset_from_collection(
            f"set of {name}", collection_id, split, augmentation_list={"IMAGE_LEVEL": [flip]}
        )
        self.acknowledged.versions.append(version.version_id)
        client.wait_for_job_complete(version.job_id, timeout_s=HANG_S)

    def project(self, client: LayerNextClient, name: str) -> None:
        collection_id = _id_of(client, name)
        report = client.create_annotation_project_from_collection(
            f"project of {name}", collection_id
        )
        assert report.added == IMAGES
        self.acknowledged.projects.append(report.id)


def _id_of(client: LayerNextClient, name: str) -> str:
    (collection_id,) = (row.id for row in client.collections.list() if row.name == name)
    return collection_id


def rehearse(rounds: Rounds, action: Callable[[LayerNextClient, str], None]) -> list[float]:
    """When the requests of an action begin, and last when it ends, if nobody disturbs it; in seconds."""
    watch, name = Watch(), f"rehearsal of {action.__name__}"
    with LayerNextClient(*rounds.stack.arguments) as client:
        rounds.prepare(client, name)
    network = FaultyNetwork(before=watch.note)
    with LayerNextClient(*rounds.stack.arguments, http=network) as client:
        watch.begin(client)
        action(client, name)
    return [moment - watch.begins[0] for moment in (*watch.begins, time.monotonic())]


def kill_while(rounds: Rounds, number: int, timelines: dict[str, list[float]]) -> None:
    """One round: an action begins, and the stack is killed at a random moment of it.

    The moment is so long after the begin of one of its requests, so that it is met on a busy machine too.
    """
    stack, name = rounds.stack, f"yard-{number}"
    with LayerNextClient(*stack.arguments) as client:
        rounds.prepare(client, name)
    action = rounds.actions[number % len(rounds.actions)]
    if action.__name__ not in timelines:
        timelines[action.__name__] = rehearse(rounds, action)
    timeline = timelines[action.__name__]
    moment = rounds.rng.uniform(timeline[0], timeline[-1])
    request = bisect_right(timeline, moment, hi=len(timeline) - 1) - 1
    watch = Watch()
    failures: list[BaseException] = []

    def act() -> None:
        try:
            network = FaultyNetwork(before=watch.note)
            with LayerNextClient(*stack.arguments, retry_for_s=HANG_S, http=network) as client:
                watch.begin(client)
                action(client, name)
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            failures.append(error)
        finally:
            watch.end()

    thread = threading.Thread(target=act)
    thread.start()
    if watch.wait_for(request):
        time.sleep(moment - timeline[request])
    rounds.landed += not watch.is_over
    stack.kill()
    stack.start()
    thread.join(2 * HANG_S)
    assert not thread.is_alive(), f"{action.__name__} hangs"
    if failures:
        raise failures[0]


def check(rounds: Rounds, back: Path) -> None:
    """All jobs end well; everything acknowledged is there and whole; what was purged is gone."""
    acknowledged = rounds.acknowledged
    with LayerNextClient(*rounds.stack.arguments) as client:
        until = time.monotonic() + HANG_S
        while unfinished := [
            job for job in client.jobs.list() if job.status in {"queued", "in_progress"}
        ]:
            assert time.monotonic() < until, unfinished
            time.sleep(0.2)
        assert [job for job in client.jobs.list() if job.status == "failed"] == []
        for name in sorted({name for name, _ in acknowledged.files}):
            kind = "other" if name.endswith("files") else "image"
            client.files.download(name, back / name, content_type=kind, progress=False)
            contents = content_of(back / name)
            for (collection, file), digest in acknowledged.files.items():
                if collection == name:
                    assert hashlib.sha256(contents[file]).hexdigest() == digest, (name, file)
        check_annotations(client, acknowledged)
        check_results(client, acknowledged, back)


def check_annotations(client: LayerNextClient, acknowledged: Acknowledged) -> None:
    for name in sorted(acknowledged.annotated):
        for operation in ("run", "truth"):
            images = list(client.iter_annotations(name, operation))
            assert [len(image.annotations) for image in images] == [1] * IMAGES, (name, operation)
    names = {collection.name for collection in client.collections.list()}
    assert names.isdisjoint(acknowledged.purged)
    trash = {item.collection for item in client.trash.iter()}
    assert trash == set()


def check_results(client: LayerNextClient, acknowledged: Acknowledged, back: Path) -> None:
    """Exports, evaluations, dataset versions and projects."""
    for export_id in acknowledged.exports:
        export = client.exports.get(export_id)
        assert export.status == "completed", export
        folder = back / export_id
        client.exports.download(export_id, folder, progress=False)
        content = json.loads(_only_json(folder / export.file_name))
        assert (len(content["images"]), len(content["annotations"])) == (IMAGES, IMAGES)
    for evaluation_id, summary in acknowledged.evaluations.items():
        evaluation = client.evaluations.get(evaluation_id)
        assert evaluation.info.is_current, evaluation.info
        assert evaluation.summary == summary
    for version_id in acknowledged.versions:
        version = client.datasets.get_version(version_id)
        assert (version.status, version.image_count) == ("ready", IMAGES), version
        assert version.annotation_count == 2 * IMAGES
        assert version.picture_count == version.splits["train"]
    for project_id in acknowledged.projects:
        assert client.projects.get(project_id).image_count == IMAGES


def _only_json(path: Path) -> bytes:
    """A JSON file, or the one in an archive."""
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        (name,) = archive.namelist()
        return archive.read(name)


def check_store(url: str, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """After tidying up with no age limit rows and objects agree."""
    monkeypatch.setattr(orphans, "ORPHAN_HOURS", -1.0)
    monkeypatch.setattr(orphans, "FEW_ORPHANS", 10_000)
    monkeypatch.setattr(housekeeping, "UPLOAD_LIFE_DAYS", -1.0)
    with closing(Store.open(url)) as store:
        write_marker(objects, store.identity.location_digest())
        Housekeeping(store, objects, JobRunner(store.jobs, {}), None).tidy()
        sizes = {info.path: info.size for info in objects.list_objects()}
        assert store.references.find_orphans(sizes) == set()
        assert list(objects.list_uploads()) == []
        assert store.dropped.list_some() == []
        rows = Search(store).items.list_after(ItemFilter(), after=0, limit=10_000)
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
        timelines: dict[str, list[float]] = {}
        for number in range(KILLS):
            kill_while(rounds, number, timelines)
        assert rounds.landed, "no kill met an action at work"
        check(rounds, tmp_path / "back")
    finally:
        with suppress(RuntimeError):
            stack.stop()
    check_store(f"sqlite:///{stack.folder / 'stack.sqlite3'}", objects, monkeypatch)
