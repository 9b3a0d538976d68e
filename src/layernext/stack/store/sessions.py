"""Who is signed in to the pages: random tokens, of which the database has only a hash.

A token is 256 random bits, so a plain SHA-256 keeps it. A session ends when its time is over, when its
key is revoked, or when somebody signs out; a link can be turned into a session once.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta, timezone
from typing import Literal

import sqlalchemy as sa

from layernext.stack.store import keys
from layernext.stack.store.clock import now_text, text_of
from layernext.stack.store.database import Database
from layernext.stack.store.records import Key
from layernext.stack.store.schema import api_key
from layernext.stack.store.schema_sessions import session

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

    def create(self, key: str) -> str:
        """Sign a key in, good for `SESSION_SECONDS`; the token, which exists only in the answer."""
        with self._database.write() as connection:
            return _create(connection, key, "session", SESSION_SECONDS)

    def create_link(self, key: str) -> str:
        """A token that can be turned into a session of this key, once, for `LINK_SECONDS`."""
        with self._database.write() as connection:
            return _create(connection, key, "link", LINK_SECONDS)

    def use_link(self, token: str) -> tuple[str, Key] | None:
        """Turn a link's token into a session's; None if it is no such token, used, or too old."""
        with self._database.write() as connection:
            key = _find(connection, token, "link")
            # Whoever deletes the row has the link, however many try at the same time.
            gone = connection.execute(sa.delete(session).where(_is(token, "link")))
            if key is None or not gone.rowcount:
                return None
            return _create(connection, key.api_key, "session", SESSION_SECONDS), key

    def find(self, token: str) -> Key | None:
        """The key that is signed in with this token, if it still is."""
        with self._database.read() as connection:
            return _find(connection, token, "session")

    def end(self, token: str) -> None:
        """Sign out; repeatable."""
        with self._database.write() as connection:
            connection.execute(sa.delete(session).where(_is(token, "session")))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _is(token: str, kind: str) -> sa.ColumnElement[bool]:
    return (session.c.digest == _digest(token)) & (session.c.kind == kind)


def _find(connection: sa.Connection, token: str, kind: str) -> Key | None:
    chosen = (
        sa.select(api_key)
        .join(session, session.c.api_key == api_key.c.api_key)
        .where(_is(token, kind), session.c.expires_at > now_text(), api_key.c.revoked_at.is_(None))
    )
    row = connection.execute(chosen).one_or_none()
    return None if row is None else keys.record_of(row)


def _create(
    connection: sa.Connection, key: str, kind: Literal["session", "link"], seconds: int
) -> str:
    now = datetime.now(timezone.utc)
    # Nobody else tidies up, and there are never many.
    connection.execute(sa.delete(session).where(session.c.expires_at <= text_of(now)))
    token = secrets.token_urlsafe(TOKEN_BYTES)
    values = {
        "digest": _digest(token),
        "kind": kind,
        "api_key": key,
        "created_at": text_of(now),
        "expires_at": text_of(now + timedelta(seconds=seconds)),
    }
    connection.execute(sa.insert(session).values(values))
    return token
