"""`layernext check`: whether the files of a stack are those that its database lists."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from layernext.cli import exit_codes
from layernext.cli.backup import opened, progress
from layernext.cli.options import AsJson, Quiet, Yes
from layernext.cli.output import counted, print_json, say, size_text, tell
from layernext.cli.prompts import confirm
from layernext.cli.stack_extra import load_stack
from layernext.cli.stack_location import StackLocation
from layernext.errors import ConfigurationError

SHOWN_PATHS = 20
ORPHAN_HOURS = 24.0


def check(
    checksums: Annotated[
        bool, typer.Option("--checksums", help="Also verify the SHA-256 of every file.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="List the repairs, prompt, and make them."),
    ] = False,
    yes: Yes = False,
    orphans_after: Annotated[
        float,
        typer.Option(
            "--orphans-after",
            min=0.0,
            metavar="HOURS",
            help="Report unreferenced objects older than this many hours.",
        ),
    ] = ORPHAN_HOURS,
    *,
    stack: StackLocation,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compare a stack's database with its files.

    The stack may keep serving. The exit code is 4 if there are problems. --repair removes unreferenced
    objects, marks missing files as missing and regenerates missing thumbnails. It cannot recover
    the content of a missing file.

    Examples:

        layernext check --data ./stack

        layernext check --data ./stack --checksums --repair --yes
    """
    if repair and orphans_after < ORPHAN_HOURS:
        raise ConfigurationError(
            f"--repair needs --orphans-after {ORPHAN_HOURS:g} or more: "
            "a newer object may belong to an upload in progress"
        )
    app: Any = load_stack()
    settings = stack.existing()
    with opened(app, settings) as (rows, store):
        checked = app.backup.check(
            rows,
            store,
            progress(quiet),
            with_checksums=checksums,
            orphan_age_s=orphans_after * 3600,
        )
    if not as_json:
        _tell(checked)
    repaired = None
    if repair and (checked.orphans or checked.missing or checked.is_of_other_database):
        _tell_plan(checked)
        if not yes:
            confirm("Repair?", "nothing repaired")
        repaired = _repair(app, settings, checked)
    _report(checked, repaired, as_json=as_json)


def _report(checked: Any, repaired: Any, *, as_json: bool) -> None:
    """Print what was repaired; exit code 4 if problems remain."""
    if as_json:
        print_json({"checked": checked, "problems": checked.problem_count, "repaired": repaired})
    elif repaired is not None:
        tell(
            f"repaired: {counted(repaired.removed, 'object')} removed, "
            f"{counted(repaired.marked, 'row')} marked"
        )
    unrepaired = checked.wrong_size or checked.wrong_content or checked.database
    if unrepaired or (checked.problem_count and repaired is None):
        raise typer.Exit(exit_codes.DATA)


def _repair(app: Any, settings: Any, checked: Any) -> Any:
    with opened(app, settings) as (rows, store):
        count = len(checked.orphans) + len(checked.missing)
        entry = app.operator_entry("repair stack", count=count)
        return app.backup.repair(rows, store, checked, entry)


def _tell_plan(checked: Any) -> None:
    if checked.orphans:
        say(
            f"to repair: remove {counted(len(checked.orphans), 'object')} without a reference, "
            f"{size_text(checked.orphan_bytes)}"
        )
    if checked.is_of_other_database:
        say(
            "to repair: record that the objects belong to this database; until now they belonged to another "
            "one, or to this one at another address"
        )
    if checked.missing:
        say(f"to repair: mark {counted(len(checked.missing), 'file')} as missing")


def _tell(checked: Any) -> None:
    tell(
        f"{counted(checked.files, 'file')} and thumbnails in the database; objects of "
        f"{size_text(checked.size_bytes)}; {counted(checked.problem_count, 'problem')}"
    )
    if checked.marked:
        tell(f"{counted(len(checked.marked), 'file')} already marked as missing")
    if checked.unchecked:
        say(
            f"note: {counted(checked.unchecked, 'linked file')} not checked; pass the --allow-link of `serve`"
        )
    _name("missing", [f"{named.path} ({named.table})" for named in checked.missing])
    _name("wrong size", [f"{named.path} ({named.table})" for named in checked.wrong_size])
    _name("wrong content", [f"{named.path} ({named.table})" for named in checked.wrong_content])
    _name("not referenced", checked.orphans)
    _name("damaged", checked.database)
    if checked.is_of_other_database:
        tell(
            "the objects are marked as those of another database, so housekeeping does not touch them"
        )


def _name(what: str, paths: list[str]) -> None:
    for path in paths[:SHOWN_PATHS]:
        tell(f"{what}: {path}")
    if len(paths) > SHOWN_PATHS:
        tell(f"{what}: … {len(paths) - SHOWN_PATHS:,} more; --json names all")
