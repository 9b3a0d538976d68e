"""Memory of a server over many requests of many routes, some of them wrong.

    .venv/bin/python benchmarks/server_memory.py                     160,000 requests, SQLite
    .venv/bin/python benchmarks/server_memory.py --requests 20000    fewer

Starts a stack of its own and asks it over eight connections, without a pause: uploads of 20 images, removals,
listings, queries, downloads, metadata, labels, pages for programs, wrong keys, unknown routes, bodies that are not JSON.
Prints the resident size every 10,000 requests.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

PORT = 8798
CONNECTIONS = 8
STEP = 10_000
CLIENT = "/datalake/api/client"
JSON = {"content-type": "application/json"}


class Load:
    """Sends requests and counts what comes back."""

    def __init__(self, key: dict[str, str], total: int) -> None:
        token = base64.b64encode(f"{key['api_key']}:{key['secret']}".encode()).decode()
        self._authorization = {"authorization": f"Basic {token}"}
        self._total = total
        self._lock = threading.Lock()
        self.statuses: Counter[int] = Counter()

    @property
    def count(self) -> int:
        """Requests so far."""
        return sum(self.statuses.values())

    def run(self, seed: int) -> None:
        """Send requests over a connection until there were enough."""
        chance = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
        while self.count < self._total:
            number = chance.randrange(52)
            if number == 0:
                self._upload(connection, chance)
            else:
                method, path, body, headers = request(number, chance)
                self._ask(connection, method, path, body, headers)
        connection.close()

    def _upload(self, connection: http.client.HTTPConnection, chance: random.Random) -> None:
        fields = {
            "run": f"run {chance.randrange(40)}",
            "mode": "machine",
            "geometry": "rectangle",
            "collection": f"c{chance.randrange(10)}",
        }
        opened = self._ask(connection, "POST", "/api/v1/uploads", json.dumps(fields), JSON)
        path = f"/api/v1/uploads/{json.loads(opened)['id']}"
        lines = b"".join(json.dumps(image(chance)).encode() + b"\n" for _ in range(20))
        self._ask(connection, "PUT", f"{path}/batches/0", lines, {})
        self._ask(connection, "POST", f"{path}/finish", json.dumps({"batches": 1}), JSON)

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: Any,
        headers: dict[str, str],
    ) -> bytes:
        connection.request(method, path, body=body, headers={**self._authorization, **headers})
        answer = connection.getresponse()
        content = answer.read()
        with self._lock:
            self.statuses[answer.status] += 1
        return content


def image(chance: random.Random) -> dict[str, Any]:
    """An image with up to five boxes."""
    boxes = [
        {
            "label": f"l{chance.randrange(30)}",
            "bbox": [1, 2, 3, chance.random()],
            "confidence": chance.random(),
        }
        for _ in range(chance.randrange(6))
    ]
    return {"image": f"{chance.randrange(3000)}.jpg", "annotations": boxes}


def request(number: int, chance: random.Random) -> tuple[str, str, Any, dict[str, str]]:
    """One of the requests: method, path, body, headers."""
    any_number = chance.randrange(10**9)
    collection, run = f"c{any_number % 10}", f"run%20{any_number % 40}"
    names = "%20or%20".join(f"name%20%3D%20a{n}.jpg" for n in range(any_number % 30 + 1))
    token = base64.b64encode(f"key{any_number}:wrong".encode()).decode()
    metadata = [
        {"file": f"{chance.randrange(3000)}.jpg", "metadata": {f"f{any_number % 20}": any_number}}
        for _ in range(chance.randrange(40))
    ]
    fields: dict[str, Any]
    plain = [
        f"/api/v1/items?limit=20&query=run%20%3D%20run{any_number % 500}",
        f"/api/v1/items?limit=20&collection={collection}&query={names}",
        f"/api/v1/annotations?collection={collection}&run={run}",
        "/api/v1/collections",
        f"/api/v1/runs?collection={collection}",
        "/api/v1/labels",
        "/api/v1/jobs?limit=20",
        f"/api/v1/items/order?collection={collection}",
        "/api/openapi.json" if any_number % 10 == 0 else "/ready",
        "/api/docs" if any_number % 10 == 0 else "/health",
        f"/api/v1/items/{any_number:024x}",
        f"/nowhere/{any_number}",
    ]
    if number <= len(plain):
        return "GET", plain[number - 1], None, {}
    if number == len(plain) + 1:
        return "DELETE", f"/api/v1/annotations?run={run}&collection={collection}", None, {}
    posts: list[tuple[str, Any]] = [
        ("/api/v1/trash/restore", {"query": f"name = {any_number}.jpg"}),
        (f"{CLIENT}/explorer/objects/list", {"query": "x" * (any_number % 300)}),
        (f"{CLIENT}/metadata/getItemDetails", {"uniqueFileName": f"c1_{any_number % 3000}.jpg"}),
        (
            f"{CLIENT}/metadata/uploadMetadataByJson",
            {"collectionName": collection, "metadata": metadata},
        ),
        (
            f"{CLIENT}/system/label/references",
            {"labels": {f"l{any_number % 30}": {"color": [f"v{any_number % 50}"]}}},
        ),
        ("/api/v1/items/overlays", {"items": [chance.randrange(1, 5000) for _ in range(50)]}),
    ]
    place = number - len(plain) - 2
    if place < len(posts):
        path, fields = posts[place]
        return "POST", path, json.dumps(fields), JSON
    # The rest is cheap: what is refused, and what a load balancer asks.
    cheap: list[tuple[str, str, Any, dict[str, str]]] = [
        ("GET", "/api/v1", None, {"authorization": f"Basic {token}"}),
        ("POST", "/api/v1/collections", b"{" * (any_number % 3000), JSON),
        ("GET", plain[8], None, {}),
        ("GET", plain[10], None, {}),
        ("GET", plain[11], None, {}),
    ]
    return cheap[place % len(cheap)]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=160_000)
    total = parser.parse_args().requests
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "layernext.cli", "serve", "--data", folder, "--quiet"]
        with (Path(folder) / "log").open("wb") as log:
            server = subprocess.Popen(
                [*command, "--port", str(PORT), "--json"], stdout=subprocess.PIPE, stderr=log
            )
        try:
            measure(server, total)
        finally:
            server.terminate()
            server.wait()


def measure(server: subprocess.Popen[bytes], total: int) -> None:
    """Send the requests and print the sizes."""
    assert server.stdout is not None
    text = b""
    while not text.rstrip().endswith(b"}"):
        text += server.stdout.readline()
    wait_until_ready()
    load = Load(json.loads(text), total)
    threads = [threading.Thread(target=load.run, args=(n,)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    process, due = psutil.Process(server.pid), 0
    while any(thread.is_alive() for thread in threads) or due <= total:
        if load.count >= due:
            print(
                f"{load.count:>8,} requests  {process.memory_info().rss / 1e6:6.1f} MB", flush=True
            )
            due += STEP
        time.sleep(0.1)
        if not any(thread.is_alive() for thread in threads) and load.count < due:
            break
    print(dict(sorted(load.statuses.items())))


def wait_until_ready() -> None:
    """Until the server answers."""
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
            connection.request("GET", "/ready")
            connection.getresponse().read()
        except OSError:  # noqa: PERF203 - waiting is what this loop is for
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main()
