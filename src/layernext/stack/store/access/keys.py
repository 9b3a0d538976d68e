"""API keys.

A secret is random, 128 bits and more, so a salted SHA-256 keeps it as well as a slow hash would,
and checking it costs a microsecond.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

import sqlalchemy as sa

from layernext.stack.store.access import users
from layernext.stack.store.access.records import RANKS, Caller, Key, NewKey, Role
from layernext.stack.store.clock import now_text
from layernext.stack.store.database import Database
from layernext.stack.store.schema import api_key as table
from layernext.stack.store.schema import stack_user
from layernext.stack.store.storable import is_storable

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_KEY_CHARACTERS = 20
_SECRET_CHARACTERS = 32  # 165 bits
_NO_SALT = b"\0" * 16


class Keys:
    """The API keys of a database.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self, name: str, role: Role, rate: float | None = None, user: str | None = None
    ) -> NewKey:
        """Make an API key; its secret is in the answer and nowhere else.

        Args:
            name: for people.
            role: what it may do.
            rate: requests a second that it may send; None for what the stack permits every key.
            user: name of the user it belongs to; None for a service named after the key, which is
                added if missing.

        Raises:
            NotFound: there is no such user.
        """
        with self._database.write() as connection:
            return _create(connection, name, role, rate, user)

    def create_first(self, name: str, role: Role) -> NewKey | None:
        """Make the first key of a stack; None if there is a key. Servers that start together make one."""
        with self._database.write() as connection:
            self._database.hold_first_key(connection)
            if connection.execute(sa.select(table.c.api_key).limit(1)).first() is not None:
                return None
            return _create(connection, name, role, None, None)

    def authenticate(self, api_key: str, secret: str) -> Caller | None:
        """Who the key is, if the secret is right and it is not revoked. As slow for an unknown key."""
        row = None
        if is_storable(api_key):
            query = with_user().where(table.c.api_key == api_key)
            with self._database.read() as connection:
                row = connection.execute(query).one_or_none()
        salt, digest = (row.salt, row.digest) if row else (_NO_SALT, b"")
        is_right = hmac.compare_digest(_digest(salt, secret), digest)
        return caller_of(row) if row and is_right and row.revoked_at is None else None

    def list(self) -> list[Key]:
        """Every key, oldest first, revoked ones included."""
        ordered = with_user().order_by(table.c.created_at, table.c.api_key)
        with self._database.read() as connection:
            return [_record_of(row) for row in connection.execute(ordered)]

    def revoke(self, api_key: str) -> bool:
        """End a key's life at once; False if there is no such key in use."""
        if not is_storable(api_key):
            return False
        is_it = (table.c.api_key == api_key) & table.c.revoked_at.is_(None)
        revoking = sa.update(table).where(is_it).values(revoked_at=now_text())
        with self._database.write() as connection:
            return bool(connection.execute(revoking).rowcount)


def _create(
    connection: sa.Connection,
    name: str,
    role: Role,
    rate: float | None,
    user: str | None,
) -> NewKey:
    if user is None:
        user_id = users.ensure_service(connection, name, role)
    else:
        user_id = users.require(connection, user).id
    owner = sa.select(stack_user.c.name).where(stack_user.c.id == user_id)
    api_key = "key_" + _random_text(_KEY_CHARACTERS)
    secret, salt, created_at = _random_text(_SECRET_CHARACTERS), secrets.token_bytes(16), now_text()
    row: dict[str, Any] = {
        "api_key": api_key,
        "name": name,
        "role": role,
        "created_at": created_at,
        "rate": rate,
    }
    row |= {"user_id": user_id, "salt": salt, "digest": _digest(salt, secret)}
    connection.execute(sa.insert(table).values(row))
    return NewKey(
        api_key=api_key,
        secret=secret,
        name=name,
        role=role,
        user=connection.execute(owner).scalar_one(),
        created_at=created_at,
        rate=rate,
    )


def find(connection: sa.Connection, api_key: str) -> Caller | None:
    """Who makes requests with a key; None if it is not in use."""
    if not is_storable(api_key):
        return None
    is_it = (table.c.api_key == api_key) & table.c.revoked_at.is_(None)
    row = connection.execute(with_user().where(is_it)).one_or_none()
    return None if row is None else caller_of(row)


def with_user() -> sa.Select[Any]:
    """Keys, each with its user."""
    return sa.select(
        table, stack_user.c.name.label("user"), stack_user.c.role.label("user_role")
    ).join(stack_user, stack_user.c.id == table.c.user_id)


def caller_of(row: sa.Row[Any]) -> Caller:
    """Who makes requests with a key, from a row of `with_user`."""
    return Caller(
        api_key=row.api_key,
        name=row.name,
        role=min(row.role, row.user_role, key=RANKS.__getitem__),
        user=row.user,
        user_id=row.user_id,
        limit=row.role,
        rate=row.rate,
    )


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_BASE36) for _ in range(length))


def _digest(salt: bytes, secret: str) -> bytes:
    return hashlib.sha256(salt + secret.encode("utf-8", "surrogatepass")).digest()


def _record_of(row: sa.Row[Any]) -> Key:
    """The key of a row of `with_user`."""
    return Key(
        api_key=row.api_key,
        name=row.name,
        role=row.role,
        user=row.user,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        rate=row.rate,
    )
