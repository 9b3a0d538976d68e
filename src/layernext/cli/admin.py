"""`layernext keys`: API keys, straight on the stack's data, running or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import typer

from layernext.cli.configuration import AsJson
from layernext.cli.output import print_json, print_table, say
from layernext.cli.serve import DatabaseUrl, DataFolder, data_folder, show_key
from layernext.cli.stack_extra import load_stack
from layernext.errors import DataError, NotFound, Problem
from layernext.model import find_names_problem

keys = typer.Typer(
    help="API keys of a stack, on its own data: works while it runs and while it does not.",
    no_args_is_help=True,
)


@contextmanager
def _store(data: Any, database: str | None) -> Iterator[Any]:
    app: Any = load_stack()
    settings = app.Settings(data=data_folder(data), database=database)
    store = app.open_store(settings)
    try:
        yield store
    finally:
        store.close()


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    role: Annotated[
        Literal["read", "write", "admin"], typer.Option("--role", help="What it may do.")
    ] = "write",
    data: DataFolder = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key and show its secret, once.

    Examples:

        layernext keys create "training cluster" --role write

        layernext keys create ci --role read --data ./stack --json
    """
    problem = find_names_problem(name, "a key")
    if problem:
        raise DataError(Problem("the name", problem))
    with _store(data, database) as store:
        show_key(store.create_key(name, role), None, as_json=as_json)


@keys.command("list")
def list_keys(
    data: DataFolder = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """List API keys, without their secrets.

    Example:

        layernext keys list --data ./stack
    """
    with _store(data, database) as store:
        rows = store.list_keys()
    if as_json:
        print_json(rows)
        return
    print_table(
        ["Key", "Name", "Role", "Created", "Revoked"],
        [[r.api_key, r.name, r.role, r.created_at[:19], (r.revoked_at or "")[:19]] for r in rows],
        "no keys yet",
    )


@keys.command("revoke")
def revoke(
    api_key: Annotated[str, typer.Argument(help="The key, such as key_w7cu….")],
    data: DataFolder = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Revoke an API key: requests with it are refused from now on.

    Example:

        layernext keys revoke key_w7cua6xwr7oav97zafwt --data ./stack
    """
    with _store(data, database) as store:
        if not store.revoke_key(api_key):
            raise NotFound(f"there is no key {api_key!r} in use", status=404)
    if as_json:
        print_json({"api_key": api_key, "revoked": True})
    else:
        say(f"revoked {api_key}")
