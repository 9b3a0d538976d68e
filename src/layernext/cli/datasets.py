"""`layernext datasets`: frozen selections of images and annotations, divided into splits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layernext.cli.command_groups import GROUPS, CommandGroup
from layernext.cli.connection import Connection
from layernext.cli.conversion_report import show_conversion
from layernext.cli.options import (
    AsJson,
    CollectionName,
    Overwrite,
    Query,
    Quiet,
    Split,
    Strict,
    Target,
    TargetFormat,
    VersionId,
)
from layernext.cli.output import counted, print_json, print_rows, tell, tell_names
from layernext.cli.source_options import ClassOptions

datasets = CommandGroup(help=GROUPS["datasets"].summary)


@datasets.command("list")
def list_datasets(
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """List the versions of all datasets.

    Examples:

        layernext datasets list

        layernext datasets list --json
    """
    with connection.open() as client:
        rows = client.datasets.list()
    print_rows(
        rows,
        ["Dataset", "Version", "Status", "Images", "Annotations", "Splits", "Id"],
        lambda row: [
            row.dataset,
            row.version,
            row.status,
            row.image_count,
            row.annotation_count,
            ", ".join(f"{split} {count}" for split, count in row.splits.items()),
            row.id,
        ],
        "no datasets yet",
        as_json=as_json,
    )


@datasets.command("create")
def create_dataset(
    name: Annotated[str, typer.Argument(help="Name of the new dataset.")],
    collection: CollectionName,
    split: Annotated[
        tuple[float, float, float],
        typer.Option("--split", help="Percentages of train, validation and test."),
    ] = (70.0, 20.0, 10.0),
    query: Query = "",
    run: Annotated[
        list[str] | None,
        typer.Option("--run", help="Only annotations of this run; repeatable. Default: all runs."),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", help="Only these labels; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Random seed of the split.")] = 0,
    stratify: Annotated[
        bool,
        typer.Option("--stratify", help="Divide the images of each label in the same proportions."),
    ] = False,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Create a dataset from a collection and wait until it is built.

    Examples:

        layernext datasets create day1 kitchen --split 80 10 10 --stratify

        layernext datasets create day1 kitchen --query "Tags = day" --run truth --json
    """
    shares = dict(zip(("train", "validation", "test"), split, strict=True))
    with connection.open() as client:
        report = client.datasets.create(
            name,
            collection,
            shares,
            labels=label,
            export_types=["RAW", "YOLO Darknet", "COCO", "Pascal VOC"],
            query=query,
            operation_list=run or None,
            seed=seed,
            stratify=stratify,
        )
        client.jobs.wait(report.job_id)
        version = client.datasets.get_version(report.version_id)
    if as_json:
        print_json(version.to_dict())
    else:
        images = counted(version.image_count, "image")
        tell(f"version {version.version} with {images}: {version.id}")


@datasets.command("diff")
def diff_datasets(
    first: VersionId,
    second: VersionId,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Show how two dataset versions differ.

    Examples:

        layernext datasets diff 5f0c1e… 61ab77…

        layernext datasets diff 5f0c1e… 61ab77… --json
    """
    with connection.open() as client:
        diff = client.datasets.diff(first, second)
    if as_json:
        print_json(diff.to_dict())
        return
    counts = (
        f"{len(diff.added):,} added, {len(diff.removed):,} removed, {len(diff.moved):,} moved to another"
        f" split, {len(diff.changed):,} with changed annotations, {diff.unchanged:,} unchanged"
    )
    tell(counts)
    for word, names in (
        ("added", diff.added),
        ("removed", diff.removed),
        ("changed", diff.changed),
    ):
        tell_names(word, names)


@datasets.command("download")
def download_dataset(
    version: VersionId,
    folder: Annotated[Path, typer.Argument(help="Folder in which to create the version's folder.")],
    export_type: Annotated[
        str,
        typer.Option(
            "--type", help="Format of the annotations: RAW, 'YOLO Darknet', COCO or 'Pascal VOC'."
        ),
    ] = "RAW",
    media: Annotated[
        bool, typer.Option("--media/--no-media", help="Also download the images.")
    ] = True,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Download a dataset version.

    Repeating the command downloads only missing files.

    Examples:

        layernext datasets download 5f0c1e… ./data --type COCO

        layernext datasets download 5f0c1e… ./data --no-media --json
    """
    with connection.open() as client:
        report = client.datasets.download(version, export_type, folder, media)
    if as_json:
        print_json(report.to_dict())
    else:
        tell(repr(report))


@datasets.command("export")
def export_dataset(
    version: VersionId,
    target: Target,
    target_format: TargetFormat,
    split: Split = None,
    overwrite: Overwrite = False,
    strict: Strict = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    *,
    labels: ClassOptions,
    connection: Connection,
) -> None:
    """Write a dataset version in another format, streamed.

    Data that the format cannot hold is counted and listed, with the first location of each kind.

    Examples:

        layernext datasets export 65f0c0ffee labels/ --to yolo

        layernext datasets export 65f0c0ffee train.json --to coco --split train --json
    """
    with connection.open() as client:
        report = client.datasets.export(
            version,
            target,
            target_format,
            split=split,
            overwrite=overwrite,
            strict=strict,
            label_rules=labels.rules(),
            progress=False if quiet else None,
        )
    show_conversion(report, as_json)


@datasets.command("delete")
def delete_dataset(
    version: VersionId,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Permanently delete a dataset version.

    Its images and their annotations are kept.

    Examples:

        layernext datasets delete 5f0c1e…

        layernext datasets delete 5f0c1e… --json
    """
    with connection.open() as client:
        client.datasets.delete_version(version)
    if as_json:
        print_json({"deleted": version})
    else:
        tell("deleted")
