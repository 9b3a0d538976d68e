"""`layernext compare`: two model runs on one ground truth, from files or in a stack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from layernext.cli.configuration import ApiKey, AsJson, ConfigFile, Secret, Url, connect
from layernext.cli.data import Quiet
from layernext.cli.evaluate import (
    IMAGE_FOLDER_HELP,
    Figures,
    ImageSize,
    InstancesFile,
    MarkdownFile,
    RunFormat,
    TruthFormat,
    executor_of,
    for_files,
    load_evaluation,
    processes_for,
    progress_bar,
    refuse_files,
    refuse_names,
    write_outputs,
)
from layernext.cli.output import counted, print_json, print_table, tell, visible
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
from layernext.formats import Losses
from layernext.model import Comparison, EvaluationSettings, RunChanges

SHOWN_LABELS = 20


def compare(
    target: Annotated[
        str,
        typer.Argument(
            help="File or folder of the ground truth, in any supported format. "
            "With --truth: collection, by name or id."
        ),
    ],
    run_a: Annotated[
        str, typer.Argument(help="File of the baseline run. With --truth: name of the run.")
    ],
    run_b: Annotated[str, typer.Argument(help="File or name of the run to compare with it.")],
    ground_truth: Annotated[
        str | None,
        typer.Option("--truth", help="Compare in the stack, on the ground truth of this name."),
    ] = None,
    geometry: Annotated[
        Literal["rectangle", "polygon", "line", "mask"] | None,
        typer.Option(
            "--geometry",
            help="Geometry to compare. Default: that of the first annotation in the truth file.",
        ),
    ] = None,
    protocol: Annotated[
        Literal["coco", "voc", "voc2007", "lvis", "boundary", "lane-f1", "chamfer"] | None,
        typer.Option("--protocol", help="Evaluation protocol, such as coco, or lane-f1 for lines."),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(
            "--confidence", help="Confidence for both runs. Default: the best F1 of each."
        ),
    ] = None,
    match_threshold: Annotated[
        float | None,
        typer.Option(
            "--match", help="Minimum IoU, or maximum distance, of a match. Default: IoU 0.5."
        ),
    ] = None,
    truth_format: TruthFormat = None,
    run_format: RunFormat = None,
    instances: InstancesFile = None,
    image_folder: Annotated[
        Path | None,
        # Here --images is a number.
        typer.Option("--image-folder", help=IMAGE_FOLDER_HELP),
    ] = None,
    image_size: ImageSize = None,
    names: Names = None,
    labels: Labels = None,
    map_labels: MapLabels = None,
    ignore_case: IgnoreCase = False,
    class_agnostic: ClassAgnostic = False,
    scale_confidence: ScaleConfidence = None,
    skip_invalid: SkipInvalid = False,
    images: Annotated[
        int, typer.Option("--images", min=0, help="Number of most different images to list.")
    ] = 10,
    resamples: Annotated[
        int,
        typer.Option(
            "--resamples", min=0, help="Number of resamples for the intervals; 0 for none."
        ),
    ] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Random seed of the resampling.")] = 0,
    level: Annotated[
        float, typer.Option("--level", help="Confidence level of the intervals.")
    ] = 0.95,
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
    quiet: Quiet = False,
    as_json: AsJson = False,
    api_key: ApiKey = None,
    secret: Secret = None,
    url: Url = None,
    config: ConfigFile = None,
) -> None:
    """Compare two model runs on a ground truth.

    Compares three files, or with --truth two runs in a stack. Each file may be in any format that
    `layernext convert` reads. Differences are RUN_B minus RUN_A. Confidence intervals come from
    resampling the images, with the same samples for both runs: if an interval excludes 0, the
    choice of images does not explain the difference.

    Examples:

        layernext compare truth.json run_a.json run_b.json

        layernext compare truth.json run_a.json run_b.json --markdown report.md --figures figures

        layernext compare truth.json old.json new.json --confidence 0.5 --resamples 0 --json

        layernext compare path1/path2 "test model v1" "test model v2" --truth "ground truth"
    """
    options: dict[str, Any] = {
        "protocol": protocol,
        "confidence": confidence,
        "match_threshold": match_threshold,
    }
    if ground_truth is not None:
        refuse_files(
            [target, run_a, run_b],
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
            comparison = client.compare(
                collection=target,
                run_a=run_a,
                run_b=run_b,
                ground_truth=ground_truth,
                geometry=geometry or "rectangle",
                resamples=resamples,
                seed=seed,
                level=level,
                image_limit=images,
                progress=False if quiet else None,
                **options,
            )
        _give(comparison, figures, markdown, as_json=as_json)
        return
    refuse_names([target, run_a, run_b])
    evaluation = load_evaluation()
    paths = [Path(file) for file in (target, run_a, run_b)]
    rules = label_rules(labels, map_labels, ignore_case, class_agnostic)
    file_options: dict[str, Any] = {
        "truth_format": truth_format,
        "run_format": run_format,
        "images": image_folder,
        "instances": instances,
        "source_options": source_options(rules, names, scale_confidence, skip_invalid),
    }
    losses = Losses()
    found_geometry = geometry or evaluation.find_geometry(*paths[:2], **file_options)
    settings = EvaluationSettings(geometry=found_geometry or "rectangle", **options)
    count = processes or processes_for(*paths)
    with executor_of(count) as executor, progress_bar(quiet, "comparing") as (bar, task):
        comparison = evaluation.compare_files(
            *paths,
            settings,
            image_wh=image_size,
            losses=losses,
            **file_options,
            resamples=resamples,
            seed=seed,
            level=level,
            image_limit=images,
            executor=executor,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    say_losses(losses)
    _give(comparison, figures, markdown, as_json=as_json)


def _give(
    comparison: Comparison, figures: Path | None, markdown: Path | None, *, as_json: bool
) -> None:
    write_outputs(comparison, figures, markdown)
    if as_json:
        print_json(comparison.to_dict())
        return
    _show(comparison)


def _shown(number: float | None, digits: int = 4, *, sign: bool = False) -> str:
    if number is None:
        return "-"
    return f"{number:+.{digits}f}" if sign else f"{number:.{digits}f}"


def _show(comparison: Comparison) -> None:
    settings = comparison.settings
    tell(
        f"{settings.geometry}, protocol {settings.protocol}: a is {visible(comparison.name_a)}, b is "
        f"{visible(comparison.name_b)}; {counted(comparison.truths, 'truth')} on "
        f"{counted(comparison.images, 'image')}\n"
    )
    rows = [
        (
            score.name, _shown(score.a), _shown(score.b), _shown(score.delta, sign=True),
            _shown(score.low, sign=True), _shown(score.high, sign=True),
            _verdict(score.is_clear, score.delta),
        )
        for score in comparison.scores
    ]  # fmt: skip
    print_table(["number", "a", "b", "b - a", "from", "to", ""], rows, "nothing to measure")
    if comparison.resamples:
        tell(
            f"\nfrom, to: {comparison.level:.0%} interval, {counted(comparison.resamples, 'draw')}"
        )
    at = (
        f"a at confidence {_shown(comparison.confidence_a)}, b at {_shown(comparison.confidence_b)}"
    )
    tell(
        f"\ntruths ({at}): {comparison.found_by_both:,} found by both, {comparison.gained:,} gained, "
        f"{comparison.lost:,} lost, {comparison.found_by_neither:,} found by neither"
    )
    if comparison.changes is not None:
        _show_changes(comparison.changes)
    tell()
    labels = sorted(
        (label for label in comparison.labels if label.gained or label.lost),
        key=lambda label: (-label.gained - label.lost, label.label),
    )
    print_table(
        ["label", "truths", "gained", "lost", "false a", "false b", "b - a"],
        [
            (
                label.label, label.truths, label.gained, label.lost, label.false_positives_a,
                label.false_positives_b, _shown(label.delta, sign=True),
            )
            for label in labels[:SHOWN_LABELS]
        ],
        "no truth gained or lost",
    )  # fmt: skip
    if len(labels) > SHOWN_LABELS:
        tell(f"and {counted(len(labels) - SHOWN_LABELS, 'more label')}; --json has all")
    if comparison.different_images:
        tell(f"\n{counted(comparison.different_image_count, 'image')} differ, most of all:\n")
        print_table(
            ["image", "truths", "gained", "lost", "false a", "false b", "F1 a", "F1 b"],
            [
                (
                    image.image, image.truths, image.gained, image.lost, image.false_positives_a,
                    image.false_positives_b, _shown(image.f1_a, 3), _shown(image.f1_b, 3),
                )
                for image in comparison.different_images
            ],
            "",
        )  # fmt: skip


def _verdict(is_clear: bool, delta: float | None) -> str:
    if not is_clear or delta is None:
        return ""
    return "higher" if delta > 0 else "lower"


def _show_changes(changes: RunChanges) -> None:
    kappa = "" if changes.kappa is None else f"; kappa of the labels {changes.kappa:.4f}"
    tell(
        f"annotations: {changes.paired:,} in both ({changes.unchanged:,} unchanged, "
        f"{changes.moved:,} moved, {changes.relabelled:,} relabelled, "
        f"{changes.confidence_changed:,} with another confidence), {changes.added:,} added, "
        f"{changes.removed:,} removed{kappa}"
    )
