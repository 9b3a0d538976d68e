"""`layernext users`, `grant`, `revoke` and `grants`: who may do what."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal, cast

import typer

from layernext.cli.command_groups import GROUPS, CommandGroup
from layernext.cli.configuration import ApiKey, AsJson, ConfigFile, Secret, Url, connect
from layernext.cli.output import print_json, print_table, say, tell
from layernext.errors import NotFound
from layernext.model import GrantRole

users = CommandGroup(help=GROUPS["users"].summary)

CollectionName = Annotated[str, typer.Argument(help="Collection, by name or id.")]
UserName = Annotated[str, typer.Argument(metavar="NAME", help="User, by name.")]

ROLES = ("read", "write", "admin")
GRANT_ORDER = "the collection comes first: layernext grant COLLECTION NAME ROLE"
REVOKE_ORDER = "the collection comes first: layernext revoke COLLECTION NAME"


@contextmanager
def _order_shown(order: str) -> Iterator[None]:
    """What does not exist may be an argument in another's place."""
    try:
        yield
    except NotFound as error:
        error.hint = error.hint or order
        raise


@users.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Name of the user.")],
    kind: Annotated[
        Literal["person", "service"], typer.Option("--kind", help="What the user is.")
    ] = "person",
    role: Annotated[
        Literal["none", "read", "write", "admin"],
        typer.Option("--role", help="What they may do in every collection."),
    ] = "none",
    email: Annotated[
        str | None,
        typer.Option("--email", help="Email address that they sign in with (OpenID Connect)."),
    ] = None,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Add a person or a service.

    Examples:

        layernext users add "Ada Lovelace" --email ada@example.com

        layernext users add labeler --kind service --role read --json
    """
    with connect(api_key, secret, url, config) as client:
        user = client.users.add(name, kind=kind, role=role, email=email)
    if as_json:
        print_json(user.to_dict())
    else:
        noun = "user" if user.kind == "person" else "service"
        tell(f"added {noun} {user.name!r} ({_role_text(user.role)})")
        if user.role == "none":
            say(f"next: layernext grant COLLECTION {shlex.quote(user.name)} read|write|admin")
        say(f"a key: layernext keys create KEY_NAME --user {shlex.quote(user.name)} --data FOLDER")


def _role_text(role: str) -> str:
    return "no role" if role == "none" else f"role {role}"


@users.command("list")
def list_users(
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """List people and services.

    Examples:

        layernext users list

        layernext users list --json
    """
    with connect(api_key, secret, url, config) as client:
        rows = client.users.list()
    if as_json:
        print_json([row.to_dict() for row in rows])
        return
    print_table(
        ["Name", "Kind", "Role", "Email"],
        [[row.name, row.kind, row.role, row.email or ""] for row in rows],
        "no users yet",
    )


@users.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="Name of the user.")],
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Remove a user: their grants and sessions end, their API keys are revoked.

    Examples:

        layernext users remove "Ada Lovelace"

        layernext users remove labeler --json
    """
    with connect(api_key, secret, url, config) as client:
        user = client.users.remove(name)
    if as_json:
        print_json(user.to_dict())
    else:
        tell(f"removed {user.name!r}")


def grant(
    collection: CollectionName,
    user: UserName,
    role: Annotated[
        str,
        typer.Argument(
            metavar="ROLE",
            help="What they may do: read, write or admin; each includes the ones before it.",
        ),
    ],
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Grant a user a role in a collection.

    It is in addition to the user's role in the whole stack.

    Examples:

        layernext grant kitchen "Ada Lovelace" write

        layernext grant kitchen labeler read --json
    """
    if role not in ROLES:
        is_misplaced = {collection, user} & set(ROLES)
        text = f"{role!r} is not one of {', '.join(ROLES)}"
        raise typer.BadParameter(GRANT_ORDER if is_misplaced else text)
    with connect(api_key, secret, url, config) as client, _order_shown(GRANT_ORDER):
        made = client.grants.add(collection, user, cast("GrantRole", role))
    if as_json:
        print_json(made.to_dict())
    else:
        tell(f"{made.user!r} has the role {made.role} in {made.collection!r}")


def revoke(
    collection: CollectionName,
    user: UserName,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Revoke a user's role in a collection.

    Examples:

        layernext revoke kitchen "Ada Lovelace"

        layernext revoke kitchen labeler --json
    """
    with connect(api_key, secret, url, config) as client, _order_shown(REVOKE_ORDER):
        is_revoked = client.grants.remove(collection, user)
    if as_json:
        print_json({"collection": collection, "user": user, "revoked": is_revoked})
    else:
        tell("revoked" if is_revoked else f"{user!r} had no role in {collection!r}")


def grants(
    collection: Annotated[
        str | None, typer.Argument(help="Collection, by name or id. Default: all.")
    ] = None,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """List roles granted in collections.

    They are in addition to the users' roles in the whole stack.

    Examples:

        layernext grants

        layernext grants kitchen --json
    """
    with connect(api_key, secret, url, config) as client:
        rows = client.grants.list(collection)
    if as_json:
        print_json([row.to_dict() for row in rows])
        return
    print_table(
        ["Collection", "User", "Role"],
        [[row.collection, row.user, row.role] for row in rows],
        "no roles granted",
    )
