"""What is special about SQLite: the layout of its file, who may read it, and whose turn it is to write."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from layernext.errors import ConfigurationError
from layernext.stack.store.outages import LOCKED, DatabaseUnavailable

log = logging.getLogger("layernext.stack.database")

PAGE_BYTES = 8192
"""Of a new file: a set of 100 boxes fits into one page."""
WAL_BYTES = 64 << 20
"""To this size the write-ahead log is cut back after a checkpoint."""
OPEN_SECONDS = 60
"""For processes that open one file at the same moment, of which one migrates it."""
LOCK_SECONDS = 5
"""A transaction waits so long for the lock that another program holds."""
PROBE_SECONDS = 0.2
"""The same, after that program has made one wait in vain."""
ASK_SECONDS = 0.01
"""Between two attempts to get the lock. SQLite itself would wait for ten times as long, and lose against a
process that writes without a pause."""
QUEUE_SECONDS = 2
"""So long others wait behind a transaction that waits for that lock."""
TURN_SECONDS = 30
"""So long a transaction waits for those of this process; each takes some milliseconds."""
POLL_SECONDS = 0.1
PRIVATE_MODE = 0o600
SIDE_FILES = ("-wal", "-shm", "-journal")

_CREATION = threading.Lock()


class WriteTurn:
    """One writer at a time, and a bound on how long anybody waits.

    Each waiting writer holds a thread that readers need, too. So while another program holds the
    lock of the file, only one writer waits for it; the others are refused soon.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lock_seconds: float = OPEN_SECONDS
        self._asking_since: float | None = None
        self._is_shut_out = False

    @contextmanager
    def hold(self) -> Iterator[None]:
        """This thread's turn, for as long as the block lasts.

        Raises:
            DatabaseUnavailable: it did not come.
        """
        deadline = time.monotonic() + TURN_SECONDS
        while not self.lock.acquire(timeout=POLL_SECONDS):
            if self._is_blocked():
                raise DatabaseUnavailable(LOCKED, status=503)
            if time.monotonic() > deadline:
                raise DatabaseUnavailable("the database is busy with other writes", status=503)
        try:
            yield
        finally:
            self.lock.release()

    def _is_blocked(self) -> bool:
        since = self._asking_since
        if since is None:
            return False
        return self._is_shut_out or time.monotonic() - since > QUEUE_SECONDS

    def begin(self, connection: sa.Connection) -> None:
        """Begin a transaction that can write; only by the holder of the turn."""
        seconds = min(PROBE_SECONDS, self.lock_seconds) if self._is_shut_out else self.lock_seconds
        self._asking_since = time.monotonic()
        deadline = self._asking_since + seconds
        try:
            while not _has_lock(connection, may_fail=time.monotonic() < deadline):
                time.sleep(ASK_SECONDS)
        except sa.exc.OperationalError as error:
            self._is_shut_out = _is_locked(error.orig)
            raise
        else:
            self._is_shut_out = False
        finally:
            self._asking_since = None


def _has_lock(connection: sa.Connection, *, may_fail: bool) -> bool:
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except sa.exc.OperationalError as error:
        if may_fail and _is_locked(error.orig):
            return False
        raise
    return True


def _is_locked(error: BaseException | None) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def begin_reading(connection: sa.Connection) -> None:
    """Begin a transaction that sees one state of the data."""
    connection.exec_driver_sql("BEGIN")


def lay_out(path: Path) -> None:
    """Page size and journal of a new file; both are stored in it."""
    deadline = time.monotonic() + OPEN_SECONDS
    with closing(sqlite3.connect(path, timeout=OPEN_SECONDS, isolation_level=None)) as file:
        file.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        # For this one statement SQLite does not wait for others that begin at the same moment.
        while not _use_wal(file, may_fail=time.monotonic() < deadline):
            time.sleep(0.02)


def _use_wal(file: sqlite3.Connection, *, may_fail: bool) -> bool:
    try:
        file.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if may_fail and _is_locked(error):
            return False
        raise
    return True


def set_up(cache_kib: int, *, reads_only: bool) -> Callable[[sqlite3.Connection, object], None]:
    """What is done with each new connection."""

    def connected(connection: sqlite3.Connection, _record: object) -> None:
        with ExitStack() as on_failure:
            on_failure.callback(connection.close)
            (wait_ms,) = connection.execute("PRAGMA busy_timeout").fetchone()
            for pragma in (
                # While the last of other connections closes, the file is locked for a moment.
                f"busy_timeout = {LOCK_SECONDS * 1000}",
                "synchronous = FULL",
                "foreign_keys = ON",
                f"cache_size = -{cache_kib}",
                f"journal_size_limit = {WAL_BYTES}",
                "temp_store = MEMORY",
                f"query_only = {'ON' if reads_only else 'OFF'}",
                f"busy_timeout = {wait_ms}",
            ):
                connection.execute(f"PRAGMA {pragma}")
            on_failure.pop_all()

    return connected


def set_foreign_keys(connection: sa.Connection, choice: str) -> None:
    """Whether they are checked; outside of a transaction, which would not let this be changed."""
    file = connection.connection.driver_connection
    assert isinstance(file, sqlite3.Connection)  # noqa: S101 - the engine is SQLite's
    file.execute(f"PRAGMA foreign_keys = {choice}")


def check_writable(path: Path) -> None:
    """Whether this user can write the file and beside it.

    Raises:
        ConfigurationError: not, and why.
    """
    for target in (path, path.parent):
        if target.exists() and not os.access(target, os.W_OK):
            raise ConfigurationError(
                f"the database cannot be written: {target} is read-only",
                hint="mount its disk for writing, or start the stack as the user who owns it",
            )


def make_private(path: Path) -> None:
    """See that only this user can read or write the file, whatever the umask, and make it if missing.

    SQLite gives its side files the mode of the file. Files of an earlier version are repaired.

    Raises:
        ConfigurationError: another user owns a file that others can read or write.
        OSError: it cannot be made.
    """
    # Closing a file ends the locks that SQLite has on it in this process: so nobody may have it open.
    with _CREATION, suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, PRIVATE_MODE))
    for file in (path, *(path.with_name(path.name + suffix) for suffix in SIDE_FILES)):
        restrict(file, PRIVATE_MODE)


def restrict(path: Path, mode: int) -> None:
    """Take the rights beyond `mode` away from a file or folder, if it exists.

    Raises:
        ConfigurationError: it has such rights, and another user owns it.
    """
    if os.name != "posix":  # elsewhere modes say nothing about other users
        return
    try:
        before = stat.S_IMODE(path.stat().st_mode)
        if not before & ~mode & 0o777:
            return
        path.chmod(before & ~0o777 | before & mode)
    except FileNotFoundError:
        return
    except PermissionError as error:
        raise ConfigurationError(
            f"other users can read {path} (mode {before:o}), and it belongs to one of them",
            hint="choose another folder with --data, or change this one's owner",
        ) from error
    log.warning("%s could be used by other users (mode %o); now only by its owner", path, before)
