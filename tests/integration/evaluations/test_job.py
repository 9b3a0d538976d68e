"""The job behind an evaluation: in processes, with changes on the way, stopped, done again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from layernext.errors import Conflict
from layernext.model import EvaluationInfo, EvaluationSettings, Mode
from layernext.stack.jobs import JobRunner, count_now
from layernext.stack.jobs.engines import LocalProcesses
from layernext.stack.jobs.evaluations import evaluation_handler
from layernext.stack.jobs.processes import process_pool
from layernext.stack.jobs.statistics import statistics_handler
from layernext.stack.store import EVALUATION_JOB, EvaluationRequest, Store
from layernext.stack.store.schema import job
from layernext.wire.native import UploadRequest
from tests.contract.store.batches import digest_of, prepared
from tests.integration.evaluations.test_evaluations import alone, some_sets

PLACE = "yard"
runners: list[JobRunner] = []


@pytest.fixture(autouse=True)
def _stop(store: Store) -> Iterator[None]:
    yield
    while runners:
        runners.pop().stop()


def put(store: Store, run: str, mode: Mode, sets: list[Any]) -> None:
    """Upload sets under a run."""
    request = UploadRequest(run=run, mode=mode, collection=PLACE)
    upload_id = store.uploads.open(request).id
    ready = [prepared(one["image"], *one["annotations"]) for one in sets]
    store.annotations.write_batch(upload_id, 0, digest_of(ready), ready)
    store.uploads.finish(upload_id, 1)


def filled(store: Store, seed: int) -> tuple[list[Any], list[Any]]:
    truths, runs = some_sets(seed, images=60)
    put(store, "truth", "human", truths)
    put(store, "run", "machine", runs)
    return truths, runs


def asked(store: Store, *, again: bool = False) -> EvaluationInfo:
    place = store.collections.find(PLACE)
    assert place is not None
    return store.evaluations.request(
        EvaluationRequest(
            collection_id=place.row_id,
            version_id=None,
            split=-1,
            run="run",
            truth="truth",
            run_mode=None,
            truth_mode=None,
            settings=EvaluationSettings().complete(),
            is_default=True,
            again=again,
        )
    )


def start(store: Store, executors: Callable[[int], Executor]) -> None:
    engine = SimpleNamespace(executor=executors)
    runner = JobRunner(store.jobs, {EVALUATION_JOB: evaluation_handler(store, engine)})
    runners.append(runner)
    runner.start()


def ended(store: Store, evaluation_id: str) -> EvaluationInfo:
    deadline = time.monotonic() + 300  # only a hang takes so long
    while time.monotonic() < deadline:
        info = store.evaluations.get(evaluation_id)
        if info.status in {"completed", "failed"}:
            return info
        time.sleep(0.02)
    raise AssertionError(f"it is still {info.status}")


def summary(truths: list[Any], runs: list[Any]) -> dict[str, float | None]:
    return alone(truths, runs).result().summary


def one_thread(annotations: int) -> Executor:
    del annotations
    return ThreadPoolExecutor(1)


def test_confidences_out_of_range(store: Store) -> None:
    """Published clients may send such ones: they are counted with the lowest and the highest."""
    box = {"type": "rectangle", "label": "cup", "bbox": [1, 2, 3, 4]}
    sent = [{**box, "confidence": each} for each in (-0.5, 0.5, 1.5, 1e300)]
    one = prepared("a.jpg", *sent, is_checked=False)
    upload_id = store.uploads.open(UploadRequest(run="run", mode="machine", collection=PLACE)).id
    store.annotations.write_batch(upload_id, 0, digest_of([one]), [one])
    place = store.collections.find(PLACE)
    assert place is not None
    run = store.statistics.find_run(place.row_id, "run", "machine")
    assert run is not None
    counts = count_now(store.statistics, run).confidence.counts
    assert (counts[0], counts[10], counts[-1], sum(counts)) == (1, 1, 2, 4)


def test_in_processes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that read the database for themselves find the same as one thread does."""
    monkeypatch.setattr("layernext.stack.jobs.evaluations.SPAN_ANNOTATIONS", 50)
    truths, runs = filled(store, 1)
    start(store, lambda _: process_pool(2, store.database_url))
    info = ended(store, asked(store).id)
    assert (info.status, info.message) == ("completed", "")
    assert info.summary == summary(truths, runs)
    assert info.image_count == len(truths)


def test_changes_on_the_way(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets that change while they are evaluated are evaluated again: never two states in one result."""
    monkeypatch.setattr("layernext.stack.jobs.evaluations.SPAN_ANNOTATIONS", 50)
    truths, _ = filled(store, 2)
    _, newer = some_sets(3, images=60)
    starts = []

    class Changing(ThreadPoolExecutor):
        """Uploads behind the first part of the first attempt."""

        def submit(self, *arguments: Any) -> Any:  # type: ignore[override]
            future = super().submit(*arguments)
            if len(starts) == 1 and future.result() is not None:
                starts.append("changed")
                put(store, "run", "machine", newer)
            return future

    def executors(annotations: int) -> Executor:
        del annotations
        starts.append("begun")
        return Changing(1)

    start(store, executors)
    info = ended(store, asked(store).id)
    assert info.is_current
    assert starts == ["begun", "changed", "begun"]
    by_image = {one["image"]: one for one in some_sets(2, images=60)[1]}
    by_image |= {one["image"]: one for one in newer}
    assert info.summary == summary(truths, list(by_image.values()))


def test_changes_without_end(store: Store) -> None:
    """An evaluation whose annotations never rest fails with a word, and stores nothing."""
    filled(store, 4)
    states = iter(range(100))

    def executors(annotations: int) -> Executor:
        del annotations
        put(store, "run", "machine", [{"image": f"new {next(states)}", "annotations": []}])
        return ThreadPoolExecutor(1)

    start(store, executors)
    info = ended(store, asked(store).id)
    assert info.status == "failed"
    assert "annotations changed while they were evaluated, 5 times" in info.message
    with pytest.raises(Conflict, match="has no result: annotations changed"):
        store.evaluations.result(info.id)
    start(store, one_thread)
    runners[0].stop()
    assert ended(store, asked(store).id).status == "completed"


def test_deleted_on_the_way(store: Store) -> None:
    """Deleting an evaluation ends its job, and nothing is left of it."""
    filled(store, 5)
    is_waiting, may_go = threading.Event(), threading.Event()

    class Waiting(ThreadPoolExecutor):
        def submit(self, *arguments: Any) -> Any:  # type: ignore[override]
            is_waiting.set()
            assert may_go.wait(180)
            return super().submit(*arguments)

    start(store, lambda _: Waiting(1))
    info = asked(store)
    assert is_waiting.wait(180)
    assert store.evaluations.delete(info.id)
    may_go.set()
    runners[0].stop()
    found = store.progress.find(info.job_id)
    assert found is not None
    assert (found.status, found.message) == ("failed", "what it was for is gone")


def test_done_again_after_a_crash(store: Store) -> None:
    """A job whose worker is never heard of again is done by another, whole."""
    truths, runs = filled(store, 6)
    info = asked(store)
    assert store.jobs.claim([EVALUATION_JOB], "a worker that dies") is not None
    with store.database.write() as connection:
        connection.execute(sa.update(job).values(heartbeat_at="2020-01-01T00:00:00.000Z"))
    start(store, one_thread)
    assert ended(store, info.id).summary == summary(truths, runs)


def test_two_workers_on_one_database(store: Store) -> None:
    """Of several workers one does the job, once."""
    truths, runs = filled(store, 7)
    begun = []

    def executors(annotations: int) -> Executor:
        begun.append(annotations)
        return ThreadPoolExecutor(1)

    start(store, executors)
    start(store, executors)
    ids = {asked(store).id for _ in range(5)}
    assert len(ids) == 1
    assert ended(store, ids.pop()).summary == summary(truths, runs)
    assert len(begun) == 1


def test_statistics_in_processes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is counted in parts by processes is counted as a whole."""
    monkeypatch.setattr("layernext.stack.jobs.statistics.SPAN_ANNOTATIONS", 50)
    _, runs = filled(store, 8)
    place = store.collections.find(PLACE)
    assert place is not None
    run = store.statistics.find_run(place.row_id, "run", "machine")
    assert run is not None
    assert store.statistics.get(run) is None
    job_id = store.statistics.ensure_job(run)
    assert store.statistics.ensure_job(run) == job_id
    handlers = {
        "run.statistics": statistics_handler(
            store, LocalProcesses(store.database_url, inline_annotations=0)
        )
    }
    runner = JobRunner(store.jobs, handlers)
    runners.append(runner)
    runner.start()
    deadline = time.monotonic() + 180
    while (found := store.statistics.get(run)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert found.annotations == sum(len(one["annotations"]) for one in runs)
    assert sum(found.labels.values()) == found.annotations
    assert found.is_current
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
