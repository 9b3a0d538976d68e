"""Whatever is sent to whichever route, no answer is a fault of the stack, and nothing is lost."""

from __future__ import annotations

import base64
import http.client
import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from tests.integration.fuzz.hostile import Call, Mutator
from tests.integration.stack.server import Server, serving

REQUESTS = int(os.environ.get("LAYERNEXT_FUZZ_REQUESTS", "5000"))
"""Of each database. A long run: LAYERNEXT_FUZZ_REQUESTS=50000."""
THREADS = 3
HANG_SECONDS = 180
RIGHT = {501, 503, 507}
"""Not done here, busy, disk full: these say what they mean."""
LINE = b'{"image": "a.jpg", "annotations": [{"label": "car", "bbox": [1, 2, 3, 4], "confidence": 0.5}]}\n'


@pytest.fixture
def server(tmp_path: Path, database_url: str) -> Iterator[Server]:
    fields = {} if database_url.startswith("sqlite") else {"database": database_url}
    with serving(tmp_path / "data", quiet=True, **fields) as running:
        yield running


def fill(server: Server) -> list[str]:
    """Something of every kind in the stack; names and ids that requests can name."""
    with httpx.Client(base_url=server.url, auth=server.auth, timeout=180) as client:

        def post(path: str, **fields: Any) -> dict[str, Any]:
            answer = client.post(path, json=fields)
            assert answer.status_code < 300, answer.text
            value: dict[str, Any] = answer.json()
            return value

        names = ["yard", "detector", "truth", "car", "a.jpg"]
        for run, mode in (("detector", "machine"), ("truth", "human")):
            upload = post(
                "/api/v1/uploads", run=run, mode=mode, collection="yard", geometry="rectangle"
            )
            names.append(upload["id"])
            url = f"/api/v1/uploads/{upload['id']}"
            assert client.put(f"{url}/batches/0", content=LINE).status_code == 200
            post(f"{url}/finish", batches=1)
        post("/api/v1/evaluations", run="detector", ground_truth="truth", collection="yard")
        for path in ("collections", "items", "evaluations", "jobs", "runs"):
            names += _ids(client.get(f"/api/v1/{path}").json())
        return names


def _ids(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for inner in value for text in _ids(inner)]
    if not isinstance(value, dict):
        return []
    texts = [text for inner in value.values() for text in _ids(inner)]
    return texts + [value[name] for name in value if name.endswith("id") and value[name]]


class Fuzzer:
    """Sends calls with keys of several roles, and keeps what should not have come back."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.statuses: Counter[int] = Counter()
        self.faults: list[str] = []
        self._authorizations = [self._basic(*server.auth)] * 8
        made = httpx.post(
            f"{server.url}/api/v1/keys", auth=server.auth, json={"name": "r", "role": "read"}
        ).json()
        self._authorizations += [self._basic(made["api_key"], made["secret"]), None]

    @staticmethod
    def _basic(key: str, secret: str) -> bytes | None:
        return b"Basic " + base64.b64encode(f"{key}:{secret}".encode())

    def run(self, calls: list[Call]) -> None:
        """Send calls, one after the other on a connection that should stay."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._server.port, timeout=HANG_SECONDS
        )
        for number, call in enumerate(calls):
            try:
                status = self._send(connection, call, self._authorizations[number % 10])
            except (OSError, http.client.HTTPException) as error:
                self.faults.append(f"{type(error).__name__} {_shown(call)}")
                connection.close()
                continue
            self.statuses[status] += 1
            if status >= 500 and status not in RIGHT:
                self.faults.append(f"{status} {_shown(call)}")
        connection.close()

    def _send(
        self, connection: http.client.HTTPConnection, call: Call, authorization: bytes | None
    ) -> int:
        connection.putrequest(call.method, call.target.decode("latin-1"), skip_accept_encoding=True)
        for name, value in call.headers:
            connection.putheader(name, value)
        if authorization is not None:
            connection.putheader("Authorization", authorization)
        connection.putheader("Content-Length", str(len(call.body or b"")))
        connection.endheaders(call.body)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def _shown(call: Call) -> str:
    return f"{call.method} {call.target[:1500]!r} {call.headers} {(call.body or b'')[:1500]!r}"


def is_harmful(call: Call) -> bool:
    """Whether a call would take away what the others are tested on."""
    return b"/keys/" in call.target and call.method == "DELETE"


def test_every_route(server: Server, database_url: str, tmp_path: Path) -> None:
    """No answer of 500, no connection that breaks, and a database that is whole afterwards."""
    names = fill(server)
    document = httpx.get(f"{server.url}/api/openapi.json").json()
    fuzzer = Fuzzer(server)
    calls = [call for call in Mutator(document, 20, names).calls(REQUESTS) if not is_harmful(call)]
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(fuzzer.run, [calls[number::THREADS] for number in range(THREADS)]))
    assert not fuzzer.faults, json.dumps(fuzzer.faults[:20], indent=1)
    assert sum(fuzzer.statuses.values()) == len(calls)
    assert {200, 400, 401, 403, 404, 422} <= set(fuzzer.statuses)
    assert httpx.get(f"{server.url}/ready").status_code == 200
    assert server.stop() == 0
    if database_url.startswith("sqlite"):
        file = tmp_path / "data" / "stack.sqlite3"
        engine = sa.create_engine(f"sqlite:///{file}")
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        engine.dispose()
