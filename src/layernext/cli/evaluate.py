"""`layernext evaluate`: a model run measured against a ground truth, both from files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from layernext.cli import exit_codes
from layernext.cli.evaluation_options import (
    EvaluatedFiles,
    FileGeometry,
    Measures,
    Report,
    Slices,
    Tracks,
    TruthFile,
    Worst,
)
from layernext.cli.evaluation_report import load_evaluation
from layernext.cli.output import counted, say
from layernext.cli.source_options import ClassOptions, say_losses
from layernext.errors import ConfigurationError
from layernext.formats import Losses
from layernext.model import EvaluatedGeometry, Evaluation, EvaluationSettings, ImageTally

SMALL_BYTES = 100_000_000
"""Files below this together are evaluated before other processes have started."""

ImageFolder = Annotated[
    Path | None,
    typer.Option(
        "--image-folder", "--images", help="Folder with the images, if the files lack their sizes."
    ),
]


def evaluate(
    truth: TruthFile,
    run: Annotated[Path, typer.Argument(help="File or folder of the model run.")],
    geometry: FileGeometry = None,
    image_folder: ImageFolder = None,
    slices: Slices = None,
    tracking: Tracks = False,
    worst: Worst = 0,
    *,
    measures: Measures,
    files: EvaluatedFiles,
    labels: ClassOptions,
    report: Report,
) -> None:
    """Evaluate a model run against a ground truth.

    Each file may be in any format that `layernext convert` reads. The images are those of the
    ground truth. The numbers for boxes and polygons equal those of pycocotools. For a run in a
    stack, see `layernext runs evaluate`.

    Examples:

        layernext evaluate truth.json run.json

        layernext evaluate truth.json.zst run.json --confidence 0.5 --worst 20

        layernext evaluate instances.json results.json --json

        layernext evaluate labels/ predictions/ --image-folder photos/

        layernext evaluate MOT17/train/ tracker/ --tracking

        layernext evaluate truth.json run.json --ignore-case --map-labels automobile=car

        layernext evaluate lanes.json run.json --image-size 1640 590 --figures figures
    """
    paths, losses = [truth, run], Losses()
    arguments = files.arguments(labels, image_folder)
    settings = file_settings(
        paths,
        geometry,
        arguments,
        slices=tuple(slices or ()),
        tracking=tracking,
        **measures.arguments(),
    )
    with workers(paths, files.processes, "evaluating", quiet=report.quiet) as work:
        evaluator = load_evaluation().evaluate_files_to_evaluator(
            *paths, settings, image_wh=files.image_size, losses=losses, **arguments, **work
        )
        result: Evaluation = evaluator.result()
    say_losses(losses)
    tallies = _worst(evaluator.iter_tallies(), worst) if worst else []
    report.give_evaluation(result, tallies, worst)
    if not files.match_names:
        say_name_hint(result)
    problem = find_problem(result)
    if problem:
        say(f"error: {problem}")
        raise typer.Exit(exit_codes.DATA)


def say_name_hint(evaluation: Evaluation) -> None:
    """Hint at names that differ, if images of both files are left over."""
    outside = evaluation.counts.get("images_without_truth", 0)
    missing = evaluation.counts.get("images_without_run", 0)
    if outside and missing:
        say(
            f"hint: {counted(outside, 'image')} of the run and {counted(missing, 'image')} of the ground "
            "truth have no counterpart; if only their names differ, use --match-names"
        )


def find_problem(evaluation: Evaluation) -> str | None:
    """Why an evaluation measured nothing; None if it did. Prints hints at once."""
    counts, geometry = evaluation.counts, evaluation.settings.geometry
    if not counts["truths"] and not counts["annotations"]:
        return f"neither file has a {geometry} on the images of the ground truth; see --geometry"
    outside = counts.get("images_without_truth", 0)
    if outside and counts.get("images_without_run", 0) == counts["images"]:
        return "the files have no image in common: their names differ"
    labels = {scores.label for scores in evaluation.labels if scores.truths}
    others = {scores.label for scores in evaluation.labels if not scores.truths}
    folded = {label.casefold(): label for label in labels}
    for label in sorted(others):
        if label.casefold() in folded:
            say(
                f"hint: the run's label {label!r} and {folded[label.casefold()]!r} differ only in "
                "case; --ignore-case treats them as the same"
            )
    return None


def file_settings(
    paths: Sequence[Path],
    geometry: EvaluatedGeometry | None,
    arguments: dict[str, Any],
    **measures: Any,
) -> EvaluationSettings:
    """The settings of an evaluation of files.

    Args:
        paths: of the ground truth and its runs.
        geometry: that of the first annotation of the ground truth if None.
        arguments: how to read the files.
        measures: other fields of the settings.

    Raises:
        ConfigurationError: none of the files exists, or a setting is not valid.
    """
    if not any(path.exists() for path in paths):
        raise ConfigurationError(
            f"no such file: {' and no file '.join(map(str, paths))}",
            hint="for runs in a stack, name their ground truth with --truth",
        )
    protocol = measures.get("protocol")
    detected = geometry or load_evaluation().find_geometry(
        *paths[:2], protocol=protocol, **arguments
    )
    return EvaluationSettings(geometry=detected or "rectangle", **measures)


def _process_count(paths: Sequence[Path]) -> int:
    """Number of processes that are worth starting for files of this size."""
    size = sum(path.stat().st_size for path in paths if path.exists())
    return 1 if size < SMALL_BYTES else os.cpu_count() or 1


@contextmanager
def workers(
    paths: Sequence[Path], processes: int | None, task_name: str, *, quiet: bool
) -> Iterator[dict[str, Any]]:
    """Worker processes and a progress bar, as arguments of an evaluation of files.

    The bar is on standard error, if that is a terminal.
    """
    console = Console(stderr=True)
    is_visible = not quiet and console.is_terminal
    with (
        _executor(processes or _process_count(paths)) as executor,
        Progress(console=console, transient=True, disable=not is_visible) as bar,
    ):
        task = bar.add_task(task_name, total=None)
        yield {
            "executor": executor,
            "progress": lambda done, total: bar.update(task, completed=done, total=total),
        }


@contextmanager
def _executor(processes: int) -> Iterator[Executor | None]:
    """That many processes; None for one: this one."""
    if processes == 1:
        yield None
        return
    # A fork would take locks along that other threads hold.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as executor:
        yield executor


def _worst(tallies: Iterator[ImageTally], count: int) -> list[ImageTally]:
    """Images with the lowest F1 first; of equals those with the most errors."""
    involved = [tally for tally in tallies if tally.f1 is not None]
    involved.sort(key=lambda tally: (tally.f1, -tally.false_positives - tally.missed, tally.image))
    return involved[:count]
