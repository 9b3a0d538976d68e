"""What the statements about evaluations take and give: no connection is behind these records."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from layernext.model import EvaluationSettings, Geometry, Mode


class EvaluationRequest(Struct, frozen=True, kw_only=True):
    """What to compare.

    Attributes:
        collection_id: row id; None if a dataset version is meant.
        version_id: public id of a dataset version, or None.
        split: number of its split, or -1 for all.
        run, truth: names of operations.
        run_mode, truth_mode: of these; None takes the model run of that name before the ground
            truth for `run`, the other way round for `truth`.
        settings: completed.
        is_default: whether they are the usual ones of their geometry.
        again: compute even if there is a result that holds.
    """

    collection_id: int | None
    version_id: str | None
    split: int
    run: str
    truth: str
    run_mode: Mode | None
    truth_mode: Mode | None
    settings: EvaluationSettings
    is_default: bool
    again: bool


class EvaluationNotes(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is noted beside a result.

    Attributes:
        image_count: that were evaluated.
        confidence: at which tallies are made.
        uses_sizes: whether coordinates are fractions in some set, so that sizes of images matter.
        unsized: images left out for want of a size; `unsized_names` the first of them.
    """

    image_count: int = 0
    confidence: float | None = None
    uses_sizes: bool = False
    unsized: int = 0
    unsized_names: list[str] = []


class Source(Struct, frozen=True, kw_only=True):
    """Where the sets of one evaluation are; it can be sent to another process.

    Attributes:
        collection_id: row id, or None.
        version_id: row id of a dataset version, or None; `split` of it, or -1.
        run_operation, truth_operation: row ids, where a collection is meant.
        run, run_mode, truth, truth_mode: by name, for versions.
        labels: only annotations with these; empty for all.
        with_metadata: whether the images' metadata are wanted.
    """

    collection_id: int | None
    version_id: int | None
    split: int
    run_operation: int
    truth_operation: int
    run: str
    run_mode: Mode
    truth: str
    truth_mode: Mode
    labels: tuple[str, ...] = ()
    with_metadata: bool = False


class Span(Struct, frozen=True):
    """Images from one row id to another, both included."""

    first: int
    last: int
    images: int


class Plan(Struct, frozen=True, kw_only=True):
    """How an evaluation is divided.

    Attributes:
        source: where its sets are.
        spans: which images belong to each part.
        images, annotations: in all spans.
        state: of all that goes into the result.
        uses_sizes: see `EvaluationNotes`.
        unpaired: images with a set of the run and none of the truth.
    """

    source: Source
    spans: list[Span]
    images: int
    annotations: int
    state: str
    uses_sizes: bool
    unpaired: int


class SideSet(Struct, frozen=True, gc=False):
    """An annotation set as it is evaluated.

    Attributes:
        raw: its JSON.
        geometry: of annotations without a ``type``.
        normalized: whether coordinates are fractions.
    """

    raw: bytes
    geometry: Geometry | None
    normalized: bool


class ImagePair(Struct, frozen=True, gc=False):
    """Both sets of an image.

    Attributes:
        image_id: row id.
        name: of the image.
        width, height: pixels, where known.
        metadata: the image's, if it was asked for.
        truth: its set.
        run: its set, or None.
    """

    image_id: int
    name: str
    width: int | None
    height: int | None
    metadata: dict[str, Any]
    truth: SideSet
    run: SideSet | None


class TallyRow(Struct, frozen=True, gc=False):
    """The counts of one image, as they are stored."""

    image_id: int
    truths: int
    annotations: int
    true_positives: int
    false_positives: int
    missed: int
    mislabelled: int
    f1: float | None
    mean_similarity: float | None


class EvaluationOutcome(Struct, frozen=True, kw_only=True):
    """What an evaluation found, ready to be stored.

    Attributes:
        result: JSON of the `Evaluation`.
        summary: the numbers of the whole.
        notes: what goes with it.
        tallies: by ascending image.
        cells: images and counts behind each cell of the confusion matrix, by row and column.
    """

    result: bytes
    summary: dict[str, float | None]
    notes: EvaluationNotes
    tallies: list[TallyRow]
    cells: dict[tuple[int, int], tuple[list[int], list[int]]]
