"""Semantic masks: the pixels of an image that have a label, in format v2 only.

An image has at most one for each label, and they do not overlap: together they are its label map. A pixel that
none of them covers is void: nothing is said about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import gt
from typing import Any, ClassVar, Literal

from layernext.errors import Problem
from layernext.model.geometry.kind import AnnotationFields
from layernext.model.geometry.mask import MaskKind
from layernext.model.geometry.run_lengths import RunLengths, counts_of
from layernext.model.problems import show


class SemanticMask(AnnotationFields, tag="semantic_mask", frozen=True, kw_only=True, gc=False):
    """All pixels of an image that have the label; other fields as in `Rectangle`.

    The semantic masks of an image have different labels and do not overlap.

    Attributes:
        mask: the pixels, in COCO's run-length encoding. Even in a normalized set, they are pixels of the
            image.
    """

    geometry: ClassVar[Literal["semantic_mask"]] = "semantic_mask"

    mask: RunLengths


class SemanticMaskKind(MaskKind):
    """Everything particular to semantic masks: what is kept is that of masks."""

    name = "semantic_mask"
    code = 9
    struct = SemanticMask
    protocols = ("semantic", "panoptic")
    has_set_rules = True

    def is_set_doubtful(self, annotations: Sequence[Any]) -> bool:
        """Whether two have the same label, different sizes, or pixels in common."""
        if len({annotation.label for annotation in annotations}) < len(annotations):
            return True
        masks = [annotation.mask for annotation in annotations]
        return len({mask.size for mask in masks}) > 1 or _do_overlap(masks)

    def find_set_problems(
        self, annotations: Sequence[tuple[str, str, RunLengths]]
    ) -> Iterator[Problem]:
        """Each label that is repeated, each size that differs, and each mask that overlaps an earlier one."""
        labels: dict[str, str] = {}
        first, _, first_mask = annotations[0]
        has_one_size = True
        for where, label, mask in annotations:
            if label in labels:
                message = f"is {show(label)}, as in {labels[label]}; an image has one semantic mask of a label"
                yield Problem(f"{where}.label", message)
            labels.setdefault(label, where)
            if mask.size != first_mask.size:
                has_one_size = False
                message = f"is {show([*mask.size])}, that of {first} is {show([*first_mask.size])}"
                yield Problem(f"{where}.mask.size", message)
        if not has_one_size:
            return
        height = first_mask.size[0]
        reported: set[int] = set()
        for earlier, later, pixel in _overlaps([mask for _, _, mask in annotations]):
            if later not in reported:
                reported.add(later)
                x, y = divmod(pixel, height)
                other = annotations[earlier][0]
                message = f"overlaps that of {other} at x {x}, y {y}; a pixel has one semantic mask"
                yield Problem(f"{annotations[later][0]}.mask", message)


def _do_overlap(masks: Sequence[RunLengths]) -> bool:
    """Whether any two masks of one size overlap. Runs for every label map that comes in: numbers are sorted, no pairs."""
    starts: list[int] = []
    stops: list[int] = []
    for mask in masks:
        ends = list(accumulate(counts_of(mask)))
        starts += ends[0::2][: len(ends) // 2]
        stops += ends[1::2]
    starts.sort()
    stops.sort()
    # Where no run begins before the one before it stops, there are as many stops below each start as starts.
    return any(map(gt, stops, starts[1:]))


def _overlaps(masks: Sequence[RunLengths]) -> Iterator[tuple[int, int, int]]:
    """Pairs of masks of one size that overlap, by index, the lower first, and a pixel that both have.

    A pair may come several times, but each mask that overlaps another one comes at all.
    """
    runs: list[tuple[int, int, int]] = []
    for index, mask in enumerate(masks):
        ends = list(accumulate(counts_of(mask)))
        runs += [
            (start, end, index)
            for start, end in zip(ends[0::2], ends[1::2], strict=False)
            if start < end
        ]
    runs.sort()
    last_end, last_index = 0, -1
    for start, end, index in runs:
        if start < last_end and index != last_index:
            yield (*sorted((last_index, index)), start)  # type: ignore[misc]
        if end > last_end:
            last_end, last_index = end, index


SEMANTIC_MASK = SemanticMaskKind()
