"""Lane F1 as CULane counts it: lanes matched for the highest total overlap, at one confidence.

The benchmark has no confidences: what a run lists is what it found. Here that is what it is at least
as confident of as the evaluation's `confidence`.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from layernext.evaluation.assignment import assign
from layernext.evaluation.columns import IndexArray
from layernext.evaluation.matching import threshold_bits
from layernext.evaluation.parts import BoolArray, Part
from layernext.model import EvaluationSettings


class LaneMatches(Struct):
    """Lanes at one confidence.

    Attributes:
        counts: (N,) whether each annotation counts.
        truth_counts: (M,) whether each truth does.
        is_found: for each threshold (N,) whether each annotation found a truth.
    """

    counts: BoolArray
    truth_counts: BoolArray
    is_found: list[BoolArray]

    def scores(
        self,
        settings: EvaluationSettings,
        run: IndexArray | slice = slice(None),
        truth: IndexArray | slice = slice(None),
    ) -> dict[str, float | None]:
        """The numbers by name, of some annotations and truths or of all."""
        return lane_scores(
            [float(np.count_nonzero(is_found_lane[run])) for is_found_lane in self.is_found],
            float(np.count_nonzero(self.counts[run])),
            float(np.count_nonzero(self.truth_counts[truth])),
            settings,
        )


def match_lanes(part: Part, settings: EvaluationSettings, confidence: float) -> LaneMatches:
    """Match lanes of the same label for the highest total overlap, then ask for each threshold.

    Source: `tools/lane_evaluation` of the code of Pan et al. (see `lane_iou`): all pairs take part
    in the matching, also those below the thresholds.
    """
    counts = (part.score >= confidence) & ~part.is_ignored
    truth_counts = (part.truth_ignored & np.uint64(1)) == 0
    candidates = np.flatnonzero(counts[part.own_run] & truth_counts[part.own_truth])
    runs, truths = part.own_run[candidates], part.own_truth[candidates]
    similarity = part.own_similarity[candidates]
    matched = assign(part.image[runs], (runs, truths), similarity)
    runs, similarity = runs[matched], similarity[matched]
    matches = LaneMatches(counts, truth_counts, [])
    for threshold in settings.thresholds:
        is_found = np.zeros(len(counts), bool)
        is_found[runs[threshold_bits(similarity, (threshold,), 1) != 0]] = True
        matches.is_found.append(is_found)
    return matches


def lane_scores(
    hits: list[float], annotations: float, truths: float, settings: EvaluationSettings
) -> dict[str, float | None]:
    """F1, precision and recall at each threshold, by name, such as ``F1@0.5``; F1 first.

    Args:
        hits: annotations that found a truth, for each threshold.
        annotations, truths: those that count.
        settings: completed.
    """
    names = [f"{threshold:g}" for threshold in settings.thresholds]
    return {
        f"{name}@{threshold}": total / of if of else None
        for name, of, times in (
            ("F1", annotations + truths, 2),
            ("precision", annotations, 1),
            ("recall", truths, 1),
        )
        for threshold, total in zip(names, [times * hit for hit in hits], strict=True)
    }
