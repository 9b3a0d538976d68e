"""`layernext users`: the people and services that use a stack."""

from __future__ import annotations

import shlex
from typing import Annotated, Literal

import typer

from layernext.cli.command_groups import GROUPS, CommandGroup
from layernext.cli.connection import Connection
from layernext.cli.options import AsJson
from layernext.cli.output import print_json, print_rows, say, tell

users = CommandGroup(help=GROUPS["users"].summary)

UserName = Annotated[str, typer.Argument(help="Name of the user.")]


@users.command("add")
def add_user(
    name: UserName,
    kind: Annotated[
        Literal["person", "service"], typer.Option("--kind", help="Kind of user.")
    ] = "person",
    role: Annotated[
        Literal["none", "read", "write", "admin"],
        typer.Option("--role", help="Role in every collection."),
    ] = "none",
    email: Annotated[
        str | None,
        typer.Option("--email", help="Email address for signing in with OpenID Connect."),
    ] = None,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Add a person or a service.

    Examples:

        layernext users add "Ada Lovelace" --email ada@example.com

        layernext users add labeler --kind service --role read --json
    """
    with connection.open() as client:
        user = client.users.add(name, kind=kind, role=role, email=email)
    if as_json:
        print_json(user.to_dict())
        return
    noun = "user" if user.kind == "person" else "service"
    has_role = user.role != "none"
    tell(f"added {noun} {user.name!r} ({f'role {user.role}' if has_role else 'no role'})")
    if not has_role:
        say(f"next: layernext grants add COLLECTION {shlex.quote(user.name)} read|write|admin")
    say(f"a key: layernext keys create KEY_NAME --user {shlex.quote(user.name)} --data FOLDER")


@users.command("list")
def list_users(as_json: AsJson = False, *, connection: Connection) -> None:
    """List people and services.

    Examples:

        layernext users list

        layernext users list --json
    """
    with connection.open() as client:
        rows = client.users.list()
    print_rows(
        rows,
        ["Name", "Kind", "Role", "Email"],
        lambda row: [row.name, row.kind, row.role, row.email or ""],
        "no users yet",
        as_json=as_json,
    )


@users.command("remove")
def remove_user(name: UserName, as_json: AsJson = False, *, connection: Connection) -> None:
    """Remove a user, end their grants and sessions, and revoke their API keys.

    Examples:

        layernext users remove "Ada Lovelace"

        layernext users remove labeler --json
    """
    with connection.open() as client:
        user = client.users.remove(name)
    if as_json:
        print_json(user.to_dict())
    else:
        tell(f"removed {user.name!r}")
