"""Who is signed in to the pages: random tokens, of which the database has only a hash.

A token is 256 random bits, so a plain SHA-256 keeps it. A session ends when its time is over, when its
key is revoked or its user removed, or when somebody signs out; a link can be turned into a session once.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

import sqlalchemy as sa

from layernext.stack.store.access import keys
from layernext.stack.store.access.records import PERSON, Caller
from layernext.stack.store.clock import now_text, text_of
from layernext.stack.store.database import Database
from layernext.stack.store.schema import session, stack_user

SESSION_SECONDS = 7 * 24 * 3600
LINK_SECONDS = 10 * 60

TOKEN_BYTES = 32


class Sessions:
    """The sessions of a database.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, caller: Caller) -> str:
        """Sign somebody in, good for `SESSION_SECONDS`; the token, which exists only in the answer."""
        with self._database.write() as connection:
            return _create(connection, "session", SESSION_SECONDS, caller.user_id, caller.api_key)

    def create_of_user(self, user_id: int) -> str:
        """Likewise, a user without an API key."""
        with self._database.write() as connection:
            return _create(connection, "session", SESSION_SECONDS, user_id, None)

    def create_link(self, caller: Caller) -> str:
        """A token that can be turned into a session of this caller, once, for `LINK_SECONDS`."""
        with self._database.write() as connection:
            return _create(connection, "link", LINK_SECONDS, caller.user_id, caller.api_key)

    def use_link(self, token: str) -> tuple[str, Caller] | None:
        """Turn a link's token into a session's; None if the token is unknown, used, or too old."""
        with self._database.write() as connection:
            caller = _find(connection, token, "link")
            # Whoever deletes the row has the link, however many try at the same time.
            result = connection.execute(sa.delete(session).where(_is(token, "link")))
            if caller is None or not result.rowcount:
                return None
            session_token = _create(
                connection, "session", SESSION_SECONDS, caller.user_id, caller.api_key
            )
            return session_token, caller

    def find(self, token: str) -> Caller | None:
        """Who is signed in with this token, if they still are."""
        with self._database.read() as connection:
            return _find(connection, token, "session")

    def find_caller(self, caller_id: str) -> Caller | None:
        """Who has this `Caller.id`; None if the key was revoked or the person removed."""
        with self._database.read() as connection:
            if not caller_id.startswith(PERSON):
                return keys.find(connection, caller_id)
            number = caller_id.removeprefix(PERSON)
            is_it = (stack_user.c.id == int(number)) & stack_user.c.removed_at.is_(None)
            people: sa.Select[Any] = sa.select(stack_user).where(is_it)
            row = connection.execute(people).one_or_none()
            return None if row is None else _person(row)

    def end(self, token: str) -> None:
        """Sign out; repeatable."""
        with self._database.write() as connection:
            connection.execute(sa.delete(session).where(_is(token, "session")))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _is(token: str, kind: str) -> sa.ColumnElement[bool]:
    return (session.c.digest == _digest(token)) & (session.c.kind == kind)


def _find(connection: sa.Connection, token: str, kind: str) -> Caller | None:
    signed_in: sa.Select[Any] = (
        sa.select(
            stack_user.c.id,
            stack_user.c.name,
            stack_user.c.role,
            session.c.api_key,
        )
        .join(session, session.c.user_id == stack_user.c.id)
        .where(
            _is(token, kind),
            session.c.expires_at > now_text(),
            stack_user.c.removed_at.is_(None),
        )
    )
    row = connection.execute(signed_in).one_or_none()
    if row is None:
        return None
    return _person(row) if row.api_key is None else keys.find(connection, row.api_key)


def _person(row: sa.Row[Any]) -> Caller:
    """Somebody who has signed in without an API key."""
    return Caller(
        api_key=None,
        name=row.name,
        role=row.role,
        user=row.name,
        user_id=row.id,
        limit="admin",
    )


def _create(
    connection: sa.Connection,
    kind: Literal["session", "link"],
    seconds: int,
    user_id: int,
    key: str | None,
) -> str:
    now = datetime.now(timezone.utc)
    # Nobody else tidies up, and there are never many.
    connection.execute(sa.delete(session).where(session.c.expires_at <= text_of(now)))
    token = secrets.token_urlsafe(TOKEN_BYTES)
    values = {
        "digest": _digest(token),
        "kind": kind,
        "user_id": user_id,
        "api_key": key,
        "created_at": text_of(now),
        "expires_at": text_of(now + timedelta(seconds=seconds)),
    }
    connection.execute(sa.insert(session).values(values))
    return token
