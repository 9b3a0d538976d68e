"""`layernext items similar` and `layernext items declare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from layernext.cli.configuration import ApiKey, AsJson, ConfigFile, Secret, Url, connect
from layernext.cli.library import items
from layernext.cli.output import print_json, print_table, say, tell
from layernext.errors import DataError, Problem

__all__ = ["items"]


@items.command("similar")
def find_similar(
    model: Annotated[str, typer.Argument(help="Name of the model that made the vectors.")],
    image: Annotated[
        str | None, typer.Option("--image", help="Unique name of the reference image.")
    ] = None,
    vector: Annotated[
        Path | None,
        typer.Option("--vector", help="JSON file with a list of numbers, instead of --image."),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, max=1_000, help="Number of images.")
    ] = 10,
    metric: Annotated[
        Literal["cosine", "dot", "l2"], typer.Option("--metric", help="Measure of similarity.")
    ] = "cosine",
    collection: Annotated[
        str | None, typer.Option("--collection", help="Only this collection, by name or id.")
    ] = None,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """List the images whose vectors are nearest to an image's, or to a given vector, nearest first.

    Examples:

        layernext items similar clip --image kitchen_3.jpg

        layernext items similar clip --vector query.json --collection kitchen -n 20 --json
    """
    numbers = None if vector is None else read_numbers(vector)
    with connect(api_key, secret, url, config) as client:
        found = client.embeddings.search(
            model,
            unique_name=image,
            vector=numbers,
            count=count,
            metric=metric,
            collection=collection,
        )
    if as_json:
        print_json([each.to_dict() for each in found])
        return
    rows = [(each.unique_name, f"{each.score:.4f}") for each in found]
    print_table(("image", "score"), rows, "no image has a vector of this model")


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
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Declare metadata fields and tags; without options, list them.

    A stack started with --strict-metadata accepts only declared fields and tags.

    Examples:

        layernext items declare

        layernext items declare --field shift --field weather --tag rain

        layernext items declare --tag rain --withdraw --json
    """
    with connect(api_key, secret, url, config) as client:
        if fields or tags:
            names = client.metadata.declare(fields or [], tags or [], withdraw=withdraw)
        else:
            names = client.metadata.names()
    if as_json:
        print_json(names.to_dict())
        return
    for kind, some in (("field", names.fields), ("tag", names.tags)):
        for name in some:
            tell(f"{kind}  {name}")
    taken = "these" if names.is_strict else "any"
    say(f"The stack takes {taken} metadata fields and tags.")
