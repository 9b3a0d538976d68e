"""A stack in a process of its own, without the command line: for what only a real server shows."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec

from tests.stack_process import free_port

SCRIPT = """
import resource
import sys
import msgspec
from layernext.stack.app import Settings, open_stack, serve
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), int(sys.argv[3])))
settings = msgspec.json.decode(sys.argv[1], type=Settings, dec_hook=lambda kind, text: kind(text))
store, first = open_stack(settings)
if first:
    print(first.api_key, first.secret, flush=True)
serve(store, settings)
print("ended", flush=True)
"""


@dataclass
class Server:
    """A running server, and its first key."""

    process: subprocess.Popen[str]
    port: int
    auth: tuple[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        """A connection of bytes."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=180)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(180)


@contextmanager
def serving(
    folder: Path, *, open_files: tuple[int, int] | None = None, **fields: object
) -> Iterator[Server]:
    """A server that runs while the block does.

    Args:
        folder: of its data.
        open_files: soft and hard limit of the files that it may have open.
        fields: settings.
    """
    port = free_port()
    settings = {"data": str(folder), "port": port, **fields}
    with (folder.parent / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                SCRIPT,
                msgspec.json.encode(settings).decode(),
                *map(str, open_files or ()),
            ],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        key, secret = process.stdout.readline().split()
        server = Server(process, port, (key, secret))
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{server.url}/ready", timeout=1)
            except httpx.TransportError:
                time.sleep(0.02)
            else:
                break
        yield server
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def read_answer(connection: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of the answer that comes before the connection is closed."""
    data = b""
    while chunk := connection.recv(65_536):
        data += chunk
    head, _, content = data.partition(b"\r\n\r\n")
    return head, content
