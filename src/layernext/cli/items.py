"""`layernext items`: find, trash, restore and purge the files in a stack."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from layernext.cli.command_groups import GROUPS, CommandGroup
from layernext.cli.connection import Connection
from layernext.cli.options import AnyCollection, AsJson, CollectionName, FileType, Limit, Query, Yes
from layernext.cli.output import counted, print_json, print_rows, say, size_text, tell, tell_names
from layernext.cli.prompts import confirm
from layernext.errors import DataError, Problem
from layernext.model import Item

items = CommandGroup(help=GROUPS["items"].summary)


@items.command("list")
def list_items(
    collection: AnyCollection = None,
    query: Query = "",
    limit: Limit = 100,
    trash: Annotated[bool, typer.Option("--trash", help="List files in the trash.")] = False,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """List files, or only those that match a query.

    Examples:

        layernext items list kitchen --query "label = cup AND annotation.confidence > 0.8"

        layernext items list --trash --json
    """
    with connection.open() as client:
        find = client.trash.iter if trash else client.items.iter
        rows = list(islice(find(collection, query=query), limit + 1))
    if len(rows) > limit:
        del rows[limit:]
        say(f"note: only the first {limit} are listed; pass a higher --limit for more")
    print_rows(
        rows,
        ["Name", "Collection", "Type", "Size", "Pixels", "Unique name"],
        lambda row: [
            row.name,
            row.collection,
            row.media_type or row.content_type,
            "awaiting" if row.size is None else row.size,
            _pixels(row),
            row.unique_name,
        ],
        "no files match",
        as_json=as_json,
    )


def _pixels(row: Item) -> str:
    size = f"{row.width}x{row.height}" if row.width else ""
    declared = f"{row.declared_width}x{row.declared_height}" if row.declared_width else ""
    if not declared or (row.has_file and declared == size):
        return size
    return f"{size} (declared {declared})" if row.has_file else f"{declared} (declared)"


@items.command("trash")
def trash_items(
    collection: CollectionName,
    query: Query = "",
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Move the files of a collection to the trash, or only those that match a query.

    `layernext items restore` undoes this.

    Examples:

        layernext items trash kitchen --query "metadata.blurred = true"

        layernext items trash kitchen --json
    """
    with connection.open() as client:
        report = client.trash.add_from_collection(collection, query)
    if as_json:
        print_json(report.to_dict())
    else:
        tell(f"{counted(report.files or 0, 'file')} moved to the trash")


@items.command("restore")
def restore_items(
    collection: AnyCollection = None,
    query: Query = "",
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Restore files from the trash, with their annotations.

    Examples:

        layernext items restore kitchen

        layernext items restore --query "Tags = keep" --json
    """
    with connection.open() as client:
        count = client.trash.restore(collection, query=query)
    if as_json:
        print_json({"restored": count})
    else:
        tell(f"{counted(count, 'file')} restored")


@items.command("purge")
def purge_items(
    collection: AnyCollection = None,
    query: Query = "",
    older_than: Annotated[
        float,
        typer.Option(
            "--older-than",
            min=0.0,
            max=36500.0,
            metavar="DAYS",
            help="Only files that were moved to the trash at least this many days ago.",
        ),
    ] = 0.0,
    yes: Yes = False,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Permanently delete the files in the trash, with their annotations and metadata.

    Needs an admin key. Images that are part of a dataset version are kept.

    Examples:

        layernext items purge --older-than 30

        layernext items purge kitchen --yes --json
    """
    with connection.open() as client:
        if not yes:
            owner = "the stack" if collection is None else repr(collection)
            confirm(
                f"Permanently delete the trash of {owner}? This cannot be undone.",
                "nothing deleted",
            )
        report = client.trash.purge(collection, query=query, older_than_days=older_than)
    if as_json:
        print_json(report.to_dict())
        return
    tell(f"{counted(report.files, 'file')} permanently deleted, {size_text(report.size_bytes)}")
    if report.kept:
        tell(f"{counted(report.kept, 'file')} kept: they are part of a dataset version, or in use")


@items.command("metadata")
def upload_metadata(
    collection: Annotated[str, typer.Argument(help="Collection, by name.")],
    file: Annotated[Path, typer.Argument(help='JSON: {"files": [{"file": …, "metadata": {…}}]}.')],
    kind: FileType = "image",
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Set metadata and tags of a collection's files from a JSON file.

    Examples:

        layernext items metadata kitchen metadata.json

        layernext items metadata kitchen metadata.json --type video --json
    """
    with connection.open() as client:
        report = client.upload_metadata_for_files(collection, kind, file)
    if as_json:
        print_json(report.to_dict())
        return
    tell(f"metadata of {counted(report.updated, 'file')} set")
    tell_names("no such file", report.unmatched)


@items.command("similar")
def find_similar(
    model: Annotated[str, typer.Argument(help="Model that made the vectors, by name.")],
    image: Annotated[
        str | None, typer.Option("--image", help="Unique name of the reference image.")
    ] = None,
    vector: Annotated[
        Path | None,
        typer.Option("--vector", help="JSON file with a list of numbers, instead of --image."),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, max=1_000, help="Number of images to list.")
    ] = 10,
    metric: Annotated[
        Literal["cosine", "dot", "l2"], typer.Option("--metric", help="Measure of similarity.")
    ] = "cosine",
    collection: Annotated[
        str | None, typer.Option("--collection", help="Only this collection, by name or id.")
    ] = None,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """List the images whose vectors are most similar to that of an image, or to a given vector.

    The most similar images come first.

    Examples:

        layernext items similar clip --image kitchen_3.jpg

        layernext items similar clip --vector query.json --collection kitchen -n 20 --json
    """
    numbers = None if vector is None else read_numbers(vector)
    with connection.open() as client:
        rows = client.embeddings.search(
            model,
            unique_name=image,
            vector=numbers,
            count=count,
            metric=metric,
            collection=collection,
        )
    print_rows(
        rows,
        ["Image", "Score"],
        lambda row: [row.unique_name, f"{row.score:.4f}"],
        "no image has a vector of this model",
        as_json=as_json,
    )


@items.command("declare")
def declare_names(
    fields: Annotated[
        list[str] | None, typer.Option("--field", help="Metadata field; repeatable.")
    ] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="Tag; repeatable.")] = None,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Withdraw the declaration; stored metadata is kept.")
    ] = False,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Declare metadata fields and tags; without options, list them.

    A stack started with --strict-metadata accepts only declared fields and tags.

    Examples:

        layernext items declare

        layernext items declare --field shift --field weather --tag rain

        layernext items declare --tag rain --withdraw --json
    """
    with connection.open() as client:
        if fields or tags:
            names = client.metadata.declare(fields or [], tags or [], withdraw=withdraw)
        else:
            names = client.metadata.names()
    if as_json:
        print_json(names.to_dict())
        return
    for kind, declared in (("field", names.fields), ("tag", names.tags)):
        for name in declared:
            tell(f"{kind}  {name}")
    accepted = "only these" if names.is_strict else "any"
    say(f"The stack accepts {accepted} metadata fields and tags.")


def read_numbers(path: Path) -> list[float]:
    """The numbers in a JSON file.

    Raises:
        DataError: it does not hold a list of numbers.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[float])
    except OSError as error:
        raise DataError(Problem(str(path), f"cannot be read: {error.strerror}")) from error
    except msgspec.MsgspecError as error:
        raise DataError(Problem(str(path), f"is not a list of numbers: {error}")) from error
