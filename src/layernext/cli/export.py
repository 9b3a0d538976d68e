"""`layernext export`: a run of a stack, written in the format of another tool."""

from __future__ import annotations

from layernext.cli.connection import Connection
from layernext.cli.conversion_report import show_conversion
from layernext.cli.options import (
    AsJson,
    CollectionName,
    GroundTruthOrModelRun,
    Instances,
    Overwrite,
    Quiet,
    RunName,
    Strict,
    Target,
    TargetFormat,
)
from layernext.cli.source_options import ClassOptions


def export(
    collection: CollectionName,
    run: RunName,
    target: Target,
    target_format: TargetFormat,
    ground_truth: GroundTruthOrModelRun = None,
    instances: Instances = None,
    *,
    labels: ClassOptions,
    overwrite: Overwrite = False,
    strict: Strict = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    connection: Connection,
) -> None:
    """Write a run of a collection in another format.

    Data that the format cannot hold is counted and listed, with the first location of each kind.

    Examples:

        layernext export kitchen "model 7" boxes.json --to coco

        layernext export kitchen truth labels/ --to yolo --overwrite --labels classes.txt
    """
    with connection.open() as client:
        report = client.runs.export(
            collection,
            run,
            target,
            target_format,
            ground_truth=ground_truth,
            overwrite=overwrite,
            strict=strict,
            instances=instances,
            label_rules=labels.rules(),
            progress=False if quiet else None,
        )
    show_conversion(report, as_json)
