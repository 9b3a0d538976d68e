"""The data folder: open to nobody else, and served from by one stack at a time."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layernext.errors import ConfigurationError
from layernext.stack.settings import Settings
from layernext.stack.store import now_text, restrict

if sys.platform != "win32":
    import fcntl

PRIVATE_MODE = 0o700
LOCK_SUFFIX = ".lock"


def prepare_folder(folder: Path) -> None:
    """Make the data folder, and take the rights of other users away.

    Raises:
        ConfigurationError: it cannot be made, or belongs to one of them.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_MODE)
        restrict(folder, PRIVATE_MODE)
    except OSError as error:
        raise ConfigurationError(
            f"the data folder {folder} cannot be created: {error.strerror}"
        ) from error


@contextmanager
def hold_folder(settings: Settings) -> Iterator[bool]:
    """Keep other servers away from an SQLite database while the block lasts.

    The lock is the operating system's: it ends with this process, however that ends. Commands that
    only read or change the data, such as ``layernext keys``, do not ask for it.

    Yields:
        Whether no other server can be alive on the database; False for PostgreSQL, which many may
        share.

    Raises:
        ConfigurationError: another server holds it, or it cannot be made.
    """
    database = settings.database_file
    if database is None or sys.platform == "win32":
        yield False
        return
    if settings.database is None:
        prepare_folder(settings.data)
    else:
        database.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_MODE)
    path = database.with_name(database.name + LOCK_SUFFIX)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        try:
            # A lock of this kind stays with this process: its children do not inherit it.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            holder = os.pread(descriptor, 1000, 0).decode(errors="replace").strip()
            raise ConfigurationError(
                f"another stack is serving {database.parent}: {holder or 'it has just started'}",
                hint="stop it first, or pass another --data",
            ) from error
        os.ftruncate(descriptor, 0)
        text = f"process {os.getpid()} on {socket.gethostname()}, since {now_text()}\n"
        os.pwrite(descriptor, text.encode(), 0)
        yield True
    finally:
        os.close(descriptor)
