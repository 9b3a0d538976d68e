"""A proxy that gives each new connection to the next server, as a load balancer does."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

PIECE_BYTES = 64 << 10


class RoundRobin:
    """Passes bytes on. A server that takes no connection is passed over.

    Args:
        ports: of the servers, on loopback.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self._count = len(ports)
        self._next_ports = itertools.cycle(ports)
        self.port = 0
        self.connections: dict[int, int] = dict.fromkeys(ports, 0)

    async def serve(self, is_ready: threading.Event, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        is_ready.set()
        await stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(self._count):
            port = next(self._next_ports)
            with suppress(OSError):
                up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
                break
        else:
            writer.close()
            return
        self.connections[port] += 1
        await asyncio.gather(_pass_on(reader, up_writer), _pass_on(up_reader, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
    except (OSError, asyncio.CancelledError):
        pass
    finally:
        writer.close()
        with suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()


@contextmanager
def round_robin(ports: Sequence[int]) -> Iterator[RoundRobin]:
    """A proxy that runs while the block does."""
    proxy = RoundRobin(ports)
    is_ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(proxy.serve(is_ready, stop))
        # What was cancelled ends now.
        while pending := asyncio.all_tasks(loop):
            loop.run_until_complete(asyncio.wait(pending))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    is_ready.wait()
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
