"""The result of comparing two runs, as typed data; reading it needs no numpy.

The runs are called *a* and *b*, as in "from a to b": a difference is b minus a; a truth is *gained* if b
finds it and a does not.
"""

from __future__ import annotations

from layernext.model.collection import Record
from layernext.model.display import MAIN_NUMBERS, counted
from layernext.model.evaluation_settings import EvaluationSettings
from layernext.model.reports import cells, document, first_rows
from layernext.model.tables import Table, Tabular, markdown_text


class ScoreDelta(Record, frozen=True, kw_only=True):
    """How one number of the summary differs between the runs.

    Attributes:
        name: name of the number, as in `Evaluation.summary`.
        a, b: values of the two runs; None where undefined.
        delta: b minus a.
        low, high: ends of the confidence interval of `delta`; None where too few resamples have a
            defined number.
    """

    name: str
    a: float | None
    b: float | None
    delta: float | None
    low: float | None
    high: float | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes 0: the choice of images does not explain the difference."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


class LabelDelta(Record, frozen=True, kw_only=True):
    """How the runs differ on the truths of one label.

    Attributes:
        label: label of the truths.
        truths: truths that count.
        found_by_both, gained, lost, found_by_neither: truths, at the confidence of each run.
        false_positives_a, false_positives_b: false positives of this label.
        delta: difference of the label's main average (AP, or F1 for ``lane-f1``); None where undefined.
    """

    label: str
    truths: int
    found_by_both: int
    gained: int
    lost: int
    found_by_neither: int
    false_positives_a: int
    false_positives_b: int
    delta: float | None


class ImageDifference(Record, frozen=True, kw_only=True):
    """How the runs differ in one image.

    Attributes:
        image: name of the image.
        truths: truths that count.
        gained, lost: truths that only b, or only a, found.
        false_positives_a, false_positives_b: annotations that match no truth.
        f1_a, f1_b: F1 of each run; None for an image with neither truths nor annotations.
        added, removed, moved, relabelled: as in `RunChanges`; 0 if the runs were not compared
            with each other.
    """

    image: str
    truths: int
    gained: int
    lost: int
    false_positives_a: int
    false_positives_b: int
    f1_a: float | None
    f1_b: float | None
    added: int = 0
    removed: int = 0
    moved: int = 0
    relabelled: int = 0

    @property
    def difference(self) -> int:
        """How much the runs differ: truths gained and lost, plus the change in false positives."""
        more = abs(self.false_positives_b - self.false_positives_a)
        return self.gained + self.lost + more


class RunChanges(Record, frozen=True, kw_only=True):
    """The annotations of b against those of a, without any ground truth.

    Two annotations of any labels are paired if they are at least as similar as the match threshold, most
    similar first.

    Attributes:
        a, b: number of annotations of each run, at its confidence.
        paired: number of pairs.
        unchanged: pairs with the same shape, label and confidence.
        moved: pairs whose shapes differ.
        relabelled: pairs whose labels differ.
        confidence_changed: pairs whose confidences differ.
        added: annotations that only b has; `removed`: that only a has.
        mean_similarity: mean similarity of the pairs: IoU, or distance.
        mean_confidence_change: mean change of confidence of the pairs, b minus a.
        labels: labels of the rows and columns of ``counts`` except the last, which is the background.
        counts: number of pairs, with a row for each label of a and a column for each label of b; last column:
            removed; last row: added.
        kappa: Cohen's kappa of the labels of the pairs: 1 is agreement, 0 is what chance gives; None without
            pairs, or if both runs use only one and the same label.
    """

    a: int
    b: int
    paired: int
    unchanged: int
    moved: int
    relabelled: int
    confidence_changed: int
    added: int
    removed: int
    mean_similarity: float | None
    mean_confidence_change: float | None
    labels: list[str]
    counts: list[list[int]]
    kappa: float | None


class Comparison(Tabular, frozen=True, kw_only=True):
    """Two runs against one ground truth.

    Attributes:
        name_a, name_b: names of the runs.
        settings: settings of both evaluations.
        confidence_a, confidence_b: confidence from which annotations of each run count.
        images, truths: how many both runs were measured on.
        scores: every number of the summary.
        labels: the labels, sorted by name.
        found_by_both, gained, lost, found_by_neither: numbers of truths.
        changes: the runs against each other; None if they were not compared with each other.
        different_images: images that differ, most different first; at most as many as requested.
        different_image_count: total number of images that differ.
        resamples, seed, level: for the confidence intervals: how often images were resampled, the random
            seed, and the share of resamples that an interval contains.
    """

    name_a: str
    name_b: str
    settings: EvaluationSettings
    confidence_a: float | None
    confidence_b: float | None
    images: int
    truths: int
    scores: list[ScoreDelta]
    labels: list[LabelDelta]
    found_by_both: int
    gained: int
    lost: int
    found_by_neither: int
    changes: RunChanges | None
    different_images: list[ImageDifference]
    different_image_count: int
    resamples: int
    seed: int
    level: float

    def __repr__(self) -> str:
        deltas = [
            f"{score.name} {score.delta:+.3f}"
            for score in self.scores
            if score.name in MAIN_NUMBERS and score.delta is not None
        ]
        return (
            f"<Comparison: {self.name_b!r} minus {self.name_a!r}: {', '.join(deltas) or 'no scores'}; "
            f"{counted(self.gained, 'truth')} gained, {self.lost:,} lost; {counted(self.images, 'image')}>"
        )

    def tables(self) -> dict[str, Table]:
        """``scores``, ``labels``, ``images``, ``changes`` and ``agreement``, as in `Evaluation.tables`."""
        return _tables(self)

    def to_markdown(self, title: str = "Comparison") -> str:
        """A readable report: differences with their intervals, labels, images, changes."""
        return _markdown(self, title)


def _tables(comparison: Comparison) -> dict[str, Table]:
    changes = comparison.changes
    rows = [] if changes is None else [changes]
    agreement = cells([], [], "a", "b") if changes is None else (
        cells(changes.labels, changes.counts, "a", "b")
    )  # fmt: skip
    return {
        "scores": Table.of(comparison.scores, ["name", "a", "b", "delta", "low", "high"]),
        "labels": Table.of(
            comparison.labels,
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
            comparison.different_images,
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
            rows,
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
        "agreement": agreement,
    }


def _markdown(comparison: Comparison, title: str) -> str:
    tables = comparison.tables()
    about = (
        f"a is {markdown_text(comparison.name_a)}, b is {markdown_text(comparison.name_b)}; "
        f"{counted(comparison.truths, 'truth')} on {counted(comparison.images, 'image')}: "
        f"{comparison.found_by_both:,} found by both, {comparison.gained:,} gained, {comparison.lost:,} lost, {comparison.found_by_neither:,} found by "
        "neither"
    )
    interval = (
        f"low and high: {comparison.level:.0%} interval of the difference, "
        f"{comparison.resamples:,} resamples of the images\n"
    )
    labels = tables["labels"]
    differing = [row for row in labels.rows if row["gained"] or row["lost"] or row["delta"]]
    return document(
        title,
        about,
        {
            "Differences": tables["scores"].to_markdown() + "\n" + interval,
            "Labels that differ": first_rows(Table(columns=labels.columns, rows=differing)),
            "Images that differ most": first_rows(tables["images"]),
            "Runs against each other": tables["changes"].to_markdown(),
        },
    )
