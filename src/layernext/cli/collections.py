"""`layernext collections`: the named sets of files in a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from layernext.cli.command_groups import GROUPS, ListingGroup
from layernext.cli.connection import Connection
from layernext.cli.options import AsJson, CollectionName
from layernext.cli.output import print_json, print_rows, print_table, tell

if TYPE_CHECKING:
    from layernext.model import Collection

collections = ListingGroup(help=GROUPS["collections"].summary)

DETAILS = ("fileSize", "fileCount", "frameCount", "storagePath", "Tags", "createdAt", "updatedAt")


@collections.command("list")
def list_collections(as_json: AsJson = False, *, connection: Connection) -> None:
    """List the stack's collections.

    Examples:

        layernext collections list

        layernext collections list --json
    """
    with connection.open() as client:
        rows = client.collections.list()
    show_collections(rows, as_json=as_json)


@collections.command("show")
def show_collection(
    collection: CollectionName, as_json: AsJson = False, *, connection: Connection
) -> None:
    """Show one collection: its type, size, tags and times.

    Examples:

        layernext collections show kitchen

        layernext collections show kitchen --json
    """
    with connection.open() as client:
        details = client.collections.details(collection, dict.fromkeys(DETAILS, True))
    if as_json:
        print_json(details)
    else:
        print_table(["Field", "Value"], sorted(details.items()), "no details")


@collections.command("create")
def create_collection(
    name: Annotated[str, typer.Argument(help="Name of the new collection.")],
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Create an empty collection of images.

    Uploads create missing collections themselves.

    Examples:

        layernext collections create kitchen

        layernext collections create path1/path2 --json
    """
    with connection.open() as client:
        collection = client.collections.create(name)
    if as_json:
        print_json(collection.to_dict())
    else:
        tell(f"collection {collection.name}: {collection.id}")


def show_collections(rows: list[Collection], *, as_json: bool = False) -> None:
    """Print collections."""
    print_rows(
        rows,
        ["Collection", "Images", "Awaiting their file", "Id"],
        lambda row: [
            row.name or "(unnamed)",
            row.image_count,
            row.awaiting_file_count,
            row.id,
        ],
        "no collections yet",
        as_json=as_json,
    )
