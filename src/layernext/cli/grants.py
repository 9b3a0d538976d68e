"""`layernext grants`: the roles of users in single collections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, cast

import typer

from layernext.cli.command_groups import GROUPS, ListingGroup, UsageError
from layernext.cli.connection import Connection
from layernext.cli.options import AnyCollection, AsJson, CollectionName
from layernext.cli.output import print_json, print_rows, tell
from layernext.errors import NotFound

if TYPE_CHECKING:
    from layernext.model import GrantRole

grants = ListingGroup(help=GROUPS["grants"].summary)

UserName = Annotated[str, typer.Argument(metavar="USER", help="User, by name.")]

ROLES = ("read", "write", "admin")
ADD_ORDER = "the collection comes first: layernext grants add COLLECTION USER ROLE"
REMOVE_ORDER = "the collection comes first: layernext grants remove COLLECTION USER"


@contextmanager
def _hint_at_order(order: str) -> Iterator[None]:
    """A collection that does not exist may be a user's name in the wrong position."""
    try:
        yield
    except NotFound as error:
        error.hint = error.hint or order
        raise


@grants.command("list")
def list_grants(
    collection: AnyCollection = None, as_json: AsJson = False, *, connection: Connection
) -> None:
    """List roles granted in collections.

    They add to the users' roles in the whole stack.

    Examples:

        layernext grants list

        layernext grants list kitchen --json
    """
    with connection.open() as client:
        rows = client.grants.list(collection)
    print_rows(
        rows,
        ["Collection", "User", "Role"],
        lambda row: [row.collection, row.user, row.role],
        "no roles granted",
        as_json=as_json,
    )


@grants.command("add")
def add_grant(
    collection: CollectionName,
    user: UserName,
    role: Annotated[
        str,
        typer.Argument(
            metavar="ROLE",
            help="read, write or admin; each includes the ones before it.",
        ),
    ],
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Grant a user a role in a collection.

    It adds to the user's role in the whole stack.

    Examples:

        layernext grants add kitchen "Ada Lovelace" write

        layernext grants add kitchen labeler read --json
    """
    if role not in ROLES:
        is_misplaced = {collection, user} & set(ROLES)
        text = f"{role!r} is not one of {', '.join(ROLES)}"
        raise UsageError(ADD_ORDER if is_misplaced else text)
    with connection.open() as client, _hint_at_order(ADD_ORDER):
        grant = client.grants.add(collection, user, cast("GrantRole", role))
    if as_json:
        print_json(grant.to_dict())
    else:
        tell(f"{grant.user!r} has the role {grant.role} in {grant.collection!r}")


@grants.command("remove")
def remove_grant(
    collection: CollectionName, user: UserName, as_json: AsJson = False, *, connection: Connection
) -> None:
    """Remove a user's role in a collection.

    Examples:

        layernext grants remove kitchen "Ada Lovelace"

        layernext grants remove kitchen labeler --json
    """
    with connection.open() as client, _hint_at_order(REMOVE_ORDER):
        is_revoked = client.grants.remove(collection, user)
    if as_json:
        print_json({"collection": collection, "user": user, "revoked": is_revoked})
    else:
        tell("removed" if is_revoked else f"{user!r} had no role in {collection!r}")
