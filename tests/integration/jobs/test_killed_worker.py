"""A worker that is killed: its job is done by the next one at once, not when its lease has ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import pytest

from layernext.stack.jobs import JobContext
from layernext.stack.jobs.owner import is_dead, new_owner
from layernext.stack.store import Store
from tests.integration.jobs.test_runner import _stop, run, wait

__all__ = ["_stop"]

WORKER = """
import sys, time
from layernext.stack.jobs import JobRunner
from layernext.stack.store import Store

def slow(context):
    print("begun", flush=True)
    time.sleep(3600)

JobRunner(Store.open(sys.argv[1]).jobs, {"slow": slow}).start()
time.sleep(3600)
"""


@contextmanager
def worker(store: Store) -> Iterator[subprocess.Popen[str]]:
    """A process that works at the only job."""
    command = [sys.executable, "-c", WORKER, store.database_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            yield process
        finally:
            process.kill()


def claim(store: Store) -> str | None:
    """What a worker of this process would do now; None if nothing."""
    me = new_owner(holds_folder=False)
    row = store.jobs.claim(["slow"], me, lambda owner: is_dead(owner, holds_folder=False))
    return row and row.id


def test_killed_worker(store: Store) -> None:
    """A job of a living process is left alone; after SIGKILL it is claimed at once, waited for or not."""
    job_id = store.jobs.create("slow", "a job", {})
    with worker(store) as process:
        assert claim(store) is None
        process.kill()
        process.wait()
        assert claim(store) == job_id


def test_killed_worker_is_replaced(store: Store) -> None:
    """A runner that starts after the kill does the job."""
    job_id = store.jobs.create("slow", "a job", {})
    with worker(store) as process:
        process.kill()
        process.wait()
    run(store, slow=lambda _: {"done": True})
    wait(store, job_id, "completed")


@pytest.mark.parametrize(
    ("owner", "alone", "shared"),
    [
        pytest.param("0123456789abcdef", True, False, id="earlier version"),
        pytest.param("server:elsewhere:1:2:3", True, False, id="server of another machine"),
        pytest.param("worker:elsewhere:1:2:3", False, False, id="worker of another machine"),
    ],
)
def test_owners_of_other_machines(owner: str, alone: bool, shared: bool) -> None:
    """A process that holds the folder knows that no other server lives; the others wait for the lease."""
    assert is_dead(owner, holds_folder=True) == alone
    assert is_dead(owner, holds_folder=False) == shared


def test_process_id_used_again() -> None:
    """Another process with the id of a dead one is not taken for it."""
    role, machine, pid, started, token = new_owner(holds_folder=False).split(":")
    assert not is_dead(f"{role}:{machine}:{pid}:{started}:{token}", holds_folder=True)
    if started:
        other = str(int(started) - 1)
        assert is_dead(f"{role}:{machine}:{pid}:{other}:{token}", holds_folder=False)


def test_helper_process_is_killed(store: Store) -> None:
    """A job whose helping process dies is failed, and says why."""

    def broken(_: JobContext) -> None:
        raise BrokenProcessPool("a process was terminated abruptly")

    job_id = store.jobs.create("broken", "a job", {})
    run(store, broken=broken)
    assert "a process that worked on it was killed" in wait(store, job_id, "failed")
