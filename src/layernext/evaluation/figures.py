"""Pictures of an evaluation or a comparison, for papers and reports: PNG, SVG or PDF.

Only here is matplotlib needed, and only once a figure is drawn. Figures are objects of their own: no
window is opened, and nothing of what the caller does with matplotlib is touched. Colors are those of
Okabe and Ito (Color Universal Design, 2008), which people with any color vision tell apart; where a
color means something, a form says the same.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from layernext.errors import ConfigurationError
from layernext.model import (
    BACKGROUND,
    Calibration,
    Comparison,
    ConfusionMatrix,
    Curve,
    ErrorKinds,
    Evaluation,
    ScoreDelta,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FigureFormat: TypeAlias = Literal["png", "svg", "pdf"]

BLACK, GREY, LIGHT = "#000000", "#767676", "#d9d9d9"
BLUE, ORANGE, VERMILION, GREEN, PINK, SKY = (
    "#0072b2", "#e69f00", "#d55e00", "#009e73", "#cc79a7", "#56b4e9",
)  # fmt: skip
_STYLES = [
    (BLUE, "-"), (VERMILION, "--"), (GREEN, "-."), (PINK, ":"), (ORANGE, "-"), (SKY, "--"),
]  # fmt: skip

MAX_CURVES = len(_STYLES)
MAX_LABELS = 30
MAX_NUMBERED = 16
"""Curves, labels of a confusion matrix, and labels up to which its cells have numbers."""

MAX_TEXT = 24


def evaluation_figures(evaluation: Evaluation) -> dict[str, Figure]:
    """Every figure that an evaluation has data for, by name.

    Returns:
        ``precision-recall``, ``confidence``, ``confusion``, and, where they are defined,
        ``reliability`` and ``errors``; matplotlib figures.

    Raises:
        ConfigurationError: matplotlib is not installed.
    """
    figures = {"confusion": confusion_figure(evaluation.confusion)}
    if evaluation.curves and evaluation.curves[0].recall:
        figures["precision-recall"] = precision_recall_figure(evaluation)
        figures["confidence"] = confidence_figure(evaluation.curves[0], evaluation.confidence)
    if evaluation.calibration is not None:
        figures["reliability"] = reliability_figure(evaluation.calibration)
    if evaluation.errors is not None and evaluation.errors.ap is not None:
        figures["errors"] = error_figure(evaluation.errors)
    return figures


def comparison_figures(comparison: Comparison) -> dict[str, Figure]:
    """Every figure of a comparison, by name: ``differences``, and ``agreement`` if it has one."""
    figures = {"differences": difference_figure(comparison)}
    changes = comparison.changes
    if changes is not None and changes.labels:
        matrix = ConfusionMatrix(
            labels=changes.labels,
            counts=changes.counts,
            match_threshold=comparison.settings.match_threshold or 0.0,
            confidence=0.0,
        )
        names = _shown(comparison.name_a), _shown(comparison.name_b)
        figures["agreement"] = confusion_figure(
            matrix,
            rows=names[0],
            columns=names[1],
            nothing="(no counterpart)",
            title="Agreement" if changes.kappa is None else f"Agreement, kappa {changes.kappa:.3f}",
        )
    return figures


def save_figures(
    result: Evaluation | Comparison,
    folder: str | os.PathLike[str],
    formats: Sequence[FigureFormat] = ("png",),
) -> list[Path]:
    """Write every figure into a folder, which is created if missing; files of the same name are replaced.

    Returns:
        The files, such as ``confusion.png``.

    Raises:
        ConfigurationError: matplotlib is not installed.
        OSError: the folder cannot be written.
    """
    draw: Callable[[Any], dict[str, Figure]] = (
        comparison_figures if isinstance(result, Comparison) else evaluation_figures
    )
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in sorted(draw(result).items()):
        for kind in formats:
            path = target / f"{name}.{kind}"
            path.write_bytes(figure_bytes(figure, kind))
            paths.append(path)
    return paths


def figure_bytes(figure: Figure, kind: FigureFormat = "png") -> bytes:
    """A figure as the content of a file; the same figure gives the same picture."""
    target = io.BytesIO()
    metadata: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    figure.savefig(target, format=kind, metadata=metadata)
    return target.getvalue()


def precision_recall_figure(evaluation: Evaluation, labels: Sequence[str] | None = None) -> Figure:
    """Precision over recall, for all labels together and for some: by default those with the most truths."""
    figure, axes = _new(6.4, 5.2)
    grid = [step / 200 for step in range(1, 201)]
    for f1 in (0.2, 0.4, 0.6, 0.8):
        points = [(r, f1 * r / (2 * r - f1)) for r in grid if 2 * r > f1]
        points = [point for point in points if point[1] <= 1]
        axes.plot(*zip(*points, strict=True), color=LIGHT, linewidth=0.8, zorder=1)
        axes.annotate(f"F1 {f1}", points[-1], color=GREY, fontsize=7, ha="right", va="bottom")
    if labels is None:
        by_truths = sorted(evaluation.labels, key=lambda scores: (-scores.truths, scores.label))
        labels = [scores.label for scores in by_truths[:MAX_CURVES] if scores.truths]
    curves = {curve.label: curve for curve in evaluation.curves}
    axes.plot(
        curves[None].recall, curves[None].precision, color=BLACK, linewidth=2.2, label="all labels"
    )
    if len(evaluation.labels) > 1:
        for (color, style), label in zip(_STYLES, labels, strict=False):
            curve = curves.get(label)
            if curve is not None and curve.recall:
                axes.plot(
                    curve.recall, curve.precision, color=color, linestyle=style, label=_shown(label)
                )
    _unit_axes(axes, "recall", "precision")
    threshold = evaluation.settings.match_threshold or 0.0
    unit = " px" if evaluation.settings.is_distance else ""
    sign = "≤" if evaluation.settings.is_distance else "≥"
    axes.set_title(f"Precision and recall (match {sign} {threshold:g}{unit})")
    _legend(axes)
    return figure


def confidence_figure(curve: Curve, confidence: float | None = None) -> Figure:
    """Precision, recall and F1 over confidence, with a line at the confidence that is used."""
    figure, axes = _new(6.4, 4.6)
    for name, values, color, style in (
        ("precision", curve.precision, BLUE, "--"),
        ("recall", curve.recall, VERMILION, "-."),
        ("F1", curve.f1, BLACK, "-"),
    ):
        axes.plot(curve.confidence, values, color=color, linestyle=style, label=name)
    if confidence is not None:
        axes.axvline(confidence, color=GREY, linewidth=0.8)
        side = "right" if confidence > 0.5 else "left"  # noqa: PLR2004 - the middle
        axes.annotate(
            f" {confidence:.3g} ", (confidence, 1.02), color=GREY, fontsize=8, ha=side, va="bottom",
            annotation_clip=False,
        )  # fmt: skip
    _unit_axes(axes, "confidence", "")
    axes.set_title("Precision, recall and F1 over confidence", pad=16)
    _legend(axes)
    return figure


def confusion_figure(
    confusion: ConfusionMatrix,
    *,
    rows: str = "ground truth",
    columns: str = "run",
    nothing: str = BACKGROUND,
    title: str = "Confusion",
) -> Figure:
    """A confusion matrix; the larger its share of the row, the darker a cell."""
    labels, counts, left_out = _largest(confusion)
    names = [*(_shown(label) for label in labels), nothing]
    size = len(names)
    side = min(12.0, max(4.6, 1.8 + 0.42 * size))
    figure, axes = _new(side + 1.2, side)
    shares = [[count / (sum(row) or 1) for count in row] for row in counts]
    # The square root: a confusion of one in a hundred can be seen.
    shade = [[share**0.5 for share in row] for row in shares]
    image = axes.imshow(shade, cmap="Blues", vmin=0, vmax=1)
    bar = figure.colorbar(image, ax=axes, fraction=0.035, pad=0.02, label="share of the row")
    marks = [0, 0.01, 0.05, 0.2, 0.5, 1]
    bar.set_ticks([mark**0.5 for mark in marks], labels=[f"{mark:g}" for mark in marks])
    axes.set_xticks(range(size), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size), names)
    small = 9 if size <= MAX_NUMBERED // 2 else 7
    for tick in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        tick.set_parse_math(False)
        tick.set_fontsize(small + 1 if size <= MAX_NUMBERED else 9)
    if size <= MAX_NUMBERED:
        for y, row in enumerate(counts):
            for x, count in enumerate(row):
                color = "white" if shade[y][x] > 0.6 else BLACK  # noqa: PLR2004 - dark blue
                text = _short(count) if count else ""
                axes.text(x, y, text, ha="center", va="center", color=color, fontsize=small)
    axes.axhline(size - 1.5, color=GREY, linewidth=0.8)
    axes.axvline(size - 1.5, color=GREY, linewidth=0.8)
    axes.set_xlabel(columns, parse_math=False)
    axes.set_ylabel(rows, parse_math=False)
    more = f" ({size - 1} of {size - 1 + left_out} labels)" if left_out else ""
    axes.set_title(f"{title}{more}")
    return figure


def reliability_figure(calibration: Calibration) -> Figure:
    """Precision in each interval of confidence, and how many annotations there are."""
    figure = _figure(6.0, 6.0)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    bins = [interval for interval in calibration.bins if interval.annotations]
    middles = [(interval.low + interval.high) / 2 for interval in bins]
    width = calibration.bins[0].high - calibration.bins[0].low
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="as it should be")
    axes.bar(
        middles,
        [interval.precision or 0.0 for interval in bins],
        width=width * 0.92,
        color=SKY,
        edgecolor=BLUE,
        label="precision",
    )
    axes.plot(
        [interval.confidence for interval in bins],
        [interval.precision for interval in bins],
        color=VERMILION, marker="o", markersize=4, linewidth=1, label="at the mean confidence",
    )  # fmt: skip
    _unit_axes(axes, "", "precision")
    axes.set_aspect("auto")
    error, largest = calibration.expected_error, calibration.largest_error
    numbers = "" if error is None else f" (ECE {error:.3f}, largest {largest:.3f})"
    axes.set_title(f"Reliability{numbers}")
    _legend(axes)
    below.bar(middles, [interval.annotations for interval in bins], width=width * 0.92, color=GREY)
    below.set_xlabel("confidence")
    below.set_ylabel("annotations")
    _plain(below)
    return figure


def error_figure(errors: ErrorKinds) -> Figure:
    """What each kind of error costs in AP, and how often it occurs."""
    names = ["classification", "localisation", "both", "duplicate", "background", "missed"]
    kinds = [getattr(errors, name) for name in names]
    figure, axes = _new(6.4, 3.8)
    costs = [kind.ap_cost or 0.0 for kind in kinds]
    axes.barh(names, costs, color=BLUE)
    axes.invert_yaxis()
    widest = max([*costs, 1e-9])
    for row, kind in enumerate(kinds):
        axes.annotate(
            f"  {_short(kind.count)} x", (max(costs[row], 0.0), row), va="center",
            color=GREY, fontsize=9,
        )  # fmt: skip
    axes.set_xlim(min(0.0, *costs) * 1.1, widest * 1.2)
    axes.set_xlabel("AP that it costs")
    ap = "undefined" if errors.ap is None else f"{errors.ap:.3f}"
    axes.set_title(f"Errors by kind (AP {ap})")
    _plain(axes)
    axes.grid(visible=True, axis="x", color=LIGHT, linewidth=0.6)
    return figure


def difference_figure(comparison: Comparison) -> Figure:
    """Each number's difference with its interval: what is better, worse or undecided."""
    scores = [
        score
        for score in comparison.scores
        if score.delta is not None
        # Pixels and shares have no axis in common.
        and not (comparison.settings.is_distance and score.name == "mean_similarity")
    ]
    figure, axes = _new(6.8, max(2.6, 1.4 + 0.3 * len(scores)))
    axes.axvline(0, color=GREY, linewidth=1)
    for row, score in enumerate(scores):
        color, marker = _verdict(score)
        if score.low is not None and score.high is not None:
            axes.plot([score.low, score.high], [row, row], color=color, linewidth=2)
        axes.plot([score.delta or 0.0], [row], color=color, marker=marker, markersize=7)
    axes.set_yticks(range(len(scores)), [_title(score.name) for score in scores])
    axes.invert_yaxis()
    axes.margins(x=0.12, y=0.04)
    names = _shown(comparison.name_b), _shown(comparison.name_a)
    share = f"{comparison.level:.0%} interval" if comparison.resamples else "no interval"
    axes.set_xlabel(f"{names[0]} minus {names[1]} ({share})", parse_math=False)
    axes.set_title("What differs")
    for color, marker, text in (
        (BLUE, "^", "higher"), (VERMILION, "v", "lower"), (GREY, "o", "open"),
    ):  # fmt: skip
        axes.plot([], [], color=color, marker=marker, linestyle="none", label=text)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)
    _plain(axes)
    axes.grid(visible=True, axis="x", color=LIGHT, linewidth=0.6)
    return figure


def _verdict(score: ScoreDelta) -> tuple[str, str]:
    if not score.is_clear or score.delta is None:
        return GREY, "o"
    return (BLUE, "^") if score.delta > 0 else (VERMILION, "v")


def _title(name: str) -> str:
    return {"f1": "F1"}.get(name, name.replace("_", " "))


def _largest(confusion: ConfusionMatrix) -> tuple[list[str], list[list[int]], int]:
    """The labels with the highest counts, their rows and columns, and how many are left out."""
    count = len(confusion.labels)
    weight = [
        sum(row) + sum(other[number] for other in confusion.counts)
        for number, row in enumerate(confusion.counts[:-1])
    ]
    largest = sorted(sorted(range(count), key=lambda number: -weight[number])[:MAX_LABELS])
    indexes = [*largest, count]
    counts = [[confusion.counts[y][x] for x in indexes] for y in indexes]
    return [confusion.labels[number] for number in largest], counts, count - len(largest)


def _short(count: int) -> str:
    """A count in at most four characters."""
    for limit, unit in ((10_000, ""), (1_000_000, "k"), (1_000_000_000, "M")):
        if count < limit:
            scale = {"": 1, "k": 1_000, "M": 1_000_000}[unit]
            return f"{count // scale}{unit}"
    return f"{count:.0e}"


def _shown(text: str) -> str:
    """A name as it can be drawn: on one line, not too long, with what the font has not as a box."""
    from matplotlib import font_manager  # noqa: PLC0415 - optional; `_figure` has said so if missing

    glyphs = font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap()
    line = "".join(char if char.isprintable() and ord(char) in glyphs else "□" for char in text)
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"


def _figure(width: float, height: float) -> Figure:
    """An empty figure of that many inches.

    Raises:
        ConfigurationError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - optional
    except ImportError as error:
        raise ConfigurationError(
            "figures need matplotlib", hint="pip install '.[eval]' in the source folder"
        ) from error
    return Figure(figsize=(width, height), dpi=150, layout="constrained", facecolor="white")


def _new(width: float, height: float) -> tuple[Figure, Axes]:
    figure = _figure(width, height)
    axes = figure.subplots()
    axes.set_facecolor("white")
    return figure, axes


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_axisbelow(True)


def _unit_axes(axes: Axes, x: str, y: str) -> None:
    """Both axes from 0 to 1."""
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, color=LIGHT, linewidth=0.6)
    _plain(axes)


def _legend(axes: Axes) -> None:
    legend = axes.legend(frameon=True, framealpha=0.9, edgecolor=LIGHT, fontsize=9)
    for text in legend.get_texts():
        text.set_parse_math(False)
