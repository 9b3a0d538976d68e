"""The audit log."""

from __future__ import annotations

import builtins
from datetime import datetime
from typing import Any

from layernext.client.groups.group import Group
from layernext.errors import DataError, Problem
from layernext.model import AuditEntry, is_number
from layernext.wire import native


class Audit(Group):
    """The audit log: who did what, and when."""

    def list(
        self,
        *,
        collection: str | None = None,
        actor: str | None = None,
        action: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        limit: int | None = 1_000,
    ) -> builtins.list[AuditEntry]:
        """Who did what to which collection, and when; for administrators.

        Args:
            collection: only entries about the collection of this name; None for all, as in the other filters.
            actor: name of a key or a person, or the id of a key.
            action: the whole phrase, such as ``"delete run"``.
            since: only entries from this time on: a ``datetime``, or a string in ISO 8601; UTC unless it says
                otherwise.
            until: only entries before this time.
            limit: maximum number of entries; None for all that the stack has kept.

        Returns:
            Entries, newest first.

        Raises:
            DataError: the limit is not a positive number.
            InvalidRequest: a time cannot be read.
            NotAllowed: the key is not an administrator's.
            NotSupported: the stack speaks only the published protocol.
        """
        if limit is not None and not (is_number(limit) and limit >= 1):
            raise DataError(Problem("limit", f"is {limit!r}, must be 1 or more"))
        self._connection.require_native("read the audit log")
        query: dict[str, Any] = {
            "collection": collection,
            "actor": actor,
            "action": action,
            "since": _text_of(since),
            "until": _text_of(until),
        }
        entries: builtins.list[AuditEntry] = []
        while True:
            missing = native.MAX_PAGE if limit is None else int(limit) - len(entries)
            page = self._transport.request_json(
                "GET",
                native.AUDIT_PATH,
                native.PageOf[AuditEntry],
                params={**query, "limit": min(missing, native.MAX_PAGE)},
            )
            entries += page.items
            query["after"] = page.next
            if page.next is None or (limit is not None and len(entries) >= limit):
                return entries


def _text_of(moment: datetime | str | None) -> str | None:
    return moment.isoformat() if isinstance(moment, datetime) else moment
