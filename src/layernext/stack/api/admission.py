"""Who is let in how often: the limits of keys and the lock-out of strangers, for the requests of one server.

What is refused is in the audit log: the first time, and then at ten, a hundred, a thousand times, so that
nobody can fill the log by being refused.
"""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from anyio import from_thread
from litestar.connection import ASGIConnection
from litestar.types import Scope

from layernext.errors import NotAllowed, RateLimited
from layernext.stack.api.access import HOLDER
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


class Attempts:
    """Attempts at showing who one is, by the sender of a request. For the event loop's thread alone.

    Args:
        connection: of the request.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lockout = admission_of(connection).lockout

    def check(self, api_key: str, secret: str) -> None:
        """Refuse to look at a secret after too many wrong ones.

        Raises:
            RateLimited: the address, or this key from it, has to wait.
        """
        wait_s = self._lockout.wait_s(source_address(self._connection), api_key, secret)
        if wait_s > 0:
            raise RateLimited(
                "too many wrong API keys or secrets from this address",
                status=429,
                retry_after_s=wait_s,
            )

    def note_success(self, api_key: str, secret: str) -> None:
        """Note that the sender has shown the right secret."""
        self._lockout.note_success(source_address(self._connection), api_key, secret)

    async def note_failure(self, api_key: str, action: str) -> None:
        """Note that the sender has shown a wrong key or secret.

        Args:
            api_key: as it was sent. It is not logged: it may be anything, even a secret.
            action: what was tried.
        """
        count = self._lockout.note_failure(source_address(self._connection), api_key)
        if _is_told(count):
            note(self._connection, action=action, count=count)
            await _add_refusal(self._connection)

    async def note_refused_sign_in(self, provider: str) -> None:
        """Note that somebody whom an identity provider knows was not let in.

        Args:
            provider: the issuer.
        """
        note(self._connection, action="sign in", subject=provider)
        await _note_repeated(self._connection, source_address(self._connection), "sign in")


async def note_refusal(error: Exception, scope: Scope) -> None:
    """Note that a caller's role did not suffice for a change, at the door or in the handler.

    Args:
        error: that ended a request; only a refusal is noted.
        scope: of the request.
    """
    key: Caller | None = cast("Any", scope).get("auth")
    if not isinstance(error, NotAllowed) or key is None:
        return
    connection: Connection = ASGIConnection(scope)
    record: Operation | None = connection.route_handler.opt.get("operation")
    if record is None or record.action is None:
        return
    await _note_repeated(connection, key.id, record.action)


async def _note_repeated(connection: Connection, who: str, action: str) -> None:
    admission = admission_of(connection)
    count = admission.refusals.add((who, action), admission.lockout.now())
    if _is_told(count):
        note(connection, count=count)
        await _add_refusal(connection)


async def _add_refusal(connection: Connection) -> None:
    entry, services = entry_of(connection, "refused"), services_of(connection)
    if entry is not None:
        await services.call(services.store.audit.add, entry)


def _is_told(count: int) -> bool:
    return str(count).rstrip("0") == "1"


async def admit(connection: Connection, key: Caller) -> None:
    """Count a request of a key against its limits; `release` is to follow.

    Raises:
        RateLimited: it came too early, or the key has too many uploads under way.
    """
    limits = admission_of(connection).limits
    limits.take(key.id, key.rate)
    record: Operation | None = connection.route_handler.opt.get("operation")
    if record is None or not record.is_upload:
        return
    try:
        limits.begin_upload(key.id)
    except RateLimited:
        transfers = limits.transfers(key.id)
        if not transfers:
            raise
        # Another server may have finished them.
        services = services_of(connection)
        unfinished = await services.call(services.store.files.unfinished, transfers)
        limits.keep_transfers(key.id, unfinished)
        limits.begin_upload(key.id)
    connection.scope["state"][UPLOADING] = key.id


async def admit_holder(connection: Connection, holder: str) -> None:
    """Likewise, of a request by a signed URL; nothing if the URL is good for whoever has it.

    Args:
        connection: of the request.
        holder: whose URL it is, by `Caller.id`.

    Raises:
        NotAllowed: their key was revoked, or they were removed.
        RateLimited: as `admit`.
    """
    if not holder:
        return
    services = services_of(connection)
    caller = await services.call(services.store.sessions.find_caller, holder)
    if caller is None:
        raise NotAllowed("the key that asked for this URL is not in use any more", status=403)
    connection.scope["state"][HOLDER] = caller
    await admit(connection, caller)


class Transfers:
    """Files of the caller whose parts go straight to a bucket; see `limits`. To be used in a thread.

    Args:
        connection: of the request.
    """

    def __init__(self, connection: Connection) -> None:
        self._store = services_of(connection).store
        self._limits = admission_of(connection).limits
        self._holder: str = connection.scope["auth"].id

    def begin(self, file_id: str) -> None:
        """Count a file until it is finished.

        Raises:
            RateLimited: the caller has too many uploads under way.
        """
        begin = partial(self._limits.begin_transfer, self._holder, file_id)
        try:
            from_thread.run_sync(begin)
        except RateLimited:
            transfers = from_thread.run_sync(self._limits.transfers, self._holder)
            if not transfers:
                raise
            # Another server may have finished them.
            unfinished = self._store.files.unfinished(transfers)
            from_thread.run_sync(self._limits.keep_transfers, self._holder, unfinished)
            from_thread.run_sync(begin)

    def end(self, file_id: str) -> None:
        """Count the end of a file."""
        from_thread.run_sync(self._limits.end_transfer, self._holder, file_id)


def release(admission: Admission, scope: Scope) -> None:
    """Count the end of a request."""
    api_key = scope["state"].pop(UPLOADING, None)
    if api_key is not None:
        admission.limits.end_upload(api_key)
