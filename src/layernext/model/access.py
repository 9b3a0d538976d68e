"""Users of a stack, and what they may do in single collections."""

from __future__ import annotations

from typing import Literal, TypeAlias

from layernext.model.collection import Record

UserKind: TypeAlias = Literal["person", "service"]
UserRole: TypeAlias = Literal["none", "read", "write", "admin"]
"""What a user may do in the whole stack; ``none``: only what is granted."""
GrantRole: TypeAlias = Literal["read", "write", "admin"]


class User(Record, frozen=True, kw_only=True):
    """A person or a service.

    Attributes:
        name: unique within the stack.
        kind: ``person`` or ``service``.
        role: role in every collection; each role includes the ones before it.
        email: email address of a person who signs in through OpenID Connect.
        created_at: UTC, ISO 8601.
    """

    name: str
    kind: UserKind
    role: UserRole
    email: str | None = None
    created_at: str | None = None


class Grant(Record, frozen=True, kw_only=True):
    """What a user may do in one collection, in addition to their role.

    Attributes:
        collection: name of the collection.
        collection_id: id of the collection.
        user: name of the user.
        role: ``read``, ``write`` or ``admin``; each includes the ones before it.
        created_at: UTC, ISO 8601.
    """

    collection: str
    collection_id: str
    user: str
    role: GrantRole
    created_at: str | None = None
