"""`layernext backup`, `restore` and `backups`: work on the stack's data, while it serves."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from layernext.cli import exit_codes
from layernext.cli.command_groups import GROUPS, CommandGroup
from layernext.cli.options import AsJson, Quiet
from layernext.cli.output import counted, print_json, print_table, say, size_text, tell
from layernext.cli.stack_extra import load_stack
from layernext.cli.stack_location import StackLocation
from layernext.errors import ConfigurationError

SHOWN_PATHS = 20
_SAME_SCHEMES = {"s3a": "s3", "gcs": "gs", "azure": "az"}

Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint", help="URL of the S3-compatible store of the backups, if it is not AWS."
    ),
]
Snapshot = Annotated[
    str | None,
    typer.Option(
        "--snapshot",
        help="Id of the snapshot. Default: the newest, if all snapshots are of one stack.",
    ),
]
BackupTarget = Annotated[str, typer.Argument(help="Folder or s3://bucket/prefix of the backups.")]

backups = CommandGroup(help=GROUPS["backups"].summary)


def backup(
    target: Annotated[
        str, typer.Argument(help="Folder or s3://bucket/prefix; created if missing.")
    ],
    endpoint: Endpoint = None,
    *,
    stack: StackLocation,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Back up the database and files of a stack.

    The backup is consistent, and the stack may keep serving. A second backup into the same
    target copies only new files. After an interruption, repeat the command. The exit code
    is 8 if files of the stack are missing or damaged; everything else is backed up.

    Examples:

        layernext backup /backups --data ./stack

        layernext backup s3://bucket/backups --database postgresql://layernext@db.internal/layernext
    """
    app: Any = load_stack()
    settings = stack.existing()
    check_apart(target, endpoint, settings)
    backup_target = app.backup.Target(target, endpoint, is_new_fine=True)
    with opened(app, settings) as (rows, store):
        manifest = app.backup.back_up(rows, store, backup_target, progress(quiet))
    if as_json:
        print_json(_summary(manifest))
    else:
        tell(
            f"snapshot {manifest.id}: {counted(manifest.objects.count - manifest.missing, 'file')}, "
            f"{size_text(manifest.size_bytes)}; {manifest.new_objects:,} new, "
            f"{size_text(manifest.new_bytes)} copied"
        )
    if manifest.linked:
        say(
            f"note: {counted(manifest.linked, 'linked file')} not in the backup, only what the database "
            "knows of them; back up where they lie"
        )
    if manifest.missing or manifest.damaged:
        say(
            f"warning: {manifest.missing:,} of the stack's files are missing and {manifest.damaged:,} "
            "damaged; `layernext check --checksums` lists them"
        )
        raise typer.Exit(exit_codes.INCOMPLETE)


def restore(
    source: BackupTarget,
    snapshot: Snapshot = None,
    endpoint: Endpoint = None,
    *,
    stack: StackLocation,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into an empty stack.

    The new stack may use either database, and a folder or a bucket for files. Every checksum is
    verified. After an interruption, repeat the command. The exit code is 8 if the backup
    lacks files; they are listed, and everything else is restored.

    Examples:

        layernext restore /backups --data ./new-stack

        layernext restore s3://bucket/backups --database postgresql://layernext@db.internal/new
    """
    app: Any = load_stack()
    settings = stack.settings()
    check_apart(source, endpoint, settings)
    backup_target = app.backup.Target(source, endpoint, is_new_fine=False)
    manifest = backup_target.newest() if snapshot is None else backup_target.manifest(snapshot)
    with opened(app, settings) as (rows, store):
        entry = app.operator_entry("restore backup", f"snapshot {manifest.id}")
        restored = app.backup.restore(backup_target, manifest, rows, store, progress(quiet), entry)
    if as_json:
        print_json(restored)
    else:
        tell(
            f"restored snapshot {restored.snapshot}, taken {restored.taken_at}: "
            f"{counted(sum(restored.tables.values()), 'row')} in {len(restored.tables)} tables, "
            f"{counted(restored.files, 'file')}, {size_text(restored.size_bytes)}"
        )
    if restored.replaced:
        columns = ", ".join(f"{count:,} in {name}" for name, count in restored.replaced.items())
        say(f"warning: PostgreSQL cannot store U+0000; replaced by U+FFFD: {columns}")
    if restored.lost:
        _name_paths("lost", restored.lost_paths, restored.lost)
        raise typer.Exit(exit_codes.INCOMPLETE)


@backups.command("list")
def list_backups(target: BackupTarget, endpoint: Endpoint = None, as_json: AsJson = False) -> None:
    """List the snapshots of a target, oldest first.

    Examples:

        layernext backups list /backups

        layernext backups list s3://bucket/backups --json
    """
    app: Any = load_stack()
    snapshots = app.backup.Target(target, endpoint, is_new_fine=False).list_snapshots()
    if as_json:
        print_json([_summary(manifest) for manifest in snapshots])
        return
    print_table(
        ["Snapshot", "Taken (UTC)", "Files", "Size", "New", "Database", "Schema"],
        [
            [
                manifest.id,
                manifest.taken_at[:16].replace("T", " "),
                manifest.objects.count,
                size_text(manifest.size_bytes),
                size_text(manifest.new_bytes),
                manifest.database,
                manifest.revision,
            ]
            for manifest in snapshots
        ],
        "no snapshots yet",
    )


@backups.command("prune")
def prune_backups(
    target: BackupTarget,
    keep: Annotated[
        int,
        typer.Option("--keep", min=1, help="Number of newest snapshots of each stack to keep."),
    ],
    endpoint: Endpoint = None,
    as_json: AsJson = False,
) -> None:
    """Delete old snapshots, and the files that only they use.

    Examples:

        layernext backups prune /backups --keep 14
    """
    app: Any = load_stack()
    dropped = app.backup.prune(app.backup.Target(target, endpoint, is_new_fine=False), keep)
    if as_json:
        print_json(dropped)
        return
    tell(
        f"{counted(len(dropped.snapshots), 'snapshot')} deleted, {len(dropped.kept):,} kept; "
        f"{counted(dropped.objects, 'file')} deleted, {size_text(dropped.size_bytes)}"
    )


@backups.command("verify")
def verify_backup(
    target: BackupTarget,
    snapshot: Snapshot = None,
    endpoint: Endpoint = None,
    remove_damaged: Annotated[
        bool,
        typer.Option(
            "--remove-damaged",
            help="Remove damaged files from the target, so that the next backup copies them again.",
        ),
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Read a whole snapshot and verify every checksum.

    The exit code is 4 if anything is damaged. While --remove-damaged runs, no backup can be written.

    Examples:

        layernext backups verify /backups

        layernext backups verify /backups --remove-damaged
    """
    app: Any = load_stack()
    backup_target = app.backup.Target(target, endpoint, is_new_fine=False)
    manifest = backup_target.newest() if snapshot is None else backup_target.manifest(snapshot)
    verified = app.backup.verify(
        backup_target, manifest, progress(quiet), removes_damaged=remove_damaged
    )
    if as_json:
        print_json(verified)
    else:
        tell(
            f"snapshot {verified.snapshot}: {counted(verified.files, 'file')} verified, "
            f"{size_text(verified.size_bytes)}; {counted(len(verified.problems), 'problem')}"
        )
    if verified.problems:
        _name_paths("damaged", verified.problems, len(verified.problems))
        if remove_damaged:
            say(f"{counted(verified.removed, 'damaged file')} removed; run the backup again")
        raise typer.Exit(exit_codes.DATA)


@contextmanager
def opened(app: Any, settings: Any) -> Iterator[tuple[Any, Any]]:
    """A stack's database, its tables left as they are, and its store of objects."""
    store = app.open_objects(settings)
    rows = app.open_database(settings)
    try:
        yield rows, store
    finally:
        rows.close()


def progress(quiet: bool) -> Callable[[str, int | None], AbstractContextManager[Any]]:
    """A function that shows a bar of bytes on standard error, if that is a terminal."""
    console = Console(stderr=True)
    is_shown = console.is_terminal and not quiet

    @contextmanager
    def show(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True, disable=not is_shown) as bar:
            task = bar.add_task(what, total=total)
            yield lambda count: bar.advance(task, count)

    return show


def check_apart(target: str, endpoint: str | None, settings: Any) -> None:
    """Refuse a target that contains the stack's files or lies among them."""
    stack_endpoint = settings.objects_options.get("endpoint")
    of_target = _location(target, endpoint)
    of_stack = _location(settings.objects or str(settings.objects_folder), stack_endpoint)
    folder = Path(target).expanduser().resolve()
    is_inside = "://" not in target and folder.is_relative_to(settings.data.resolve())
    if is_inside or all(left == right for left, right in zip(of_target, of_stack, strict=False)):
        raise ConfigurationError(
            f"{target} contains the stack's files or is inside their folder; use another folder or prefix"
        )


def _location(text: str, endpoint: str | None) -> tuple[str, ...]:
    """The store, and the folders on the way to a place in it; the same for all spellings of it.

    A location that begins with another one lies in it.
    """
    scheme, is_url, rest = text.partition("://")
    scheme = _SAME_SCHEMES.get(scheme.lower(), scheme.lower())
    if not is_url or scheme == "file":
        path = unquote(urlsplit(text).path) if is_url else text
        return "", *Path(path).expanduser().resolve().parts
    bucket, _, prefix = unquote(rest).partition("/")
    server = endpoint or os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""
    folders = posixpath.normpath(f"/{prefix}").split("/")
    return f"{scheme}://{server.lower().rstrip('/')}", bucket.lower(), *filter(None, folders)


def _summary(manifest: Any) -> dict[str, Any]:
    return {
        "snapshot": manifest.id,
        "taken_at": manifest.taken_at,
        "stack": manifest.stack,
        "database": manifest.database,
        "revision": manifest.revision,
        "version": manifest.version,
        "rows": sum(dump.file.count for dump in manifest.tables),
        "files": manifest.objects.count,
        "size_bytes": manifest.size_bytes,
        "new_files": manifest.new_objects,
        "new_bytes": manifest.new_bytes,
        "missing": manifest.missing,
        "damaged": manifest.damaged,
        "linked": manifest.linked,
    }


def _name_paths(what: str, paths: list[str], count: int) -> None:
    for path in paths[:SHOWN_PATHS]:
        say(f"{what}: {path}")
    if count > SHOWN_PATHS:
        say(f"… and {count - min(SHOWN_PATHS, len(paths)):,} more; --json names all")
