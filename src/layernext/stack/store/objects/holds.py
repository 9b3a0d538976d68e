"""Holds: while a backup copies objects, none of those that it may still need is deleted.

A hold is a row of `setting`, so that every process of the stack sees it. It ends by itself if whoever
placed it dies. A backup places its hold before it reads the rows, and `DroppedObjects.list_some` answers
with nothing while there is one: what it lists was dropped before the backup read the rows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone

import sqlalchemy as sa

from layernext.errors import LayerNextError
from layernext.stack.store.clock import now_text, text_of
from layernext.stack.store.database import Database
from layernext.stack.store.outages import DatabaseUnavailable
from layernext.stack.store.schema import setting

HOLD_PREFIX = "object_hold:"
HOLD_SECONDS = 900.0
"""A hold that was not renewed for so long is that of a backup that died."""
RENEWAL_SECONDS = 60.0
ATTEMPTS = 10

_is_hold = setting.c.name.startswith(HOLD_PREFIX, autoescape=True)


def is_held() -> sa.ColumnElement[bool]:
    """Whether any hold is in force, as a condition of a statement."""
    return sa.exists().where(_is_hold, setting.c.value > now_text())


@contextmanager
def hold_objects(database: Database, name: str) -> Iterator[None]:
    """Keep the stack from deleting objects while the block runs.

    Args:
        database: of the stack.
        name: of whoever holds, not used by anybody else.
    """
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(RENEWAL_SECONDS):
            # If it fails for long, the backup notices that objects are gone.
            with suppress(sa.exc.SQLAlchemyError, LayerNextError):
                _place(database, name)

    _place_soon(database, name)
    thread = threading.Thread(target=renew, name="object-hold", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with suppress(LayerNextError):  # otherwise it ends by itself
            _release(database, name)


def _place_soon(database: Database, name: str) -> None:
    """Place a hold on a database that may be busy: each attempt waits for seconds by itself."""
    for attempt in range(ATTEMPTS):
        try:
            _place(database, name)
        except DatabaseUnavailable:  # noqa: PERF203 - a transaction costs more
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return


def _place(database: Database, name: str) -> None:
    until = text_of(datetime.now(timezone.utc) + timedelta(seconds=HOLD_SECONDS))
    insert = database.upsert(setting).values(name=HOLD_PREFIX + name, value=until)
    replaced = insert.on_conflict_do_update(index_elements=["name"], set_={"value": until})
    with database.write() as connection:
        connection.execute(replaced)


def _release(database: Database, name: str) -> None:
    """End a hold, and forget those whose time is over."""
    is_over = _is_hold & (setting.c.value <= now_text())
    with database.write() as connection:
        connection.execute(
            sa.delete(setting).where((setting.c.name == HOLD_PREFIX + name) | is_over)
        )
