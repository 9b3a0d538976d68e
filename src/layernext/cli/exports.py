"""`layernext exports`: files in other formats, written by the stack in the background."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layernext.cli.command_groups import GROUPS, CommandGroup
from layernext.cli.connection import Connection
from layernext.cli.conversion_report import tell_losses
from layernext.cli.options import AsJson, GroundTruthOrModelRun, Quiet, Split, Strict, TargetFormat
from layernext.cli.output import counted, print_json, print_rows, say, tell
from layernext.cli.source_options import ClassOptions

if TYPE_CHECKING:
    from layernext.model import Export

exports = CommandGroup(help=GROUPS["exports"].summary)

ExportId = Annotated[str, typer.Argument(help="Id of the export.")]


@exports.command("start")
def start_export(
    target_format: TargetFormat,
    collection: Annotated[
        str | None, typer.Option("--collection", help="Collection of --run, by name or id.")
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="Model run or ground truth, by name.")
    ] = None,
    ground_truth: GroundTruthOrModelRun = None,
    version: Annotated[
        str | None,
        typer.Option(
            "--version", help="Id of a dataset version, instead of --collection and --run."
        ),
    ] = None,
    split: Split = None,
    strict: Strict = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the file is ready.")] = False,
    as_json: AsJson = False,
    *,
    labels: ClassOptions,
    connection: Connection,
) -> None:
    """Start an export of a run or a dataset version to another format, and print its id.

    If the format consists of several files, they come as one zip file. The stack keeps an export
    for 7 days.

    Examples:

        layernext exports start --collection kitchen --run "model 7" --to coco

        layernext exports start --version 65f0c0ffee --to yolo --wait --json
    """
    with connection.open() as client:
        export = client.exports.start(
            target_format,
            collection=collection,
            run=run,
            ground_truth=ground_truth,
            dataset_version=version,
            split=split,
            strict=strict,
            label_rules=labels.rules(),
        )
        if wait:
            client.jobs.wait(export.job_id)
            export = client.exports.get(export.id)
    if as_json:
        print_json(export.to_dict())
        return
    say(export.id)
    _tell(export)


@exports.command("list")
def list_exports(
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """List the exports that have not expired, newest first.

    Examples:

        layernext exports list

        layernext exports list --json
    """
    with connection.open() as client:
        rows = client.exports.list()
    print_rows(
        rows,
        ["File", "Format", "Status", "Bytes", "Until", "Id"],
        lambda row: [row.file_name, row.format, row.status, row.size or "", row.expires_at, row.id],
        "no exports",
        as_json=as_json,
    )


@exports.command("download")
def download_export(
    export_id: ExportId,
    folder: Annotated[Path, typer.Argument(help="Target folder; created if missing.")] = Path(),
    quiet: Quiet = False,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Download the file of an export.

    Repeating the command continues an interrupted download and skips a complete file.

    Examples:

        layernext exports download 65f0c0ffee

        layernext exports download 65f0c0ffee out/ --json
    """
    with connection.open() as client:
        export = client.exports.get(export_id)
        report = client.exports.download(export_id, folder, progress=False if quiet else None)
    if as_json:
        print_json(report.to_dict())
        return
    (name,) = [*report.downloaded, *report.unchanged]
    tell(f"{report.folder / name}")
    _tell(export)


@exports.command("delete")
def delete_export(
    export_id: ExportId,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Delete an export and its file before they expire.

    Examples:

        layernext exports delete 65f0c0ffee

        layernext exports delete 65f0c0ffee --json
    """
    with connection.open() as client:
        export = client.exports.delete(export_id)
    if as_json:
        print_json(export.to_dict())
    else:
        tell(f"{export.file_name} deleted")


def _tell(export: Export) -> None:
    if export.images is None:
        tell(
            f"{export.file_name}: {export.status}{f': {export.message}' if export.message else ''}"
        )
        return
    images = counted(export.images, "image")
    tell(f"{images} with {counted(export.annotations or 0, 'annotation')} in {export.file_name}")
    tell_losses(export.losses, "not kept")
