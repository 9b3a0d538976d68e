"""Jobs: queued, done, failed, given back, done again after a crash."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from layernext.errors import InvalidRequest
from layernext.stack.jobs import Handler, JobContext, JobRunner
from layernext.stack.store import Store
from layernext.stack.store.jobs.jobs import MAX_ATTEMPTS
from layernext.stack.store.schema import job

runners: list[JobRunner] = []


@pytest.fixture(autouse=True)
def _stop(store: Store) -> Iterator[None]:
    yield
    while runners:
        runners.pop().stop()


def run(store: Store, **handlers: Handler) -> JobRunner:
    runner = JobRunner(store.jobs, handlers)
    runners.append(runner)
    runner.start()
    return runner


def wait(store: Store, job_id: str, *statuses: str) -> str:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        found = store.progress.find(job_id)
        assert found is not None
        if found.status in statuses:
            return found.message
        time.sleep(0.02)
    raise AssertionError(f"the job is still {found.status}")


def test_job_is_done_with_its_payload(store: Store) -> None:
    """What a handler gives back is the job's result."""
    job_id = store.jobs.create("double", "a job", {"number": 21})
    run(store, double=lambda context: {"number": 2 * context.payload["number"]})
    wait(store, job_id, "completed")
    assert store.jobs.result(job_id) == {"number": 42}
    found = store.progress.find(job_id)
    assert found
    assert found.progress == 100.0


def test_other_kinds_are_left_alone(store: Store) -> None:
    """A worker takes only the kinds that it has handlers for."""
    other = store.jobs.create("other", "a job", {})
    mine = store.jobs.create("mine", "a job", {})
    run(store, mine=lambda _: None)
    wait(store, mine, "completed")
    assert wait(store, other, "queued") == ""


def test_failures_say_why(store: Store) -> None:
    """Our errors are the message; others are the log's business."""

    def refuse(_: JobContext) -> None:
        raise InvalidRequest("the split is empty", status=422)

    def crash(_: JobContext) -> None:
        raise ZeroDivisionError

    ids = [store.jobs.create(kind, "a job", {}) for kind in ("refuse", "crash")]
    run(store, refuse=refuse, crash=crash)
    assert wait(store, ids[0], "failed") == "the split is empty"
    assert wait(store, ids[1], "failed") == "the stack failed at it; its log says how"


def test_a_stopped_job_is_done_by_the_next_worker(store: Store) -> None:
    """A stack that stops gives its jobs back, and they cost no attempt."""
    started, times = threading.Event(), []

    def slow(context: JobContext) -> dict[str, int]:
        times.append(1)
        started.set()
        while len(times) == 1:
            context.progress(10)
            time.sleep(0.01)
        return {"times": len(times)}

    job_id = store.jobs.create("slow", "a job", {})
    first = run(store, slow=slow)
    assert started.wait(180)
    first.stop()
    assert wait(store, job_id, "queued") == ""
    run(store, slow=slow)
    wait(store, job_id, "completed")
    assert store.jobs.result(job_id) == {"times": 2}


def test_abandoned_jobs_are_claimed_again_but_not_for_ever(store: Store) -> None:
    """A worker that dies loses its claim; a job that kills its workers fails in the end."""
    job_id = store.jobs.create("deadly", "a job", {})
    for number in range(MAX_ATTEMPTS):
        row = store.jobs.claim(["deadly"], f"owner {number}")
        assert row
        assert row.id == job_id
        assert store.jobs.claim(["deadly"], "another") is None
        with store.database.write() as connection:
            connection.execute(sa.update(job).values(heartbeat_at="2020-01-01T00:00:00.000Z"))
    assert store.jobs.claim(["deadly"], "last") is None
    assert "never came to an end" in wait(store, job_id, "failed")
    assert not store.jobs.end(row.row_id, "owner 0", "completed")


def test_each_job_has_one_worker(store: Store) -> None:
    """Several runners on one database do every job once."""
    done: list[int] = []
    lock = threading.Lock()

    def count(context: JobContext) -> None:
        with lock:
            done.append(context.payload["number"])

    ids = [store.jobs.create("count", "a job", {"number": number}) for number in range(30)]
    for _ in range(3):
        run(store, count=count)
    for job_id in ids:
        wait(store, job_id, "completed")
    assert sorted(done) == list(range(30))
