"""Users: people and services, whom API keys and sessions belong to."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from layernext.errors import Conflict, NotAllowed, NotFound
from layernext.model import User, UserKind, UserRole
from layernext.stack.store.access.records import RANKS
from layernext.stack.store.clock import now_text
from layernext.stack.store.database import Database
from layernext.stack.store.schema import api_key, collection_grant, session, stack_user
from layernext.stack.store.storable import is_storable


class Identity(Struct, frozen=True, kw_only=True):
    """What an identity provider says of a person.

    Attributes:
        issuer, subject: who they are; they never change.
        email: only if the provider has verified it.
        name: display name.
    """

    issuer: str
    subject: str
    email: str | None
    name: str


class Users:
    """The users of a database.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, kind: UserKind, role: UserRole, email: str | None = None) -> User:
        """Add a user.

        Raises:
            Conflict: another user has the name or the email address.
        """

        def work(connection: sa.Connection) -> User:
            if find_active(connection, name) is not None:
                raise Conflict(f"there is a user {name[:600]!r} already", status=409)
            if email is not None and _invited(connection, email) is not None:
                raise Conflict(f"another user has the email address {email[:600]!r}", status=409)
            user_id = insert(connection, name, kind, role, email=email)
            return _user(_by_id(connection, user_id))

        return self._database.write_again(work)

    def list_all(self) -> list[User]:
        """Every user, by name."""
        query = sa.select(stack_user).where(stack_user.c.removed_at.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(stack_user.c.name)).all()
        return [_user(row) for row in rows]

    def remove(self, name: str) -> User:
        """Remove a user with their grants and sessions; their keys are revoked.

        Raises:
            NotFound: there is no such user.
        """

        def work(connection: sa.Connection) -> User:
            row = require(connection, name)
            now = now_text()
            for table in (collection_grant, session):
                connection.execute(sa.delete(table).where(table.c.user_id == row.id))
            in_use = (api_key.c.user_id == row.id) & api_key.c.revoked_at.is_(None)
            connection.execute(sa.update(api_key).where(in_use).values(revoked_at=now))
            removed = sa.update(stack_user).where(stack_user.c.id == row.id)
            connection.execute(removed.values(removed_at=now))
            return _user(row)

        return self._database.write_again(work)

    def sign_in(self, identity: Identity, default_role: UserRole) -> tuple[int, str]:
        """The id and name of the user whom an identity belongs to.

        The first time it is the user who was added with this email address, or else a new one.

        Args:
            identity: as the provider has it.
            default_role: of a new user.

        Raises:
            NotAllowed: the user was removed.
        """

        def work(connection: sa.Connection) -> tuple[int, str]:
            same = (stack_user.c.issuer == identity.issuer) & (
                stack_user.c.subject == identity.subject
            )
            match = connection.execute(sa.select(stack_user).where(same)).one_or_none()
            if match is not None and match.removed_at is None:
                return int(match.id), match.name
            row = None if identity.email is None else _invited(connection, identity.email)
            values = {"issuer": identity.issuer, "subject": identity.subject}
            if row is not None:
                if match is not None:  # was removed, and added again
                    connection.execute(
                        sa.update(stack_user).where(same).values(issuer=None, subject=None)
                    )
                bound = sa.update(stack_user).where(stack_user.c.id == row.id)
                connection.execute(bound.values(values))
                return int(row.id), row.name
            if match is not None:
                raise NotAllowed(
                    "you were removed from this stack; ask an administrator to add you", status=403
                )
            name = free_name(connection, identity.email or identity.name or identity.subject)
            user_id = insert(
                connection, name, "person", default_role, email=identity.email, **values
            )
            return user_id, name

        return self._database.write_again(work)


def insert(
    connection: sa.Connection, name: str, kind: UserKind, role: UserRole, **fields: str | None
) -> int:
    """A new user; the id."""
    values = {"name": name, "kind": kind, "role": role, "created_at": now_text(), **fields}
    result = connection.execute(sa.insert(stack_user).values(values)).inserted_primary_key
    assert result is not None  # noqa: S101 - SQLAlchemy has it after every insert of one row
    return int(result[0])


def find_active(connection: sa.Connection, name: str) -> sa.Row[Any] | None:
    """The user of this name who has not been removed."""
    if not is_storable(name):
        return None
    query = sa.select(stack_user).where(
        stack_user.c.name == name, stack_user.c.removed_at.is_(None)
    )
    return connection.execute(query).one_or_none()


def require(connection: sa.Connection, name: str) -> sa.Row[Any]:
    """Likewise.

    Raises:
        NotFound: there is no such user.
    """
    row = find_active(connection, name)
    if row is None:
        raise NotFound(f"there is no user {name[:600]!r}", status=404)
    return row


def ensure_service(connection: sa.Connection, name: str, role: UserRole) -> int:
    """The service that a key of this name and role belongs to; the id.

    A service of the same name that may do as much is used; it never gets a larger role by this.
    """
    row = find_active(connection, name)
    if row is not None and row.kind == "service" and RANKS[row.role] >= RANKS[role]:
        return int(row.id)
    return insert(connection, free_name(connection, name), "service", role)


def free_name(connection: sa.Connection, name: str) -> str:
    """The name, with a number if a user has it already."""
    free, number = name, 1
    while find_active(connection, free) is not None:
        number += 1
        free = f"{name} {number}"
    return free


def _by_id(connection: sa.Connection, user_id: int) -> sa.Row[Any]:
    return connection.execute(sa.select(stack_user).where(stack_user.c.id == user_id)).one()


def _invited(connection: sa.Connection, email: str) -> sa.Row[Any] | None:
    """The person with this email address who has not signed in yet."""
    query = sa.select(stack_user).where(
        sa.func.lower(stack_user.c.email) == email.lower(),
        stack_user.c.kind == "person",
        stack_user.c.subject.is_(None),
        stack_user.c.removed_at.is_(None),
    )
    return connection.execute(query.order_by(stack_user.c.id).limit(1)).one_or_none()


def _user(row: sa.Row[Any]) -> User:
    return User(
        name=row.name, kind=row.kind, role=row.role, email=row.email, created_at=row.created_at
    )
