"""Evaluations as a stack stores them: what was compared, whether it is current, and the results by image."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import field

from layernext.model.annotation import ImageAnnotations, Mode
from layernext.model.collection import Record
from layernext.model.evaluation import Evaluation, ImageMatches
from layernext.model.evaluation_settings import EvaluationSettings

EvaluationStatus: TypeAlias = Literal["queued", "in_progress", "completed", "failed"]

TallyOrder: TypeAlias = Literal[
    "worst",
    "best",
    "false_positives",
    "missed",
    "mislabelled",
    "true_positives",
    "truths",
    "annotations",
    "similarity",
    "image",
]
"""``worst``: lowest F1 first, then most errors; ``best``: the reverse. ``similarity``: lowest first; ``image``: in
the order of upload. The others: most first."""


class EvaluationInfo(Record, frozen=True, kw_only=True):
    """An evaluation of a stack, without its tables.

    Attributes:
        id: given by the stack; the same for the same target, run, ground truth and settings.
        collection: name of the evaluated collection; None for a dataset version.
        collection_id: id of the collection.
        dataset_version: id of the evaluated dataset version; None for a collection.
        dataset: name of the dataset, and its version's number: ``scenes 1.0.2``.
        split: split of the dataset version, or None for all.
        run, ground_truth: names; `run_mode` and `truth_mode` say whether they are a model run
            (``machine``) or a ground truth (``human``).
        settings: the settings, with every default filled in.
        status: status of the newest computation; earlier results stay until it ends.
        progress: progress of that computation, 0 to 100.
        message: why it failed.
        job_id: id of its job.
        is_current: whether computing again would give the same result. False if there is no result yet.
        stale_because: why it is not current, in words; None if it is.
        created_at: UTC, ISO 8601; ``computed_at`` is the time of the result, None without one.
        image_count: images that were evaluated.
        confidence: confidence at which tallies and confusions are computed, as in `Evaluation`.
        unsized_images: how many were left out, because their coordinates are fractions and
            the image's size is unknown; `unsized_names` are the first of them.
        summary: the numbers by name, as in `Evaluation.summary`.
    """

    id: str
    collection: str | None
    collection_id: str | None
    dataset_version: str | None
    dataset: str | None
    split: str | None
    run: str
    run_mode: Mode
    ground_truth: str
    truth_mode: Mode
    settings: EvaluationSettings
    status: EvaluationStatus
    progress: float
    message: str
    job_id: str
    is_current: bool
    stale_because: str | None
    created_at: str
    computed_at: str | None
    image_count: int = 0
    confidence: float | None = None
    unsized_images: int = 0
    unsized_names: list[str] = field(default_factory=list)
    summary: dict[str, float | None] = field(default_factory=dict)


class StoredEvaluation(Evaluation, frozen=True, kw_only=True):
    """An evaluation from a stack: everything in `Evaluation`, and its origin.

    Attributes:
        info: what was compared, and whether the numbers still hold.
    """

    info: EvaluationInfo

    def __repr__(self) -> str:
        target = self.info.collection or self.info.dataset
        names = f"{self.info.run!r} against {self.info.ground_truth!r} in {target!r}"
        return f"<StoredEvaluation: {names}: {self._numbers()}>"


class StoredTally(Record, frozen=True, kw_only=True):
    """How a run did in one image; the counts are those of `ImageTally`.

    Attributes:
        id: id of the image, 24 hexadecimal digits.
        image: name of the image in its collection; ``unique_name`` is its name in the whole stack.
        has_file: False if it has annotations but its file has not been uploaded yet.
        width, height: pixels, or None.
        count: count in the requested cell of the confusion matrix, or None.
    """

    id: str
    image: str
    unique_name: str
    has_file: bool
    width: int | None
    height: int | None
    truths: int
    annotations: int
    true_positives: int
    false_positives: int
    missed: int
    mislabelled: int
    mean_similarity: float | None
    f1: float | None
    count: int | None = None


class StoredMatches(Record, frozen=True, kw_only=True):
    """Both annotation sets of an image, and their matches.

    Attributes:
        id, image, width, height: id and name of the image, and its size in pixels or None.
        run, ground_truth: its annotation sets, in form v2; None if it has no set.
        matches: an entry for each annotation of `run` and each truth of `ground_truth`.
        confidence: annotations with a lower confidence are left out.
        settings: settings that the matches were computed with.
    """

    id: str
    image: str
    width: int | None
    height: int | None
    run: ImageAnnotations | None
    ground_truth: ImageAnnotations | None
    matches: ImageMatches
    confidence: float
    settings: EvaluationSettings


class Histogram(Record, frozen=True, kw_only=True):
    """How many values are in each interval.

    Attributes:
        edges: one more than counts; an interval includes its lower edge; the last one includes both.
        counts: number of values in each interval.
    """

    edges: list[float]
    counts: list[int]


class RunStatistics(Record, frozen=True, kw_only=True):
    """Statistics of the annotations of a model run or ground truth in a collection.

    Attributes:
        run, mode, collection: the run, and its collection.
        images: number of images that have an annotation set; ``empty_images``: number of those whose set is
            empty.
        annotations: number of annotations in all sets.
        labels: annotations of each label.
        images_by_label: images in which each label occurs.
        geometries: annotations of each geometry.
        confidence: histogram over 0 to 1; annotations without one are in `without_confidence`.
        annotations_per_image: images by number of annotations: 0, 1, 2, 3-4, 5-8 … as edges.
        width, height, area: histograms for boxes, and for the boxes around other shapes, in pixels, with
            steps of
            powers of 2. Annotations that are fractions of an image of unknown size are counted in
            `unsized`.
        is_current: whether the annotations have not changed since.
        computed_at: UTC, ISO 8601.
    """

    run: str
    mode: Mode
    collection: str
    images: int
    empty_images: int
    annotations: int
    labels: dict[str, int]
    images_by_label: dict[str, int]
    geometries: dict[str, int]
    confidence: Histogram
    without_confidence: int
    annotations_per_image: Histogram
    width: Histogram
    height: Histogram
    area: Histogram
    unsized: int
    is_current: bool = True
    computed_at: str = ""
