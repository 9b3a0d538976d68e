"""A bare HTTP server on loopback, in a process of its own: takes files and gives files, and no more.

It throws away what it gets, or writes and flushes it; it sends what a folder has with `sendfile`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PIECE = 1 << 20


class Connection:
    """One client's connection: a request after the other."""

    def __init__(self, connection: socket.socket, folder: Path | None) -> None:
        self.socket, self.folder = connection, folder
        self.rest = b""
        self.view = memoryview(bytearray(PIECE))

    def serve(self) -> None:
        with self.socket:
            while self.one_request():
                pass

    def one_request(self) -> bool:
        while b"\r\n\r\n" not in self.rest:
            more = self.socket.recv(65536)
            if not more:
                return False
            self.rest += more
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        method, path, _ = lines[0].split(" ", 2)
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        name = urllib.parse.unquote(path).rpartition("/")[2]
        if method == "GET":
            return self.send(name)
        if "expect" in headers:
            self.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self.take(name, int(headers.get("content-length", 0)))

    def send(self, name: str) -> bool:
        assert self.folder is not None
        with (self.folder / name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            self.socket.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
            self.socket.sendfile(file)
        return True

    def take(self, name: str, size: int) -> bool:
        path = self.folder / name if self.folder else Path(os.devnull)
        with path.open("wb", buffering=0) as target:
            target.write(self.rest)
            left, self.rest = size - len(self.rest), b""
            while left:
                count = self.socket.recv_into(self.view, min(left, PIECE))
                if not count:
                    return False
                target.write(self.view[:count])
                left -= count
            if self.folder:
                os.fsync(target.fileno())
        self.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return True


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Connection(connection, folder).serve, daemon=True).start()


@contextmanager
def running_server(folder: Path | None) -> Iterator[str]:
    """The server's URL; with a folder it writes there and sends from there."""
    command = [sys.executable, __file__, *([str(folder)] if folder else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
