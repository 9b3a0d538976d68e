"""Users, and what they may do in single collections."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from layernext.errors import DataError, Problem
from layernext.model import Grant, GrantRole, User, UserKind, UserRole
from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import check_name
from layernext.stack.api.operation import Operation, operation
from layernext.stack.store import Store
from layernext.wire.native import GRANTS_PATH, USERS_PATH

_EMAIL = r"^[^\s@]{1,200}@[^\s@]{1,200}$"


class UserRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Adds a user.

    Attributes:
        name: of the person or the service; no other user has it.
        kind: ``person`` or ``service``.
        role: in the whole stack; ``none``: only what is granted.
        email: of a person: by it the first sign-in through OpenID Connect is recognized.
    """

    name: str
    kind: UserKind = "person"
    role: UserRole = "none"
    email: Annotated[str, Meta(pattern=_EMAIL)] | None = None


class UserQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which user.

    Attributes:
        name: of the user.
    """

    name: str


class GrantRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lets a user do something in a collection.

    Attributes:
        collection: id or name.
        user: name of the user.
        role: ``read``, ``write`` or ``admin``; each includes the ones before it.
    """

    collection: str
    user: str
    role: GrantRole


class GrantsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which grants.

    Attributes:
        collection: id or name; left out means all.
    """

    collection: str | None = None


class GrantQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which grant.

    Attributes:
        collection: id or name.
        user: name of the user.
    """

    collection: str
    user: str


class RevokedGrant(Struct, frozen=True):
    """Whether there was a grant to be taken back."""

    revoked: bool


@operation(
    "GET",
    USERS_PATH,
    Operation(summary="List users", tag="Users", role="admin"),
)
def list_users(store: Store) -> list[User]:
    """People and services, by name."""
    return store.users.list_all()


@operation(
    "POST",
    USERS_PATH,
    Operation(
        summary="Add a user",
        tag="Users",
        role="admin",
        action="add user",
        is_recorded=True,
        errors=(400, 409, 413, 422),
    ),
)
def add_user(body: UserRequest, store: Store, audit: Audit) -> User:
    """Adds a person or a service; a conflict if the name is taken."""
    check_name(body.name, "name", "a user")
    if body.email is not None and body.kind != "person":
        raise DataError(Problem("email", "is for people; a service uses API keys"))
    user = store.users.add(body.name, body.kind, body.role, body.email)
    audit.note(subject=f"{user.name} ({user.kind}, {user.role})")
    return user


@operation(
    "DELETE",
    USERS_PATH,
    Operation(
        summary="Remove a user",
        tag="Users",
        role="admin",
        action="remove user",
        is_recorded=True,
        errors=(400, 404),
    ),
)
def remove_user(query: UserQuery, store: Store, audit: Audit) -> User:
    """Removes a user with their grants and sessions, and revokes their keys."""
    user = store.users.remove(query.name)
    audit.note(subject=user.name)
    return user


@operation(
    "GET",
    GRANTS_PATH,
    Operation(
        summary="List grants",
        tag="Users",
        role="admin",
        scope=HANDLER,
        errors=(400, 404),
    ),
)
def list_grants(query: GrantsQuery, store: Store, permissions: Permissions) -> list[Grant]:
    """Who may do what in which collection; as far as the caller administers it."""
    ids = permissions.usable
    if query.collection is not None:
        ids = frozenset([permissions.find_collection(query.collection).row_id])
    else:
        permissions.refuse_without_grant()
    return store.grants.list_all(ids)


@operation(
    "PUT",
    GRANTS_PATH,
    Operation(
        summary="Grant a role in a collection",
        tag="Users",
        role="admin",
        scope=HANDLER,
        action="grant",
        is_recorded=True,
        errors=(400, 404, 413, 422),
    ),
)
def grant(body: GrantRequest, store: Store, permissions: Permissions, audit: Audit) -> Grant:
    """Lets a user do something in a collection, in place of what was granted before.

    Whoever administers the collection may grant.
    """
    collection = permissions.find_collection(body.collection)
    granted = store.grants.give(collection.row_id, body.user, body.role)
    audit.note(collection=collection.name, subject=f"{granted.user} ({granted.role})")
    return granted


@operation(
    "DELETE",
    GRANTS_PATH,
    Operation(
        summary="Revoke a grant",
        tag="Users",
        role="admin",
        scope=HANDLER,
        action="revoke grant",
        is_recorded=True,
        errors=(400, 404),
    ),
)
def revoke_grant(
    query: GrantQuery, store: Store, permissions: Permissions, audit: Audit
) -> RevokedGrant:
    """Takes back what was granted to a user in a collection. Again it does nothing and says so."""
    collection = permissions.find_collection(query.collection)
    revoked = store.grants.take(collection.row_id, query.user)
    if revoked:
        audit.note(collection=collection.name, subject=query.user)
    else:
        audit.note_nothing()
    return RevokedGrant(revoked)


ROUTES = [list_users, add_user, remove_user, list_grants, grant, revoke_grant]
