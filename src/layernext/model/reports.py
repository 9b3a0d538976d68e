"""Evaluations and comparisons as tables and as Markdown: which columns, in which order, under which heading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from layernext.model.tables import Row, Table, markdown_text

if TYPE_CHECKING:
    from layernext.model.comparison import Comparison
    from layernext.model.evaluation import ConfusionMatrix, Evaluation

ERROR_KINDS = (
    "classification", "localisation", "both", "duplicate", "background", "missed",
    "false_positives", "false_negatives",
)  # fmt: skip

MARKDOWN_LABELS = 12
"""Labels up to which Markdown shows a confusion matrix: more do not fit on a page."""

MARKDOWN_ROWS = 50

_LABEL_COLUMNS = (
    "label", "truths", "annotations", "true_positives", "false_positives", "missed", "precision",
    "recall", "f1", "best_f1", "best_confidence", "mean_similarity",
)  # fmt: skip
_SLICE_COLUMNS = (
    "kind", "name", "value", "images", "truths", "annotations", "true_positives", "precision",
    "recall", "f1", "mean_similarity", "agreement",
)  # fmt: skip


def evaluation_tables(found: Evaluation) -> dict[str, Table]:
    """As `Evaluation.tables`."""
    points = [
        {"label": curve.label, "confidence": c, "precision": p, "recall": r, "f1": f}
        for curve in found.curves
        for c, p, r, f in zip(
            curve.confidence, curve.precision, curve.recall, curve.f1, strict=True
        )
    ]
    errors = [] if found.errors is None else [
        {"kind": name, "count": kind.count, "ap_cost": kind.ap_cost}
        for name in ERROR_KINDS
        for kind in [getattr(found.errors, name)]
    ]  # fmt: skip
    bins = [] if found.calibration is None else found.calibration.bins
    summary = [{"name": name, "value": value} for name, value in found.summary.items()]
    return {
        "labels": _with_scores(found.labels, _LABEL_COLUMNS),
        "summary": Table(columns=["name", "value"], rows=summary),
        "curves": Table(columns=["label", "confidence", "precision", "recall", "f1"], rows=points),
        "confusion": _cells(found.confusion.labels, found.confusion.counts, "truth", "run"),
        "calibration": Table.of(bins, ["low", "high", "annotations", "confidence", "precision"]),
        "errors": Table(columns=["kind", "count", "ap_cost"], rows=errors),
        "slices": _with_scores(found.slices, _SLICE_COLUMNS),
    }


def comparison_tables(found: Comparison) -> dict[str, Table]:
    """As `Comparison.tables`."""
    changes = found.changes
    one = [] if changes is None else [changes]
    cells = _cells([], [], "a", "b") if changes is None else (
        _cells(changes.labels, changes.counts, "a", "b")
    )  # fmt: skip
    return {
        "scores": Table.of(found.scores, ["name", "a", "b", "delta", "low", "high"]),
        "labels": Table.of(
            found.labels,
            [
                "label",
                "truths",
                "found_by_both",
                "gained",
                "lost",
                "found_by_neither",
                "false_positives_a",
                "false_positives_b",
                "delta",
            ],
        ),
        "images": Table.of(
            found.different_images,
            [
                "image",
                "difference",
                "truths",
                "gained",
                "lost",
                "false_positives_a",
                "false_positives_b",
                "f1_a",
                "f1_b",
                "added",
                "removed",
                "moved",
                "relabelled",
            ],
        ),
        "changes": Table.of(
            one,
            [
                "a",
                "b",
                "paired",
                "unchanged",
                "moved",
                "relabelled",
                "confidence_changed",
                "added",
                "removed",
                "mean_similarity",
                "mean_confidence_change",
                "kappa",
            ],
        ),
        "agreement": cells,
    }


def evaluation_markdown(found: Evaluation, title: str) -> str:
    """As `Evaluation.to_markdown`."""
    settings, counts, tables = found.settings, found.counts, found.tables()
    unit = " px" if settings.is_distance else ""
    about = (
        f"{settings.geometry}, protocol {settings.protocol}: {counts['annotations']:,} annotations "
        f"against {counts['truths']:,} truths on {counts['images']:,} images; "
        f"match threshold {settings.match_threshold:g}{unit}"
    )
    if found.confidence is not None:
        about += f"; precision, recall and F1 at confidence {found.confidence:.4g}"
    calibration = ""
    if found.calibration is not None and found.calibration.expected_error is not None:
        calibration = f"Expected calibration error: {found.calibration.expected_error:.4f}\n"
    return _document(
        title,
        about,
        {
            "Numbers": tables["summary"].to_markdown(),
            "Labels": _first_rows(tables["labels"]),
            "Confusion": _matrix(found.confusion),
            "Errors": tables["errors"].to_markdown(),
            "Calibration": calibration,
            "Slices": _first_rows(tables["slices"]),
        },
    )


def comparison_markdown(found: Comparison, title: str) -> str:
    """As `Comparison.to_markdown`."""
    tables = found.tables()
    about = (
        f"a is {markdown_text(found.name_a)}, b is {markdown_text(found.name_b)}; "
        f"{found.truths:,} truths on {found.images:,} images: {found.found_by_both:,} found by "
        f"both, {found.gained:,} gained, {found.lost:,} lost, {found.found_by_neither:,} found by "
        "neither"
    )
    interval = (
        f"low and high: {found.level:.0%} interval of the difference, "
        f"{found.resamples:,} resamples of the images\n"
    )
    labels = tables["labels"]
    differing = [row for row in labels.rows if row["gained"] or row["lost"] or row["delta"]]
    return _document(
        title,
        about,
        {
            "Differences": tables["scores"].to_markdown() + "\n" + interval,
            "Labels that differ": _first_rows(Table(columns=labels.columns, rows=differing)),
            "Images that differ most": _first_rows(tables["images"]),
            "Runs against each other": tables["changes"].to_markdown(),
        },
    )


def _document(title: str, about: str, sections: dict[str, str]) -> str:
    parts = [f"# {markdown_text(title)}\n\n{about}.\n"]
    parts += [f"## {heading}\n\n{text}" for heading, text in sections.items() if text]
    return "\n".join(parts)


def _first_rows(table: Table) -> str:
    shown = Table(columns=table.columns, rows=table.rows[:MARKDOWN_ROWS])
    more = len(table.rows) - len(shown.rows)
    return shown.to_markdown() + (f"\nand {more:,} more\n" if more else "")


def _matrix(confusion: ConfusionMatrix) -> str:
    labels = [*confusion.labels, "(background)"]
    if not 1 < len(labels) <= MARKDOWN_LABELS + 1:
        return ""
    lines = [
        ["truth \\ run", *(markdown_text(label) for label in labels)],
        ["---", *("---:" for _ in labels)],
        *(
            [markdown_text(label), *(str(count) for count in row)]
            for label, row in zip(labels, confusion.counts, strict=True)
        ),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _with_scores(records: list[Any], columns: tuple[str, ...]) -> Table:
    """A table of the fields, then of each record's `scores`, a column for each name."""
    names: dict[str, None] = {}
    for record in records:
        names.update(dict.fromkeys(record.scores))
    rows = [
        {column: getattr(record, column) for column in columns}
        | {name: record.scores.get(name) for name in names}
        for record in records
    ]
    return Table(columns=[*columns, *names], rows=rows)


def _cells(labels: list[str], counts: list[list[int]], row: str, column: str) -> Table:
    """The cells of a matrix that are not 0; the background's label is None."""
    names = [*labels, None]
    rows: list[Row] = [
        {row: names[y], column: names[x], "count": count}
        for y, line in enumerate(counts)
        for x, count in enumerate(line)
        if count
    ]
    return Table(columns=[row, column, "count"], rows=rows)
