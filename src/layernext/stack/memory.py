"""Gives memory that was freed back to the system.

glibc keeps what threads free in an arena for each of some threads, so that a server which was busy once stays
as large as it was then. Other allocators give it back by themselves.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable


def _find_trim() -> Callable[[int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim


_trim = _find_trim()


def release_memory() -> None:
    """Give back what is free; nothing where the allocator is not glibc's. May be called in any thread."""
    if _trim is not None:
        _trim(0)
