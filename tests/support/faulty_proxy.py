"""A TCP proxy on loopback that breaks connections as a test says."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

PIECE_BYTES = 16 << 10


@dataclass(frozen=True)
class Fault:
    """Where a connection breaks; None where it does not.

    Attributes:
        sent: bytes from the client, then the connection is reset.
        received: bytes to the client, then the connection is reset.
    """

    sent: int | None = None
    received: int | None = None


Faults: TypeAlias = Callable[[int], Fault]
"""Gets the number of a connection, from 0."""


class FaultyProxy:
    """Passes each connection on to a port of this machine, with the fault that a test chose for it.

    Attributes:
        port: where it listens.
        connections: how many there were.
        bytes_sent, bytes_received: that clients have sent and received through it.
    """

    def __init__(self, upstream_port: int, faults: Faults) -> None:
        self._upstream = ("127.0.0.1", upstream_port)
        self._faults = faults
        self._lock = threading.Lock()
        self.connections = self.bytes_sent = self.bytes_received = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> FaultyProxy:
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone would not wake the thread that accepts.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            fault = self._faults(self.connections)
            self.connections += 1
            stack = socket.create_connection(self._upstream)
            for source, target, limit, name in (
                (client, stack, fault.sent, "bytes_sent"),
                (stack, client, fault.received, "bytes_received"),
            ):
                arguments = (source, target, limit, name, (client, stack))
                threading.Thread(target=self._pass_on, args=arguments, daemon=True).start()

    def _pass_on(
        self,
        source: socket.socket,
        target: socket.socket,
        limit: int | None,
        name: str,
        both: tuple[socket.socket, socket.socket],
    ) -> None:
        left = limit
        with suppress(OSError):
            while left is None or left > 0:
                piece = source.recv(PIECE_BYTES if left is None else min(PIECE_BYTES, left))
                if not piece:
                    break
                if left is not None:
                    left -= len(piece)
                target.sendall(piece)
                with self._lock:
                    setattr(self, name, getattr(self, name) + len(piece))
        for end in both:
            # Shutting down wakes the other thread; closing alone resets a client that still sends.
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()
