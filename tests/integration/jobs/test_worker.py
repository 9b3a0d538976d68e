"""`layernext worker`: the jobs of a server that only serves, in processes of their own."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image

from layernext import LayerNextClient
from layernext.cli import exit_codes
from layernext.stack.store import Store
from layernext.stack.store.schema import job
from tests.support.preloaded import PreloadedProcess, run_command_line
from tests.support.stack_process import COMMAND, START_SECONDS, StackProcess, running_stack

BOX = {"type": "rectangle", "label": "car", "bbox": [1, 1, 20, 20]}


@contextmanager
def worker(stack: StackProcess) -> Iterator[PreloadedProcess]:
    """A worker beside a server."""
    where = ["--data", str(stack.folder)]
    if stack.database:
        where += ["--database", stack.database]
    log = stack.folder / "worker.log"
    process = PreloadedProcess(run_command_line, "worker", *where, log=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(params=["sqlite", "postgresql"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StackProcess]:
    """A server that leaves jobs to workers."""
    is_sqlite = request.param == "sqlite"
    database = None if is_sqlite else request.getfixturevalue("postgres_url")
    with running_stack(tmp_path / "stack", "--jobs", "off", database=database) as process:
        yield process


def make_folder(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(folder / f"{number}.png")
    return folder


def state(stack: StackProcess) -> list[tuple[str, int]]:
    """Status and attempts of every job."""
    store = Store.open(stack.database or f"sqlite:///{stack.folder / 'stack.sqlite3'}")
    try:
        with store.jobs._database.read() as connection:
            rows = connection.execute(sa.select(job.c.status, job.c.attempts).order_by(job.c.id))
            return [(row.status, row.attempts) for row in rows]
    finally:
        store.close()


def wait_for(stack: StackProcess, *statuses: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not {status for status, _ in state(stack)} & set(statuses):
        assert time.monotonic() < deadline, state(stack)
        time.sleep(0.05)


def test_work_is_done_elsewhere(stack: StackProcess, tmp_path: Path) -> None:
    """Nothing happens without a worker; one inspects the files and evaluates, then stops in order."""
    source = make_folder(tmp_path / "source", 3)
    images = [{"image": f"{number}.png", "annotations": [BOX]} for number in range(3)]
    with LayerNextClient(*stack.arguments) as client:
        report = client.upload_files_to_collection(source, "image", "yard", progress=False)
        client.upload_modelrun("yard", "truth", images, ground_truth=True)
        client.upload_modelrun("yard", "run", images)
        assert {status for status, _ in state(stack)} == {"queued"}
        with worker(stack) as process:
            client.wait_for_job_complete(report.job_id, timeout_s=START_SECONDS)
            items = list(client.items.iter("yard"))
            assert [(item.width, item.height) for item in items] == [(40, 30)] * 3
            evaluation = client.evaluate(collection="yard", run="run", ground_truth="truth")
            assert evaluation.info.status == "completed"
            process.send_signal(signal.SIGTERM)
            assert process.wait(START_SECONDS) == 0


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_another_worker_takes_over(tmp_path: Path, end: signal.Signals) -> None:
    """Whatever ends a worker, the next one does its job; an orderly stop costs no attempt."""
    source = make_folder(tmp_path / "source", 200)
    with (
        running_stack(tmp_path / "stack", "--jobs", "off") as stack,
        LayerNextClient(*stack.arguments) as client,
    ):
        report = client.upload_files_to_collection(source, "image", "yard", progress=False)
        with worker(stack) as process:
            wait_for(stack, "in_progress", "completed")
            process.send_signal(end)
            code = process.wait(START_SECONDS)
        if end != signal.SIGKILL:
            assert code == 0
            assert set(state(stack)) <= {("queued", 0), ("completed", 1)}
        with worker(stack):
            client.wait_for_job_complete(report.job_id, timeout_s=START_SECONDS)
        widths = [item.width for item in client.items.iter("yard")]
        assert widths == [40] * 200


def test_worker_needs_the_stack_settings(tmp_path: Path) -> None:
    """A worker whose database cannot be opened says so in one line."""
    ran = subprocess.run(
        [*COMMAND, "worker", "--database", "mysql://x/y", "--data", str(tmp_path / "stack")],
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )
    assert ran.returncode == exit_codes.CONFIGURATION
    assert ran.stderr.splitlines() == [
        "error: the database URL must begin with sqlite:/// or postgresql://"
    ]
