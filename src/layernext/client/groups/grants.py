"""Grants: what users may do in single collections, in addition to their role."""

from __future__ import annotations

import builtins

from layernext.client.groups.group import Group
from layernext.model import Grant, GrantRole
from layernext.wire import native


class Grants(Group):
    """What users may do in individual collections, in addition to their role."""

    def add(self, collection: str, user: str, role: GrantRole) -> Grant:
        """Grant a user a role in a collection; replaces an earlier grant.

        Args:
            collection: name or id.
            user: name of the user.
            role: ``read``, ``write`` or ``admin``; each includes the ones before it.

        Raises:
            NotFound: there is no such collection or user.
        """
        self._connection.require_native("grant")
        body = {"collection": collection, "user": user, "role": role}
        grant: Grant = self._transport.request_json("PUT", native.GRANTS_PATH, Grant, json=body)
        return grant

    def remove(self, collection: str, user: str) -> bool:
        """Revoke a user's role in a collection; False if there was none.

        Raises:
            NotFound: there is no such collection or user.
        """
        self._connection.require_native("revoke a grant")
        params = {"collection": collection, "user": user}
        answer = self._transport.request_json(
            "DELETE", native.GRANTS_PATH, dict[str, bool], params=params
        )
        return bool(answer["revoked"])

    def list(self, collection: str | None = None) -> builtins.list[Grant]:
        """Who may do what in which collection, in addition to their role.

        Args:
            collection: name or id; None for all that you administer.

        Raises:
            NotFound: there is no such collection.
        """
        self._connection.require_native("list grants")
        grants: builtins.list[Grant] = self._transport.request_json(
            "GET",
            native.GRANTS_PATH,
            builtins.list[Grant],
            params={"collection": collection},
        )
        return grants
