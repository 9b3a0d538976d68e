"""`layernext evaluate`: a run measured against a ground truth, from files or in a stack."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from layernext.cli import exit_codes
from layernext.cli.configuration import ApiKey, AsJson, ConfigFile, Secret, Url, connect
from layernext.cli.data import Quiet
from layernext.cli.output import counted, print_json, print_table, say, tell
from layernext.cli.source_options import (
    ClassAgnostic,
    IgnoreCase,
    Labels,
    MapLabels,
    Names,
    ScaleConfidence,
    SkipInvalid,
    label_rules,
    say_losses,
    source_options,
)
from layernext.errors import ConfigurationError
from layernext.formats import Losses, atomic_target
from layernext.model import (
    Comparison,
    ErrorKinds,
    Evaluation,
    EvaluationSettings,
    ImageTally,
    LabelScores,
    StoredTally,
)

SMALL_BYTES = 100_000_000
"""Files below this together are evaluated before other processes have started."""

SHOWN_LABELS = 10
INSTALL = "pip install '.[eval]' in the source folder"

Figures = Annotated[
    Path | None, typer.Option("--figures", help="Folder to draw figures into, as PNG.")
]
MarkdownFile = Annotated[
    Path | None, typer.Option("--markdown", help="File to write a report into, as Markdown.")
]
ImageSize = Annotated[
    tuple[float, float] | None,
    typer.Option("--image-size", help="Width and height of the images, if all are the same."),
]

TruthFormat = Annotated[
    str | None,
    typer.Option(
        "--truth-format",
        help="Format of the ground truth's file, as in `layernext convert`; detected by default.",
    ),
]
RunFormat = Annotated[
    str | None, typer.Option("--run-format", help="Format of the run's file; detected by default.")
]
IMAGE_FOLDER_HELP = "Folder with the images, if the files lack their sizes."
InstancesFile = Annotated[
    Path | None,
    typer.Option(
        "--instances",
        help="COCO file that defines the ids in COCO results. Default: the file of the ground truth.",
    ),
]

_ERRORS = {
    "classification": "right place, wrong label",
    "localisation": "right label, wrong place",
    "both": "wrong label and place",
    "duplicate": "object already matched",
    "background": "no object there",
    "missed": "object not detected",
    "false_positives": "all false annotations",
    "false_negatives": "all missed objects",
}


def evaluate(
    target: Annotated[
        str,
        typer.Argument(
            help="File or folder of the ground truth, in any supported format. "
            "With --truth: collection, by name or id."
        ),
    ],
    run: Annotated[
        str, typer.Argument(help="File of the model run. With --truth: name of the run.")
    ],
    ground_truth: Annotated[
        str | None,
        typer.Option(
            "--truth", help="Evaluate in the stack, against the ground truth of this name."
        ),
    ] = None,
    geometry: Annotated[
        Literal["rectangle", "polygon", "line", "mask"] | None,
        typer.Option(
            "--geometry",
            help="Geometry to evaluate. Default: that of the first annotation in the truth file.",
        ),
    ] = None,
    protocol: Annotated[
        Literal["coco", "voc", "voc2007", "lvis", "boundary", "lane-f1", "chamfer"] | None,
        typer.Option("--protocol", help="Evaluation protocol, such as coco, or lane-f1 for lines."),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(
            "--confidence",
            help="Confidence for precision and recall. Default: that of the best F1.",
        ),
    ] = None,
    match_threshold: Annotated[
        float | None,
        typer.Option(
            "--match", help="Minimum IoU, or maximum distance, of a match. Default: IoU 0.5."
        ),
    ] = None,
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", help="Attribute to break down by, or * for all; repeatable."),
    ] = None,
    truth_format: TruthFormat = None,
    run_format: RunFormat = None,
    instances: InstancesFile = None,
    image_folder: Annotated[
        Path | None, typer.Option("--image-folder", "--images", help=IMAGE_FOLDER_HELP)
    ] = None,
    image_size: ImageSize = None,
    names: Names = None,
    labels: Labels = None,
    map_labels: MapLabels = None,
    ignore_case: IgnoreCase = False,
    class_agnostic: ClassAgnostic = False,
    scale_confidence: ScaleConfidence = None,
    skip_invalid: SkipInvalid = False,
    worst: Annotated[
        int, typer.Option("--worst", min=0, help="Number of worst images to list.")
    ] = 0,
    figures: Figures = None,
    markdown: MarkdownFile = None,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            min=1,
            help="Worker processes for files. Default: one per core.",
        ),
    ] = None,
    is_version: Annotated[
        bool, typer.Option("--dataset-version", help="TARGET is the id of a dataset version.")
    ] = False,
    split: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option("--split", help="Only this split of the dataset version."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Compute again even if the stack has a current result.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Evaluate a model run against a ground truth.

    Compares two files, or with --truth a run and a ground truth in a stack. Each file may be in any
    format that `layernext convert` reads. The images are those of the ground truth. The numbers for
    boxes and polygons equal those of pycocotools. A stack stores its evaluations, and computes one
    again after annotations have changed.

    Examples:

        layernext evaluate truth.json run.json

        layernext evaluate truth.json.zst run.json --confidence 0.5 --worst 20

        layernext evaluate instances.json results.json --json

        layernext evaluate labels/ predictions/ --image-folder photos/

        layernext evaluate truth.json run.json --ignore-case --map-labels automobile=car

        layernext evaluate path1/path2 "test model v1.0.1" --truth "ground truth" --worst 20

        layernext evaluate lanes.json run.json --image-size 1640 590 --figures figures
    """
    options: dict[str, Any] = {
        "protocol": protocol,
        "confidence": confidence,
        "match_threshold": match_threshold,
        "slices": tuple(slices or ()),
    }
    if ground_truth is not None:
        refuse_files(
            [target, run],
            {
                "--image-size": image_size,
                "--processes": processes,
                "--truth-format": truth_format,
                "--run-format": run_format,
                "--instances": instances,
                "--image-folder": image_folder,
                **for_files(
                    names,
                    labels,
                    map_labels,
                    ignore_case,
                    class_agnostic,
                    scale_confidence,
                    skip_invalid,
                ),
            },
        )
        with connect(api_key, secret, url, config) as client:
            stored = client.evaluate(
                run=run,
                ground_truth=ground_truth,
                collection=None if is_version else target,
                dataset_version=target if is_version else None,
                split=split,
                geometry=geometry or "rectangle",
                again=again,
                progress=False if quiet else None,
                **options,
            )
            listed = list(islice(client.evaluations.iter_tallies(stored), worst)) if worst else []
        _give(stored, listed, worst, figures, markdown, as_json=as_json)
        return
    if is_version or split is not None or again:
        raise ConfigurationError(
            "--dataset-version, --split and --again are for stacks",
            hint="name the ground truth there with --truth",
        )
    refuse_names([target, run])
    evaluation, paths, losses = load_evaluation(), (Path(target), Path(run)), Losses()
    rules = label_rules(labels, map_labels, ignore_case, class_agnostic)
    file_options: dict[str, Any] = {
        "truth_format": truth_format,
        "run_format": run_format,
        "images": image_folder,
        "instances": instances,
        "source_options": source_options(rules, names, scale_confidence, skip_invalid),
    }
    settings = EvaluationSettings(
        geometry=geometry or evaluation.find_geometry(*paths, **file_options) or "rectangle",
        **options,
    )
    count = processes or processes_for(*paths)
    with executor_of(count) as executor, progress_bar(quiet, "evaluating") as (bar, task):
        evaluator = evaluation.evaluate_files_to_evaluator(
            *paths,
            settings,
            image_wh=image_size,
            losses=losses,
            **file_options,
            executor=executor,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
        result: Evaluation = evaluator.result()
    say_losses(losses)
    tallies = _worst(evaluator.iter_tallies(), worst) if worst else []
    _give(result, tallies, worst, figures, markdown, as_json=as_json)
    trouble = trouble_of(result)
    if trouble:
        say(f"error: {trouble}")
        raise typer.Exit(exit_codes.DATA)


def trouble_of(evaluation: Evaluation) -> str | None:
    """Why an evaluation measured nothing; None if it did. A hint is said at once."""
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


def for_files(*values: object) -> dict[str, object]:
    """Options about the annotations of files, with None where one was not given."""
    options = (
        "--names", "--labels", "--map-labels", "--ignore-case", "--class-agnostic", "--scale-confidence",
        "--skip-invalid",
    )  # fmt: skip
    return {name: value or None for name, value in zip(options, values, strict=True)}


def refuse_files(names: Sequence[str], for_files: dict[str, object]) -> None:
    """With --truth everything is in the stack.

    Args:
        names: of what is evaluated.
        for_files: options that are for files, with their values.

    Raises:
        ConfigurationError: all are files as well, or an option is for files.
    """
    if all(Path(name).is_file() for name in names):
        raise ConfigurationError(
            f"{' and '.join(names)} are files, but --truth names a ground truth in a stack",
            hint="omit --truth to evaluate the files",
        )
    for name, value in for_files.items():
        if value is not None:
            raise ConfigurationError(f"{name} is for files; a stack knows its images and processes")


def refuse_names(names: Sequence[str]) -> None:
    """Without --truth all are files.

    Raises:
        ConfigurationError: none is there, so they look like names.
    """
    if not any(Path(name).exists() for name in names):
        raise ConfigurationError(
            f"no such file: {' and no file '.join(names)}",
            hint="for runs in a stack, name their ground truth with --truth",
        )


def _give(
    result: Evaluation,
    tallies: Sequence[ImageTally | StoredTally],
    worst: int,
    figures: Path | None,
    markdown: Path | None,
    *,
    as_json: bool,
) -> None:
    write_outputs(result, figures, markdown)
    if as_json:
        print_json(result.to_dict() | ({"worst": tallies} if worst else {}))
        return
    _show(result)
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
        raise ConfigurationError(f"evaluation needs numpy; run: {INSTALL}") from error
    return evaluation


def processes_for(*paths: Path) -> int:
    """How many processes are worth starting for files of this size."""
    size = sum(path.stat().st_size for path in paths if path.exists())
    return 1 if size < SMALL_BYTES else os.cpu_count() or 1


def write_outputs(
    result: Evaluation | Comparison,
    figures: Path | None,
    markdown: Path | None,
) -> None:
    """Write what was requested for beside the answer itself; say on standard error where it is."""
    if figures is not None:
        paths = load_evaluation().save_figures(result, figures)
        say(f"{counted(len(paths), 'figure')} in {figures}")
    if markdown is not None:
        with atomic_target(markdown, overwrite=True, is_folder=False) as target:
            target.write_text(result.to_markdown(), encoding="utf-8")
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
    is_visible = not quiet and console.is_terminal
    with Progress(console=console, transient=True, disable=not is_visible) as bar:
        yield bar, bar.add_task(what, total=None)


def _worst(tallies: Iterator[ImageTally], count: int) -> list[ImageTally]:
    """Images with the lowest F1 first; of equals those with the most errors."""
    involved = [tally for tally in tallies if tally.f1 is not None]
    involved.sort(key=lambda tally: (tally.f1, -tally.false_positives - tally.missed, tally.image))
    return involved[:count]


def _shown(number: float | None, digits: int = 4) -> str:
    return "-" if number is None else f"{number:.{digits}f}"


def _show(result: Evaluation) -> None:
    settings, counts = result.settings, result.counts
    tell(
        f"{settings.geometry}, protocol {settings.protocol}: "
        f"{counted(counts['annotations'], 'annotation')} against {counted(counts['truths'], 'truth')} "
        f"on {counted(counts['images'], 'image')}"
    )
    for name, text in (
        ("images_without_truth", "{} of the run left out: not in the ground truth"),
        ("images_without_run", "{} not in the run: counted as empty"),
        ("unsized_images", "{} left out: coordinates are fractions, and the size is not known"),
    ):
        if counts.get(name):
            tell(text.format(counted(counts[name], "image")))
    tell()
    numbers = list(result.summary.items())
    half = (len(numbers) + 1) // 2
    rows = [
        [*(cell for name, value in pair for cell in (name, _shown(value)))]
        for pair in zip(numbers[:half], [*numbers[half:], ("", 0.0)][:half], strict=True)
    ]
    print_table(["number", "", "number", ""], rows, "nothing to measure")
    if result.confidence is not None:
        origin = "as requested" if settings.confidence is not None else "best for F1"
        tell(f"\nprecision, recall and F1 at confidence {result.confidence:.4g}, {origin}\n")
    _show_labels(result.labels)
    if result.errors is not None:
        _show_errors(result.errors)


def _show_labels(labels: list[LabelScores]) -> None:
    def key(label: LabelScores) -> float:
        value = label.scores.get("AP")
        return value if value is not None else label.f1 or 0.0

    with_truths = sorted((label for label in labels if label.truths), key=key)
    listed = with_truths
    if len(with_truths) > 2 * SHOWN_LABELS:
        listed = [*with_truths[:SHOWN_LABELS], *with_truths[-SHOWN_LABELS:]]
        tell(f"the {SHOWN_LABELS} worst and best of {counted(len(with_truths), 'label')}\n")
    rows = [
        (
            label.label, label.truths, label.annotations, _shown(label.scores.get("AP")),
            _shown(label.precision, 3), _shown(label.recall, 3), _shown(label.f1, 3),
        )
        for label in listed
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


def _show_images(tallies: Sequence[ImageTally | StoredTally]) -> None:
    tell()
    rows = [
        (tally.image, tally.truths, tally.true_positives, tally.false_positives, tally.missed,
         tally.mislabelled, _shown(tally.f1, 3))
        for tally in tallies
    ]  # fmt: skip
    columns = ["image", "truths", "right", "false", "missed", "mislabelled", "F1"]
    print_table(columns, rows, "no image to judge")
