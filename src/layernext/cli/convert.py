"""`layernext convert` and `layernext export`: annotations in the formats of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layernext.cli.configuration import ApiKey, AsJson, ConfigFile, Secret, Url, connect
from layernext.cli.output import counted, print_json, tell, visible
from layernext.cli.source_options import (
    ClassAgnostic,
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
)
from layernext.formats import FORMATS, ConversionReport
from layernext.formats import convert as convert_files

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing target.")]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="Fail if the format cannot hold all data, instead of listing losses."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar.")]
TargetFormat = Annotated[
    str, typer.Option("--to", help=f"{', '.join(FORMATS)}, or that of a plug-in.")
]
Instances = Annotated[
    Path | None,
    typer.Option("--instances", help="For coco-results: the COCO file that defines the ids."),
]


def convert(
    source: Annotated[Path, typer.Argument(help="File or folder to read.")],
    target: Annotated[Path, typer.Argument(help="File or folder to write.")],
    target_format: TargetFormat,
    source_format: Annotated[
        str | None, typer.Option("--from", help="The source's format; detected by default.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Folder with the images, if the source lacks their sizes."),
    ] = None,
    instances: Instances = None,
    names: Names = None,
    labels: Labels = None,
    map_labels: MapLabels = None,
    ignore_case: IgnoreCase = False,
    class_agnostic: ClassAgnostic = False,
    scale_confidence: ScaleConfidence = None,
    skip_invalid: SkipInvalid = False,
    copy_images: Annotated[
        bool,
        typer.Option(
            "--copy-images", help="Copy the images of --images into a YOLO or VOC target."
        ),
    ] = False,
    overwrite: Overwrite = False,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Convert annotations from one format to another, without a stack.

    SOURCE may be a zip archive. Classes keep their order, unused ones as well. If annotations are
    not valid, every one is listed and nothing is written, unless --skip-invalid is given. Data that the target format cannot hold is counted and listed, with the first location of each
    kind; docs/formats.md says what each format holds. Files ending in .gz or .zst are compressed.

    Examples:

        layernext convert instances.json labels/ --to yolo --images photos/ --copy-images

        layernext convert labels/ out.csv --to csv --images photos/ --json

        layernext convert export.zip labels/ --to yolo --labels cat,dog --map-labels kitten=cat
    """
    report = convert_files(
        source,
        target,
        target_format,
        source_format=source_format,
        images=images,
        instances=instances,
        names=listed(names),
        label_rules=label_rules(labels, map_labels, ignore_case, class_agnostic),
        confidence_scale=scale_confidence,
        copy_images=copy_images,
        overwrite=overwrite,
        strict=strict,
        skip_invalid=skip_invalid,
    )
    show_report(report, as_json)


def export(
    collection: Annotated[str, typer.Argument(help="Collection, by name or id.")],
    run: Annotated[str, typer.Argument(help="Model run or ground truth.")],
    target: Annotated[Path, typer.Argument(help="File or folder to write.")],
    target_format: TargetFormat,
    ground_truth: Annotated[
        bool | None,
        typer.Option(
            "--ground-truth/--model-run",
            help="Select one if both have this name.",
            show_default=False,
        ),
    ] = None,
    instances: Instances = None,
    labels: Labels = None,
    map_labels: MapLabels = None,
    ignore_case: IgnoreCase = False,
    class_agnostic: ClassAgnostic = False,
    overwrite: Overwrite = False,
    strict: Strict = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Write a run of a collection in another format.

    Data that the format cannot hold is counted and listed, with the first location of each kind.

    Examples:

        layernext export kitchen "model 7" boxes.json --to coco

        layernext export kitchen truth labels/ --to yolo --overwrite --labels classes.txt
    """
    with connect(api_key, secret, url, config) as client:
        report = client.runs.export(
            collection,
            run,
            target,
            target_format,
            ground_truth=ground_truth,
            overwrite=overwrite,
            strict=strict,
            instances=instances,
            label_rules=label_rules(labels, map_labels, ignore_case, class_agnostic),
            progress=False if quiet else None,
        )
    show_report(report, as_json)


def show_report(report: ConversionReport, as_json: bool) -> None:
    """Print what was written and what was lost."""
    if as_json:
        print_json(report.to_dict())
        return
    images = counted(report.images, "image")
    tell(f"{images} with {counted(report.annotations, 'annotation')} in {report.path}")
    tell_losses(report.losses, "not kept")
    say_warnings(report.warnings)
    say_skipped(report.skipped, report.problems)


def tell_losses(losses: dict[str, tuple[int, str]], what_became: str) -> None:
    """Print a line for each kind of loss, with its first location."""
    for what, (count, first) in losses.items():
        often = "once, at" if count == 1 else f"{count:,} times, first at"
        tell(f"{what_became}: {visible(what)}, {often} {visible(first)}")
