"""Users: people and services."""

from __future__ import annotations

import builtins

from layernext.client.groups.group import Group
from layernext.model import User, UserKind, UserRole
from layernext.wire import native


class Users(Group):
    """People and services that use the stack."""

    def add(
        self,
        name: str,
        *,
        kind: UserKind = "person",
        role: UserRole = "none",
        email: str | None = None,
    ) -> User:
        """Add a person or a service.

        Args:
            name: name of the user; no other user may have it.
            kind: ``person`` or ``service``.
            role: role in the whole stack: ``none`` (only what is granted), ``read``, ``write`` or ``admin``.
            email: email address of a person; it identifies them when they first sign in through OpenID
                Connect.

        Raises:
            Conflict: another user has the name or the email address.
            DataError: the name or the email address is not valid.
        """
        self._connection.require_native("add a user")
        body = {"name": name, "kind": kind, "role": role, "email": email}
        user: User = self._transport.request_json("POST", native.USERS_PATH, User, json=body)
        return user

    def remove(self, name: str) -> User:
        """Remove a user with their grants and sessions; their keys are revoked.

        Raises:
            NotFound: there is no such user.
        """
        self._connection.require_native("remove a user")
        user: User = self._transport.request_json(
            "DELETE", native.USERS_PATH, User, params={"name": name}
        )
        return user

    def list(self) -> builtins.list[User]:
        """People and services, by name."""
        self._connection.require_native("list users")
        users: builtins.list[User] = self._transport.request_json(
            "GET", native.USERS_PATH, builtins.list[User]
        )
        return users
