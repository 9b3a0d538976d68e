"""`layernext convert`: annotations from one format to another, without a stack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layernext.cli.conversion_report import show_conversion
from layernext.cli.options import AsJson, Overwrite, Strict, Target
from layernext.cli.source_options import ClassOptions, SkipInvalid, SourceFile
from layernext.formats import FORMATS
from layernext.formats import convert as convert_files


def convert(
    source: Annotated[Path, typer.Argument(help="File or folder to read.")],
    target: Target,
    target_format: Annotated[
        str,
        typer.Option(
            "--to",
            help=f"Format to write: {', '.join(FORMATS)}, or that of a plug-in. docs/formats.md says which are only read.",
        ),
    ],
    *,
    reading: SourceFile,
    labels: ClassOptions,
    skip_invalid: SkipInvalid = False,
    copy_images: Annotated[
        bool,
        typer.Option(
            "--copy-images",
            help="Copy the images of --images into a YOLO or VOC target, or into folders by class.",
        ),
    ] = False,
    overwrite: Overwrite = False,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Convert annotations from one format to another, without a stack.

    SOURCE may be a zip archive. Classes keep their order, including unused ones. If annotations
    are not valid, all of them are listed and nothing is written, unless --skip-invalid is given.
    Data that the target format cannot hold is counted and listed, with the first location of each
    kind; docs/formats.md says what each format holds. A name that ends in .gz or .zst is
    compressed.

    Examples:

        layernext convert instances.json labels/ --to yolo --images photos/ --copy-images

        layernext convert labels/ out.csv --to csv --images photos/ --json

        layernext convert export.zip labels/ --to yolo --labels cat,dog --map-labels kitten=cat
    """
    report = convert_files(
        source,
        target,
        target_format,
        source_format=reading.source_format,
        images=reading.images,
        instances=reading.instances,
        names=reading.class_names,
        label_rules=labels.rules(),
        confidence_scale=reading.scale_confidence,
        copy_images=copy_images,
        overwrite=overwrite,
        strict=strict,
        skip_invalid=skip_invalid,
        video=reading.video,
    )
    show_conversion(report, as_json)
