"""A Dask cluster whose workers are those of ``layernext worker --engine``: same results, whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import distributed
import pytest

from layernext.errors import ConfigurationError, StackUnavailable
from layernext.evaluation import compare_files, evaluate_files
from layernext.stack.jobs import JobRunner, engine_for, scheduler_address
from layernext.stack.jobs.dask_cluster import DaskExecutor, open_executor
from layernext.stack.jobs.engines import DaskCluster
from layernext.stack.jobs.statistics import statistics_handler
from layernext.stack.store import STATISTICS_JOB, Store
from tests.integration.evaluations import test_job as jobs
from tests.support.stores import new_store

HANG_GUARD_S = 120


@pytest.fixture(scope="module")
def scheduler() -> Iterator[distributed.LocalCluster]:
    """A scheduler in this process, without workers."""
    with distributed.LocalCluster(
        n_workers=0,
        host="127.0.0.1",
        protocol="tcp://",
        dashboard_address=None,
        silence_logs=False,
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module", params=["postgresql"])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """One for all tests: its workers take seconds to start."""
    with new_store(request, tmp_path_factory.mktemp("store")) as shared:
        yield shared


@pytest.fixture(scope="module")
def workers(
    scheduler: distributed.LocalCluster, store: Store
) -> Iterator[distributed.LocalCluster]:
    """Two workers with the store's database, in processes of the command line."""
    engine = scheduler.scheduler_address.replace("tcp://", "dask://")
    process = subprocess.Popen(
        [sys.executable, "-m", "layernext", "worker", "--engine", engine, "--processes", "2"],
        env={**os.environ, "LAYERNEXT_DATABASE": store.database_url},
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: len(scheduler.scheduler.workers) == 2)
    yield scheduler
    process.send_signal(signal.SIGTERM)
    assert process.wait(HANG_GUARD_S) == 0


@pytest.fixture(autouse=True)
def _stop() -> Iterator[None]:
    yield
    while jobs.runners:
        jobs.runners.pop().stop()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANG_GUARD_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class KillsAWorker(DaskExecutor):
    """Kills the worker that has the first part, while it works on it."""

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        future = super().submit(function, *arguments, **named)
        if len(self._futures) == 1:
            process_ids = self._client.run(os.getpid)
            wait_until(lambda: any(self._client.processing().values()) or future.done())
            os.kill(next(iter(process_ids.values())), signal.SIGKILL)
        return future


def test_jobs_of_a_stack(
    workers: distributed.LocalCluster, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evaluations and statistics are those of one process; a worker that is killed is made up for."""
    monkeypatch.setattr("layernext.stack.jobs.evaluations.SPAN_ANNOTATIONS", 50)
    monkeypatch.setattr("layernext.stack.jobs.statistics.SPAN_ANNOTATIONS", 50)
    truths, runs = jobs.filled(store, 1)
    address, stack_id = workers.scheduler_address, str(store.identity.namespace())
    with open_executor(address, stack_id) as probe:
        known_workers = [*probe._client.scheduler_info(n_workers=-1)["workers"]]

    def kill_one(annotations: int) -> Executor:
        del annotations
        client = distributed.Client(address, set_as_default=False)
        return KillsAWorker(client, known_workers)

    jobs.start(store, kill_one)
    info = jobs.ended(store, jobs.asked(store).id)
    assert (info.status, info.message) == ("completed", "")
    assert info.summary == jobs.summary(truths, runs)

    wait_until(lambda: len(workers.scheduler.workers) == 2)  # the nanny starts another one
    engine = DaskCluster(address, stack_id, inline_annotations=0)
    runner = JobRunner(store.jobs, {STATISTICS_JOB: statistics_handler(store, engine)})
    jobs.runners.append(runner)
    collection = store.collections.find(jobs.PLACE)
    assert collection is not None
    run = store.statistics.find_run(collection.row_id, "run", "machine")
    assert run is not None
    store.statistics.ensure_job(run)
    runner.start()
    wait_until(lambda: store.statistics.get(run) is not None)
    statistics = store.statistics.get(run)
    assert statistics is not None
    assert statistics.annotations == sum(len(image["annotations"]) for image in runs)


def test_workers_that_cannot_help(
    workers: distributed.LocalCluster, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers of another version or stack get no work, and the reason is said; small jobs need none."""
    address, stack_id = workers.scheduler_address, str(store.identity.namespace())
    with pytest.raises(StackUnavailable, match="database of another stack"):
        open_executor(address, "another")
    engine = DaskCluster(address, stack_id, inline_annotations=100)
    monkeypatch.setattr("layernext.stack.jobs.dask_cluster.__version__", "0.0.1")
    with pytest.raises(StackUnavailable, match=r"has version .*, the stack 0\.0\.1"):
        engine.executor(101)
    with engine.executor(100) as executor:
        assert executor.submit(abs, -1).result() == 1


def test_tasks_hold_no_secret(
    workers: distributed.LocalCluster, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent to workers names neither the database nor all the other parts."""
    monkeypatch.setattr("layernext.stack.jobs.evaluations.SPAN_ANNOTATIONS", 50)
    jobs.filled(store, 2)
    sent: list[Any] = []

    class Watched(DaskExecutor):
        def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
            sent.append((function, arguments))
            return super().submit(function, *arguments, **named)

    def watched(annotations: int) -> Executor:
        del annotations
        client = distributed.Client(workers.scheduler_address, set_as_default=False)
        return Watched(client, list(workers.scheduler.workers))

    jobs.start(store, watched)
    assert jobs.ended(store, jobs.asked(store).id).status == "completed"
    assert len(sent) > 3
    for function, (_, plan, _, _) in sent:
        assert store.database_url not in repr((function.args, function.keywords))
        assert plan.spans == []


def test_no_scheduler(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address at which nobody answers is named."""
    monkeypatch.setattr("layernext.stack.jobs.dask_cluster.CONNECT_SECONDS", 0.5)
    with pytest.raises(StackUnavailable, match="no Dask scheduler answers at tcp://127"):
        DaskCluster("tcp://127.0.0.1:9", "x", inline_annotations=0).executor(1)
    assert isinstance(engine_for(store, "dask://127.0.0.1:9"), DaskCluster)


@pytest.mark.parametrize(
    "setting",
    [
        "ray",
        "dask://",
        "dask://host",
        "dask://host:x",
        "dask://me:secret@host:1",
        "dask://host:1/x",
    ],
)
def test_engines_that_are_none(setting: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ConfigurationError, match="the engine"):
        scheduler_address(setting)


def test_addresses() -> None:
    """Schedulers are named as Dask does it, processes by that word."""
    assert scheduler_address("processes") is None
    assert scheduler_address("dask://host:8786") == "tcp://host:8786"
    assert scheduler_address("dask+tls://[::1]:8786/") == "tls://[::1]:8786"


def test_files_on_a_cluster(
    workers: distributed.LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`evaluate_files` and `compare_files` take the executor of any Dask client as it is."""
    monkeypatch.setattr("layernext.evaluation.files.PARTITION_IMAGES", 10)
    truths, runs = jobs.some_sets(4, images=40)
    _, others = jobs.some_sets(5, images=40)
    paths = []
    for name, sets in (("truth", truths), ("run", runs), ("other", others)):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_bytes(jobs.msgspec.json.encode({"images": sets}))
    truth, run, other = paths
    with distributed.Client(workers.scheduler_address, set_as_default=False) as client:
        executor = client.get_executor()
        assert evaluate_files(truth, run, executor=executor) == evaluate_files(truth, run)
        spread = compare_files(truth, run, other, resamples=50, executor=executor)
        assert spread == compare_files(truth, run, other, resamples=50)
