"""Commands on data: upload, validate, runs, collections, labels, download, rm."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from layernext.cli.configuration import ApiKey, AsJson, ConfigFile, Secret, Url, connect
from layernext.cli.output import print_json, print_table, say
from layernext.client import validate_file
from layernext.formats import DEFAULT_PROBLEM_LIMIT, detect_geometry

FileGeometry = Annotated[
    Literal["rectangle", "polygon", "line"] | None,
    typer.Option("--geometry", help="Geometry of a form v1 file; found out if left away."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]


def upload(
    collection: Annotated[str, typer.Argument(help="Collection, such as path1/path2.")],
    run: Annotated[str, typer.Argument(help="Name of the model run or ground truth.")],
    file: Annotated[Path, typer.Argument(help="LayerNext JSON: plain, .gz or .zst.")],
    geometry: FileGeometry = None,
    ground_truth: Annotated[
        bool, typer.Option("--ground-truth", help="Upload as ground truth.")
    ] = False,
    normalized: Annotated[
        bool, typer.Option("--normalized", help="Coordinates are fractions of the image's size.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Send only what an interrupted upload left out.")
    ] = False,
    validate: Annotated[
        Literal["first", "stream"],
        typer.Option("--validate", help="Check the whole file first, or batch by batch."),
    ] = "first",
    quiet: Quiet = False,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Upload a model run or ground truth from a file.

    Repeating an upload changes nothing. With a file that is not valid nothing is sent.

    Examples:

        layernext upload path1/path2 "test model v1.0.1" example_bbox.json --geometry rectangle

        layernext upload kitchen truth labels.json.zst --ground-truth --json
    """
    with connect(api_key, secret, url, config) as client:
        report = client.upload_modelrun(
            collection,
            run,
            file,
            geometry=geometry or detect_geometry(file),
            ground_truth=ground_truth,
            normalized=normalized,
            validate=validate,
            resume=resume,
            progress=False if quiet else None,
        )
    if as_json:
        print_json(report.to_dict())
        return
    kind = "model run" if report.mode == "machine" else "ground truth"
    say(f"{kind} {report.run}: {report.annotations:,} annotations on {report.images:,} images")
    if report.unmatched_images:
        say(f"{report.unmatched_images:,} images have no file in the stack yet; kept all the same")
    if report.new_labels:
        say(f"new labels: {', '.join(report.new_labels)}")
    say(f"{report.batches} batches, {report.bytes_sent:,} bytes, {report.seconds:.2f} s")


def validate(
    file: Annotated[Path, typer.Argument(help="LayerNext JSON: plain, .gz or .zst.")],
    geometry: FileGeometry = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Stop after this many problems.")
    ] = DEFAULT_PROBLEM_LIMIT,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Check a file as an upload would, without a stack. Every problem is named with its place.

    Examples:

        layernext validate example_bbox.json --geometry rectangle

        layernext validate run.json.gz --json
    """
    shape = geometry or detect_geometry(file)
    progress = False if quiet else None
    summary = validate_file(file, shape, limit=limit, progress=progress)
    if as_json:
        plain = {"images": summary.images, "annotations": summary.annotations, "geometry": shape}
        print_json({"valid": True, **plain})
    else:
        form = f"form v1, {shape}" if shape else "form v2"
        say(f"valid: {summary.annotations:,} annotations on {summary.images:,} images ({form})")


def collections(
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """List the stack's collections.

    Example:

        layernext collections --json
    """
    with connect(api_key, secret, url, config) as client:
        rows = client.list_collections()
    if as_json:
        print_json([row.to_dict() for row in rows])
        return
    print_table(
        ["Collection", "Images", "Awaiting their file", "Id"],
        [[row.name or "(unnamed)", row.image_count, row.awaiting_file_count, row.id] for row in rows],
        "no collections yet",
    )


def runs(
    collection: Annotated[
        str | None, typer.Argument(help="Collection; all of them if left away.")
    ] = None,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """List model runs and ground truths with their counts.

    Examples:

        layernext runs

        layernext runs path1/path2 --json
    """
    with connect(api_key, secret, url, config) as client:
        rows = client.list_model_runs(collection)
    if as_json:
        print_json([row.to_dict() for row in rows])
        return
    kinds = {"machine": "model run", "human": "ground truth"}
    print_table(
        ["Run", "Kind", "Collection", "Images", "Annotations", "Updated"],
        [
            [
                row.name,
                kinds[row.mode],
                row.collection or "(unnamed)",
                row.image_count,
                row.annotation_count,
                row.updated_at[:19].replace("T", " "),
            ]
            for row in rows
        ],
        "no model runs yet",
    )


def labels(
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """List labels with their colours and attributes.

    Example:

        layernext labels --json
    """
    with connect(api_key, secret, url, config) as client:
        rows = client.get_all_labels()
    if as_json:
        print_json([row.to_dict() for row in rows])
        return
    print_table(
        ["Label", "Colour", "Attributes", "Reference"],
        [
            [row.name, row.color, ", ".join(a.name for a in row.attributes), row.ref]
            for row in rows
        ],
        "no labels yet",
    )


def download(
    collection: Annotated[str, typer.Argument(help="Collection, by name or id.")],
    runs: Annotated[
        list[str] | None, typer.Argument(help="Model runs and ground truths; all if left away.")
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

    A single run comes back as it was uploaded. Of several, each image says its run.

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
        print_json({**report.to_dict(), "path": str(report.path)})
    else:
        say(f"{report.images:,} images to {report.path}, {report.seconds:.2f} s")


def rm(
    collection: Annotated[str, typer.Argument(help="Collection, by name or id.")],
    run: Annotated[str, typer.Argument(help="Model run or ground truth.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Remove a run's annotations from a collection.

    Example:

        layernext rm path1/path2 "test model v1.0.1" --yes
    """
    with connect(api_key, secret, url, config) as client:
        if not yes:
            typer.confirm(f"remove {run!r} from {collection!r}?", abort=True, err=True)
        report = client.remove_annotations(collection, run)
    if as_json:
        print_json(report.to_dict())
    else:
        say(f"removed {report.annotations or 0:,} annotations of {report.images or 0:,} images")
