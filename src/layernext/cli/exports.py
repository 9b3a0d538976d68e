"""`layernext exports`: files in other formats, written by the stack in the background."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from layernext.cli.command_groups import GROUPS, CommandGroup
from layernext.cli.configuration import ApiKey, AsJson, ConfigFile, Secret, Url, connect
from layernext.cli.convert import Overwrite, Quiet, Strict, TargetFormat, show_report, tell_losses
from layernext.cli.library import datasets
from layernext.cli.output import counted, print_json, print_table, say, tell
from layernext.model import Export

__all__ = ["datasets", "exports"]

exports = CommandGroup(help=GROUPS["exports"].summary)

ExportId = Annotated[str, typer.Argument(help="Id of the export.")]
Split = Annotated[
    Literal["train", "validation", "test"] | None,
    typer.Option("--split", help="Only this split. Default: all."),
]


@exports.command("start")
def start(
    target_format: TargetFormat,
    collection: Annotated[
        str | None, typer.Option("--collection", help="Collection, by name or id; with --run.")
    ] = None,
    run: Annotated[str | None, typer.Option("--run", help="Model run or ground truth.")] = None,
    ground_truth: Annotated[
        bool | None,
        typer.Option(
            "--ground-truth/--model-run",
            help="Select one if both have this name.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[
        str | None, typer.Option("--version", help="Id of a dataset version, instead of --run.")
    ] = None,
    split: Split = None,
    strict: Strict = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the file is ready.")] = False,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Start an export of a run or a dataset version to another format, and print its id.

    A format that consists of several files comes as a zip file. The stack keeps it for 7 days.

    Examples:

        layernext exports start --collection kitchen --run "model 7" --to coco

        layernext exports start --version 65f0c0ffee --to yolo --wait --json
    """
    with connect(api_key, secret, url, config) as client:
        found = client.exports.start(
            target_format,
            collection=collection,
            run=run,
            ground_truth=ground_truth,
            dataset_version=version,
            split=split,
            strict=strict,
        )
        if wait:
            client.jobs.wait(found.job_id)
            found = client.exports.get(found.id)
    if as_json:
        print_json(found.to_dict())
        return
    say(found.id)
    _tell(found)


def _tell(found: Export) -> None:
    if found.images is None:
        tell(f"{found.file_name}: {found.status}{f': {found.message}' if found.message else ''}")
        return
    images = counted(found.images, "image")
    tell(f"{images} with {counted(found.annotations or 0, 'annotation')} in {found.file_name}")
    tell_losses(found.losses, "not kept")


@exports.command("list")
def list_exports(
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """List the exports that have not expired, newest first.

    Examples:

        layernext exports list

        layernext exports list --json
    """
    with connect(api_key, secret, url, config) as client:
        rows = client.exports.list()
    if as_json:
        print_json([row.to_dict() for row in rows])
        return
    print_table(
        ["File", "Format", "Status", "Bytes", "Until", "Id"],
        [
            [row.file_name, row.format, row.status, row.size or "", row.expires_at, row.id]
            for row in rows
        ],
        "no exports",
    )


@exports.command("download")
def download_export(
    export_id: ExportId,
    folder: Annotated[Path, typer.Argument(help="Target folder; created if missing.")] = Path(),
    quiet: Quiet = False,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Download the file of an export.

    Repeating the command continues an interrupted download and skips a complete file.

    Examples:

        layernext exports download 65f0c0ffee

        layernext exports download 65f0c0ffee out/ --json
    """
    with connect(api_key, secret, url, config) as client:
        found = client.exports.get(export_id)
        report = client.exports.download(export_id, folder, progress=False if quiet else None)
    if as_json:
        print_json(report.to_dict())
        return
    (name,) = [*report.downloaded, *report.unchanged]
    tell(f"{report.folder / name}")
    _tell(found)


@exports.command("delete")
def delete_export(
    export_id: ExportId,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Delete an export and its file before they expire.

    Examples:

        layernext exports delete 65f0c0ffee

        layernext exports delete 65f0c0ffee --json
    """
    with connect(api_key, secret, url, config) as client:
        found = client.exports.delete(export_id)
    if as_json:
        print_json(found.to_dict())
    else:
        tell(f"{found.file_name} deleted")


@datasets.command("export")
def export_dataset(
    version: Annotated[str, typer.Argument(help="Id of a dataset version.")],
    target: Annotated[Path, typer.Argument(help="File or folder to write.")],
    target_format: TargetFormat,
    split: Split = None,
    overwrite: Overwrite = False,
    strict: Strict = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Write a dataset version in another format, streamed.

    Data that the format cannot hold is counted and listed, with the first location of each kind.

    Examples:

        layernext datasets export 65f0c0ffee labels/ --to yolo

        layernext datasets export 65f0c0ffee train.json --to coco --split train --json
    """
    with connect(api_key, secret, url, config) as client:
        report = client.datasets.export(
            version,
            target,
            target_format,
            split=split,
            overwrite=overwrite,
            strict=strict,
            progress=False if quiet else None,
        )
    show_report(report, as_json)
