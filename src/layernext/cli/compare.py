"""`layernext compare`: two model runs on one ground truth, all from files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layernext.cli.evaluate import file_settings, workers
from layernext.cli.evaluation_options import (
    EvaluatedFiles,
    FileGeometry,
    Intervals,
    Measures,
    Report,
    TruthFile,
)
from layernext.cli.evaluation_report import load_evaluation
from layernext.cli.source_options import ClassOptions, say_losses
from layernext.formats import Losses

ImageFolder = Annotated[
    Path | None,
    # Without the short spelling of `evaluate`: here, --images is a number.
    typer.Option("--image-folder", help="Folder with the images, if the files lack their sizes."),
]


def compare(
    truth: TruthFile,
    run_a: Annotated[Path, typer.Argument(help="File or folder of the baseline run.")],
    run_b: Annotated[Path, typer.Argument(help="File or folder of the run to compare with it.")],
    geometry: FileGeometry = None,
    image_folder: ImageFolder = None,
    *,
    measures: Measures,
    intervals: Intervals,
    files: EvaluatedFiles,
    labels: ClassOptions,
    report: Report,
) -> None:
    """Compare two model runs on a ground truth.

    Each file may be in any format that `layernext convert` reads. Differences are RUN_B minus
    RUN_A. Confidence intervals come from resampling the images, with the same samples for both
    runs: if an interval excludes 0, the choice of images does not explain the difference. For runs
    in a stack, see `layernext runs compare`.

    Examples:

        layernext compare truth.json run_a.json run_b.json

        layernext compare truth.json run_a.json run_b.json --markdown report.md --figures figures

        layernext compare truth.json old.json new.json --confidence 0.5 --resamples 0 --json
    """
    paths, losses = [truth, run_a, run_b], Losses()
    arguments = files.arguments(labels, image_folder)
    settings = file_settings(paths, geometry, arguments, **measures.arguments())
    with workers(paths, files.processes, "comparing", quiet=report.quiet) as work:
        comparison = load_evaluation().compare_files(
            *paths,
            settings,
            image_wh=files.image_size,
            losses=losses,
            **intervals.arguments(),
            **arguments,
            **work,
        )
    say_losses(losses)
    report.give_comparison(comparison)
