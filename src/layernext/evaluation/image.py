"""The matches of a single image, one by one: what a page colors its shapes by."""

from __future__ import annotations

from typing import Any

import numpy as np

from layernext.evaluation.columns import FloatArray, Source
from layernext.evaluation.packing import LabelCodes, Packer
from layernext.evaluation.parts import Part, match_batch, turns_of
from layernext.evaluation.similarity import evaluated_kinds, measure_for
from layernext.evaluation.tallies import Outcome, outcome
from layernext.model import (
    AnnotationMatch,
    EvaluationSettings,
    ImageAnnotations,
    ImageMatches,
    TruthMatch,
)


def match_image(
    truth: ImageAnnotations | None,
    run: ImageAnnotations | None,
    settings: EvaluationSettings | None = None,
    confidence: float = 0.0,
    *,
    image_wh: tuple[float, float] | None = None,
) -> ImageMatches:
    """Which annotations of a run match which truths in one image.

    Args:
        truth: the image's annotation set in the ground truth; None counts as empty.
        run: its annotation set in the run.
        settings: those of the evaluation that this is shown with; missing ones are the protocol's own.
        confidence: annotations with a lower confidence are left out.
        image_wh: width and height in pixels, needed where coordinates are fractions.

    Raises:
        DataError: coordinates are fractions, and the size is not given.
        ConfigurationError: the settings contradict each other.

    Example:
        >>> from layernext import Rectangle
        >>> box = Rectangle(label="cup", bbox=(0, 0, 4, 4))
        >>> found = match_image(*[ImageAnnotations(image="a.jpg", annotations=[box])] * 2)
        >>> found.annotations[0].outcome, found.truths[0].annotation
        ('matched', 0)
    """
    whole = (settings or EvaluationSettings()).complete()
    labels = LabelCodes()
    sides = []
    positions = []
    kinds = evaluated_kinds(whole)
    for is_truth, annotation_set in ((True, truth), (False, run)):
        packer = Packer(whole, labels, is_truth=is_truth)
        image_wh = packer.add(
            annotation_set, Source(), image_wh, annotation_set.image if annotation_set else ""
        )
        sides.append(packer.take())
        annotations = annotation_set.annotations if annotation_set else []
        positions.append(
            [i for i, annotation in enumerate(annotations) if annotation.geometry in kinds]
        )
    truths, runs = sides
    measure = measure_for(whole)
    order, _ = turns_of(runs, whole)
    part = match_batch(runs, truths, [image_wh], whole, measure)
    runs, truths = measure.prepared(runs, truths, [image_wh])
    run_positions = [positions[1][i] for i in order.tolist()]
    sign = -1.0 if measure.is_distance else 1.0
    alike = sign * measure.similarity(runs.in_order(order).shapes, truths.shapes, image_wh)
    matches = _Described(
        part, outcome(part, whole, confidence), alike, sign, positions[0], run_positions
    )
    annotations_out = [AnnotationMatch(outcome="left_out")] * len(run.annotations if run else ())
    for row, position in enumerate(run_positions):
        annotations_out[position] = matches.annotation(row, confidence, whole)
    truths_out = [TruthMatch(outcome="left_out")] * len(truth.annotations if truth else ())
    for row, position in enumerate(positions[0]):
        truths_out[position] = matches.truth(row)
    return ImageMatches(annotations=annotations_out, truths=truths_out)


class _Described:
    """Says of each annotation and truth what became of it."""

    def __init__(
        self,
        part: Part,
        outcomes: Outcome,
        alike: FloatArray,
        sign: float,
        truth_positions: list[int],
        run_positions: list[int],
    ) -> None:
        self._part, self._outcomes, self._alike, self._sign = part, outcomes, alike, sign
        self._truth_positions, self._run_positions = truth_positions, run_positions

    def annotation(
        self, row: int, confidence: float, settings: EvaluationSettings
    ) -> AnnotationMatch:
        part, outcomes = self._part, self._outcomes
        is_ignored = bool(part.is_ignored[row])
        # Below the confidence, or a label that is not the answer of a classifier.
        if part.score[row] < confidence or not (is_ignored or outcomes.counts[row]):
            return AnnotationMatch(outcome="left_out")
        if is_ignored:
            return AnnotationMatch(outcome="ignored")
        if outcomes.is_right[row]:
            return self._about("matched", row, int(part.matched_truth[row]))
        if outcomes.taken_for[row] >= 0:
            return self._about("mislabelled", row, int(outcomes.taken_for[row]))
        assert settings.match_threshold is not None  # noqa: S101 - they are completed
        is_candidate = (part.truth_label == part.label[row]) & outcomes.is_found
        is_candidate &= self._alike[row] >= self._sign * settings.match_threshold
        if is_candidate.any():
            best = int(np.argmax(np.where(is_candidate, self._alike[row], -np.inf)))
            return self._about("duplicate", row, best)
        return AnnotationMatch(outcome="false_positive")

    def _about(self, outcome: Any, row: int, truth: int) -> AnnotationMatch:
        alike = self._sign * float(self._alike[row, truth])
        return AnnotationMatch(
            outcome=outcome, truth=self._truth_positions[truth], similarity=alike
        )

    def truth(self, row: int) -> TruthMatch:
        part, outcomes = self._part, self._outcomes
        if not outcomes.truth_counts[row]:
            return TruthMatch(outcome="ignored")
        if outcomes.is_found[row]:
            return TruthMatch(
                outcome="found", annotation=self._run_positions[int(part.found_by[row])]
            )
        if outcomes.taken_by[row] >= 0:
            return TruthMatch(
                outcome="mislabelled", annotation=self._run_positions[int(outcomes.taken_by[row])]
            )
        return TruthMatch(outcome="missed")
