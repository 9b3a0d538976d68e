"""What only a real server on a real socket shows."""

from __future__ import annotations

import base64
import contextlib
import json
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from layernext.wire import native
from tests.integration.stack.conftest import lines
from tests.integration.stack.server import Server, read_answer, serving

BOXES = [{"label": "car", "bbox": [1, 2, 3, 4]}] * 40


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server") / "data"
    with serving(folder, idle_timeout_s=1.5) as running:
        yield running


def request_head(server: Server, method: str, path: str, *headers: str) -> bytes:
    basic = base64.b64encode(":".join(server.auth).encode()).decode()
    head = [f"{method} {path} HTTP/1.1", "Host: stack", f"Authorization: Basic {basic}", *headers]
    return "\r\n".join([*head, "", ""]).encode()


def open_upload(server: Server, run: str) -> str:
    body = {"run": run, "mode": "machine", "collection": "yard", "geometry": "rectangle"}
    answer = httpx.post(f"{server.url}{native.uploads_path()}", json=body, auth=server.auth)
    upload_id: str = answer.json()["id"]
    return upload_id


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"nonsense\r\n\r\n", id="no-http"),
        pytest.param(b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n", id="path-of-bytes"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nBad Header\r\n\r\n", id="broken-header"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", id="length-no-number"
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n", id="chunk"
        ),
    ],
)
def test_no_http(server: Server, text: bytes) -> None:
    """What is not HTTP is refused in the shape of every other error."""
    with server.connect() as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        head, content = read_answer(connection)
    assert b" 400 " in head.splitlines()[0]
    assert json.loads(content)["error"]["statusCode"] == 400


def test_paths_as_sent(server: Server) -> None:
    """Doubled slashes and bodies on GET arrive as the published clients send them."""
    for target in ("//datalake/api/client/sdk/compatibility/2.3.4", "//health"):
        with server.connect() as connection:
            head = request_head(server, "GET", target, "Content-Length: 2", "Connection: close")
            connection.sendall(head + b"{}")
            head, _ = read_answer(connection)
        assert b" 200 " in head.splitlines()[0], target


def test_no_server_banner(server: Server) -> None:
    """The answer does not say what it is made of."""
    assert "server" not in httpx.get(f"{server.url}/health").headers


def test_refusal_before_the_body(server: Server) -> None:
    """A refusal does not wait for a body that will not be read."""
    path = native.batch_path("none", 0)
    with server.connect() as connection:
        connection.sendall(request_head(server, "PUT", path, "Content-Length: 999999999"))
        assert b" 404 " in connection.recv(1_000).splitlines()[0]
    with server.connect() as connection:
        path = native.batch_path(open_upload(server, "large"), 0)
        connection.sendall(request_head(server, "PUT", path, "Content-Length: 999999999"))
        assert b" 413 " in connection.recv(1_000).splitlines()[0]


def test_stalled_body(server: Server) -> None:
    """A client that stops sending in the middle is dropped with 408, and stores nothing."""
    path = native.batch_path(open_upload(server, "stalled"), 0)
    with server.connect() as connection:
        connection.sendall(request_head(server, "PUT", path, "Content-Length: 100") + b'{"image"')
        assert b" 408 " in connection.recv(1_000).splitlines()[0]


def test_client_gone_in_the_middle(server: Server) -> None:
    """A client that hangs up in the middle of a batch stores nothing and breaks nothing."""
    upload_id = open_upload(server, "gone")
    path = native.batch_path(upload_id, 0)
    for _ in range(20):
        with server.connect() as connection:
            line = lines([{"image": "a.jpg", "annotations": BOXES}])
            connection.sendall(request_head(server, "PUT", path, "Content-Length: 9999") + line)
    state = httpx.get(f"{server.url}{native.upload_path(upload_id)}", auth=server.auth).json()
    assert state["images"] == 0


def fill(server: Server, run: str, images: int) -> None:
    upload_id = open_upload(server, run)
    for sequence in range(0, images, 1_000):
        batch = [
            {"image": f"{sequence + number}.jpg", "annotations": BOXES} for number in range(1_000)
        ]
        url = f"{server.url}{native.batch_path(upload_id, sequence // 1_000)}"
        answer = httpx.put(url, content=lines(batch), auth=server.auth, timeout=180)
        assert answer.status_code == 200, answer.text


def test_dropped_downloads_leak_nothing(server: Server) -> None:
    """Clients that leave a download take their connection, thread and file with them."""
    fill(server, "leak", 8_000)
    process = psutil.Process(server.process.pid)
    path = f"{native.ANNOTATIONS_PATH}?run=leak"

    def leave() -> None:
        with server.connect() as connection:
            connection.sendall(request_head(server, "GET", path))
            connection.recv(10_000)

    def counts() -> tuple[int, int]:
        return process.num_fds(), process.num_threads()

    for _ in range(12):
        leave()
    time.sleep(1)
    before = counts()
    for _ in range(60):
        leave()
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        after = counts()
        if after[0] <= before[0] + 2 and after[1] <= before[1] + 2:
            break
        time.sleep(0.1)
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 2
    answer = httpx.get(f"{server.url}{path}", auth=server.auth, timeout=180)
    assert json.loads(answer.content.splitlines()[-1]) == {"end": 8_000}


def test_stalled_downloads_make_room(server: Server) -> None:
    """Clients that stop taking a download are dropped, and others get their turn."""
    fill(server, "stalled downloads", 20_000)
    path = f"{native.ANNOTATIONS_PATH}?run=stalled%20downloads"
    idle = []
    for _ in range(10):
        connection = server.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.sendall(request_head(server, "GET", path))
        idle.append(connection)
    assert httpx.get(f"{server.url}/api/v1", auth=server.auth).status_code == 200
    answer = httpx.get(f"{server.url}{path}", auth=server.auth, timeout=180)
    assert json.loads(answer.content.splitlines()[-1]) == {"end": 20_000}
    for connection in idle:
        connection.close()


def test_stop_during_an_upload(tmp_path: Path) -> None:
    """After SIGTERM the batch in flight is stored and answered, and the process ends with 0."""
    folder = tmp_path / "data"
    with serving(folder) as server:
        upload_id = open_upload(server, "run")
        batch = lines([{"image": f"{number}.jpg", "annotations": BOXES} for number in range(500)])
        path = native.batch_path(upload_id, 0)
        with server.connect() as connection:
            length = f"Content-Length: {len(batch)}"
            connection.sendall(request_head(server, "PUT", path, length) + batch[: len(batch) // 2])
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            with pytest.raises(OSError, match="refused"):
                server.connect()
            connection.sendall(batch[len(batch) // 2 :])
            head, content = read_answer(connection)
        assert b" 200 " in head.splitlines()[0]
        assert json.loads(content)["images"] == 500
        assert server.process.wait(180) == 0
        assert server.output.read_text().endswith("\nended\n")
    assert not (folder / "stack.sqlite3-wal").exists()
    database = sqlite3.connect(folder / "stack.sqlite3")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert database.execute("SELECT count(*) FROM annotation_set").fetchone() == (500,)
    database.close()


def test_stop_while_idle(tmp_path: Path) -> None:
    """A stack with idle connections ends at once."""
    with serving(tmp_path / "data") as server, httpx.Client(base_url=server.url) as client:
        assert client.get("/health").status_code == 200
        started = time.monotonic()
        assert server.stop() == 0
        # Requests in flight would get 30 s.
        assert time.monotonic() - started < 25


def test_writers_at_the_same_time(server: Server) -> None:
    """Several uploads at once all arrive whole."""
    failures: list[Any] = []

    def work(number: int) -> None:
        try:
            fill(server, f"writer {number}", 2_000)
        except Exception as error:  # noqa: BLE001 - told by the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    runs = httpx.get(f"{server.url}{native.RUNS_PATH}", auth=server.auth).json()["items"]
    counts = {run["name"]: (run["image_count"], run["annotation_count"]) for run in runs}
    for number in range(6):
        assert counts[f"writer {number}"] == (2_000, 2_000 * len(BOXES))


def own_bytes(process: psutil.Process) -> int:
    """Memory of a process that is no file's: mapped pages of a file can be taken back any time."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) << 10


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("boxes", [400_000])
def test_memory_of_a_large_published_body(server: Server, boxes: int) -> None:
    """A request of hundreds of megabytes costs disk, not memory."""
    label = {"label": "r", "labelText": "car", "key": "r", "color": "#fff", "attributeValues": {}}
    shape = {
        "id": "shape_" + "0" * 36,
        "shapeId": 1,
        "type": "rectangle",
        "boxBoundariesAndDimensions": {"x": 1, "y": 2, "w": 3, "h": 4},
        "points": [[1, 2], [4, 2], [4, 6], [1, 6]],
        "label": label,
    }
    text = json.dumps(json.dumps(shape))[1:-1]
    shapes = ", ".join([text] * 400)

    def body() -> Iterator[bytes]:
        yield b'{"metaUpdatesArray": "['
        for number in range(boxes // 400):
            comma = ", " if number else ""
            key = f'{comma}{{\\"objectKey\\": \\"c/{number}.jpg\\", \\"data\\": '
            yield f'{key}{{\\"annotationObjects\\": [{shapes}]}}}}'.encode()
        yield b']"}'

    size = sum(map(len, body()))
    process = psutil.Process(server.process.pid)
    before = peak = own_bytes(process)
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, own_bytes(process))

    watcher = threading.Thread(target=watch)
    watcher.start()
    url = f"{server.url}/datalake/api/metadata/operationdata/1/2/large/update"
    answer = httpx.post(url, content=body(), auth=server.auth, timeout=120)
    done.set()
    watcher.join()
    assert answer.status_code == 200, answer.text
    assert answer.json()["annotationCount"] == boxes
    assert size > 120 << 20
    assert peak - before < 120 << 20


def test_stalled_downloads_give_way(tmp_path: Path) -> None:
    """Whoever waits for a place gets one from a client that takes nothing, long before it idles out."""
    with serving(tmp_path / "data", quiet=True, download_slots=2) as server:
        fill(server, "stalled", 20_000)
        path = f"{native.ANNOTATIONS_PATH}?run=stalled"
        idle = []
        for _ in range(2):
            connection = server.connect()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            connection.sendall(request_head(server, "GET", path))
            idle.append(connection)
        time.sleep(0.5)
        answer = httpx.get(f"{server.url}{path}", auth=server.auth, timeout=100)
        assert json.loads(answer.content.splitlines()[-1]) == {"end": 20_000}
        for connection in idle:
            connection.close()


@pytest.mark.parametrize("at_once", [True, False])
def test_large_head(server: Server, *, at_once: bool) -> None:
    """Headers without end are refused before anybody has shown a key, and nothing is kept."""
    head = b"GET /health HTTP/1.1\r\nHost: x\r\nX: "
    with server.connect() as connection:
        try:
            for _ in range(1 if at_once else 100):
                connection.sendall(head + b"a" * (1 << 20))
                head = b""
            connection.sendall(b"\r\n\r\n")
        except ConnectionError:
            pass  # it has heard enough
        answer = b""
        with contextlib.suppress(ConnectionError):
            answer = connection.recv(65_536)
        assert not answer or answer.startswith(b"HTTP/1.1 431 ")
    assert httpx.get(f"{server.url}/health").status_code == 200


def test_head_a_little_too_large(server: Server) -> None:
    """The refusal is an error like every other."""
    with server.connect() as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000)
        head, content = read_answer(connection)
    assert head.startswith(b"HTTP/1.1 431 ")
    assert json.loads(content)["error"]["statusCode"] == 431


def test_stop_with_stalled_downloads(tmp_path: Path) -> None:
    """What does not end in time is cut off: the process ends with 0, and the log has no traceback."""
    with serving(tmp_path / "data", stop_timeout_s=1) as server:
        fill(server, "stalled", 20_000)
        with server.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            path = f"{native.ANNOTATIONS_PATH}?run=stalled"
            connection.sendall(request_head(server, "GET", path))
            connection.recv(1)
            assert server.stop() == 0
    assert "Traceback" not in (tmp_path / "serve.log").read_text()
