"""What a process must not share with the one that it was forked from: connections and locks.

A socket that both processes use gives either of them the other one's answers, and a lock that
another thread held at the fork is never released in the child. So whatever has one of them
registers here, and starts afresh in the child.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Has connections or locks."""

    def after_fork(self) -> None:
        """Start afresh in the child. Takes no lock, and leaves the parent's sockets alone."""
        ...


_forkable: WeakSet[Forkable] = WeakSet()
_abandoned: list[object] = []


def refresh_after_fork(owner: Forkable) -> None:
    """Have `owner.after_fork` called in each child process, for as long as `owner` lives."""
    _forkable.add(owner)


def abandon(*inherited: object) -> None:
    """Keep what belongs to the parent process untouched until this process ends.

    Closing or collecting it could wait for a lock that nobody releases any more.
    """
    _abandoned.extend(inherited)


def _after_fork() -> None:
    for owner in list(_forkable):
        owner.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
