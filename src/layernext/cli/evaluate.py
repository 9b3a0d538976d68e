"""`layernext evaluate`: how good a run is against a ground truth, from two files, without a stack."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from layernext.cli.configuration import AsJson
from layernext.cli.data import Quiet
from layernext.cli.output import counted, print_json, print_table, say, tell
from layernext.errors import ConfigurationError
from layernext.formats import atomic_target
from layernext.model import (
    Comparison,
    ErrorKinds,
    Evaluation,
    EvaluationSettings,
    ImageTally,
    LabelScores,
)

SMALL_BYTES = 100_000_000
"""Files below this together are evaluated before other processes have started."""

SHOWN_LABELS = 10
INSTALL = "pip install 'layernext-sdk[eval]'"

Figures = Annotated[
    Path | None, typer.Option("--figures", help="Folder to draw figures into, as PNG.")
]
MarkdownFile = Annotated[
    Path | None, typer.Option("--markdown", help="File to write a report into, as Markdown.")
]
ImageSize = Annotated[
    tuple[float, float] | None,
    typer.Option("--image-size", help="Width and height of the images, if all have the same."),
]

_ERRORS = {
    "classification": "right place, wrong label",
    "localisation": "right label, wrong place",
    "both": "wrong label and place",
    "duplicate": "found a second time",
    "background": "nothing is there",
    "missed": "not found at all",
    "false_positives": "all that is wrong",
    "false_negatives": "all that was not found",
}


def evaluate(
    truth: Annotated[Path, typer.Argument(help="Ground truth: LayerNext JSON, plain, .gz, .zst.")],
    run: Annotated[Path, typer.Argument(help="Model run: likewise.")],
    geometry: Annotated[
        Literal["rectangle", "polygon", "line"] | None,
        typer.Option("--geometry", help="What is evaluated; that of the truth's first annotation."),
    ] = None,
    protocol: Annotated[
        Literal["coco", "voc", "voc2007", "lvis", "lane-f1", "chamfer"] | None,
        typer.Option("--protocol", help="How to count; coco, or lane-f1 for lines."),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(
            "--confidence", help="Where precision and recall are given; best F1 if left out."
        ),
    ] = None,
    match_threshold: Annotated[
        float | None,
        typer.Option("--match", help="IoU (or distance) from which a truth is found; IoU 0.5."),
    ] = None,
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", help="Attribute to break down by; * for all. May be repeated."),
    ] = None,
    image_size: ImageSize = None,
    worst: Annotated[
        int, typer.Option("--worst", min=0, help="List so many of the worst images.")
    ] = 0,
    figures: Figures = None,
    markdown: MarkdownFile = None,
    processes: Annotated[
        int | None,
        typer.Option("--processes", min=1, help="Processes to use; one for each core if left out."),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate a model run's file against a ground truth's, without a stack.

    Images are those of the ground truth. The numbers of boxes and polygons are those of pycocotools.

    Examples:

        layernext evaluate truth.json run.json

        layernext evaluate truth.json.zst run.json --confidence 0.5 --worst 20

        layernext evaluate truth.json run.json --protocol voc --json

        layernext evaluate lanes.json run.json --image-size 1640 590 --figures figures
    """
    evaluation = load_evaluation()
    settings = EvaluationSettings(
        geometry=geometry or evaluation.find_geometry(truth) or "rectangle",
        protocol=protocol,
        confidence=confidence,
        match_threshold=match_threshold,
        slices=tuple(slices or ()),
    )
    count = processes or processes_for(truth, run)
    with executor_of(count) as executor, progress_bar(quiet, "evaluating") as (bar, task):
        evaluator = evaluation.evaluate_files_to_evaluator(
            truth,
            run,
            settings,
            image_wh=image_size,
            executor=executor,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
        found: Evaluation = evaluator.result()
    tallies = _worst(evaluator.iter_tallies(), worst) if worst else []
    write_outputs(evaluation, found, figures, markdown)
    if as_json:
        print_json(found.to_dict() | ({"worst": tallies} if worst else {}))
        return
    _show(found)
    if worst:
        _show_images(tallies)


def load_evaluation() -> ModuleType:
    """The room of metrics.

    Raises:
        ConfigurationError: numpy is not installed.
    """
    try:
        from layernext import evaluation  # noqa: PLC0415 - an optional part
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("layernext"):
            raise
        raise ConfigurationError(f"evaluating needs numpy; run: {INSTALL}") from error
    return evaluation


def processes_for(*paths: Path) -> int:
    """How many processes are worth starting for files of this size."""
    size = sum(path.stat().st_size for path in paths if path.exists())
    return 1 if size < SMALL_BYTES else os.cpu_count() or 1


def write_outputs(
    evaluation: ModuleType,
    found: Evaluation | Comparison,
    figures: Path | None,
    markdown: Path | None,
) -> None:
    """Write what was asked for beside the answer itself; say on standard error where it is."""
    if figures is not None:
        paths = evaluation.save_figures(found, figures)
        say(f"{counted(len(paths), 'figure')} in {figures}")
    if markdown is not None:
        with atomic_target(markdown, overwrite=True, is_folder=False) as target:
            target.write_text(found.to_markdown(), encoding="utf-8")
        say(f"report in {markdown}")


@contextmanager
def executor_of(processes: int) -> Iterator[Executor | None]:
    """That many processes to work in; None for one: this one."""
    if processes == 1:
        yield None
        return
    # A fork would take locks along that other threads hold.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as executor:
        yield executor


@contextmanager
def progress_bar(quiet: bool, what: str) -> Iterator[tuple[Progress, TaskID]]:
    """A progress bar on standard error, if that is a terminal, and its only task."""
    console = Console(stderr=True)
    shown = not quiet and console.is_terminal
    with Progress(console=console, transient=True, disable=not shown) as bar:
        yield bar, bar.add_task(what, total=None)


def _worst(tallies: Iterator[ImageTally], count: int) -> list[ImageTally]:
    """Images with the lowest F1 first; of equals those with the most errors."""
    involved = [each for each in tallies if each.f1 is not None]
    involved.sort(key=lambda each: (each.f1, -each.false_positives - each.missed, each.image))
    return involved[:count]


def _shown(number: float | None, digits: int = 4) -> str:
    return "-" if number is None else f"{number:.{digits}f}"


def _show(found: Evaluation) -> None:
    settings, counts = found.settings, found.counts
    tell(
        f"{settings.geometry}, protocol {settings.protocol}: "
        f"{counted(counts['annotations'], 'annotation')} against {counted(counts['truths'], 'truth')} "
        f"on {counted(counts['images'], 'image')}"
    )
    for name, text in (
        ("images_without_truth", "{} of the run left out: no truth is known of them"),
        ("images_without_run", "{} the run says nothing of: nothing was found there"),
    ):
        if counts[name]:
            tell(text.format(counted(counts[name], "image")))
    tell()
    numbers = list(found.summary.items())
    half = (len(numbers) + 1) // 2
    rows = [
        [*(cell for name, value in pair for cell in (name, _shown(value)))]
        for pair in zip(numbers[:half], [*numbers[half:], ("", 0.0)][:half], strict=True)
    ]
    print_table(["number", "", "number", ""], rows, "nothing was measured")
    if found.confidence is not None:
        chosen = "as asked" if settings.confidence is not None else "best for F1"
        tell(f"\nprecision, recall and F1 at confidence {found.confidence:.4g}, {chosen}\n")
    _show_labels(found.labels)
    if found.errors is not None:
        _show_errors(found.errors)


def _show_labels(labels: list[LabelScores]) -> None:
    def key(each: LabelScores) -> float:
        value = each.scores.get("AP")
        return value if value is not None else each.f1 or 0.0

    with_truths = sorted((each for each in labels if each.truths), key=key)
    shown = with_truths
    if len(with_truths) > 2 * SHOWN_LABELS:
        shown = [*with_truths[:SHOWN_LABELS], *with_truths[-SHOWN_LABELS:]]
        tell(f"the {SHOWN_LABELS} worst and best of {counted(len(with_truths), 'label')}\n")
    rows = [
        (
            each.label, each.truths, each.annotations, _shown(each.scores.get("AP")),
            _shown(each.precision, 3), _shown(each.recall, 3), _shown(each.f1, 3),
        )
        for each in shown
    ]  # fmt: skip
    columns = ["label", "truths", "annotations", "AP", "precision", "recall", "F1"]
    print_table(columns, rows, "no label has a truth")


def _show_errors(errors: ErrorKinds) -> None:
    tell()
    rows = []
    for name, about in _ERRORS.items():
        kind = getattr(errors, name)
        rows.append((name.replace("_", " "), kind.count, _shown(kind.ap_cost), about))
    print_table(["error", "count", "AP cost", "what it is"], rows, "")


def _show_images(tallies: list[ImageTally]) -> None:
    tell()
    rows = [
        (each.image, each.truths, each.true_positives, each.false_positives, each.missed,
         each.mislabelled, _shown(each.f1, 3))
        for each in tallies
    ]  # fmt: skip
    columns = ["image", "truths", "right", "false", "missed", "mislabelled", "F1"]
    print_table(columns, rows, "no image has anything to judge")
