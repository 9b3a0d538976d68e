"""Every call that changes something, when each of its requests comes several times at once.

A client whose connection breaks repeats its request while the stack may still be at work on the first
attempt. Whichever answer it then gets is the first attempt's, or one that says to try again.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from layernext import LayerNextClient
from layernext.client import transport
from tests.integration.client.test_lost_answers import CASES, COUNTED, SECONDS, Scene, shape_of
from tests.support.postgres import postgres_database
from tests.support.stack_process import StackProcess, running_stack

COPIES = 5
MOST_DELAY_S = 0.03
# Each attempt that is carried out has its entry in the audit log.
UNCOUNTED = {
    "audit_entry",
    "recorded_answer",
    "dropped_object",
    "run_statistics",
    "alembic_version",
}


class CrowdedNetwork(httpx.BaseTransport):
    """Sends each request that can be repeated several times at nearly the same time.

    One attempt more begins before them all, and its body comes when the work, with the jobs that it
    queued, is done: what that attempt has looked up by then is out of date. Of the answers the client
    gets the one with the highest status, which is what the least lucky client gets.

    Args:
        wait_for_jobs: returns when no job is left to do.
    """

    def __init__(self, wait_for_jobs: Callable[[], None]) -> None:
        self._network = httpx.HTTPTransport()
        self._pool = ThreadPoolExecutor(COPIES + 1)
        self._chance = random.Random(1)
        self._wait_for_jobs = wait_for_jobs

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if "Idempotency-Key" not in request.headers:
            return self._network.handle_request(request)
        body = request.read()
        are_sent = threading.Event()
        late = self._pool.submit(self._send, request, self._late(body, are_sent)) if body else None
        answers = list(self._pool.map(lambda _: self._send_later(request, body), range(COPIES)))
        if late is not None:
            self._wait_for_jobs()
            are_sent.set()
            answers.append(late.result())
        return max(answers, key=lambda answer: answer.status_code)

    def _send_later(self, request: httpx.Request, body: bytes) -> httpx.Response:
        time.sleep(self._chance.uniform(0.01, MOST_DELAY_S))
        return self._send(request, body)

    @staticmethod
    def _late(body: bytes, are_sent: threading.Event) -> Iterator[bytes]:
        are_sent.wait(SECONDS)
        yield body

    def _send(self, request: httpx.Request, body: bytes | Iterator[bytes]) -> httpx.Response:
        copy = httpx.Request(request.method, request.url, headers=request.headers, content=body)
        copy.extensions = request.extensions
        response = self._network.handle_request(copy)
        response.read()
        return response

    def close(self) -> None:
        self._pool.shutdown()
        self._network.close()


# What differs between the databases is how they keep transactions apart, which a third of the calls shows.
RUNS = [("sqlite", name) for name in CASES] + [("postgresql", name) for name in list(CASES)[::3]]


@pytest.fixture(scope="module")
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StackProcess]:
    folder = tmp_path_factory.mktemp("concurrent-repeats")
    with ExitStack() as opened:
        database = None
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres_server")
            database = opened.enter_context(postgres_database(server))
        yield opened.enter_context(running_stack(folder, database=database))


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_FIRST_WAIT_S", 0.005)


@pytest.mark.filterwarnings("ignore:use upload_files_to_collection:DeprecationWarning")
@pytest.mark.parametrize(("stack", "name"), RUNS, indirect=["stack"], scope="module")
def test_repeats_at_the_same_time_change_nothing(
    name: str, stack: StackProcess, tmp_path: Path
) -> None:
    """The same rows and the same kind of result as when each request comes once."""
    outcomes = []
    with (
        LayerNextClient(*stack.arguments) as single,
        LayerNextClient(
            *stack.arguments, http=CrowdedNetwork(lambda: wait_for_jobs(single))
        ) as crowded,
    ):
        for number, client in enumerate((single, crowded)):
            folder = tmp_path / str(number)
            folder.mkdir()
            before = rows_at_rest(stack, single)
            result = CASES[name](client, Scene(single, folder))
            after = rows_at_rest(stack, single)
            changed = {
                table: after[table] - before[table]
                for table in after
                if after[table] != before[table]
            }
            outcomes.append((changed, shape_of(result)))
    assert outcomes[1] == outcomes[0]


def wait_for_jobs(client: LayerNextClient) -> None:
    deadline = time.monotonic() + SECONDS
    while any(job.status in {"queued", "in_progress"} for job in client.jobs.list()):
        assert time.monotonic() < deadline, "a job does not end"
        time.sleep(0.01)


def rows_at_rest(stack: StackProcess, client: LayerNextClient) -> dict[str, int]:
    """How many rows each table has once no job is left to do."""
    wait_for_jobs(client)
    url = f"sqlite:///{stack.folder / 'stack.sqlite3'}"
    if stack.database:
        url = sa.make_url(stack.database).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return {
            table: connection.exec_driver_sql(
                f'SELECT count(*) FROM "{table}" WHERE {COUNTED.get(table, "true")}'
            ).scalar_one()
            for table in sa.inspect(connection).get_table_names()
            if table not in UNCOUNTED
        }
