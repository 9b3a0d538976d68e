"""What label maps are worth: mean IoU and accuracies over pixels, and panoptic quality over segments.

Every number is a function of how often each image counts, so the same code serves evaluations, parts of the data
and resampling.

Sources:
    Long, Shelhamer and Darrell, Fully Convolutional Networks for Semantic Segmentation, 2015 (section 5, metrics).
    Kirillov et al., Panoptic Segmentation, 2019.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from layernext.evaluation.columns import FloatArray, IndexArray
from layernext.evaluation.parts import BoolArray, Part

LabelScores = dict[str, "float | None"]
"""The numbers of a label by name; None where undefined."""


class SemanticScores(Struct):
    """Gathered numbers of an evaluation of semantic masks.

    Attributes:
        label_count: labels, with codes below.
        image: (C,) the image of some pixels.
        cell: (C,) their place in the confusion matrix, row by row.
        count: (C,) how many.
    """

    label_count: int
    image: IndexArray
    cell: IndexArray
    count: FloatArray

    @classmethod
    def of(cls, part: Part, label_count: int) -> SemanticScores:
        """Gather what the numbers are made of."""
        said = np.where(part.pixel_run < 0, label_count, part.pixel_run)
        cell = part.pixel_truth.astype(np.int64) * (label_count + 1) + said
        return cls(label_count, part.pixel_image, cell, part.pixel_count.astype(np.float64))

    def confusion(self, weights: FloatArray) -> FloatArray:
        """(L, L + 1) pixels by label of the truth and of the run; the last column is of pixels without one."""
        size = (self.label_count, self.label_count + 1)
        pixels = np.bincount(self.cell, self.count * weights[self.image], size[0] * size[1])
        return np.asarray(pixels, np.float64).reshape(size)

    def numbers(self, weights: FloatArray) -> LabelScores:
        """The numbers by name, if each image counts as often as its weight (I,) says; None where undefined."""
        right, truths, union = self._sums(weights)
        total = float(truths.sum())
        iou, accuracy = _shares(right, union), _shares(right, truths)
        return {
            "mIoU": _mean(iou),
            "pixel_accuracy": float(right.sum()) / total if total else None,
            "mean_accuracy": _mean(accuracy),
            "fwIoU": float(np.nansum(iou * truths)) / total if total else None,
        }

    def by_label(self, weights: FloatArray) -> list[LabelScores]:
        """IoU and accuracy of each label, and the share of the pixels that has it."""
        right, truths, union = self._sums(weights)
        share = truths / truths.sum() if truths.sum() else np.full(len(truths), np.nan)
        return _rows(
            {"IoU": _shares(right, union), "accuracy": _shares(right, truths), "share": share}
        )

    def of_images(self, count: int) -> list[float | None]:
        """The mean IoU of each image."""
        order = np.argsort(self.image, kind="stable")
        bounds = np.searchsorted(self.image[order], np.arange(count + 1))
        means: list[float | None] = []
        for start, end in pairwise(bounds):
            rows = order[start:end]
            alone = SemanticScores(
                self.label_count, np.zeros(len(rows), np.int64), self.cell[rows], self.count[rows]
            )
            means.append(alone.numbers(np.ones(1))["mIoU"])
        return means

    def _sums(self, weights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of each label the pixels that are right, those of the truth, and those of either side."""
        confusion = self.confusion(weights)
        truths = confusion.sum(axis=1)
        right = np.diagonal(confusion).copy()
        return right, truths, truths + confusion[:, :-1].sum(axis=0) - right


class PanopticScores(Struct):
    """Gathered numbers of an evaluation of segments.

    Attributes:
        label_count: labels, with codes below.
        hit_image, hit_label, hit_iou: (H,) of the pairs that match.
        false_image, false_label: (F,) of segments of the run that match none.
        missed_image, missed_label: (M,) of segments of the truth that match none.
        is_stuff: (L,) whether a label is that of semantic masks.
    """

    label_count: int
    hit_image: IndexArray
    hit_label: IndexArray
    hit_iou: FloatArray
    false_image: IndexArray
    false_label: IndexArray
    missed_image: IndexArray
    missed_label: IndexArray
    is_stuff: BoolArray

    @classmethod
    def of(cls, part: Part, label_count: int, confidence: float) -> PanopticScores:
        """Gather what the numbers are made of; annotations below the confidence are left out."""
        is_match = part.matched_truth[part.own_run] == part.own_truth
        hits = part.own_run[is_match]
        is_false = ~part.is_ignored & (part.matched_truth < 0) & (part.score >= confidence)
        is_missed = ((part.truth_ignored & np.uint64(1)) == 0) & (part.found_by < 0)
        is_stuff = np.zeros(label_count, bool)
        is_stuff[part.run_stuff] = True
        is_stuff[part.truth_label] = False
        is_stuff[part.truth_stuff] = True
        return cls(
            label_count=label_count,
            hit_image=part.image[hits],
            hit_label=part.label[hits],
            hit_iou=part.own_similarity[is_match],
            false_image=part.image[is_false],
            false_label=part.label[is_false],
            missed_image=part.truth_image[is_missed],
            missed_label=part.truth_label[is_missed],
            is_stuff=is_stuff,
        )

    def numbers(self, weights: FloatArray) -> LabelScores:
        """The numbers by name, if each image counts as often as its weight (I,) says; None where undefined."""
        scores = self._scores(weights)
        numbers: LabelScores = {}
        for suffix, members in (
            ("", slice(None)), ("_things", ~self.is_stuff), ("_stuff", self.is_stuff),
        ):  # fmt: skip
            numbers |= {
                f"{name}{suffix}": _mean(values[members]) for name, values in scores.items()
            }
        return numbers

    def by_label(self, weights: FloatArray) -> list[LabelScores]:
        """PQ, SQ and RQ of each label."""
        return _rows(self._scores(weights))

    def _scores(self, weights: FloatArray) -> dict[str, FloatArray]:
        """The numbers of each label (L,) by name; NaN for a label without a segment."""
        hits, overlap, false, missed = (
            np.bincount(labels, values, self.label_count).astype(np.float64)
            for labels, values in (
                (self.hit_label, weights[self.hit_image]),
                (self.hit_label, weights[self.hit_image] * self.hit_iou),
                (self.false_label, weights[self.false_image]),
                (self.missed_label, weights[self.missed_image]),
            )
        )
        involved = hits + false / 2 + missed / 2
        quality = _shares(overlap, involved)
        of_segments = np.divide(overlap, hits, out=np.zeros_like(hits), where=hits > 0)
        return {
            "PQ": quality,
            "SQ": np.where(involved > 0, of_segments, np.nan),
            "RQ": _shares(hits, involved),
        }


def _shares(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Each part of its whole; NaN where there is nothing."""
    shares: FloatArray = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return shares


def _mean(values: FloatArray) -> float | None:
    defined: NDArray[np.float64] = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else None


def _rows(columns: dict[str, FloatArray]) -> list[LabelScores]:
    plain = {
        name: [None if np.isnan(value) else float(value) for value in values]
        for name, values in columns.items()
    }
    count = len(next(iter(plain.values())))
    return [{name: values[row] for name, values in plain.items()} for row in range(count)]
