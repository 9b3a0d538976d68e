"""The peak of a process's memory, sampled by a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

INTERVAL_S = 0.1


class MemoryPeak:
    """Samples memory until `stop`.

    Args:
        pid: of the process.
        memory_of: its memory in MB, with that of child processes.
    """

    def __init__(self, pid: int, memory_of: Callable[[int], float]) -> None:
        self._pid, self._memory_of = pid, memory_of
        self._peak = 0.0
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """The peak in MB."""
        self._has_ended.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._has_ended.wait(INTERVAL_S):
            self._peak = max(self._peak, self._memory_of(self._pid))
