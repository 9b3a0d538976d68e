"""`layernext convert` and `layernext export`: annotations in the format that the next tool wants."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layernext.cli.configuration import ApiKey, AsJson, ConfigFile, Secret, Url, connect
from layernext.cli.output import counted, print_json, tell, visible
from layernext.formats import FORMATS, ConversionReport
from layernext.formats import convert as convert_files

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Refuse what the format cannot hold; else it is listed.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar.")]
TargetFormat = Annotated[str, typer.Option("--to", help=f"{', '.join(FORMATS)}, or that of a plug-in.")]
Instances = Annotated[
    Path | None,
    typer.Option("--instances", help="For coco-results: the COCO file whose numbers they have."),
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
    copy_images: Annotated[
        bool,
        typer.Option("--copy-images", help="Lay the images of --images beside YOLO's or VOC's."),
    ] = False,
    overwrite: Overwrite = False,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Convert annotations from one format to another, without a stack.

    What the target's format cannot hold is counted and listed, with the first place of each kind.
    docs/formats.md says what each holds. A file that ends in .gz or .zst is compressed.

    Examples:

        layernext convert instances.json labels/ --to yolo --images photos/ --copy-images

        layernext convert labels/ out.csv --to csv --images photos/ --json
    """
    report = convert_files(
        source,
        target,
        target_format,
        source_format=source_format,
        images=images,
        instances=instances,
        copy_images=copy_images,
        overwrite=overwrite,
        strict=strict,
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
            "--ground-truth/--model-run", help="Which, if both have this name.", show_default=False
        ),
    ] = None,
    instances: Instances = None,
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

    What the format cannot hold is counted and listed, with the first place of each kind.

    Examples:

        layernext export kitchen "model 7" boxes.json --to coco

        layernext export kitchen truth labels/ --to yolo --overwrite
    """
    with connect(api_key, secret, url, config) as client:
        report = client.export(
            collection,
            run,
            target,
            target_format,
            ground_truth=ground_truth,
            overwrite=overwrite,
            strict=strict,
            instances=instances,
            progress=False if quiet else None,
        )
    show_report(report, as_json)


def show_report(report: ConversionReport, as_json: bool) -> None:
    """Say what was written, and what is not kept."""
    if as_json:
        print_json(report.to_dict())
        return
    images = counted(report.images, "image")
    tell(f"{images} with {counted(report.annotations, 'annotation')} in {report.path}")
    tell_losses(report.losses, "not kept")


def tell_losses(losses: dict[str, tuple[int, str]], what_became: str) -> None:
    """A line for each kind of loss, with its first place."""
    for what, (count, first) in losses.items():
        often = "once, at" if count == 1 else f"{count:,} times, first at"
        tell(f"{what_became}: {visible(what)}, {often} {visible(first)}")
