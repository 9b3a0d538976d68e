"""What callers may do whose role in the whole stack does not suffice for a route.

The guard asks here. A route that is about single collections says so by its `Scope`; its caller is let in
with an `Access`, by which everything that names a collection, or a thing that is about some, is checked.
A collection that a caller may not read does not exist for them: 404. One that they may read, but not
change, is answered with 403. Callers whose role suffices have no `Access`, and nothing is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar, cast

from litestar.connection import ASGIConnection
from litestar.types import HTTPScope
from msgspec import Struct

from layernext.errors import NotAllowed, NotFound
from layernext.model import GrantRole
from layernext.stack.api.routing import path_text
from layernext.stack.api.services import services_of
from layernext.stack.store import (
    RANKS,
    Caller,
    CheckCollections,
    CollectionRow,
    Role,
    Store,
    Thing,
    Within,
)

Connection = ASGIConnection[Any, Any, Any, Any]
Answer = TypeVar("Answer")

_ACCESS = "access"
_READING = {"GET", "HEAD"}

IS_KNOWN = "is_known"
"""In the state of a request: its sender has shown a key, or a URL that the stack signed."""

HOLDER = "holder"
"""In the state of a request by a signed URL: the caller whose URL it is."""


class Scope(Struct, frozen=True, kw_only=True):
    """That a route is about single collections, and which ones, as far as its path tells.

    Attributes:
        path: segments of the path that name a thing, and its kind.
        needs_grant: the route changes something that no single collection has, such as labels; whoever
            may do so much in any collection may use it.
    """

    path: Mapping[str, Thing] = {}
    needs_grant: bool = False


HANDLER = Scope()
"""The handler says what its route is about, or shows what the caller may read."""


class Access:
    """What a caller may do, collection by collection, on a route that wants a role.

    Args:
        caller: who asks.
        role: what the route wants.
        grants: what is granted to the caller's user, by the row id of the collection.
    """

    def __init__(self, caller: Caller, role: Role, grants: Mapping[int, GrantRole]) -> None:
        self._caller = caller
        self._role = role
        limit = RANKS[caller.limit]
        self._ranks = {row_id: min(RANKS[granted], limit) for row_id, granted in grants.items()}

    @property
    def readable(self) -> Within:
        """The row ids of the collections that the caller may read; None for all."""
        return None if RANKS[self._caller.role] >= RANKS["read"] else frozenset(self._ranks)

    @property
    def usable(self) -> frozenset[int]:
        """The row ids of the collections in which the caller may do what the route does."""
        return frozenset(
            row_id for row_id, rank in self._ranks.items() if rank >= RANKS[self._role]
        )

    def check(self, collection_ids: Iterable[int], *, role: Role | None = None) -> None:
        """Refuse what the caller may not do in each of some collections.

        Args:
            collection_ids: row ids.
            role: if it takes another one than that of the route.

        Raises:
            NotFound: the caller may not read one of them.
            NotAllowed: the caller may read them, but not do this.
        """
        needed, rank = role or self._role, RANKS[self._caller.role]
        ranks = [max(rank, self._ranks.get(row_id, rank)) for row_id in collection_ids]
        lowest = min(ranks, default=RANKS["admin"])
        if lowest < RANKS["read"]:
            raise NotFound("there is no such collection", status=404)
        if lowest < RANKS[needed]:
            raise NotAllowed(
                f"this needs the role {needed} in the collection; {self._caller.user!r} may only"
                f" {'read' if lowest == RANKS['read'] else 'read and write'} it",
                status=403,
            )

    def may_read(self, collection_id: int) -> bool:
        """Whether the caller may read a collection, by its row id."""
        return self.readable is None or collection_id in self.readable

    def refuse_creation(self, name: str) -> NotAllowed | NotFound:
        """Why a collection is not made; the same if there is one that the caller may not read."""
        kind = NotAllowed if self.readable is None else NotFound
        return kind(
            f"there is no collection {name[:600]!r} that you may write to, and making one needs the"
            " role write in the whole stack",
            status=403 if kind is NotAllowed else 404,
        )

    def refuse(self) -> NotAllowed:
        """Why a route is not for this caller."""
        return refusal(self._caller, self._role)


def refusal(caller: Caller, role: Role) -> NotAllowed:
    """Why a route that wants a role is not for a caller."""
    return NotAllowed(
        f"this needs a key with the role {role}; this key has the role {caller.role}", status=403
    )


def may_read_thing(store: Store, caller: Caller, thing: Thing, key: str) -> bool:
    """Whether a caller may read a thing, by its public id. It asks the store: to be used in a thread."""
    if RANKS[caller.role] >= RANKS["read"]:
        return True
    access = Access(caller, "read", store.grants.of_user(caller.user_id))
    ids = store.grants.collections_of(thing, key)
    return all(access.may_read(row_id) for row_id in ids or ())


async def limit_access(
    connection: Connection, scope: Scope | None, caller: Caller, role: Role
) -> None:
    """Let in a caller by what is granted to their user; see the module.

    Raises:
        NotAllowed: the route is about the whole stack, or nothing is granted.
        NotFound: the route's path names something that the caller may not read.
    """
    if scope is None:
        raise refusal(caller, role)
    services = services_of(connection)
    grants = await services.call(services.store.grants.of_user, caller.user_id)
    access = Access(caller, role, grants)
    is_reader = RANKS[caller.role] >= RANKS["read"]
    if (is_reader or (scope.needs_grant and role != "read")) and not access.usable:
        raise refusal(caller, role)
    connection.scope["state"][_ACCESS] = access
    check_thing = Permissions(connection).check_thing
    for name, thing in scope.path.items():
        await services.call(check_thing, thing, path_text(connection.path_params, name))


class Permissions:
    """What the caller of a request may reach. It asks the store: to be used in a thread.

    Args:
        connection: a request that has passed the guard.
    """

    def __init__(self, connection: Connection) -> None:
        self._changes = cast("HTTPScope", connection.scope)["method"] not in _READING
        self._caller: Caller = connection.scope["auth"]
        self._access: Access | None = connection.scope["state"].get(_ACCESS)
        self._store = services_of(connection).store

    @property
    def is_limited(self) -> bool:
        """Whether the caller's role suffices for the route in some collections only."""
        return self._access is not None

    @property
    def readable(self) -> Within:
        """The row ids of the collections that the caller may read; None for all."""
        return None if self._access is None else self._access.readable

    @property
    def usable(self) -> Within:
        """The row ids of the collections in which the caller may do what the route does; None for all."""
        return None if self._access is None else self._access.usable

    @property
    def collection_check(self) -> CheckCollections | None:
        """Checks collections by their row ids; None if there is nothing to check."""
        return None if self._access is None else self._access.check

    def may(self, role: Role) -> bool:
        """Whether the caller has this role in the whole stack, or a larger one."""
        return RANKS[self._caller.role] >= RANKS[role]

    def check_collections(self, collection_ids: Iterable[int], *, role: Role | None = None) -> None:
        """Refuse collections, by row id, in which the caller may not do what the route does.

        Raises:
            NotFound, NotAllowed: as `Access.check`.
        """
        if self._access is not None:
            self._access.check(collection_ids, role=role)

    def may_read(self, collection_id: int) -> bool:
        """Whether the caller may read a collection, by its row id."""
        return self._access is None or self._access.may_read(collection_id)

    def refuse_whole_stack(self) -> None:
        """Refuse a request that names no collection and so is about all of them.

        Raises:
            NotAllowed: the caller's role does not suffice for that.
        """
        if self._access is not None:
            raise self._access.refuse()

    def refuse_without_grant(self) -> None:
        """Refuse a caller who may do what the route does in no collection at all.

        Raises:
            NotAllowed: always, for such a caller.
        """
        if self._access is not None and not self._access.usable:
            raise self._access.refuse()

    def look_up_collection(
        self, id_or_name: str, *, kind: int | None = None, adopts: bool | None = None
    ) -> CollectionRow | None:
        """The collection with this id, or else of this name; None also if the caller may not read it.

        Args:
            id_or_name: an id goes before a name.
            kind: of the collection, if it is named; None prefers one of images.
            adopts: whether images of guessed collections whose keys fit the name move there first, which
                is a write; never by a key that may only read. None: unless the request is a GET, which
                changes nothing.

        Raises:
            NotAllowed: the caller may read it, but not do what the route does.
        """
        if adopts is None:
            adopts = self._changes
        collections = self._store.collections
        look_up = collections.adopt if adopts and self.may("write") else collections.find
        row = look_up(id_or_name, kind=kind)
        if row is None or self._access is None:
            return row
        if not self._access.may_read(row.row_id):
            return None
        self._access.check([row.row_id])
        return row

    def find_collection(self, id_or_name: str, *, adopts: bool | None = None) -> CollectionRow:
        """The collection with this id, or else of this name; see `look_up_collection`.

        Raises:
            NotFound: there is none that the caller may read.
            NotAllowed: the caller may read it, but not do what the route does.
        """
        row = self.look_up_collection(id_or_name, adopts=adopts)
        if row is not None:
            return row
        is_waiting = self.may("write") and self._store.collections.has_waiting(id_or_name)
        raise NotFound(
            f"there is no collection {id_or_name[:600]!r}",
            hint=(
                "there are images whose keys begin with this name: create the collection, and they move there"
                if is_waiting
                else None
            ),
            status=404,
        )

    def find_row_id(self, id_or_name: str | None) -> int | None:
        """The row id of a collection, as `find_collection`; None for None, which stands for all."""
        return None if id_or_name is None else self.find_collection(id_or_name).row_id

    def check_thing(self, thing: Thing, key: str) -> None:
        """Check the collections that a thing is about. What does not exist is left to the handler.

        Raises:
            NotFound, NotAllowed: as `Access.check`.
        """
        if self._access is None:
            return
        ids = self._store.grants.collections_of(thing, key)
        try:
            self._access.check(ids or ())
        except NotFound as error:
            raise NotFound(f"there is no {thing} {key[:600]!r}", status=404) from error

    def check_images(self, image_ids: Collection[int]) -> None:
        """Check the collections of images, by row id.

        Raises:
            NotFound, NotAllowed: as `Access.check`.
        """
        if self._access is not None and image_ids:
            collections = self._store.grants.collections_of_images(image_ids)
            self._access.check(collections.values())

    def may_read_image(self, image_id: int) -> bool:
        """Whether the caller may read an image, by its row id."""
        try:
            self.check_images([image_id])
        except NotFound:
            return False
        return True

    def create_collection(self, name: str | None, kind: int, work: Callable[[], Answer]) -> Answer:
        """Do work that makes a collection if there is none of this name and kind.

        Whoever makes one needs the role write in the whole stack, and administers it from then on.

        Args:
            name: of the collection; None or empty if there is none to be made.
            kind: 5 images, 4 videos, 7 other files.
            work: part of the same transaction, if that is to be one.
        """
        plain = (name or "").rstrip("/")
        if not plain or self.may("admin"):
            return work()
        find = partial(self._store.collections.find_by_name, plain, kind)
        row = find()
        if self._access is not None:
            if row is None or not self._access.may_read(row.row_id):
                raise self._access.refuse_creation(plain)
            self._access.check([row.row_id])
        answer = work()
        created = find() if row is None else None
        if created is not None:
            self._store.grants.give_creator(created.row_id, self._caller.user_id)
        return answer
