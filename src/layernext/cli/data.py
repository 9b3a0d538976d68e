"""Commands that move data: upload, validate, download, rm."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from layernext.cli import exit_codes
from layernext.cli.configuration import ApiKey, AsJson, ConfigFile, Secret, Url, connect
from layernext.cli.convert import Instances, tell_losses
from layernext.cli.listings import KINDS
from layernext.cli.output import Interrupted, counted, print_json, say, tell, visible
from layernext.cli.source_options import (
    IgnoreCase,
    Labels,
    MapLabels,
    Names,
    ScaleConfidence,
    SkipInvalid,
    label_rules,
    listed,
    say_skipped,
    say_warnings,
    source_options,
)
from layernext.client import UploadReport, validate_file
from layernext.errors import ConfigurationError, DataError, NotFound
from layernext.formats import (
    DEFAULT_PROBLEM_LIMIT,
    Scores,
    detect_format,
    detect_geometry,
    is_archive,
    validate_source,
)

FileGeometry = Annotated[
    Literal["rectangle", "polygon", "line"] | None,
    typer.Option("--geometry", help="Geometry of a form v1 file; detected by default."),
]
SHOWN_LABELS = 20
LAYERNEXT = {"layernext", "layernext-v1"}
"""Formats that are sent as they are."""

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar.")]


def upload(
    collection: Annotated[str, typer.Argument(help="Collection, such as path1/path2.")],
    run: Annotated[str, typer.Argument(help="Name of the model run or ground truth.")],
    file: Annotated[Path, typer.Argument(help="File or folder; LayerNext JSON or another format.")],
    source_format: Annotated[
        str | None,
        typer.Option("--from", help="Format of the file, as in convert; detected by default."),
    ] = None,
    geometry: FileGeometry = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Folder with the images, if the file lacks their sizes."),
    ] = None,
    instances: Instances = None,
    names: Names = None,
    labels: Labels = None,
    map_labels: MapLabels = None,
    ignore_case: IgnoreCase = False,
    scale_confidence: ScaleConfidence = None,
    skip_invalid: SkipInvalid = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Fail if any data cannot be read, instead of listing it."),
    ] = False,
    allow_losses: Annotated[
        bool,
        typer.Option("--allow-losses", help="Exit with code 0 even if shapes could not be read."),
    ] = False,
    ground_truth: Annotated[
        bool, typer.Option("--ground-truth", help="Upload as ground truth.")
    ] = False,
    normalized: Annotated[
        bool, typer.Option("--normalized", help="Coordinates are fractions of the image's size.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted upload.")
    ] = False,
    validate: Annotated[
        Literal["first", "stream"],
        typer.Option("--validate", help="Check the whole file before sending, or each batch."),
    ] = "first",
    quiet: Quiet = False,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> int:
    """Upload a model run or ground truth from a file.

    The upload replaces all annotations of this run on each image in the file. Repeating an upload
    changes nothing. If the file is not valid, nothing is sent. LayerNext JSON is sent unchanged.
    With other formats, data that cannot be read is counted and listed. If that includes
    annotations or their shapes, such as masks, the rest is uploaded and the exit code is 4, unless
    --allow-losses is given. The same applies to annotations that --skip-invalid leaves out.

    Examples:

        layernext upload path1/path2 "test model v1.0.1" example_bbox.json --geometry rectangle

        layernext upload kitchen truth labels.json.zst --ground-truth --json

        layernext upload kitchen truth labels/ --from yolo --images photos/ --ground-truth
    """
    kind = source_format or detect_format(file)
    rules = label_rules(labels, map_labels, ignore_case, class_agnostic=False)
    taken = source_options(rules, names, scale_confidence, skip_invalid)
    # LayerNext JSON is sent as it is, unless something in it is to be changed first.
    is_ours = kind in LAYERNEXT and taken.change_nothing and not is_archive(file)
    if not is_ours and (geometry is not None or normalized):
        option = "--normalized" if geometry is None else "--geometry"
        raise ConfigurationError(
            f"{file} is in the format {kind}, which defines geometry and units itself; leave out {option}"
        )
    with connect(api_key, secret, url, config) as client:
        try:
            report = client.upload_modelrun(
                collection,
                run,
                file,
                geometry=geometry or detect_geometry(file) if is_ours else geometry,
                ground_truth=ground_truth,
                normalized=normalized,
                format=None if is_ours else kind,
                images=images,
                instances=instances,
                source_options=None if is_ours else taken,
                strict=strict,
                validate=validate,
                resume=resume,
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
    trouble = _trouble_of(report, allow_losses)
    if trouble:
        say(f"error: {trouble}")
    return exit_codes.DATA if trouble else exit_codes.OK


def _trouble_of(report: UploadReport, allow_losses: bool) -> str | None:
    """Why a finished upload counts as a failure; None if it does not."""
    if not report.images:
        return f"the file has no images: {report.no_images_notice}"
    if report.losses and not report.annotations:
        return "no annotation in the file could be read, so its images were uploaded without annotations"
    if report.skipped and not allow_losses:
        return (
            f"{counted(report.skipped, 'invalid annotation')} left out (see above); the rest is uploaded. "
            "--allow-losses accepts this"
        )
    if report.lost_shapes and not allow_losses:
        return (
            f"{counted(report.lost_shapes, 'annotation')} could not be read completely (see above); "
            "the rest is uploaded. --allow-losses accepts this; --strict sends nothing"
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


def validate(
    file: Annotated[Path, typer.Argument(help="File, folder or zip archive in any format.")],
    source_format: Annotated[
        str | None,
        typer.Option("--from", help="Its format, as in convert; detected by default."),
    ] = None,
    geometry: FileGeometry = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Folder with the images, if the file lacks their sizes."),
    ] = None,
    instances: Instances = None,
    names: Names = None,
    scale_confidence: ScaleConfidence = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Stop after this many problems.")
    ] = DEFAULT_PROBLEM_LIMIT,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Check a file or folder as an upload would, without a stack.

    Every problem is reported with its location. What is valid and looks wrong is a warning: shapes
    without area or outside of their image, duplicates, confidences that are all 1.0, class numbers
    that skip. With --json the output is one document: `valid`, and either counts, `warnings` and
    `losses`, or the list of `problems`. The exit code is 0 or 4; warnings do not change it.

    Examples:

        layernext validate example_bbox.json --geometry rectangle

        layernext validate labels/ --images photos/

        layernext validate run.json.gz --json
    """
    try:
        kind = source_format or detect_format(file)
        is_ours = kind in LAYERNEXT and not is_archive(file)
        shape = geometry or (detect_geometry(file) if is_ours else None)
        if is_ours and scale_confidence is None:
            validate_file(file, shape, limit=limit, progress=False if quiet else None)
        validation = validate_source(
            file,
            kind,
            images=images,
            instances=instances,
            names=listed(names),
            scores=Scores.parse(scale_confidence),
            limit=limit,
        )
    except DataError as error:
        if not as_json:
            raise
        print_json(
            {
                "valid": False,
                "file": str(file),
                "problems": [
                    {"where": problem.where, "message": problem.message}
                    for problem in error.problems
                ],
                "more": error.more,
                "hint": error.hint,
            }
        )
        raise typer.Exit(exit_codes.DATA) from error
    if as_json:
        print_json({"valid": True, "file": str(file), "geometry": shape, **validation.to_dict()})
        return
    form = ("form v1, " + shape if shape else "form v2") if is_ours else kind
    annotations = counted(validation.annotations, "annotation")
    tell(f"valid: {annotations} on {counted(validation.images, 'image')} ({form})")
    tell_losses(validation.losses, "not read")
    say_warnings(validation.warnings)


def download(
    collection: Annotated[str, typer.Argument(help="Collection, by name or id.")],
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
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Download annotations into a LayerNext JSON file.

    The file appears only when it is complete. A single run comes back as it was uploaded. With
    several runs, each image names its run.

    Examples:

        layernext download path1/path2 "test model v1.0.1" --out back.json

        layernext download kitchen --out everything.json.zst
    """
    with connect(api_key, secret, url, config) as client:
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


def rm(
    collection: Annotated[str, typer.Argument(help="Collection, by name or id.")],
    run: Annotated[str, typer.Argument(help="Model run or ground truth.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without prompting.")] = False,
    missing_ok: Annotated[
        bool, typer.Option("--missing-ok", help="Exit with code 0 if there is no such run.")
    ] = False,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Remove a run's annotations from a collection.

    This removes the model run and the ground truth of that name. If there is neither, the exit
    code is 5, or 0 with --missing-ok.

    Examples:

        layernext rm path1/path2 "test model v1.0.1"

        layernext rm path1/path2 "test model v1.0.1" --yes --json
    """
    with connect(api_key, secret, url, config) as client:
        if not yes:
            if not sys.stdin.isatty():
                raise typer.BadParameter("cannot prompt: stdin is not a terminal; pass --yes")
            question = f"Remove {run!r} from {collection!r}? This cannot be undone."
            if not typer.confirm(question, err=True):
                say("nothing removed")
                raise typer.Exit(exit_codes.INTERRUPTED)
        report = client.runs.delete(collection, run)
    if report.images == 0 and not missing_ok:
        raise NotFound(f"collection {collection!r} has no run {run!r}", status=404)
    if as_json:
        print_json(report.to_dict())
    else:
        annotations = counted(report.annotations or 0, "annotation")
        tell(f"removed {annotations} of {counted(report.images or 0, 'image')}")
