"""The audit log, for administrators."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

from msgspec import Meta, Struct

from layernext.errors import InvalidRequest
from layernext.model import AuditEntry
from layernext.stack.api.operation import Operation, operation
from layernext.stack.store import AuditFilter, Store, read_cursor, text_of
from layernext.wire.native import AUDIT_PATH, MAX_PAGE, PageOf


class AuditQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entries.

    Attributes:
        collection: its name.
        actor: the name of a key or person, or a key.
        action: the whole phrase, such as ``delete run``.
        since: from this moment on, ISO 8601; UTC unless it says otherwise.
        until: before this moment.
        after: the ``next`` of the page before; left out for the first.
        limit: most entries in the page.
    """

    collection: str | None = None
    actor: str | None = None
    action: str | None = None
    since: str | None = None
    until: str | None = None
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = MAX_PAGE


@operation(
    "GET",
    AUDIT_PATH,
    Operation(
        summary="Read the audit log",
        tag="Audit",
        role="admin",
        errors=(400,),
    ),
)
def list_entries(query: AuditQuery, store: Store) -> PageOf[AuditEntry]:
    """Who did what to which collection, and when; newest first.

    An entry is written in the transaction of its change, so that there is neither without the other.
    """
    entries = AuditFilter(
        collection=query.collection,
        actor=query.actor,
        action=query.action,
        since=_moment("since", query.since),
        until=_moment("until", query.until),
    )
    before = None if query.after is None else read_cursor(query.after)
    page, following = store.audit.page(entries, before=before, limit=query.limit)
    return PageOf(page, None if following is None else str(following))


def _moment(name: str, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return text_of(moment.astimezone(timezone.utc))
    except (ValueError, OverflowError) as error:
        message = f"the query is wrong: {name}: {text[:60]!r} is not a time in ISO 8601"
        raise InvalidRequest(message, status=400) from error


ROUTES = [list_entries]
