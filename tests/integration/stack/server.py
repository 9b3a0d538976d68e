"""A stack in a process of its own, without the command line: for what only a real server shows."""

from __future__ import annotations

import resource
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from layernext.stack.app import Settings, open_stack, serve
from tests.support.preloaded import PreloadedProcess
from tests.support.stack_process import free_port


def _serve(settings: dict[str, object], open_files: tuple[int, int] | None) -> None:
    if open_files:
        resource.setrlimit(resource.RLIMIT_NOFILE, open_files)
    read = msgspec.convert(settings, Settings, dec_hook=lambda kind, text: kind(text))
    store, first = open_stack(read)
    if first:
        sys.stdout.write(f"{first.api_key} {first.secret}\n")
        sys.stdout.flush()
    serve(store, read)
    sys.stdout.write("ended\n")
    sys.stdout.flush()


@dataclass
class Server:
    """A running server, and its first key."""

    process: PreloadedProcess
    port: int
    auth: tuple[str, str]
    output: Path

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
    output = folder.parent / "serve.out"
    output.unlink(missing_ok=True)
    process = PreloadedProcess(
        _serve, settings, open_files, log=output, errors=folder.parent / "serve.log"
    )
    try:
        deadline = time.monotonic() + 180
        while True:
            assert process.poll() is None, (folder.parent / "serve.log").read_text()
            assert time.monotonic() < deadline, "the stack does not get ready"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=10).close()
            except OSError:
                time.sleep(0.02)
            else:
                break
        key, secret = output.read_text().split()
        yield Server(process, port, (key, secret), output)
    finally:
        process.kill()
        process.wait()


def read_answer(connection: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of the answer that comes before the connection is closed."""
    data = b""
    while chunk := connection.recv(65_536):
        data += chunk
    head, _, content = data.partition(b"\r\n\r\n")
    return head, content
