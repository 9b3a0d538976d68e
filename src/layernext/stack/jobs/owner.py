"""Who works at a job: names that tell other processes whether their owner is dead.

On one machine a process looks; of another machine it knows only that it was not heard of for long.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

SERVER, WORKER = "server", "worker"


def new_owner(*, holds_folder: bool) -> str:
    """A name for this process, or for a part of it."""
    role = SERVER if holds_folder else WORKER
    pid = os.getpid()
    return f"{role}:{_machine()}:{pid}:{_started(pid) or ''}:{secrets.token_hex(8)}"


def is_dead(owner: str, *, holds_folder: bool) -> bool:
    """Whether the owner of a job is known to have ended.

    Args:
        owner: from `new_owner`, or the name that an earlier version gave.
        holds_folder: whether no server but this process can be alive on the database.
    """
    parts = owner.split(":")
    if len(parts) != len(("role", "machine", "pid", "start", "token")):
        return holds_folder
    role, machine, pid, started, _ = parts
    if machine == _machine():
        return not _is_running(int(pid), started)
    return holds_folder and role == SERVER


@cache
def _machine() -> str:
    """Equal for processes that see each other's ids: same host, same boot, same container."""
    parts = [socket.gethostname()]
    with suppress(OSError):  # Linux alone has these
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()


def _is_running(pid: int, started: str) -> bool:
    if os.name != "posix":  # the same call would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, as another user
        pass
    return not started or _started(pid) == started


def _started(pid: int) -> str | None:
    """When a process began, in ticks since the boot, so that an id used again is not taken for it.

    None where the system does not say, and for a process that has ended and was not waited for.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name before may have anything in it; see proc(5).
    state, *fields = text.rpartition(")")[2].split()
    return None if state in {"Z", "X"} else fields[18]
