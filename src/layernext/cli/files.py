"""`layernext files`: upload and download of images, videos and other files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from msgspec import to_builtins

from layernext.cli import exit_codes
from layernext.cli.command_groups import GROUPS, CommandGroup
from layernext.cli.connection import Connection
from layernext.cli.options import AsJson, CollectionName, FileType, Quiet
from layernext.cli.output import (
    SHOWN_NAMES,
    counted,
    print_json,
    print_rows,
    print_table,
    say,
    size_text,
    tell,
)
from layernext.cli.source_options import SourceFile
from layernext.formats import NameMatch, detect_format, read_format

SHOWN_CANDIDATES = 3

files = CommandGroup(help=GROUPS["files"].summary)

Parallel = Annotated[
    int,
    typer.Option(
        "--parallel", min=1, max=64, help="Number of files or file parts to transfer at a time."
    ),
]


@files.command("upload")
def upload_files(
    path: Annotated[Path, typer.Argument(help="File, or folder including its subfolders.")],
    collection: Annotated[str, typer.Argument(help="Collection; created if missing.")],
    kind: FileType = "image",
    pattern: Annotated[
        list[str] | None,
        typer.Option("--pattern", "-p", help="Only files that match, such as '*.png'; repeatable."),
    ] = None,
    metadata: Annotated[
        Path | None,
        typer.Option("--metadata", help="JSON file with metadata for individual files."),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Tag for every file; repeatable.")
    ] = None,
    parallel: Parallel = 8,
    quiet: Quiet = False,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Upload images, videos or other files.

    Files already in the collection are skipped. After an interruption, repeat the command. Files
    are named by their path relative to the folder. The exit code is 8 if a file could not be uploaded.

    Examples:

        layernext files upload photos/ kitchen

        layernext files upload photos/ kitchen --pattern "*.png" --tag night --json
    """
    with connection.open() as client:
        report = client.files.upload(
            path,
            kind,
            collection,
            {"Tags": tag} if tag else None,
            metadata_file_path=metadata,
            patterns=pattern,
            parallel=parallel,
            on_error="report",
            progress=False if quiet else None,
        )
    if as_json:
        print_json(report.to_dict())
    else:
        tell(
            f"{counted(len(report.uploaded), 'file')} uploaded, {len(report.skipped):,} already there, "
            f"{len(report.failed):,} failed; {size_text(report.bytes_sent)}, {report.seconds:.2f} s"
        )
        if report.ignored:
            tell(
                f"left out: {counted(len(report.ignored), 'file')} of the folder; --json names them"
            )
    _report_failures([(file.path, file.reason) for file in report.failed])


@files.command("download")
def download_files(
    collection: CollectionName,
    folder: Annotated[Path, typer.Argument(help="Target folder; created if missing.")],
    query: Annotated[
        str | None,
        typer.Option("--query", help="Only files that match the query; see docs/queries.md."),
    ] = None,
    delete: Annotated[
        bool,
        typer.Option(
            "--delete", help="Remove downloaded files that are no longer in the collection."
        ),
    ] = False,
    parallel: Parallel = 8,
    quiet: Quiet = False,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Download the files of a collection that are missing or have changed.

    Each file appears once it is complete and verified. The exit code is 8 if a
    file could not be downloaded.

    Examples:

        layernext files download kitchen photos/

        layernext files download kitchen photos/ --delete --json
    """
    with connection.open() as client:
        report = client.files.download(
            collection,
            folder,
            query=query,
            delete=delete,
            parallel=parallel,
            on_error="report",
            progress=False if quiet else None,
        )
    if as_json:
        print_json(report.to_dict())
    else:
        deletions = f", {len(report.deleted):,} deleted" if delete else ""
        tell(
            f"{counted(len(report.downloaded), 'file')} fetched, {len(report.unchanged):,} already "
            f"there, {len(report.failed):,} failed{deletions}; {size_text(report.bytes_received)}, "
            f"{report.seconds:.2f} s"
        )
    _report_failures([(file.name, file.reason) for file in report.failed])


@files.command("list")
def list_files(
    collection: CollectionName,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """List the files of a collection, by name.

    Examples:

        layernext files list kitchen

        layernext files list kitchen --json
    """
    with connection.open() as client:
        rows = client.files.list(collection)
    print_rows(
        rows,
        ["File", "Bytes", "Type", "Pixels", "State"],
        lambda row: [
            row.name,
            row.size,
            row.content_type or "",
            f"{row.width} x {row.height}" if row.width else "",
            row.state,
        ],
        "no files yet",
        as_json=as_json,
    )


def _report_failures(failed: list[tuple[str, str]]) -> None:
    """Print what failed, and exit with the code for incomplete work."""
    if not failed:
        return
    for what, reason in failed[:SHOWN_NAMES]:
        say(f"error: {what}: {reason}")
    if len(failed) > SHOWN_NAMES:
        say(f"error: and {len(failed) - SHOWN_NAMES:,} more; --json names all")
    raise typer.Exit(exit_codes.INCOMPLETE)


@files.command("link")
def link_files(
    collection: CollectionName,
    source: Annotated[
        str,
        typer.Argument(help="Folder where the stack runs, or s3://bucket/prefix, gs:// or az://."),
    ],
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until all files are linked.")
    ] = True,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Let a collection have the images below a folder or prefix, without copying them.

    The stack reads the images where they lie. `layernext serve --allow-link` must allow the
    source. Repeat the command to link what is new and to note what has changed or gone. Linked
    files are not part of backups.

    Examples:

        layernext files link kitchen /mnt/photos

        layernext files link kitchen s3://bucket/photos --json
    """
    with connection.open() as client:
        job = client.files.link(collection, source)
        if wait:
            job = client.jobs.wait(str(job.id))
    if as_json:
        print_json(job.to_dict())
    else:
        tell(job.message if wait else f"job {job.id} links {source}")


@files.command("match")
def match_names(
    collection: CollectionName,
    file: Annotated[Path, typer.Argument(help="File or folder of annotations, in any format.")],
    as_json: AsJson = False,
    *,
    source: SourceFile,
    connection: Connection,
) -> None:
    """Preview which images of a collection the names in a file match, and why.

    `layernext upload --match-names` uses the same rules. Nothing is changed. The exit code is 4
    if a name matches several images, or two names match the same one.

    Examples:

        layernext files match kitchen labels.json

        layernext files match kitchen export/ --from label-studio --json
    """
    kind = source.source_format or detect_format(file)
    samples = read_format(
        file, kind, images=source.images, instances=source.instances, names=source.class_names
    )
    with connection.open() as client:
        matches = client.files.match(collection, (sample.image for sample in samples))
    fitting = Counter(match.name for match in matches.values() if match.name is not None)
    if as_json:
        print_json({name: to_builtins(match) for name, match in matches.items()})
    else:
        rows = [
            (
                name,
                match.name or ", ".join(match.candidates[:SHOWN_CANDIDATES]),
                _outcome(match, fitting),
            )
            for name, match in matches.items()
        ]
        print_table(["name in the file", "image", "rule"], rows, "the file has no image")
        count = sum(match.name is not None for match in matches.values())
        tell(f"{count:,} of {counted(len(matches), 'name')} match")
    if any(match.candidates for match in matches.values()) or any(n > 1 for n in fitting.values()):
        raise typer.Exit(exit_codes.DATA)


def _outcome(match: NameMatch, fitting: Counter[str]) -> str:
    if match.candidates:
        return f"fits several images: {match.rule}"
    if match.name is None:
        return "no image"
    return f"{match.rule}; another name fits it, too" if fitting[match.name] > 1 else match.rule
