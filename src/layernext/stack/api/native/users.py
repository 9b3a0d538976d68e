"""Users, and what they may do in single collections."""

from __future__ import annotations

from typing import Annotated

from litestar import Response
from msgspec import Meta, Struct

from layernext.errors import DataError, Problem
from layernext.model import Grant, GrantRole, User, UserKind, UserRole
from layernext.stack.api.access import HANDLER, refuse_without_grant, usable
from layernext.stack.api.audit import note, note_nothing
from layernext.stack.api.messages import (
    Call,
    answer,
    check_name,
    find_collection,
    read_message,
    read_query,
)
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.replay import change
from layernext.stack.api.services import services_of
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
    Operation(summary="List users", tag="Users", role="admin", answer=list[User]),
)
async def list_users(request: Call) -> Response[bytes]:
    """People and services, by name."""
    services = services_of(request)
    return answer(await services.call(services.store.users.list_all))


@operation(
    "POST",
    USERS_PATH,
    Operation(
        summary="Add a user",
        tag="Users",
        role="admin",
        action="add user",
        is_recorded=True,
        body=UserRequest,
        answer=User,
        errors=(400, 409, 413, 422),
    ),
)
async def add_user(request: Call) -> Response[bytes]:
    """Adds a person or a service; a conflict if the name is taken."""
    wanted, services = await read_message(request, UserRequest), services_of(request)
    check_name(wanted.name, "name", "a user")
    if wanted.email is not None and wanted.kind != "person":
        raise DataError(Problem("email", "is for people; a service uses API keys"))

    def work() -> Response[bytes]:
        users = services.store.users
        user = users.add(wanted.name, wanted.kind, wanted.role, wanted.email)
        note(request, subject=f"{user.name} ({user.kind}, {user.role})")
        return answer(user)

    return await change(request, work)


@operation(
    "DELETE",
    USERS_PATH,
    Operation(
        summary="Remove a user",
        tag="Users",
        role="admin",
        action="remove user",
        is_recorded=True,
        query=UserQuery,
        answer=User,
        errors=(400, 404),
    ),
)
async def remove_user(request: Call) -> Response[bytes]:
    """Removes a user with their grants and sessions, and revokes their keys."""
    wanted, services = read_query(request, UserQuery), services_of(request)

    def work() -> Response[bytes]:
        user = services.store.users.remove(wanted.name)
        note(request, subject=user.name)
        return answer(user)

    return await change(request, work)


@operation(
    "GET",
    GRANTS_PATH,
    Operation(
        summary="List grants",
        tag="Users",
        role="admin",
        scope=HANDLER,
        query=GrantsQuery,
        answer=list[Grant],
        errors=(400, 404),
    ),
)
async def list_grants(request: Call) -> Response[bytes]:
    """Who may do what in which collection; as far as the caller administers it."""
    wanted, services = read_query(request, GrantsQuery), services_of(request)
    ids = usable(request)
    if wanted.collection is not None:
        ids = frozenset([(await find_collection(request, wanted.collection)).row_id])
    else:
        refuse_without_grant(request)
    return answer(await services.call(services.store.grants.list_all, ids))


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
        body=GrantRequest,
        answer=Grant,
        errors=(400, 404, 413, 422),
    ),
)
async def grant(request: Call) -> Response[bytes]:
    """Lets a user do something in a collection, in place of what was granted before.

    Whoever administers the collection may grant.
    """
    wanted, services = await read_message(request, GrantRequest), services_of(request)
    collection = await find_collection(request, wanted.collection)

    def work() -> Response[bytes]:
        made = services.store.grants.give(collection.row_id, wanted.user, wanted.role)
        note(request, collection=collection.name, subject=f"{made.user} ({made.role})")
        return answer(made)

    return await change(request, work)


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
        query=GrantQuery,
        answer=RevokedGrant,
        errors=(400, 404),
    ),
)
async def revoke_grant(request: Call) -> Response[bytes]:
    """Takes back what was granted to a user in a collection. Again it does nothing and says so."""
    wanted, services = read_query(request, GrantQuery), services_of(request)
    collection = await find_collection(request, wanted.collection)

    def work() -> Response[bytes]:
        revoked = services.store.grants.take(collection.row_id, wanted.user)
        if revoked:
            note(request, collection=collection.name, subject=wanted.user)
        else:
            note_nothing(request)
        return answer(RevokedGrant(revoked))

    return await change(request, work)


ROUTES = [list_users, add_user, remove_user, list_grants, grant, revoke_grant]
