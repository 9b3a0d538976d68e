"""`layernext labels`: the classes of annotations that a stack knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layernext.cli.command_groups import GROUPS, ListingGroup
from layernext.cli.connection import Connection
from layernext.cli.options import AsJson
from layernext.cli.output import print_rows

if TYPE_CHECKING:
    from layernext.client import Label

labels = ListingGroup(help=GROUPS["labels"].summary)


@labels.command("list")
def list_labels(as_json: AsJson = False, *, connection: Connection) -> None:
    """List labels with their colors and attributes.

    Examples:

        layernext labels list

        layernext labels list --json
    """
    with connection.open() as client:
        rows = client.labels.list()
    show_labels(rows, as_json=as_json)


def show_labels(rows: list[Label], *, as_json: bool = False) -> None:
    """Print labels."""
    print_rows(
        rows,
        ["Label", "Color", "Attributes", "Reference"],
        lambda row: [
            row.name,
            row.color,
            ", ".join(attribute.name for attribute in row.attributes),
            row.ref,
        ],
        "no labels yet",
        as_json=as_json,
    )
