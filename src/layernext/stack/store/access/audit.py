"""The audit log: an entry is written in the transaction of the change that it tells of.

So there is no change without its entry, and no entry without its change. Entries have names and
numbers, never a secret or what was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

import sqlalchemy as sa
from msgspec import Struct

from layernext.model import AuditEntry, AuditOutcome
from layernext.stack.store.clock import now_text, text_of
from layernext.stack.store.database import Database
from layernext.stack.store.schema import audit_entry
from layernext.stack.store.storable import is_storable

Answer = TypeVar("Answer")

MAX_TEXT = 512
"""Of a name in an entry, as names have it elsewhere."""

DELETED_AT_ONCE = 1_000


class NewAuditEntry(Struct, kw_only=True):
    """What an entry will say; its fields are those of `AuditEntry`."""

    actor: str
    action: str
    outcome: AuditOutcome = "done"
    api_key: str | None = None
    address: str | None = None
    collection: str | None = None
    subject: str | None = None
    count: int | None = None
    request_id: str | None = None


class AuditFilter(Struct, frozen=True, kw_only=True):
    """Which entries; a field that is None lets all pass.

    Attributes:
        collection: its name.
        actor: name of a key or person, or a key.
        action: the whole phrase.
        since: from this moment on, as `clock.text_of` writes it.
        until: before this moment.
    """

    collection: str | None = None
    actor: str | None = None
    action: str | None = None
    since: str | None = None
    until: str | None = None


class AuditLog:
    """The audit log of a database.

    Args:
        database: where it is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entry: NewAuditEntry) -> None:
        """Write an entry of something that changes nothing here, such as a refusal."""
        with self._database.write() as connection:
            insert(connection, entry)

    def together(
        self, make: Callable[[], NewAuditEntry | None], work: Callable[[], Answer]
    ) -> Answer:
        """Do work with this store, in this thread, and write its entry: all in one transaction.

        Args:
            make: the entry, called after the work; None writes nothing.
            work: may be called again if the transaction has to be repeated. What it raises changes
                nothing, and leaves no entry.
        """

        def transact(connection: sa.Connection) -> Answer:
            answer = work()
            entry = make()
            if entry is not None:
                insert(connection, entry)
            return answer

        return self._database.write_joined(transact)

    @contextmanager
    def recording(self, make: Callable[[], NewAuditEntry | None]) -> Iterator[None]:
        """Write an entry in the first transaction that this thread commits within the block.

        Args:
            make: called just before the commit, and again if the transaction has to be repeated. None
                writes nothing.
        """

        def write(connection: sa.Connection) -> None:
            entry = make()
            if entry is not None:
                insert(connection, entry)

        with self._database.committing(write):
            yield

    def page(
        self, audit_filter: AuditFilter, *, before: int | None, limit: int
    ) -> tuple[list[AuditEntry], int | None]:
        """Entries, newest first, and where the next page begins; None if this is the last.

        Args:
            audit_filter: which entries.
            before: where an earlier page ended.
            limit: most entries.
        """
        names = (audit_filter.collection, audit_filter.actor, audit_filter.action)
        if not all(is_storable(name) for name in names if name is not None):
            return [], None
        query = sa.select(audit_entry).where(*_conditions(audit_filter))
        if before is not None:
            query = query.where(audit_entry.c.id < before)
        query = query.order_by(audit_entry.c.id.desc()).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        entries = [_entry(row) for row in rows[:limit]]
        return entries, int(rows[limit - 1]["id"]) if len(rows) > limit else None

    def forget_old(self, days: float) -> None:
        """Delete entries older than so many days, some in each transaction."""
        limit = text_of(datetime.now(timezone.utc) - timedelta(days=days))
        old = sa.select(audit_entry.c.id).where(audit_entry.c.at < limit).limit(DELETED_AT_ONCE)
        while True:
            with self._database.write() as connection:
                ids = list(connection.execute(old).scalars())
                if ids:
                    connection.execute(sa.delete(audit_entry).where(audit_entry.c.id.in_(ids)))
            if len(ids) < DELETED_AT_ONCE:
                return


def insert(connection: sa.Connection, entry: NewAuditEntry) -> None:
    """Write an entry as a part of a transaction."""
    texts = ("actor", "action", "outcome", "api_key", "address", "collection", "subject")
    values: dict[str, Any] = {name: _short(getattr(entry, name)) for name in texts}
    values["actor"] = values["actor"] or ""
    values |= {"at": now_text(), "count": entry.count, "request_id": entry.request_id}
    connection.execute(sa.insert(audit_entry).values(**values))


def _short(text: str | None) -> str | None:
    # What names nothing storable can be a part of a request all the same.
    return text[:MAX_TEXT] if text is not None and is_storable(text[:MAX_TEXT]) else None


def _conditions(audit_filter: AuditFilter) -> Iterator[sa.ColumnElement[bool]]:
    table = audit_entry.c
    if audit_filter.collection is not None:
        yield table.collection == audit_filter.collection
    if audit_filter.actor is not None:
        yield (table.actor == audit_filter.actor) | (table.api_key == audit_filter.actor)
    if audit_filter.action is not None:
        yield table.action == audit_filter.action
    if audit_filter.since is not None:
        yield table.at >= audit_filter.since
    if audit_filter.until is not None:
        yield table.at < audit_filter.until


def _entry(row: sa.RowMapping) -> AuditEntry:
    fields = {name: row[name] for name in AuditEntry.__struct_fields__}
    return AuditEntry(**fields | {"id": str(row["id"])})
