"""LVIS: images that were not looked through for every label.

Source: Gupta, Dollár, Girshick: LVIS, A Dataset for Large Vocabulary Instance Segmentation (CVPR 2019),
section 3, and LVISEval in the authors' lvis-api. An image tells two things in its metadata: labels that
are known not to be in it (`NEGATIVE`), and labels of which not all truths were drawn (`INCOMPLETE`).
Annotations of a label that is neither there nor known not to be are dropped; those of an incomplete
label that find nothing do not count. An image that names no negative labels was looked through for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from msgspec import Struct, field

from layernext.errors import DataError, Problem
from layernext.evaluation.averages import Averages, mean
from layernext.evaluation.columns import Columns, IndexArray
from layernext.evaluation.packing import LabelCodes
from layernext.evaluation.parts import Part

NEGATIVE = "neg_labels"
INCOMPLETE = "not_exhaustive_labels"

Frequency: TypeAlias = Literal["r", "c", "f"]

RARE, COMMON = 10, 100
"""Images that a rare, and a common label is in at most (LVIS v1)."""


class Checked(Struct):
    """What the images of a batch were looked through for; pairs of image and label code.

    Attributes:
        negative: known not to be there.
        incomplete: not all of them drawn.
        images: that name their negative labels.
    """

    negative: list[tuple[int, int]] = field(default_factory=list)
    incomplete: list[tuple[int, int]] = field(default_factory=list)
    images: list[int] = field(default_factory=list)

    def add(
        self, image: int, name: str, metadata: Mapping[str, Any] | None, labels: LabelCodes
    ) -> None:
        """Note an image's metadata.

        Raises:
            DataError: a list of labels is none.
        """
        if metadata is None:
            return
        for key, pairs in ((NEGATIVE, self.negative), (INCOMPLETE, self.incomplete)):
            names = metadata.get(key)
            if names is None:
                continue
            if not isinstance(names, list) or not all(isinstance(entry, str) for entry in names):
                raise DataError(Problem(f"{name}: metadata.{key}", "must be a list of labels"))
            pairs += [(image, labels[label]) for label in names]
            if key == NEGATIVE:
                self.images.append(image)

    def apply(self, run: Columns, truth: Columns) -> Columns:
        """The run without annotations that nothing is known of; some of the rest count only if right."""
        size = 1 + int(
            max(
                run.label.max(initial=0),
                truth.label.max(initial=0),
                *(label for _, label in [(0, 0), *self.negative, *self.incomplete]),
            )
        )
        pairs = run.image * size + run.label
        judged = np.concatenate([truth.image * size + truth.label, _keys(self.negative, size)])
        is_counted = ~np.isin(run.image, self.images) | np.isin(pairs, judged)
        run = run.in_order(np.flatnonzero(is_counted))
        run.ignore = np.isin(pairs[is_counted], _keys(self.incomplete, size))
        return run


def _keys(pairs: list[tuple[int, int]], size: int) -> IndexArray:
    return np.array([image * size + label for image, label in pairs], np.int64)


def frequencies(part: Part, label_count: int) -> list[Frequency]:
    """Of each label whether it is rare, common or frequent, by the images that it is in.

    LVIS counts the images of its training set; here it is those of the ground truth.
    """
    pairs = np.unique(np.stack([part.truth_label, part.truth_image]), axis=1)
    counts = np.bincount(pairs[0], minlength=label_count).tolist()
    return ["r" if count <= RARE else "c" if count <= COMMON else "f" for count in counts]


def frequency_summary(means: Averages, groups: list[Frequency]) -> dict[str, float | None]:
    """``APr``, ``APc`` and ``APf``: the average over the labels of each group."""
    codes = np.array(groups, dtype="U1")
    return {f"AP{group}": mean(means.precision[codes == group][:, :, 0]) for group in "rcf"}
