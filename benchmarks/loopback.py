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


def serve(connection: socket.socket, folder: Path | None) -> None:
    with connection, connection.makefile("rb", buffering=0) as incoming:
        piece = bytearray(PIECE)
        view = memoryview(piece)
        rest = b""
        while True:
            while b"\r\n\r\n" not in rest:
                more = incoming.read(65536)
                if not more:
                    return
                rest += more
            head, _, rest = rest.partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            method, path, _ = lines[0].split(" ", 2)
            headers = dict(line.lower().split(": ", 1) for line in lines[1:])
            name = urllib.parse.unquote(path).rpartition("/")[2]
            if method == "GET":
                assert folder is not None
                with (folder / name).open("rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    connection.sendall(
                        f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode()
                    )
                    connection.sendfile(file)
                continue
            if "expect" in headers:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            left = int(headers.get("content-length", 0)) - len(rest)
            target = (folder / name).open("wb", buffering=0) if folder else None
            if target:
                target.write(rest)
            rest = b""
            while left:
                count = connection.recv_into(view, min(left, PIECE))
                if not count:
                    return
                if target:
                    target.write(view[:count])
                left -= count
            if target:
                os.fsync(target.fileno())
                target.close()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(connection, folder), daemon=True).start()


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
