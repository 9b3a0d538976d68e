"""`layernext download`: annotations of a stack, into one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layernext.cli.connection import Connection
from layernext.cli.options import AsJson, CollectionName, Quiet
from layernext.cli.output import counted, print_json, tell


def download(
    collection: CollectionName,
    runs: Annotated[
        list[str] | None,
        typer.Argument(help="Model runs and ground truths to download. Default: all."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File to write; .gz and .zst compress.")
    ] = Path("annotations.json"),
    ground_truth: Annotated[
        bool | None,
        typer.Option("--ground-truth/--model-run", help="Only ground truth, or only model runs."),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Download annotations into a LayerNext JSON file.

    The file appears only once it is complete. A single run comes back as it was uploaded. With
    several runs, each image names its run.

    Examples:

        layernext download path1/path2 "test model v1.0.1" --out back.json

        layernext download kitchen --out everything.json.zst
    """
    with connection.open() as client:
        report = client.download_to_file(
            collection,
            runs or [],
            out,
            ground_truth=ground_truth,
            progress=False if quiet else None,
        )
    if as_json:
        print_json({"path": str(report.path), "images": report.images, "seconds": report.seconds})
    else:
        tell(f"{counted(report.images, 'image')} in {report.path}, {report.seconds:.2f} s")
