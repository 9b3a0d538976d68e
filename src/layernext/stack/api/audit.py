"""What the audit log says of requests: who asked, from where, for what, and how it ended.

The action is in the route's record (`Operation.action`). A handler adds what it knows with `note`, and
makes its change through `replay.change_once`, `changing` or `recorded`, which write the entry.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from litestar.connection import ASGIConnection

from layernext.model import AuditOutcome
from layernext.stack.api.services import services_of
from layernext.stack.api.source import source_address
from layernext.stack.store import Caller, NewAuditEntry, NewKey

Answer = TypeVar("Answer")
Connection = ASGIConnection[Any, Any, Any, Any]

_NOTED = "audit"


def note(connection: Connection, **fields: str | int | None) -> None:
    """Add to the entry of a request: collection, subject, count, or another action."""
    details = {name: value for name, value in fields.items() if value is not None}
    _noted(connection).update(details)


def note_nothing(connection: Connection) -> None:
    """Write no entry of this request: nothing was changed after all."""
    _noted(connection)["is_nothing"] = True


class Audit:
    """What a handler says of itself for the audit log.

    Args:
        connection: of the request.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def note(self, **fields: str | int | None) -> None:
        """Add to the entry of the request: collection, subject, count, or another action."""
        note(self._connection, **fields)

    def note_nothing(self) -> None:
        """Write no entry of the request: nothing was changed after all."""
        note_nothing(self._connection)

    def entry(self) -> NewAuditEntry | None:
        """The entry of the request as far as it is known now; None if there is to be none."""
        return entry_of(self._connection)

    def changing(self, work: Callable[[], Answer]) -> Callable[[], Answer]:
        """`work` and the entry, in one transaction; for a handler that is not one as a whole."""
        return changing(self._connection, work)

    def recorded(self, work: Callable[..., Answer]) -> Callable[..., Answer]:
        """`work`, whose first transaction gets the entry; for a route of several transactions."""
        return recorded(self._connection, work)


def _noted(connection: Connection) -> dict[str, Any]:
    noted: dict[str, Any] = connection.scope["state"].setdefault(_NOTED, {})
    return noted


def describe_key(key: NewKey) -> str:
    """A key as a subject: never its secret."""
    return f"{key.name} ({key.api_key}, {key.role})"


def actor_of(caller: Caller | None) -> str:
    """Who acts, by name."""
    return "" if caller is None else caller.user


def entry_of(connection: Connection, outcome: AuditOutcome = "done") -> NewAuditEntry | None:
    """The entry of a request as far as it is known now; None if there is to be none."""
    record = connection.route_handler.opt.get("operation")
    key: Caller | None = connection.scope.get("auth")
    fields: dict[str, Any] = {
        "actor": actor_of(key),
        "api_key": None if key is None else key.api_key,
        "action": None if record is None else record.action,
        **_noted(connection),
    }
    if fields.pop("is_nothing", False) or fields["action"] is None:
        return None
    return NewAuditEntry(
        **fields,
        outcome=outcome,
        address=source_address(connection),
        request_id=connection.scope["state"].get("request_id"),
    )


def changing(connection: Connection, work: Callable[[], Answer]) -> Callable[[], Answer]:
    """`work` and the entry of the request, all in one transaction. To be run in a thread.

    What `work` raises changes nothing. It may be called again if the transaction has to be repeated.
    """
    audit = services_of(connection).store.audit
    return partial(audit.together, partial(entry_of, connection), work)


def recorded(connection: Connection, work: Callable[..., Answer]) -> Callable[..., Answer]:
    """`work`, whose first transaction gets the entry of the request. To be run in a thread.

    For work that makes several transactions, or remembers what it has committed.
    """
    audit = services_of(connection).store.audit

    def run(*arguments: Any) -> Answer:
        with audit.recording(partial(entry_of, connection)):
            return work(*arguments)

    return run
