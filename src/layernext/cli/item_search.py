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
    model: Annotated[str, typer.Argument(help="Name of the model whose vectors are compared.")],
    image: Annotated[
        str | None, typer.Option("--image", help="Unique name of the image to be near to.")
    ] = None,
    vector: Annotated[
        Path | None, typer.Option("--vector", help="Or a JSON file with a list of numbers.")
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1_000, help="How many.")] = 10,
    metric: Annotated[
        Literal["cosine", "dot", "l2"], typer.Option("--metric", help="How they are compared.")
    ] = "cosine",
    collection: Annotated[
        str | None, typer.Option("--collection", help="Look only in this one, by name or id.")
    ] = None,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Images whose vectors are nearest to an image's, or to a vector; nearest first.

    Examples:

        layernext items similar clip --image kitchen_3.jpg

        layernext items similar clip --vector query.json --collection kitchen -n 20 --json
    """
    numbers = None if vector is None else read_numbers(vector)
    with connect(api_key, secret, url, config) as client:
        found = client.find_similar(
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
    print_table(("image", "score"), rows, "No image has a vector of this model.")


def read_numbers(path: Path) -> list[float]:
    """The numbers in a JSON file.

    Raises:
        DataError: it holds no list of numbers.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[float])
    except OSError as error:
        raise DataError(Problem(str(path), f"cannot be read: {error.strerror}")) from error
    except msgspec.MsgspecError as error:
        raise DataError(Problem(str(path), f"is not a list of numbers: {error}")) from error


@items.command("declare")
def declare_names(
    fields: Annotated[list[str] | None, typer.Option("--field", help="A metadata field.")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="A tag.")] = None,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Undo it; metadata that is there stays.")
    ] = False,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Declare metadata fields and tags, or list those that are.

    A stack that was started with --strict-metadata takes no others.

    Examples:

        layernext items declare

        layernext items declare --field shift --field weather --tag rain

        layernext items declare --tag rain --withdraw --json
    """
    with connect(api_key, secret, url, config) as client:
        if fields or tags:
            names = client.declare_metadata(fields or [], tags or [], withdraw=withdraw)
        else:
            names = client.get_metadata_names()
    if as_json:
        print_json(names.to_dict())
        return
    for kind, some in (("field", names.fields), ("tag", names.tags)):
        for name in some:
            tell(f"{kind}  {name}")
    taken = "these" if names.is_strict else "any"
    say(f"The stack takes {taken} metadata fields and tags.")
