"""Errors of the database drivers as errors of ours: why the database cannot serve at the moment.

Each is something that ends by itself or that an operator ends, so a client may send its request
again: it is answered with 503, or with 507 if there is no room. What is left is a defect.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from layernext.errors import LayerNextError, StackUnavailable, StorageFull
from layernext.stack.store.activity import Activity

log = logging.getLogger("layernext.stack.database")

LOCKED = "another program holds the database's lock"
DISCONNECTED = "the database does not answer"
READ_ONLY = "the database is read-only at the moment"
CONTENDED = "other requests changed the same data at the same time, several times"
NO_CONNECTION = "all database connections are in use"
UNREADABLE = "the database's file cannot be read or written"

OTHER = "another error"

_UNAVAILABLE = {
    "25006": READ_ONLY,  # a standby, after or during a failover
    "40001": CONTENDED,
    "40P01": CONTENDED,
    "53300": NO_CONNECTION,
}
"""PostgreSQL: SQLSTATE to what it means."""

_DISCONNECTED = ("08", "57P")
"""How SQLSTATEs begin: a broken connection; a server that stops, crashed or starts."""

_DISK_FULL = "53100"

_SQLITE = {
    "database is locked": LOCKED,
    "database table is locked": LOCKED,
    "readonly database": READ_ONLY,
    "unable to open database file": UNREADABLE,
    "disk I/O error": UNREADABLE,
}
"""A part of SQLite's message to what it means; error codes are known only from Python 3.11 on."""


class DatabaseUnavailable(StackUnavailable):
    """The database cannot serve at the moment; the same call may succeed later (503)."""


def sqlstate(error: DBAPIError) -> str | None:
    """PostgreSQL's code of an error."""
    return getattr(error.orig, "sqlstate", None)


def reason(error: Exception) -> str:
    """The first line of what the driver says; it has no password in it."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def explained(error: sa.exc.SQLAlchemyError) -> LayerNextError | None:
    """The error as one that a client may send its request again after; None if it is another."""
    if isinstance(error, sa.exc.TimeoutError):
        return DatabaseUnavailable(NO_CONNECTION, status=503)
    if not isinstance(error, DBAPIError):
        return None
    if isinstance(error.orig, sqlite3.Error):
        message = str(error.orig)
        if "disk is full" in message:
            return StorageFull("there is no space left for the database", status=507)
        text = next((text for part, text in _SQLITE.items() if part in message), None)
    else:
        code = sqlstate(error)
        if code == _DISK_FULL:
            return StorageFull("there is no space left for the database", status=507)
        text = _UNAVAILABLE.get(code or "")
        if text is None and _is_disconnected(error, code):
            text = DISCONNECTED
    return None if text is None else DatabaseUnavailable(text, status=503)


def _is_disconnected(error: DBAPIError, code: str | None) -> bool:
    if code is not None:
        return code.startswith(_DISCONNECTED)
    # The server gave no answer at all, or none to the attempt to connect.
    return error.connection_invalidated or isinstance(error, sa.exc.OperationalError)


class Outages:
    """Explains errors, and logs the first and the end of each kind, not every request in between.

    Args:
        activity: counts them.
    """

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        self._lock = threading.Lock()
        self._current: set[str] = set()

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Raise what `explained` makes of an error in the block.

        Raises:
            DatabaseUnavailable: the database cannot serve at the moment.
            StorageFull: it has no room.
        """
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            failure = explained(error)
            self._activity.add_database_error(failure.message if failure else OTHER)
            if failure is None:
                raise
            if isinstance(failure, DatabaseUnavailable) and failure.message != CONTENDED:
                self._begin(failure.message, error)
            raise failure from error

    def _begin(self, text: str, error: Exception) -> None:
        with self._lock:
            is_new = text not in self._current
            self._current.add(text)
        if is_new:
            log.warning("%s: %s", text, reason(error))

    def note_answer(self, *, is_write: bool) -> None:
        """The database has answered; a read says nothing about whether it can be written."""
        if not self._current:
            return
        with self._lock:
            over = self._current if is_write else self._current - {LOCKED, READ_ONLY}
            self._current = self._current - over
        for text in sorted(over):
            log.warning("the database answers again; before: %s", text)
