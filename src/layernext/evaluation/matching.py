"""Which annotation found which truth: greedy by confidence, for all thresholds and sizes at once.

Source: COCOeval.evaluateImg in pycocotools: annotations take turns, the most confident first; each
takes the best truth of its label that is still free; truths that do not count are taken only for want
of others, and crowds by any number.

That procedure is sequential within one image and label, and independent between them. So turns are
numbered within each group of (image, label), and turn k of all groups is taken at once. Each
combination of threshold and size range is one bit of a 64-bit number: what is decided for one number
is decided for all combinations.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from layernext.evaluation.columns import FloatArray, IndexArray
from layernext.evaluation.similarity import Pairs

BitArray = NDArray[np.uint64]

_NEARLY_ONE = 1 - 1e-10
"""The highest IoU that a match can ask for (cosmetic rounding in evaluateImg)."""


class Matches(NamedTuple):
    """Who found what, for N annotations.

    Attributes:
        matched: (N,) a bit for each combination in which a truth was found.
        ignored: (N,) a bit for each of these in which the truth does not count.
        truth: (N,) index of a truth that was found, -1 for none; for a single combination, the one.
        similarity: (N,) that of the pair; 0 for none.
    """

    matched: BitArray
    ignored: BitArray
    truth: IndexArray
    similarity: FloatArray


def threshold_bits(similarity: FloatArray, thresholds: tuple[float, ...], areas: int) -> BitArray:
    """(P,) the bits whose threshold the similarity reaches; bit ``t * areas + a``."""
    bits = np.zeros(len(similarity), np.uint64)
    all_areas = (1 << areas) - 1
    for number, threshold in enumerate(thresholds):
        reached = similarity >= min(threshold, _NEARLY_ONE)
        bits[reached] |= np.uint64(all_areas << (number * areas))
    return bits


def repeat_bits(of_areas: NDArray[np.uint64], thresholds: int, areas: int) -> BitArray:
    """Bits of the areas, the same for every threshold."""
    bits = np.zeros(len(of_areas), np.uint64)
    for number in range(thresholds):
        bits |= of_areas << np.uint64(number * areas)
    return bits


def best_pairs(pairs: Pairs) -> IndexArray:
    """For each annotation that has pairs the place of its best; of equals the first.

    Args:
        pairs: sorted by annotation.
    """
    if not len(pairs.run):
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.diff(pairs.run, prepend=-1))
    highest = np.maximum.reduceat(pairs.similarity, starts)
    lengths = np.diff(np.append(starts, len(pairs.run)))
    rows = np.flatnonzero(pairs.similarity == np.repeat(highest, lengths))
    first: IndexArray = rows[np.diff(pairs.run[rows], prepend=-1) != 0]
    return first


def match_by_claim(pairs: Pairs, count: int, reached: BitArray, ignored: BitArray) -> Matches:
    """Let each annotation claim the truth that it is most like; the most confident gets it.

    Unlike in `match_greedily` there is no second choice: an annotation whose truth is taken is wrong.

    Source: VOCevaldet.m of the Pascal VOC development kit. Nuscenes and MapTR match distances so.

    Args:
        pairs: as in `match_greedily`; all annotations of a truth's pairs are of one group.
        count: of annotations.
        reached: (P,) the combinations whose threshold the pair reaches.
        ignored: (M,) the combinations in which a truth does not count.
    """
    matched = np.zeros(count, np.uint64)
    of_ignored = np.zeros(count, np.uint64)
    truth = np.full(count, -1, np.int64)
    similarity = np.zeros(count)
    best = best_pairs(pairs)
    runs, truths, bits = pairs.run[best], pairs.truth[best], reached[best]
    of_ignored[runs] = bits & ignored[truths]
    matched[runs] = of_ignored[runs]
    for number in range(int(bits.max()).bit_length() if len(bits) else 0):
        bit = np.uint64(1 << number)
        claims = np.flatnonzero(bits & ~ignored[truths] & bit)
        first = claims[np.unique(truths[claims], return_index=True)[1]]
        matched[runs[first]] |= bit
    hit = matched[runs] != 0
    truth[runs[hit]] = truths[hit]
    similarity[runs[hit]] = pairs.similarity[best][hit]
    return Matches(matched, of_ignored, truth, similarity)


def match_greedily(
    pairs: Pairs,
    group: IndexArray,
    reached: BitArray,
    ignored: BitArray,
    crowd: NDArray[np.bool_],
) -> Matches:
    """Let annotations take truths by turns.

    Args:
        pairs: sorted by annotation, and annotations within a group from most to least confident.
        group: (N,) of each annotation; pairs are within groups.
        reached: (P,) the combinations whose threshold the pair reaches.
        ignored: (M,) the combinations in which a truth does not count.
        crowd: (M,) truths that any number may take.
    """
    count = len(group)
    matched = np.zeros(count, np.uint64)
    of_ignored = np.zeros(count, np.uint64)
    truth = np.full(count, -1, np.int64)
    similarity = np.zeros(count)
    taken = np.zeros(len(ignored), np.uint64)

    first = reached & ~ignored[pairs.truth]
    second = reached & ignored[pairs.truth]
    number = np.arange(len(pairs.run))
    entry = np.concatenate([number[first != 0], number[second != 0]])
    is_second = np.arange(len(entry)) >= np.count_nonzero(first)
    # Of equals the later truth wins, as in the reference.
    order = np.lexsort((-pairs.truth[entry], -pairs.similarity[entry], is_second, pairs.run[entry]))
    entry, is_second = entry[order], is_second[order]
    turn = _turns(group[pairs.run[entry]])
    order = np.argsort(turn, kind="stable")
    entry, is_second = entry[order], is_second[order]
    bits = np.where(is_second, second[entry], first[entry])
    runs, truths, alike = pairs.run[entry], pairs.truth[entry], pairs.similarity[entry]
    closed = np.where(crowd[truths], np.uint64(0), ~np.uint64(0))
    start = 0
    for end in np.cumsum(np.bincount(turn)).tolist():
        run, candidates = runs[start:end], truths[start:end]
        free = bits[start:end] & ~matched[run] & ~(taken[candidates] & closed[start:end])
        hit = free != 0
        matched[run] |= free
        taken[candidates] |= free
        of_ignored[run] |= np.where(is_second[start:end], free, np.uint64(0))
        truth[run[hit]] = candidates[hit]
        similarity[run[hit]] = alike[start:end][hit]
        start = end
    return Matches(matched, of_ignored, truth, similarity)


def _turns(group: IndexArray) -> IndexArray:
    """(E,) the place of each entry among those of its group; entries of a group stand together."""
    if not len(group):
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
    lengths = np.diff(np.append(starts, len(group)))
    return np.arange(len(group)) - np.repeat(starts, lengths)
