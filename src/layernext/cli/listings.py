"""Commands that list what a stack has: runs, collections, labels."""

from __future__ import annotations

from typing import Annotated

import typer

from layernext.cli.configuration import ApiKey, AsJson, ConfigFile, Secret, Url, connect
from layernext.cli.output import print_json, print_table
from layernext.client import Label
from layernext.model import Collection, ModelRun

KINDS = {"machine": "model run", "human": "ground truth"}


def collections(
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """List the stack's collections.

    Examples:

        layernext collections

        layernext collections --json
    """
    with connect(api_key, secret, url, config) as client:
        rows = client.collections.list()
    if as_json:
        print_json([row.to_dict() for row in rows])
    else:
        show_collections(rows)


def runs(
    collection: Annotated[
        str | None, typer.Argument(help="Collection, by name or id. Default: all.")
    ] = None,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """List model runs and ground truths with their counts.

    Examples:

        layernext runs

        layernext runs path1/path2 --json
    """
    with connect(api_key, secret, url, config) as client:
        rows = client.runs.list(collection)
    if as_json:
        print_json([row.to_dict() for row in rows])
    else:
        show_runs(rows)


def labels(
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """List labels with their colors and attributes.

    Examples:

        layernext labels

        layernext labels --json
    """
    with connect(api_key, secret, url, config) as client:
        rows = client.labels.list()
    if as_json:
        print_json([row.to_dict() for row in rows])
    else:
        show_labels(rows)


def show_collections(rows: list[Collection]) -> None:
    """The table of collections."""
    print_table(
        ["Collection", "Images", "Awaiting their file", "Id"],
        [
            [row.name or "(unnamed)", row.image_count, row.awaiting_file_count, row.id]
            for row in rows
        ],
        "no collections yet",
    )


def show_runs(rows: list[ModelRun]) -> None:
    """The table of model runs and ground truths."""
    print_table(
        ["Run", "Kind", "Collection", "Images", "Annotations", "Updated (UTC)"],
        [
            [
                row.name,
                KINDS[row.mode],
                row.collection or "(unnamed)",
                row.image_count,
                row.annotation_count,
                row.updated_at[:19].replace("T", " "),
            ]
            for row in rows
        ],
        "no model runs yet",
    )


def show_labels(rows: list[Label]) -> None:
    """The table of labels."""
    print_table(
        ["Label", "Color", "Attributes", "Reference"],
        [
            [row.name, row.color, ", ".join(each.name for each in row.attributes), row.ref]
            for row in rows
        ],
        "no labels yet",
    )
