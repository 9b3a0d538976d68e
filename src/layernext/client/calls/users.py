"""Calls about users, and what they may do in single collections."""

from __future__ import annotations

from layernext.client.calls.base import Calls
from layernext.model import Grant, GrantRole, User, UserKind, UserRole
from layernext.wire import native


class UserCalls(Calls):
    """Users and grants."""

    def list_users(self) -> list[User]:
        """People and services, by name."""
        self._connection.require_native("list users")
        users: list[User] = self._connection.transport.request_json(
            "GET", native.USERS_PATH, list[User]
        )
        return users

    def add_user(
        self,
        name: str,
        *,
        kind: UserKind = "person",
        role: UserRole = "none",
        email: str | None = None,
    ) -> User:
        """Add a person or a service.

        Args:
            name: of the user; no other has it.
            kind: ``person`` or ``service``.
            role: in the whole stack: ``none`` (only what is granted), ``read``, ``write`` or ``admin``.
            email: of a person: by it the first sign-in through OpenID Connect is recognized.

        Raises:
            Conflict: another user has the name or the email address.
            DataError: the name or the email address cannot be one.
        """
        self._connection.require_native("add a user")
        body = {"name": name, "kind": kind, "role": role, "email": email}
        user: User = self._connection.transport.request_json(
            "POST", native.USERS_PATH, User, json=body
        )
        return user

    def remove_user(self, name: str) -> User:
        """Remove a user with their grants and sessions; their keys are revoked.

        Raises:
            NotFound: there is no such user.
        """
        self._connection.require_native("remove a user")
        user: User = self._connection.transport.request_json(
            "DELETE", native.USERS_PATH, User, params={"name": name}
        )
        return user

    def list_grants(self, collection: str | None = None) -> list[Grant]:
        """Who may do what in which collection, in addition to their role.

        Args:
            collection: name or id; None for all that you administer.

        Raises:
            NotFound: there is no such collection.
        """
        self._connection.require_native("list grants")
        grants: list[Grant] = self._connection.transport.request_json(
            "GET", native.GRANTS_PATH, list[Grant], params={"collection": collection}
        )
        return grants

    def grant(self, collection: str, user: str, role: GrantRole) -> Grant:
        """Let a user do something in a collection, in place of what was granted before.

        Args:
            collection: name or id.
            user: name of the user.
            role: ``read``, ``write`` or ``admin``; each includes the ones before it.

        Raises:
            NotFound: there is no such collection or user.
        """
        self._connection.require_native("grant")
        body = {"collection": collection, "user": user, "role": role}
        made: Grant = self._connection.transport.request_json(
            "PUT", native.GRANTS_PATH, Grant, json=body
        )
        return made

    def revoke(self, collection: str, user: str) -> bool:
        """Take back what was granted to a user in a collection; False if that was nothing.

        Raises:
            NotFound: there is no such collection or user.
        """
        self._connection.require_native("revoke a grant")
        params = {"collection": collection, "user": user}
        answer = self._connection.transport.request_json(
            "DELETE", native.GRANTS_PATH, dict[str, bool], params=params
        )
        return bool(answer["revoked"])
