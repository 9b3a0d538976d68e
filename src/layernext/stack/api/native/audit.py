"""The audit log, for administrators."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

from litestar import Response
from msgspec import Meta, Struct

from layernext.errors import InvalidRequest
from layernext.model import AuditEntry
from layernext.stack.api.messages import Call, answer, read_query
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.services import services_of
from layernext.stack.store import AuditFilter, text_of
from layernext.wire.native import AUDIT_PATH, MAX_PAGE, PageOf

_CURSOR_DIGITS = 18


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
        query=AuditQuery,
        answer=PageOf[AuditEntry],
        errors=(400,),
    ),
)
async def list_entries(request: Call) -> Response[bytes]:
    """Who did what to which collection, and when; newest first.

    An entry is written in the transaction of its change, so that there is neither without the other.
    """
    wanted, services = read_query(request, AuditQuery), services_of(request)
    chosen = AuditFilter(
        collection=wanted.collection,
        actor=wanted.actor,
        action=wanted.action,
        since=_moment("since", wanted.since),
        until=_moment("until", wanted.until),
    )
    before = _cursor(wanted.after)
    entries, following = await services.call(
        lambda: services.store.audit.page(chosen, before=before, limit=wanted.limit)
    )
    return answer(PageOf(entries, None if following is None else str(following)))


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


def _cursor(after: str | None) -> int | None:
    if after is None:
        return None
    if after.isascii() and after.isdecimal() and len(after) <= _CURSOR_DIGITS:
        return int(after)
    raise InvalidRequest(f"{after[:100]!r} is not a cursor from an earlier answer", status=400)


ROUTES = [list_entries]
