"""Who found what at one confidence: the counts of each image, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct

from layernext.evaluation.classification import find_answers
from layernext.evaluation.columns import IndexArray
from layernext.evaluation.matching import match_greedily
from layernext.evaluation.parts import BoolArray, Part
from layernext.evaluation.segmentation import SemanticScores
from layernext.evaluation.similarity import Pairs
from layernext.model import ConfusionMatrix, EvaluationSettings, ImageTally


class Outcome(Struct):
    """Every annotation and truth at one confidence.

    Attributes:
        counts: (N,) whether the annotation counts: confident enough, and not ignored.
        is_right: (N,) whether it found a truth of its label.
        taken_for: (N,) the truth of another label that a wrong annotation is on, or -1.
        truth_counts: (M,) whether the truth counts.
        is_found: (M,) whether it was found, with its label.
        taken_by: (M,) the annotation that took a truth that was not found for another label, or -1.
    """

    counts: BoolArray
    is_right: BoolArray
    taken_for: IndexArray
    truth_counts: BoolArray
    is_found: BoolArray
    taken_by: IndexArray


def outcome(part: Part, settings: EvaluationSettings, confidence: float) -> Outcome:
    """Who found what, if annotations below `confidence` are left out; of labels of images, all but the answers.

    True positives are those of the greedy matching: what an annotation finds does not depend on less
    confident ones. What is left of both sides is then paired across labels, again the most confident
    first: those are confusions.
    """
    counts = (part.score >= confidence) & ~part.is_ignored
    if settings.protocol == "classification":
        counts &= find_answers(part)
    is_right = counts & (part.matched_truth >= 0)
    truth_counts = (part.truth_ignored & np.uint64(1)) == 0
    is_found = np.append(is_right, False)[part.found_by]
    open_pairs = np.flatnonzero(counts[part.pair_run] & ~is_found[part.pair_truth])
    taken_for = np.full(len(counts), -1, np.int64)
    taken_by = np.full(len(truth_counts), -1, np.int64)
    if len(open_pairs):
        # Turns go by confidence within an image, whatever the label.
        order = np.lexsort((-part.score, part.image))
        new_rows = np.empty_like(order)
        new_rows[order] = np.arange(len(order))
        pairs = Pairs(
            new_rows[part.pair_run[open_pairs]],
            part.pair_truth[open_pairs].astype(np.int64),
            part.pair_similarity[open_pairs].astype(float),
        )
        ones = np.ones(len(open_pairs), np.uint64)
        none = np.zeros(len(truth_counts), np.uint64)
        matches = match_greedily(
            pairs, part.image[order].astype(np.int64), ones, none, none.astype(bool)
        )
        taken_for[order] = matches.truth
        takers = np.flatnonzero(taken_for >= 0)
        taken_by[taken_for[takers]] = takers
    return Outcome(counts, is_right, taken_for, truth_counts, is_found, taken_by)


def confusions(part: Part, outcomes: Outcome, label_count: int) -> tuple[IndexArray, ...]:
    """Image, label of the truth and label of the run of everything that counts.

    The background is `label_count`.
    """
    right = np.flatnonzero(outcomes.is_right)
    taken = np.flatnonzero(outcomes.taken_for >= 0)
    false = np.flatnonzero(outcomes.counts & ~outcomes.is_right & (outcomes.taken_for < 0))
    missed = np.flatnonzero(outcomes.truth_counts & ~outcomes.is_found & (outcomes.taken_by < 0))
    background = [np.full(len(rows), label_count) for rows in (false, missed)]
    images = [part.image[right], part.image[taken], part.image[false], part.truth_image[missed]]
    truths = [
        part.label[right],
        part.truth_label[outcomes.taken_for[taken]],
        background[0],
        part.truth_label[missed],
    ]
    runs = [part.label[right], part.label[taken], part.label[false], background[1]]
    return tuple(np.concatenate(rows).astype(np.int64) for rows in (images, truths, runs))


def _pixel_confusions(part: Part, label_count: int) -> tuple[IndexArray, ...]:
    """Image, label of the truth, label of the run and how many pixels; not those where the truth is void."""
    said = np.where(part.pixel_run < 0, label_count, part.pixel_run)
    return part.pixel_image, part.pixel_truth, said, part.pixel_count


def _counted_confusions(
    part: Part, outcomes: Outcome, label_count: int, settings: EvaluationSettings
) -> tuple[IndexArray, ...]:
    """Image, label of the truth, label of the run, and how often: annotations, or pixels of label maps."""
    if settings.protocol == "semantic":
        return _pixel_confusions(part, label_count)
    columns = confusions(part, outcomes, label_count)
    return (*columns, np.ones(len(columns[0]), np.int64))


def confusion_matrix(
    part: Part,
    outcomes: Outcome,
    labels: Sequence[str],
    settings: EvaluationSettings,
    confidence: float,
) -> ConfusionMatrix:
    """The confusion matrix; `labels` by code."""
    size = len(labels) + 1
    _, truths, runs, times = _counted_confusions(part, outcomes, len(labels), settings)
    counts = np.zeros(size * size, np.int64)
    np.add.at(counts, truths.astype(np.int64) * size + runs, times)
    assert settings.match_threshold is not None  # noqa: S101 - they are completed
    return ConfusionMatrix(
        labels=list(labels),
        counts=counts.reshape(size, size).tolist(),
        match_threshold=settings.match_threshold,
        confidence=confidence,
    )


def iter_tallies(
    part: Part,
    outcomes: Outcome,
    labels: Sequence[str],
    images: Sequence[str],
    settings: EvaluationSettings,
) -> Iterator[ImageTally]:
    """The tally of each image.

    Args:
        part: everything matched.
        outcomes: at the wanted confidence.
        labels: by code.
        images: names by number.
        settings: completed.
    """
    count = len(images)
    sign = -1.0 if settings.is_distance else 1.0
    right = np.flatnonzero(outcomes.is_right)

    def counted(image: IndexArray) -> IndexArray:
        return np.bincount(image, minlength=count)

    truths = counted(part.truth_image[outcomes.truth_counts])
    annotations = counted(part.image[outcomes.counts])
    hits = counted(part.image[right])
    mislabelled = counted(part.image[outcomes.taken_for >= 0])
    sums = np.bincount(part.image[right], sign * part.similarity[right], count)
    *cells, times = _counted_confusions(part, outcomes, len(labels), settings)
    names: list[str | None] = [*labels, None]
    keys, which = np.unique(np.stack(cells), axis=1, return_inverse=True)
    repeats = np.zeros(keys.shape[1], np.int64)
    np.add.at(repeats, which.ravel(), times)
    similarity: list[float | None] = [
        float(total / hit) if hit else None for total, hit in zip(sums, hits, strict=True)
    ]
    if settings.protocol == "semantic":
        similarity = SemanticScores.of(part, len(labels)).of_images(count)
    bounds = np.searchsorted(keys[0], np.arange(count + 1))
    for number in range(count):
        rows = slice(bounds[number], bounds[number + 1])
        hit = int(hits[number])
        involved = int(truths[number] + annotations[number])
        yield ImageTally(
            image=images[number],
            truths=int(truths[number]),
            annotations=int(annotations[number]),
            true_positives=hit,
            false_positives=int(annotations[number]) - hit,
            missed=int(truths[number]) - hit,
            mislabelled=int(mislabelled[number]),
            mean_similarity=similarity[number],
            f1=2 * hit / involved if involved else None,
            confusion=[
                (names[truth_name], names[said], int(repeat))
                for truth_name, said, repeat in zip(
                    keys[1, rows], keys[2, rows], repeats[rows], strict=True
                )
            ],
        )
