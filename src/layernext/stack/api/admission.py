"""Who is let in how often: the limits of keys and the lock-out of strangers, for the requests of one server.

What is refused is in the audit log: the first time, and then at ten, a hundred, a thousand times, so that
nobody can fill the log by being refused.
"""

from __future__ import annotations

from typing import Any, cast

from litestar.connection import ASGIConnection
from litestar.types import Scope

from layernext.errors import RateLimited
from layernext.stack.api.audit import entry_of, note
from layernext.stack.api.limits import KeyLimits
from layernext.stack.api.lockout import Lockout, RecentFailures
from layernext.stack.api.operation import Operation
from layernext.stack.api.services import services_of
from layernext.stack.api.source import source_address
from layernext.stack.settings import Settings
from layernext.stack.store import Caller

Connection = ASGIConnection[Any, Any, Any, Any]

UPLOADING = "uploading_key"
"""In the state of a request that counts as an upload: its key."""


class Admission:
    """Limits and lock-outs of one server.

    Args:
        settings: of the stack.
    """

    def __init__(self, settings: Settings) -> None:
        self.lockout = Lockout()
        self.limits = KeyLimits(settings.rate_limit, settings.uploads_per_key)
        self.refusals: RecentFailures[tuple[str, str]] = RecentFailures()


def admission_of(connection: Connection) -> Admission:
    """That of the application that a request came to."""
    return cast("Admission", connection.app.state["admission"])


def check_attempt(connection: Connection, api_key: str) -> None:
    """Refuse to look at a secret after too many wrong ones.

    Raises:
        RateLimited: the address, or this key from it, has to wait.
    """
    wait_s = admission_of(connection).lockout.wait_s(source_address(connection), api_key)
    if wait_s > 0:
        raise RateLimited(
            "too many wrong API keys or secrets from this address", status=429, retry_after_s=wait_s
        )


def note_success(connection: Connection, api_key: str) -> None:
    """Note that somebody has shown the right secret."""
    admission_of(connection).lockout.note_success(source_address(connection), api_key)


async def note_failure(connection: Connection, api_key: str, action: str) -> None:
    """Note that somebody has shown a wrong key or secret.

    Args:
        connection: of the request.
        api_key: as it was sent. It is not logged: it may be anything, even a secret.
        action: what was tried.
    """
    count = admission_of(connection).lockout.note_failure(source_address(connection), api_key)
    if _is_told(count):
        note(connection, action=action, count=count)
        await _add_refusal(connection)


async def note_refusal(connection: Connection, key: Caller) -> None:
    """Note that a key's role did not suffice for a change."""
    record: Operation | None = connection.route_handler.opt.get("operation")
    if record is None or record.action is None:
        return
    refusals = admission_of(connection).refusals
    count = refusals.add((key.id, record.action), admission_of(connection).lockout.now())
    if _is_told(count):
        note(connection, count=count)
        await _add_refusal(connection)


async def _add_refusal(connection: Connection) -> None:
    entry, services = entry_of(connection, "refused"), services_of(connection)
    if entry is not None:
        await services.call(services.store.audit.add, entry)


def _is_told(count: int) -> bool:
    return str(count).rstrip("0") == "1"


def admit(connection: Connection, key: Caller) -> None:
    """Count a request of a key against its limits; `release` is to follow.

    Raises:
        RateLimited: it came too early, or the key has too many uploads under way.
    """
    limits = admission_of(connection).limits
    limits.take(key.id, key.rate)
    record: Operation | None = connection.route_handler.opt.get("operation")
    if record is not None and record.is_upload:
        limits.begin_upload(key.id)
        connection.scope["state"][UPLOADING] = key.id


def release(admission: Admission, scope: Scope) -> None:
    """Count the end of a request."""
    api_key = scope["state"].pop(UPLOADING, None)
    if api_key is not None:
        admission.limits.end_upload(api_key)
