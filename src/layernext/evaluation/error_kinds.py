"""What is wrong with wrong annotations.

Source: Bolya, Foley, Hays, Hoffman: TIDE, A General Toolbox for Identifying Object Detection Errors
(ECCV 2020), section 2.2, with its thresholds: a place is right from the match threshold on, and nowhere
up to the background threshold.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from layernext.evaluation.columns import Columns, IndexArray
from layernext.evaluation.matching import best_pairs
from layernext.evaluation.similarity import Pairs


class Kind(IntEnum):
    """Of a wrong annotation, in the order in which they are tried."""

    NONE = 0
    LOCALISATION = 1
    CLASSIFICATION = 2
    DUPLICATE = 3
    BACKGROUND = 4
    BOTH = 5


def kinds_of(
    pairs: Pairs,
    run: Columns,
    truth: Columns,
    is_wrong: NDArray[np.bool_],
    match_threshold: float,
    background_threshold: float,
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """The kind of each annotation's error, and the truth that it concerns.

    Args:
        pairs: of wrong annotations and truths that count, from the background threshold on, of all
            labels; higher is better.
        run, truth: of the batch.
        is_wrong: (N,) whether an annotation is an error at all.
        match_threshold, background_threshold: where higher is better.

    Returns:
        (N,) `Kind`, and (N,) index of a truth for localisation and classification, else -1.
    """
    is_same = run.label[pairs.run] == truth.label[pairs.truth]
    same_truth, same = _best(pairs.where(is_same), run.count)
    other_truth, other = _best(pairs.where(~is_same), run.count)
    is_near = (same >= background_threshold) & (same <= match_threshold)
    kind = np.select(
        [
            ~is_wrong,
            is_near,
            other >= match_threshold,
            same >= match_threshold,
            np.maximum(same, other) <= background_threshold,
        ],
        [Kind.NONE, Kind.LOCALISATION, Kind.CLASSIFICATION, Kind.DUPLICATE, Kind.BACKGROUND],
        Kind.BOTH,
    )
    about = np.select(
        [kind == Kind.LOCALISATION, kind == Kind.CLASSIFICATION], [same_truth, other_truth], -1
    )
    return kind.astype(np.uint8), about.astype(np.int32)


def _best(pairs: Pairs, count: int) -> tuple[IndexArray, NDArray[np.float64]]:
    truth, similarity = np.full(count, -1, np.int64), np.full(count, -np.inf)
    best = best_pairs(pairs)
    truth[pairs.run[best]] = pairs.truth[best]
    similarity[pairs.run[best]] = pairs.similarity[best]
    return truth, similarity
