"""`layernext upload`: a model run or ground truth, from a file into a stack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from layernext.cli import exit_codes
from layernext.cli.connection import Connection
from layernext.cli.conversion_report import tell_losses
from layernext.cli.option_groups import OptionGroup
from layernext.cli.options import AsJson, FileGeometry, Quiet
from layernext.cli.output import Interrupted, counted, print_json, say, tell, visible
from layernext.cli.runs import KINDS
from layernext.cli.source_options import (
    LabelOptions,
    MatchNames,
    SkipInvalid,
    SourceFile,
    say_skipped,
    say_warnings,
    source_options,
)
from layernext.errors import ConfigurationError
from layernext.formats import detect_format, detect_geometry, is_archive

if TYPE_CHECKING:
    from layernext.client import UploadReport
    from layernext.model import Geometry

SHOWN_LABELS = 20
LAYERNEXT = {"layernext", "layernext-v1"}
"""Formats that are sent as they are."""


@dataclass(frozen=True)
class Sending(OptionGroup):
    """What to upload the annotations as, and when to stop."""

    ground_truth: Annotated[
        bool, typer.Option("--ground-truth", help="Upload as ground truth.")
    ] = False
    normalized: Annotated[
        bool, typer.Option("--normalized", help="Coordinates are fractions of the image's size.")
    ] = False
    match_names: MatchNames = False
    skip_invalid: SkipInvalid = False
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Fail if any data cannot be read or a key is unknown, instead of listing it.",
        ),
    ] = False
    allow_losses: Annotated[
        bool,
        typer.Option("--allow-losses", help="Exit with code 0 even if shapes could not be read."),
    ] = False
    validate: Annotated[
        Literal["first", "stream"],
        typer.Option(
            "--validate", help="Check the whole file first, or each batch before it is sent."
        ),
    ] = "first"
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted upload.")] = (
        False
    )


def upload(
    collection: Annotated[str, typer.Argument(help="Collection, such as path1/path2.")],
    run: Annotated[str, typer.Argument(help="Name of the model run or ground truth.")],
    file: Annotated[Path, typer.Argument(help="File or folder; LayerNext JSON or another format.")],
    geometry: FileGeometry = None,
    *,
    source: SourceFile,
    labels: LabelOptions,
    sending: Sending,
    quiet: Quiet = False,
    as_json: AsJson = False,
    connection: Connection,
) -> int:
    """Upload a model run or ground truth from a file.

    The upload replaces all annotations of this run on each image in the file. Repeating an upload
    changes nothing. If the file is not valid, nothing is sent. LayerNext JSON is sent unchanged;
    keys that it does not know are kept and listed.
    With other formats, data that cannot be read is counted and listed. If that includes
    annotations or their shapes, such as keypoints, the rest is uploaded and the exit code is 4, unless
    --allow-losses is given. The same applies to annotations that --skip-invalid leaves out.

    Examples:

        layernext upload path1/path2 "test model v1.0.1" example_bbox.json --geometry rectangle

        layernext upload kitchen truth labels.json.zst --ground-truth --json

        layernext upload kitchen truth labels/ --from yolo --images photos/ --ground-truth
    """
    with connection.open() as client:
        try:
            report = client.upload_modelrun(
                collection,
                run,
                file,
                **_reading(file, geometry, source, labels, sending),
                ground_truth=sending.ground_truth,
                normalized=sending.normalized,
                strict=sending.strict,
                validate=sending.validate,
                resume=sending.resume,
                progress=False if quiet else None,
            )
        except KeyboardInterrupt:
            raise Interrupted(
                "interrupted; repeat the command with --resume to send the rest"
            ) from None
    if as_json:
        print_json(report.to_dict())
    else:
        _tell_report(report)
    trouble = _trouble_of(report, sending.allow_losses)
    if trouble:
        say(f"error: {trouble}")
    return exit_codes.DATA if trouble else exit_codes.OK


def _reading(
    file: Path,
    geometry: Geometry | None,
    source: SourceFile,
    labels: LabelOptions,
    sending: Sending,
) -> dict[str, Any]:
    """The arguments of `upload_modelrun` that say how to read the file."""
    kind = source.source_format or detect_format(file)
    options = source_options(
        labels.rules(),
        source.class_names,
        source.scores,
        sending.skip_invalid,
        sending.match_names,
        source.video,
    )
    is_unchanged = options.change_nothing and not options.match_names
    if kind in LAYERNEXT and is_unchanged and not is_archive(file):
        # Sent as it is: nothing in it has to be changed first.
        return {
            "geometry": geometry or detect_geometry(file),
            "images": source.images,
            "instances": source.instances,
        }
    if geometry is not None or sending.normalized:
        option = "--normalized" if geometry is None else "--geometry"
        raise ConfigurationError(
            f"{file} is in the format {kind}, which defines geometry and units itself; leave out {option}"
        )
    return {
        "format": kind,
        "images": source.images,
        "instances": source.instances,
        "source_options": options,
    }


def _trouble_of(report: UploadReport, allow_losses: bool) -> str | None:
    """Why a finished upload counts as a failure; None if it does not."""
    if not report.images:
        return f"the file has no images: {report.no_images_notice}"
    if report.losses and not report.annotations:
        return "no annotation in the file could be read, so its images were uploaded without annotations"
    if report.skipped and not allow_losses:
        return (
            f"{counted(report.skipped, 'invalid annotation')} left out (see above); the rest is uploaded. "
            "Pass --allow-losses to accept this"
        )
    if report.lost_shapes and not allow_losses:
        return (
            f"{counted(report.lost_shapes, 'annotation')} could not be read completely (see above); "
            "the rest is uploaded. Pass --allow-losses to accept this, or --strict to send nothing"
        )
    return None


def _tell_report(report: UploadReport) -> None:
    tell(
        f"{KINDS[report.mode]} {report.run} in {report.collection}: "
        f"{counted(report.annotations, 'annotation')} on {counted(report.images, 'image')}"
    )
    if report.unmatched_images:
        unmatched = counted(report.unmatched_images, "image")
        verb, owner = ("has", "its") if report.unmatched_images == 1 else ("have", "their")
        tell(f"{unmatched} {verb} no file yet; {owner} annotations are stored")
    if report.new_labels:
        labels = report.new_labels[:SHOWN_LABELS]
        more = (
            f" and {len(report.new_labels) - len(labels)} more"
            if labels != report.new_labels
            else ""
        )
        # `tell` takes line breaks at the end of a line for ours.
        tell(f"new labels: {visible(', '.join(labels))}{more}")
    tell_losses(report.losses, "not read")
    say_warnings(report.warnings)
    say_skipped(report.skipped, report.problems)
    sent = counted(report.bytes_sent, "byte")
    tell(f"{sent} in {counted(report.batches, 'request')}, {report.seconds:.2f} s")
