"""`layernext validate`: a file checked as an upload would, without a stack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec.structs import replace

from layernext.cli import exit_codes
from layernext.cli.conversion_report import tell_losses
from layernext.cli.options import AsJson, FileGeometry, Quiet
from layernext.cli.output import counted, print_json, tell
from layernext.cli.source_options import SourceFile, say_warnings
from layernext.cli.upload import LAYERNEXT
from layernext.client import validate_file
from layernext.errors import DataError
from layernext.formats import (
    DEFAULT_PROBLEM_LIMIT,
    Validation,
    detect_format,
    detect_geometry,
    is_archive,
    validate_source,
)
from layernext.model import Geometry


def validate(
    file: Annotated[
        Path, typer.Argument(help="File, folder or zip archive, in any supported format.")
    ],
    geometry: FileGeometry = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Stop after this many problems.")
    ] = DEFAULT_PROBLEM_LIMIT,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Refuse keys that LayerNext JSON does not know."),
    ] = False,
    *,
    source: SourceFile,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Check a file or folder as an upload would, without a stack.

    Every problem is reported with its location. Data that is valid but looks wrong is a warning:
    shapes without area or outside of their image, duplicates, confidences that are all 1.0, gaps
    in the class numbers, keys that LayerNext JSON does not know. With --json the output is one document: `valid`, and either counts,
    `warnings` and `losses`, or the list of `problems`. The exit code is 0 or 4; warnings do not
    change it.

    Examples:

        layernext validate example_bbox.json --geometry rectangle

        layernext validate labels/ --images photos/

        layernext validate run.json.gz --json
    """
    try:
        kind, shape, validation = _check(file, geometry, source, limit, strict=strict, quiet=quiet)
    except DataError as error:
        if not as_json:
            raise
        print_json(_problems(file, error))
        raise typer.Exit(exit_codes.DATA) from error
    if as_json:
        print_json({"valid": True, "file": str(file), "geometry": shape, **validation.to_dict()})
        return
    annotations = counted(validation.annotations, "annotation")
    tell(f"valid: {annotations} on {counted(validation.images, 'image')} ({kind})")
    tell_losses(validation.losses, "not read")
    say_warnings(validation.warnings)


def _check(
    file: Path,
    geometry: Geometry | None,
    source: SourceFile,
    limit: int,
    *,
    strict: bool,
    quiet: bool,
) -> tuple[str, Geometry | None, Validation]:
    """The file's format in words, its geometry if it is form v1, and what is in it."""
    kind = source.source_format or detect_format(file)
    is_layernext = kind in LAYERNEXT and not is_archive(file)
    shape = geometry or (detect_geometry(file) if is_layernext else None)
    warnings: dict[str, tuple[int, str]] = {}
    if is_layernext and source.scale_confidence is None:
        progress = False if quiet else None
        summary = validate_file(file, shape, limit=limit, strict=strict, progress=progress)
        warnings = summary.warnings
    validation = validate_source(
        file,
        kind,
        images=source.images,
        instances=source.instances,
        names=source.class_names,
        scores=source.scores,
        limit=limit,
    )
    if is_layernext:
        # What a conversion does not read, an upload keeps.
        warnings = {**warnings, **validation.warnings}
        validation = replace(validation, losses={}, warnings=warnings)
        kind = f"form v1, {shape}" if shape else "form v2"
    return kind, shape, validation


def _problems(file: Path, error: DataError) -> dict[str, Any]:
    """The document about a file that is not valid."""
    return {
        "valid": False,
        "file": str(file),
        "problems": [
            {"where": problem.where, "message": problem.message} for problem in error.problems
        ],
        "more": error.more,
        "hint": error.hint,
    }
