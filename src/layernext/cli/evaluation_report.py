"""What an evaluation or a comparison found: printed, and written into files."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from types import ModuleType

from layernext.cli.output import counted, print_table, say, tell, visible
from layernext.errors import ConfigurationError
from layernext.formats import atomic_target
from layernext.model import (
    TRACKING_COUNTS,
    TRACKING_SCORES,
    Comparison,
    ErrorKinds,
    Evaluation,
    ImageTally,
    LabelScores,
    RunChanges,
    StoredTally,
    Tracking,
    tracking_notes,
)

SHOWN_LABELS = 10
SHOWN_CHANGED_LABELS = 20
_SHOWN_SCORES = ("HOTA", "DetA", "AssA", "MOTA", "IDF1")
INSTALL = "pip install '.[eval]' in the source folder"

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


def load_evaluation() -> ModuleType:
    """The package that evaluates.

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


def write_report(
    result: Evaluation | Comparison,
    figures: Path | None,
    markdown: Path | None,
) -> None:
    """Write figures and a report, if requested, and print on standard error where they are."""
    if figures is not None:
        paths = load_evaluation().save_figures(result, figures)
        say(f"{counted(len(paths), 'figure')} in {figures}")
    if markdown is not None:
        with atomic_target(markdown, overwrite=True, is_folder=False) as target:
            target.write_text(result.to_markdown(), encoding="utf-8")
        say(f"report in {markdown}")


def show_evaluation(result: Evaluation) -> None:
    """Print the numbers of an evaluation, its labels and its errors."""
    settings, counts = result.settings, result.counts
    tell(
        f"{settings.geometry}, protocol {settings.protocol}: "
        f"{counted(counts['annotations'], 'annotation')} against {counted(counts['truths'], 'truth')} "
        f"on {counted(counts['images'], 'image')}"
    )
    for name, text in (
        ("images_without_truth", "{} of the run left out: not in the ground truth"),
        ("images_without_run", "{} not in the run: counted as empty"),
        ("unsized_images", "{} left out: coordinates are fractions, and the image size is unknown"),
    ):
        if counts.get(name):
            tell(text.format(counted(counts[name], "image")))
    over_limit = counts.get("annotations_over_limit")
    if over_limit:
        tell(
            f"{counted(over_limit, 'annotation')} left out: only the best {settings.max_annotations[-1]} of "
            "a label in an image count; raise the limit with --max-annotations"
        )
    tell()
    numbers = list(result.summary.items())
    half = (len(numbers) + 1) // 2
    rows = [
        [*(cell for name, value in pair for cell in (name, _number_text(value)))]
        for pair in zip(numbers[:half], [*numbers[half:], ("", 0.0)][:half], strict=True)
    ]
    print_table(["number", "", "number", ""], rows, "nothing to measure")
    if settings.protocol == "classification" and not result.confidence:
        tell("\nprecision, recall and F1 of each image's most confident label\n")
    elif result.confidence is not None:
        origin = "as requested" if settings.confidence is not None else "best for F1"
        tell(f"\nprecision, recall and F1 at confidence {result.confidence:.4g}, {origin}\n")
    _show_labels(result.labels)
    if result.tracking is not None:
        _show_tracking(result.tracking)
    if result.errors is not None:
        _show_errors(result.errors)


def _show_labels(labels: list[LabelScores]) -> None:
    names = list(labels[0].scores) if labels else []
    main = "AP" if "AP" in names or not names else names[0]

    def key(label: LabelScores) -> float:
        value = label.scores.get(main)
        return value if value is not None else label.f1 or 0.0

    with_truths = sorted((label for label in labels if label.truths), key=key)
    listed = with_truths
    if len(with_truths) > 2 * SHOWN_LABELS:
        listed = [*with_truths[:SHOWN_LABELS], *with_truths[-SHOWN_LABELS:]]
        tell(f"the {SHOWN_LABELS} worst and best of {counted(len(with_truths), 'label')}\n")
    rows = [
        (
            label.label, label.truths, label.annotations, _number_text(label.scores.get(main)),
            _number_text(label.precision, 3), _number_text(label.recall, 3), _number_text(label.f1, 3),
        )
        for label in listed
    ]  # fmt: skip
    columns = ["label", "truths", "annotations", main, "precision", "recall", "F1"]
    print_table(columns, rows, "no label has a truth")


def _show_tracking(tracking: Tracking) -> None:
    tell("\ntracks, of annotations with the same label")
    for note in tracking_notes(tracking):
        tell(note)
    tell()
    overall = tracking.overall
    print_table(
        ["number", "", "count", ""],
        [
            (
                score, _number_text(overall.scores[score]),
                name.replace("_", " "), overall.counts.get(name, ""),
            )
            for score, name in zip_longest(TRACKING_SCORES, TRACKING_COUNTS, fillvalue="")
        ],
        "",
    )  # fmt: skip
    entries = [*tracking.labels, *(tracking.sequences if len(tracking.sequences) > 1 else [])]
    tell()
    print_table(
        ["sequence", "label", *_SHOWN_SCORES, "switches", "fragments"],
        [
            (
                "" if entry.sequence is None else entry.sequence or "(unnamed)", entry.label or "",
                *(_number_text(entry.scores[name]) for name in _SHOWN_SCORES),
                entry.counts["id_switches"], entry.counts["fragmentations"],
            )
            for entry in entries[: 2 * SHOWN_LABELS]
        ],
        "no tracks to measure",
    )  # fmt: skip
    if len(entries) > 2 * SHOWN_LABELS:
        tell(f"and {counted(len(entries) - 2 * SHOWN_LABELS, 'more row')}; --json has all")


def _show_errors(errors: ErrorKinds) -> None:
    tell()
    rows = []
    for name, about in _ERRORS.items():
        kind = getattr(errors, name)
        rows.append((name.replace("_", " "), kind.count, _number_text(kind.ap_cost), about))
    print_table(["error", "count", "AP cost", "what it is"], rows, "")


def show_images(tallies: Sequence[ImageTally | StoredTally]) -> None:
    """Print how many annotations of each image are right."""
    tell()
    rows = [
        (tally.image, tally.truths, tally.true_positives, tally.false_positives, tally.missed,
         tally.mislabelled, _number_text(tally.f1, 3))
        for tally in tallies
    ]  # fmt: skip
    columns = ["image", "truths", "right", "false", "missed", "mislabelled", "F1"]
    print_table(columns, rows, "no images to list")


def show_comparison(comparison: Comparison) -> None:
    """Print the differences between two runs."""
    settings = comparison.settings
    tell(
        f"{settings.geometry}, protocol {settings.protocol}: a is {visible(comparison.name_a)}, b is "
        f"{visible(comparison.name_b)}; {counted(comparison.truths, 'truth')} on "
        f"{counted(comparison.images, 'image')}\n"
    )
    rows = [
        (
            score.name, _number_text(score.a), _number_text(score.b), _number_text(score.delta, sign=True),
            _number_text(score.low, sign=True), _number_text(score.high, sign=True),
            _verdict(score.is_clear, score.delta),
        )
        for score in comparison.scores
    ]  # fmt: skip
    print_table(["number", "a", "b", "b - a", "from", "to", ""], rows, "nothing to measure")
    if comparison.resamples:
        tell(
            f"\nfrom, to: {comparison.level:.0%} interval, {counted(comparison.resamples, 'resample')}"
        )
    at = f"a at confidence {_number_text(comparison.confidence_a)}, b at {_number_text(comparison.confidence_b)}"
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
                label.false_positives_b, _number_text(label.delta, sign=True),
            )
            for label in labels[:SHOWN_CHANGED_LABELS]
        ],
        "no truth gained or lost",
    )  # fmt: skip
    if len(labels) > SHOWN_CHANGED_LABELS:
        tell(f"and {counted(len(labels) - SHOWN_CHANGED_LABELS, 'more label')}; --json has all")
    if comparison.different_images:
        tell(f"\n{counted(comparison.different_image_count, 'image')} differ, most of all:\n")
        print_table(
            ["image", "truths", "gained", "lost", "false a", "false b", "F1 a", "F1 b"],
            [
                (
                    image.image, image.truths, image.gained, image.lost, image.false_positives_a,
                    image.false_positives_b, _number_text(image.f1_a, 3), _number_text(image.f1_b, 3),
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


def _number_text(number: float | None, digits: int = 4, *, sign: bool = False) -> str:
    if number is None:
        return "-"
    return f"{number:+.{digits}f}" if sign else f"{number:.{digits}f}"
