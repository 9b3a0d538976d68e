"""Who makes a request, and where they may read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from msgspec import Struct

from layernext.model import UserRole

Role: TypeAlias = Literal["read", "write", "admin"]
"""What a key may do; each role includes the ones before it."""


RANKS: dict[UserRole, int] = {"none": -1, "read": 0, "write": 1, "admin": 2}
"""Each role may do what the ones of lower rank may."""


Within: TypeAlias = frozenset[int] | None
"""Row ids of the only collections that somebody may read; None for all."""


CheckCollections: TypeAlias = Callable[[Iterable[int]], None]
"""Raises if somebody may not do what they want in one of these collections, by row id."""


class Key(Struct, frozen=True, kw_only=True):
    """An API key without its secret.

    Attributes:
        api_key: the key.
        name: what it is for.
        role: what it may do, as far as its user may, too.
        user: name of the user it belongs to.
        created_at, revoked_at: UTC, ISO 8601.
        rate: requests a second that it may send; None for what the stack permits every key.
    """

    api_key: str
    name: str
    role: Role
    user: str
    created_at: str
    revoked_at: str | None = None
    rate: float | None = None


PERSON = "user "
"""What the id of a caller without a key begins with."""


class Caller(Struct, frozen=True, kw_only=True):
    """Who makes a request: an API key, or a person who signed in without one.

    Attributes:
        api_key: the key; None of a person without one.
        name: of the key, or of the person.
        role: in the whole stack, both the key's and its user's.
        user, user_id: whom the key belongs to.
        limit: the key's own role: what is granted to the user counts up to it.
        rate: see `Key`.
    """

    api_key: str | None
    name: str
    role: UserRole
    user: str
    user_id: int
    limit: Role
    rate: float | None = None

    @property
    def id(self) -> str:
        """What tells callers apart: the key, or the person."""
        return self.api_key or f"{PERSON}{self.user_id}"


class NewKey(Struct, frozen=True, kw_only=True):
    """A key just made: the only moment at which its secret is known."""

    api_key: str
    secret: str
    name: str
    role: Role
    user: str
    created_at: str
    rate: float | None = None
