"""Two runs against one ground truth: what differs, by how much, where, and whether that is chance."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from concurrent.futures import Executor
from functools import partial

import numpy as np
from msgspec import Struct

from layernext.errors import ConfigurationError, DataError
from layernext.evaluation.bootstrap import Scores, WeightedScores, differences
from layernext.evaluation.changes import RunPairing
from layernext.evaluation.columns import FloatArray, IndexArray
from layernext.evaluation.evaluator import Evaluator
from layernext.evaluation.parts import BoolArray, Part
from layernext.evaluation.tallies import Outcome, outcome
from layernext.model import (
    Comparison,
    Evaluation,
    EvaluationSettings,
    ImageDifference,
    LabelDelta,
    ScoreDelta,
)

RESAMPLES = 1000
LEVEL = 0.95
DRAWS = 25
"""Draws that are one piece of work for an executor: a second or less, and worth its transport."""

IMAGES = 100
"""Images that a comparison names, if no other number is asked for."""


def compare_evaluations(
    a: Evaluator,
    b: Evaluator,
    *,
    pairing: RunPairing | None = None,
    name_a: str = "a",
    name_b: str = "b",
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
    image_limit: int = IMAGES,
    executor: Executor | None = None,
) -> Comparison:
    """What differs between two runs that were evaluated against the same ground truth.

    Confidence intervals come from resampling images, the same ones for both runs, so that images that are
    hard for both do not widen them. They are percentiles of the differences over all resamples.

    Args:
        a, b: evaluators with the same settings, images and truths.
        pairing: pairing of the two runs, for `Comparison.changes`.
        name_a, name_b: names of the runs.
        resamples: number of resamples; 0 for no intervals.
        seed: random seed of the resampling. The same seed gives the same intervals.
        level: share of the resamples that an interval contains, above 0 and below 1.
        image_limit: maximum number of images to list.
        executor: computes the resamples, such as a ``ProcessPoolExecutor``; None for this process. The
            intervals are the same.

    Raises:
        ConfigurationError: the evaluations have different settings, or an argument is out of range.
        DataError: they do not have the same images and truths; the message names what differs.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentiles).
    """
    if not 0 < level < 1:
        raise ConfigurationError(f"level is {level}, must be above 0 and below 1")
    if resamples < 0 or image_limit < 0:
        raise ConfigurationError("resamples and image_limit must not be negative")
    sides = _Sides.of(a, b)
    differing = [image for image in _image_differences(sides, pairing) if _differs(image)]
    named = heapq.nlargest(image_limit, differing, key=lambda image: image.difference)
    first, second = sides.results
    truths = sides.truth_counts
    found_a, found_b = (outcomes.is_found for outcomes in sides.outcomes)
    return Comparison(
        name_a=name_a,
        name_b=name_b,
        settings=a.settings,
        confidence_a=first.confidence,
        confidence_b=second.confidence,
        images=len(sides.images),
        truths=int(np.count_nonzero(truths)),
        scores=_deltas(sides, resamples, seed, level, executor),
        labels=_label_deltas(sides),
        found_by_both=int(np.count_nonzero(truths & found_a & found_b)),
        gained=int(np.count_nonzero(truths & ~found_a & found_b)),
        lost=int(np.count_nonzero(truths & found_a & ~found_b)),
        found_by_neither=int(np.count_nonzero(truths & ~found_a & ~found_b)),
        changes=None if pairing is None else pairing.result(),
        different_images=named,
        different_image_count=len(differing),
        resamples=resamples,
        seed=seed,
        level=level,
    )


def iter_image_differences(
    a: Evaluator, b: Evaluator, pairing: RunPairing | None = None
) -> Iterator[ImageDifference]:
    """How the runs differ in every image, by name; arguments and errors as `compare_evaluations`."""
    yield from _image_differences(_Sides.of(a, b), pairing)


class _Sides(Struct):
    """Both evaluations, brought to the same images, truths and label codes.

    Attributes:
        parts, outcomes, results: of a and b.
        images: names, in the order that the parts number them.
        labels: of a and of b; each part has its own codes.
    """

    parts: tuple[Part, Part]
    outcomes: tuple[Outcome, Outcome]
    results: tuple[Evaluation, Evaluation]
    images: list[str]
    labels: tuple[list[str], list[str]]

    @property
    def settings(self) -> EvaluationSettings:
        return self.results[0].settings

    @property
    def truth_counts(self) -> BoolArray:
        """(M,) whether each truth counts."""
        return self.outcomes[0].truth_counts

    @classmethod
    def of(cls, a: Evaluator, b: Evaluator) -> _Sides:
        if a.settings != b.settings:
            raise ConfigurationError(
                "runs that were evaluated with different settings differ anyway"
            )
        (part_a, images, labels_a), (part_b, other_images, labels_b) = a.matched(), b.matched()
        if images != other_images:
            only = sorted(set(images) ^ set(other_images))
            raise DataError(
                f"the runs were not evaluated on the same images: only one has {only[0]!r}"
                + (f" and {len(only) - 1} more" if len(only) > 1 else "")
            )
        _check_truths(part_a, labels_a, part_b, labels_b, images)
        results = a.result(), b.result()
        outcomes = tuple(
            outcome(part, a.settings, result.confidence or 0.0)
            for part, result in zip((part_a, part_b), results, strict=True)
        )
        return cls(
            (part_a, part_b), (outcomes[0], outcomes[1]), results, images, (labels_a, labels_b)
        )


def _check_truths(
    a: Part, labels_a: list[str], b: Part, labels_b: list[str], images: list[str]
) -> None:
    count = len(images)
    per_image = [np.bincount(part.truth_image, minlength=count) for part in (a, b)]
    differing = np.flatnonzero(per_image[0] != per_image[1])
    if not len(differing):
        names = [np.array([*labels, ""])[part.truth_label] for labels, part in
                 ((labels_a, a), (labels_b, b))]  # fmt: skip
        differing = a.truth_image[names[0] != names[1]]
    if len(differing):
        raise DataError(f"{images[differing[0]]}: the runs were evaluated against different truths")


def _deltas(
    sides: _Sides, resamples: int, seed: int, level: float, executor: Executor | None
) -> list[ScoreDelta]:
    """Each number of the summary, with the interval of its difference."""
    resampled: list[Scores] = []
    if resamples and sides.images:
        first, second = (
            WeightedScores(part, sides.settings, len(labels), result.confidence or 0.0)
            for part, labels, result in zip(sides.parts, sides.labels, sides.results, strict=True)
        )
        work = partial(differences, first, second, len(sides.images), seed)
        chunks = [
            range(start, min(start + DRAWS, resamples)) for start in range(0, resamples, DRAWS)
        ]
        run = map if executor is None else executor.map
        resampled = [scores for chunk in run(work, chunks) for scores in chunk]
    deltas = []
    for name, value in sides.results[0].summary.items():
        other = sides.results[1].summary[name]
        low, high = _interval(np.array([scores[name] for scores in resampled]), level)
        delta = None if value is None or other is None else other - value
        deltas.append(ScoreDelta(name=name, a=value, b=other, delta=delta, low=low, high=high))
    return deltas


def _interval(values: FloatArray, level: float) -> tuple[float | None, float | None]:
    """Percentiles of the defined values; None if these are fewer than half."""
    defined = values[~np.isnan(values)]
    if not len(defined) or 2 * len(defined) < len(values):
        return None, None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _label_deltas(sides: _Sides) -> list[LabelDelta]:
    part = sides.parts[0]
    labels = sorted({*sides.labels[0], *sides.labels[1]})
    mains = [{label.label: label.scores for label in result.labels} for result in sides.results]
    false = [_false_positives(sides, side) for side in (0, 1)]
    codes = {label: code for code, label in enumerate(sides.labels[0])}
    found_a, found_b = (outcomes.is_found for outcomes in sides.outcomes)
    deltas = []
    for label in labels:
        of_label = sides.truth_counts & (part.truth_label == codes.get(label, -1))
        values = [next(iter(main.get(label, {}).values()), None) for main in mains]
        deltas.append(
            LabelDelta(
                label=label,
                truths=int(np.count_nonzero(of_label)),
                found_by_both=int(np.count_nonzero(of_label & found_a & found_b)),
                gained=int(np.count_nonzero(of_label & ~found_a & found_b)),
                lost=int(np.count_nonzero(of_label & found_a & ~found_b)),
                found_by_neither=int(np.count_nonzero(of_label & ~found_a & ~found_b)),
                false_positives_a=false[0].get(label, 0),
                false_positives_b=false[1].get(label, 0),
                delta=(None if values[0] is None or values[1] is None else values[1] - values[0]),
            )
        )
    return deltas


def _false_positives(sides: _Sides, side: int) -> dict[str, int]:
    outcomes, labels = sides.outcomes[side], sides.labels[side]
    wrong = sides.parts[side].label[outcomes.counts & ~outcomes.is_right]
    return dict(zip(labels, np.bincount(wrong, minlength=len(labels)).tolist(), strict=True))


def _differs(image: ImageDifference) -> bool:
    moved = image.added or image.removed or image.moved or image.relabelled
    return bool(image.difference or moved)


def _image_differences(sides: _Sides, pairing: RunPairing | None) -> Iterator[ImageDifference]:
    count = len(sides.images)
    image, truths = sides.parts[0].truth_image, sides.truth_counts

    def counted(which: IndexArray) -> list[int]:
        total: list[int] = np.bincount(which, minlength=count).tolist()
        return total

    found_a, found_b = (outcomes.is_found for outcomes in sides.outcomes)
    totals = counted(image[truths])
    gained = counted(image[truths & ~found_a & found_b])
    lost = counted(image[truths & found_a & ~found_b])
    sums = [
        (counted(part.image[outcomes.is_right]), counted(part.image[outcomes.counts]))
        for part, outcomes in zip(sides.parts, sides.outcomes, strict=True)
    ]
    for number, name in enumerate(sides.images):
        hits = [right[number] for right, _ in sums]
        annotations = [counts[number] for _, counts in sums]
        involved = [totals[number] + annotation_count for annotation_count in annotations]
        f1 = [2 * hit / all_ if all_ else None for hit, all_ in zip(hits, involved, strict=True)]
        changes = pairing.image_counts(name) if pairing is not None else {}
        yield ImageDifference(
            image=name,
            truths=totals[number],
            gained=gained[number],
            lost=lost[number],
            false_positives_a=annotations[0] - hits[0],
            false_positives_b=annotations[1] - hits[1],
            f1_a=f1[0],
            f1_b=f1[1],
            **changes,
        )
