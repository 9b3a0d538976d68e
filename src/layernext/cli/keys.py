"""`layernext keys`: API keys, in the stack's data, whether it runs or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import typer

from layernext.cli.command_groups import GROUPS, CommandGroup
from layernext.cli.options import AsJson
from layernext.cli.output import print_json, print_table, tell, time_text
from layernext.cli.serve import show_key
from layernext.cli.stack_extra import load_stack
from layernext.cli.stack_location import StackDatabase
from layernext.errors import DataError, NotFound, Problem
from layernext.model import find_names_problem

keys = CommandGroup(help=GROUPS["keys"].summary)


@contextmanager
def _open_store(settings: Any) -> Iterator[Any]:
    app: Any = load_stack()
    app.set_up_logging(settings)
    store = app.open_store(settings)
    try:
        yield store
    finally:
        store.close()


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Name of the key, such as the machine that uses it.")],
    role: Annotated[
        Literal["read", "write", "admin"], typer.Option("--role", help="Permissions of the key.")
    ] = "write",
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            min=0.001,
            max=1e6,
            metavar="REQUESTS",
            help="Maximum requests per second. Default: the limit of the stack for every key.",
        ),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(
            "--user",
            help="User that the key belongs to, by name. Default: a service named after the key.",
        ),
    ] = None,
    *,
    stack: StackDatabase,
    as_json: AsJson = False,
) -> None:
    """Create an API key and show its secret, which is shown only once.

    Examples:

        layernext keys create "training cluster" --role write --data ./stack

        layernext keys create laptop --user "Ada Lovelace" --data ./stack

        layernext keys create ci --role read --rate 20 --data ./stack --json
    """
    problem = find_names_problem(name, "a key")
    if problem:
        raise DataError(Problem("the name", problem))
    with _open_store(stack.settings()) as store:
        show_key(load_stack().create_key(store, name, role, rate, user), None, as_json=as_json)


@keys.command("list")
def list_keys(*, stack: StackDatabase, as_json: AsJson = False) -> None:
    """List API keys, without their secrets.

    Examples:

        layernext keys list --data ./stack

        layernext keys list --database postgresql://layernext@db.internal/layernext --json
    """
    with _open_store(stack.existing()) as store:
        rows = store.keys.list()
    if as_json:
        print_json(rows)
        return
    print_table(
        ["Key", "Name", "User", "Role", "Rate", "Created (UTC)", "Revoked (UTC)"],
        [
            [
                row.api_key,
                row.name,
                row.user,
                row.role,
                "" if row.rate is None else f"{row.rate:g}/s",
                _minute(row.created_at),
                _minute(row.revoked_at),
            ]
            for row in rows
        ],
        "no keys yet",
    )


@keys.command("revoke")
def revoke_key(
    api_key: Annotated[str, typer.Argument(help="API key, such as key_w7cu….")],
    *,
    stack: StackDatabase,
    as_json: AsJson = False,
) -> None:
    """Revoke an API key.

    Later requests with it are refused.

    Examples:

        layernext keys revoke key_w7cua6xwr7oav97zafwt --data ./stack
    """
    with _open_store(stack.existing()) as store:
        if not load_stack().revoke_key(store, api_key):
            raise NotFound(f"no API key {api_key!r} is in use", status=404)
    if as_json:
        print_json({"api_key": api_key, "revoked": True})
    else:
        tell(f"revoked {api_key}")


def _minute(moment: str | None) -> str:
    return time_text(moment or "")[:16]
