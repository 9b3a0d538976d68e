"""PostgreSQL is stopped in the middle of the work of a client and of a job, and started again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from layernext import LayerNextClient
from layernext.stack.app import services_in
from layernext.stack.jobs import Housekeeping, JobContext, JobRunner
from layernext.stack.store import Store
from tests.integration.jobs.test_runner import wait
from tests.integration.stack.conftest import Stack, running
from tests.support.faulty_network import FaultyNetwork
from tests.support.postgres import PostgresServer, postgres_database
from tests.support.stack_process import StackProcess

IMAGES = 6_000


@pytest.fixture
def database(stoppable_postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty database on a server that can be stopped."""
    with postgres_database(stoppable_postgres.url) as url:
        yield url


@pytest.fixture
def stack(database: str, tmp_path: Path) -> Iterator[StackProcess]:
    """A stack on it."""
    process = StackProcess(tmp_path / "stack", database=database)
    process.start()
    yield process
    process.stop()


class Outage:
    """Stops the server at one request of a client, and starts it a while after."""

    def __init__(self, server: PostgresServer, method: str, path: str, number: int) -> None:
        self._server, self._method, self._path, self._left = server, method, path, number
        self._starting: threading.Timer | None = None
        self.refusals: list[httpx.Response] = []

    def network(self) -> FaultyNetwork:
        return FaultyNetwork(self._before, self._after)

    def _before(self, request: httpx.Request, _: int) -> None:
        if request.method != self._method or self._path not in request.url.path:
            return
        self._left -= 1
        if self._left == 0:
            self._server.stop()

    def _after(self, _: httpx.Request, response: httpx.Response) -> httpx.Response:
        if response.status_code >= 500:
            self.refusals.append(response)
            if self._starting is None:
                self._starting = threading.Timer(1.0, self._server.start)
                self._starting.start()
        return response

    def end(self) -> None:
        """Wait until the server serves again, and see that clients were told to come again."""
        assert self._starting is not None, "nothing was refused; the test shows nothing"
        self._starting.join()
        for response in self.refusals:
            assert response.status_code == 503
            assert response.headers["retry-after"]


def run_of(path: Path) -> dict[str, list[dict[str, object]]]:
    images = [
        {
            "image": f"{number:06}.jpg",
            "annotations": [
                {"type": "rectangle", "label": f"l{box % 7}", "bbox": [box, number, 3, 4.5]}
                for box in range(10)
            ],
        }
        for number in range(IMAGES)
    ]
    path.write_text(json.dumps({"images": images}))
    return {str(image["image"]): image["annotations"] for image in images}  # type: ignore[misc]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("POST", "/uploads", id="as it begins"),
        pytest.param("PUT", "/batches/", id="at a batch"),
        pytest.param("POST", "/finish", id="as it ends"),
    ],
)
def test_upload_of_a_run(
    stack: StackProcess, stoppable_postgres: PostgresServer, tmp_path: Path, method: str, path: str
) -> None:
    """The upload ends by itself, complete, and every image is there once."""
    wanted = run_of(tmp_path / "run.json")
    outage = Outage(stoppable_postgres, method, path, 1)
    with LayerNextClient(*stack.arguments, http=outage.network(), retry_for_s=60) as client:
        client.upload_annotations_for_collection(
            "yard", "run", str(tmp_path / "run.json"), False, True, progress=False
        )
    outage.end()
    with LayerNextClient(*stack.arguments) as client:
        stored = list(client.iter_annotations("yard", "run"))
        (run,) = client.runs.list("yard")
    assert len(stored) == IMAGES
    assert {image.image: len(image.annotations) for image in stored} == dict.fromkeys(wanted, 10)
    assert (run.image_count, run.annotation_count) == (IMAGES, 10 * IMAGES)
    log = (stack.folder / "serve.log").read_text()
    assert log.count("WARNING layernext.stack.database the database does not answer") == 1
    assert log.count("the database answers again") == 1
    assert "Traceback" not in log


def test_upload_of_files(
    stack: StackProcess, stoppable_postgres: PostgresServer, tmp_path: Path
) -> None:
    """Files that go up meanwhile are there once, whole, and inspected afterwards."""
    source = tmp_path / "source"
    source.mkdir()
    wanted = {f"{number}.bin": bytes([number]) * 5_000 for number in range(40)}
    for name, content in wanted.items():
        (source / name).write_bytes(content)
    outage = Outage(stoppable_postgres, "POST", "/bundle", 1)
    with LayerNextClient(*stack.arguments, http=outage.network(), retry_for_s=60) as client:
        report = client.upload_files_to_collection(source, "other", "yard", progress=False)
        assert sorted(report.uploaded) == sorted(wanted)
        client.wait_for_job_complete(report.job_id, timeout_s=60)
        client.files.download("yard", tmp_path / "back", progress=False)
    outage.end()
    back = {path.name: path.read_bytes() for path in (tmp_path / "back").rglob("*.bin")}
    assert back == wanted


def test_download(stack: StackProcess, stoppable_postgres: PostgresServer, tmp_path: Path) -> None:
    """A download that is cut off in its middle is seen as cut off, begins again and is complete."""
    wanted = run_of(tmp_path / "run.json")
    with LayerNextClient(*stack.arguments) as client:
        client.upload_modelrun("yard", "run", tmp_path / "run.json", progress=False)
    outage = Outage(stoppable_postgres, "GET", "/annotations", 1)
    with LayerNextClient(*stack.arguments, http=outage.network(), retry_for_s=60) as client:
        stored = {image.image: image for image in client.iter_annotations("yard", "run")}
    outage.end()
    assert set(stored) == set(wanted)


def test_ready_and_pages(stack: StackProcess, stoppable_postgres: PostgresServer) -> None:
    """Meanwhile /health is 200, and everything else that needs the database 503, said in a sentence."""
    stoppable_postgres.stop()
    try:
        assert httpx.get(f"{stack.url}/health").status_code == 200
        for path in ("/ready", "/api/v1/collections", "/"):
            answer = httpx.get(
                stack.url + path, auth=(stack.api_key, stack.secret), follow_redirects=True
            )
            if path == "/" and answer.status_code == 200:
                continue  # the page to sign in needs no database
            assert answer.status_code == 503, path
            assert answer.headers["retry-after"] == "1"
            assert "the database does not answer" in answer.text.lower()
    finally:
        stoppable_postgres.start()
    assert httpx.get(f"{stack.url}/ready").status_code == 200


def test_job(database: str, stoppable_postgres: PostgresServer) -> None:
    """A job in whose middle the database stops is done again when it answers, and its end is stored."""
    store = Store.open(database)
    tries: list[int] = []

    def work(context: JobContext) -> dict[str, int]:
        tries.append(1)
        if len(tries) == 1:
            stoppable_postgres.stop()
            threading.Timer(1.5, stoppable_postgres.start).start()
            store.ping()
        return {"tries": len(tries)}

    job_id = store.jobs.create("work", "a job", {})
    runner = JobRunner(store.jobs, {"work": work})
    runner.start()
    try:
        wait_through_outage(store, job_id)
        assert store.jobs.result(job_id) == {"tries": 2}
    finally:
        runner.stop()
        store.close()


def test_end_of_a_job(database: str, stoppable_postgres: PostgresServer) -> None:
    """A job that ends while the database is stopped is not done again: its end is stored later."""
    store = Store.open(database)
    tries: list[int] = []

    def work(_: JobContext) -> dict[str, int]:
        tries.append(1)
        stoppable_postgres.stop()
        threading.Timer(1.5, stoppable_postgres.start).start()
        return {"tries": len(tries)}

    job_id = store.jobs.create("work", "a job", {})
    runner = JobRunner(store.jobs, {"work": work})
    runner.start()
    try:
        wait_through_outage(store, job_id)
        assert store.jobs.result(job_id) == {"tries": 1}
    finally:
        runner.stop()
        store.close()
    assert tries == [1]


def wait_through_outage(store: Store, job_id: str) -> None:
    """Until the job is completed, with a server that comes back meanwhile."""
    answers = threading.Event()
    while not answers.wait(0.2):
        try:
            store.ping()
            found = store.jobs.find(job_id)
        except Exception:  # noqa: BLE001 - it is stopped at the moment
            continue
        if found is not None and found.status == "completed":
            answers.set()
    wait(store, job_id, "completed")


def test_housekeeping(
    database: str, stoppable_postgres: PostgresServer, tmp_path: Path, caplog
) -> None:
    """It is put off while the database is stopped, with one line, and done soon afterwards."""
    with running(tmp_path / "stack", database=database) as stack:
        housekeeping = tidier(stack)
        services_in(stack.app).jobs.stop()
        stoppable_postgres.stop()
        try:
            assert housekeeping.tidy() is False
        finally:
            stoppable_postgres.start()
        assert housekeeping.tidy() is True
    lines = [record.getMessage() for record in caplog.records if "housekeep" in record.name]
    assert lines == ["housekeeping is put off: the database does not answer"]


def tidier(stack: Stack) -> Housekeeping:
    services = services_in(stack.app)
    return Housekeeping(stack.store, services.objects, services.jobs, None)
