"""The result of an evaluation as typed data: numbers, tables and curves; reading it needs no numpy.

An undefined number (an average over no truth, a precision of no annotation) is None, never a
placeholder. Numbers have the names that the field uses: ``AP``, ``AP50``, ``APs``,
``AR100``.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field

from layernext.model.collection import Record
from layernext.model.display import MAIN_NUMBERS, counted, number_text
from layernext.model.evaluation_settings import EvaluationSettings
from layernext.model.reports import cells, document, first_rows, with_scores
from layernext.model.tables import Table, Tabular, markdown_text
from layernext.model.tracking import Tracking, tracking_markdown, tracking_table

METHOD = 1
"""Incremented when the same input gives different numbers: results stored before are then stale."""

BACKGROUND = "(background)"
"""Name of the last row and column of a confusion matrix where they are shown."""

ERROR_KINDS = (
    "classification", "localisation", "both", "duplicate", "background", "missed",
    "false_positives", "false_negatives",
)  # fmt: skip

MARKDOWN_LABELS = 12
"""Labels up to which Markdown shows a confusion matrix: more do not fit on a page."""

_LABEL_COLUMNS = (
    "label", "truths", "annotations", "true_positives", "false_positives", "missed", "precision",
    "recall", "f1", "best_f1", "best_confidence", "mean_similarity",
)  # fmt: skip
_SLICE_COLUMNS = (
    "kind", "name", "value", "images", "truths", "annotations", "true_positives", "precision",
    "recall", "f1", "mean_similarity", "agreement",
)  # fmt: skip


class LabelScores(Record, frozen=True, kw_only=True):
    """The numbers of one label.

    Attributes:
        label: which.
        truths: annotations of the ground truth that count.
        annotations: number of annotations of the run that count, at every confidence.
        true_positives, false_positives, missed: counts at the evaluation's ``confidence``.
        precision, recall, f1: values at the evaluation's ``confidence``.
        best_f1: highest F1 at any confidence, and `best_confidence` where that is.
        mean_similarity: IoU (or distance) of the true positives on average.
        scores: the averages by name, as in `Evaluation.summary`.
        frequency: ``r``, ``c`` or ``f`` (LVIS: rare, common, frequent); else None.
    """

    label: str
    truths: int
    annotations: int
    true_positives: int
    false_positives: int
    missed: int
    precision: float | None
    recall: float | None
    f1: float | None
    best_f1: float | None
    best_confidence: float | None
    mean_similarity: float | None
    scores: dict[str, float | None]
    frequency: Literal["r", "c", "f"] | None = None


class Curve(Record, frozen=True, kw_only=True):
    """Precision, recall and F1 over confidence, at the match threshold.

    Attributes:
        label: label of the curve; None for all labels together.
        confidence: in falling order; a point counts every annotation with at least this confidence. There are
            at most about 200 points: longer curves keep points that are evenly spread over recall, including
            the first, the last and the one with the best F1.
        precision, recall, f1: values at each point.
    """

    label: str | None
    confidence: list[float]
    precision: list[float]
    recall: list[float]
    f1: list[float]


class ConfusionMatrix(Record, frozen=True, kw_only=True):
    """The truths, and what the run took them for.

    Attributes:
        labels: labels of all rows and columns except the last, which is the background.
        counts: a row for each label of the truth, a column for each of the run. Last column: truths
            without an annotation. Last row: annotations without a truth.
        match_threshold: similarity from which a pair counts.
        confidence: annotations with a lower confidence are left out.
    """

    labels: list[str]
    counts: list[list[int]]
    match_threshold: float
    confidence: float


class CalibrationBin(Record, frozen=True, kw_only=True):
    """Annotations whose confidence lies in one interval.

    Attributes:
        low, high: the interval; `low` itself belongs to the previous bin, except 0.
        annotations: how many.
        confidence: on average; None for an empty bin.
        precision: the share that is right; None for an empty bin.
    """

    low: float
    high: float
    annotations: int
    confidence: float | None
    precision: float | None


class Calibration(Record, frozen=True, kw_only=True):
    """Whether annotations with confidence 0.8 are right in 80 of 100 cases, at the match threshold.

    Attributes:
        bins: bins of equal width from 0 to 1.
        expected_error: ECE: the distance of confidence and precision, averaged over annotations.
        largest_error: MCE: the largest distance of a bin.
        brier: mean squared distance of confidence and outcome.
    """

    bins: list[CalibrationBin]
    expected_error: float | None
    largest_error: float | None
    brier: float | None


class ErrorKind(Record, frozen=True, kw_only=True):
    """One kind of error.

    Attributes:
        count: how often, at every confidence.
        ap_cost: how much higher AP at the match threshold would be without these errors.
    """

    count: int
    ap_cost: float | None


class ErrorKinds(Record, frozen=True, kw_only=True):
    """Errors by kind, after TIDE (Bolya et al., ECCV 2020), with what each costs.

    Attributes:
        ap: AP at the match threshold, from which the costs are computed.
        classification: right place, wrong label.
        localisation: right label, wrong place.
        both: wrong label and wrong place.
        duplicate: a truth found a second time.
        background: there is no truth.
        missed: truths that no error above accounts for.
        false_positives, false_negatives: cost of all errors of one side; counts are of the
            annotations that are wrong, and of the truths that were not found.
        background_threshold: minimum similarity of an annotation that does not count as background.
    """

    ap: float | None
    classification: ErrorKind
    localisation: ErrorKind
    both: ErrorKind
    duplicate: ErrorKind
    background: ErrorKind
    missed: ErrorKind
    false_positives: ErrorKind
    false_negatives: ErrorKind
    background_threshold: float


class SliceScores(Record, frozen=True, kw_only=True):
    """The numbers of a slice of the data.

    Attributes:
        kind: ``metadata``: images with this value of their metadata. ``attribute``: truths with this
            value of an attribute; annotations of the run count only if they match those truths, so there is
            no precision. ``label``: as `LabelScores`, for tables over all kinds.
        name: name of the metadata field or attribute; the label for the kind ``label``.
        value: as text.
        images: number of images that belong to it.
        truths: number of truths that belong to it.
        annotations: number of annotations of the run that belong to it, at the evaluation's `confidence`;
            None for
            attributes.
        true_positives: number of true positives at the evaluation's ``confidence``.
        precision, recall, f1: values at the evaluation's ``confidence``.
        mean_similarity: mean similarity of the true positives.
        agreement: for attributes: among the true positives that have the attribute themselves, the share with
            this value.
        scores: ``AP`` and ``AP50`` of the part, where they are defined.
    """

    kind: Literal["metadata", "attribute", "label"]
    name: str
    value: str
    images: int
    truths: int
    annotations: int | None
    true_positives: int
    precision: float | None
    recall: float | None
    f1: float | None
    mean_similarity: float | None
    agreement: float | None = None
    scores: dict[str, float | None] = field(default_factory=dict)


class ImageTally(Record, frozen=True, kw_only=True):
    """How a run did in one image, at one confidence and the match threshold.

    Attributes:
        image: name of the image.
        truths: truths that count.
        annotations: annotations of the run that count, with at least that confidence.
        true_positives: truths that were found, with their label.
        false_positives: annotations that found no truth of their label; the mislabelled are among
            them.
        missed: truths that were not found; the mislabelled are among them.
        mislabelled: truths that were found under another label.
        mean_similarity: IoU (or distance) of the true positives on average; None without any.
        f1: 2 TP / (2 TP + FP + missed); None for an image with neither truths nor annotations.
        confusion: (label of the truth, label of the run, count), None for the background: what the
            image adds to the confusion matrix; agreements are in it, too.
    """

    image: str
    truths: int
    annotations: int
    true_positives: int
    false_positives: int
    missed: int
    mislabelled: int
    mean_similarity: float | None
    f1: float | None
    confusion: list[tuple[str | None, str | None, int]] = field(default_factory=list)


class Evaluation(Tabular, frozen=True, kw_only=True):
    """A run measured against a ground truth.

    Attributes:
        settings: the settings, with every default filled in.
        summary: the numbers by name; None where undefined. For ``coco``: AP, AP50, AP75, APs, APm,
            APl, AR1, AR10, AR100, ARs, ARm, ARl. For ``classification``: accuracy, top5, macro_f1,
            macro_precision, macro_recall, AP, AUC. For ``semantic``: mIoU, pixel_accuracy, mean_accuracy, fwIoU. For
            ``panoptic``: PQ, SQ, RQ, each also with ``_things`` and ``_stuff``. For every protocol:
            precision, recall, f1 at ``confidence`` and, except for classification, mean_similarity.
        confidence: confidence at which tables are computed: the requested one, or the best for F1; None
            without
            annotations or truths.
        counts: images, images_without_truth (left out), images_without_run (nothing detected there),
            truths, ignored_truths, annotations, ignored_annotations, other_geometry (left out).
        labels: the labels, sorted by name.
        curves: all labels first, then each.
        confusion: confusion matrix at ``confidence``; for ``semantic``, it counts pixels.
        calibration: over all labels; None if the run has no confidences.
        errors: None where the protocol has none.
        slices: those requested.
        tracking: of tracks, if requested; else None.
        method: `METHOD` at the time of the evaluation.
    """

    settings: EvaluationSettings
    summary: dict[str, float | None]
    confidence: float | None
    counts: dict[str, int]
    labels: list[LabelScores]
    curves: list[Curve]
    confusion: ConfusionMatrix
    calibration: Calibration | None
    errors: ErrorKinds | None
    slices: list[SliceScores]
    tracking: Tracking | None = None
    method: int = METHOD

    def __repr__(self) -> str:
        return f"<Evaluation: {self._numbers()}>"

    def _numbers(self) -> str:
        names = [name for name in MAIN_NUMBERS if name in self.summary]
        numbers = [number_text(name, self.summary[name]) for name in names]
        counts = [
            counted(self.counts[f"{noun}s"], noun)
            for noun in ("image", "truth", "annotation")
            if f"{noun}s" in self.counts
        ]
        return f"{self.settings.geometry}, {', '.join(numbers)}; {', '.join(counts)}"

    def tables(self) -> dict[str, Table]:
        """Tables by name, for `to_pandas` and `to_arrow`.

        They are ``labels``, ``summary``, ``curves``, ``confusion`` (cells that are not 0),
        ``calibration``, ``errors``, ``slices`` and ``tracking``.
        """
        return _tables(self)

    def to_markdown(self, title: str = "Evaluation") -> str:
        """A readable report: numbers, labels, confusion, errors, calibration, slices."""
        return _markdown(self, title)


class AnnotationMatch(Record, frozen=True, kw_only=True):
    """The outcome of one annotation of a run in an image.

    Attributes:
        outcome: ``matched``: it found a truth of its label. ``duplicate``: it would have, but a more
            confident one has it. ``mislabelled``: it is on a truth of another label.
            ``false_positive``: on none. ``ignored``: on a truth that does not count. ``left_out``:
            below the confidence, beyond the limit of annotations, or of another geometry.
        truth: index of the truth it is about, in the set's annotations; None where there is none.
        similarity: with that truth: IoU, or a distance.
    """

    outcome: Literal["matched", "duplicate", "mislabelled", "false_positive", "ignored", "left_out"]
    truth: int | None = None
    similarity: float | None = None


class TruthMatch(Record, frozen=True, kw_only=True):
    """The outcome of one truth of an image.

    Attributes:
        outcome: ``found``; ``mislabelled``: found under another label; ``missed``; ``ignored``: it
            does not count; ``left_out``: of another geometry.
        annotation: index of the annotation that found or mislabelled it; None where there is none.
    """

    outcome: Literal["found", "mislabelled", "missed", "ignored", "left_out"]
    annotation: int | None = None


class ImageMatches(Record, frozen=True, kw_only=True):
    """The matches in one image: an entry for each annotation and truth, in the order of their sets."""

    annotations: list[AnnotationMatch]
    truths: list[TruthMatch]


def _tables(evaluation: Evaluation) -> dict[str, Table]:
    points = [
        {"label": curve.label, "confidence": c, "precision": p, "recall": r, "f1": f}
        for curve in evaluation.curves
        for c, p, r, f in zip(
            curve.confidence, curve.precision, curve.recall, curve.f1, strict=True
        )
    ]
    errors = [] if evaluation.errors is None else [
        {"kind": name, "count": kind.count, "ap_cost": kind.ap_cost}
        for name in ERROR_KINDS
        for kind in [getattr(evaluation.errors, name)]
    ]  # fmt: skip
    bins = [] if evaluation.calibration is None else evaluation.calibration.bins
    summary = [{"name": name, "value": value} for name, value in evaluation.summary.items()]
    return {
        "labels": with_scores(evaluation.labels, _LABEL_COLUMNS),
        "summary": Table(columns=["name", "value"], rows=summary),
        "curves": Table(columns=["label", "confidence", "precision", "recall", "f1"], rows=points),
        "confusion": cells(
            evaluation.confusion.labels, evaluation.confusion.counts, "truth", "run"
        ),
        "calibration": Table.of(bins, ["low", "high", "annotations", "confidence", "precision"]),
        "errors": Table(columns=["kind", "count", "ap_cost"], rows=errors),
        "slices": with_scores(evaluation.slices, _SLICE_COLUMNS),
        "tracking": tracking_table(evaluation.tracking),
    }


def _markdown(evaluation: Evaluation, title: str) -> str:
    settings, counts, tables = evaluation.settings, evaluation.counts, evaluation.tables()
    unit = " px" if settings.is_distance else ""
    about = (
        f"{settings.geometry}, protocol {settings.protocol}: {counted(counts['annotations'], 'annotation')} "
        f"against {counted(counts['truths'], 'truth')} on {counted(counts['images'], 'image')}"
    )
    if settings.protocol != "classification":
        about += f"; match threshold {settings.match_threshold:g}{unit}"
    if settings.protocol == "classification" and not evaluation.confidence:
        about += "; precision, recall and F1 of each image's most confident label"
    elif evaluation.confidence is not None:
        about += f"; precision, recall and F1 at confidence {evaluation.confidence:.4g}"
    calibration = ""
    if evaluation.calibration is not None and evaluation.calibration.expected_error is not None:
        calibration = f"Expected calibration error: {evaluation.calibration.expected_error:.4f}\n"
    return document(
        title,
        about,
        {
            "Numbers": tables["summary"].to_markdown(),
            "Tracking": tracking_markdown(evaluation.tracking),
            "Labels": first_rows(tables["labels"]),
            "Confusion": _matrix(evaluation.confusion),
            "Errors": tables["errors"].to_markdown(),
            "Calibration": calibration,
            "Slices": first_rows(tables["slices"]),
        },
    )


def _matrix(confusion: ConfusionMatrix) -> str:
    labels = [*confusion.labels, BACKGROUND]
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
