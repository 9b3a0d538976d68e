"""Semantic masks, compared by the pixels of their image; with masks and polygons beside them for panoptic quality.

Of each image a map is drawn of either side, in which a pixel belongs to one segment at most; the two maps are laid
over each other as runs of pixels, without a pixel in memory. Pixels that no truth covers are void: they are taken
out of the run's segments before anything is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from layernext.evaluation.columns import Columns, FloatArray, IndexArray, Source
from layernext.evaluation.similarity.drawn import draw
from layernext.evaluation.similarity.mask import MaskGatherer
from layernext.evaluation.similarity.measure import (
    ImageWh,
    KindSimilarity,
    Measure,
    Pairs,
    Shapes,
    slices_of_images,
)
from layernext.model import EvaluationSettings, RunLengths, counts_of

PANOPTIC = "panoptic"

_SURE = 0.5
"""Two segments of an image overlap by more than this only if no other pair of theirs does."""


class Segment(Struct, eq=False):
    """A shape as it was gathered.

    Attributes:
        shape: as of `MaskGatherer`.
        is_stuff: whether it is a semantic mask: it has all pixels of its label.
        position: among the gathered annotations of its image.
    """

    shape: Any
    is_stuff: bool
    position: int

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Segment) or self.is_stuff != other.is_stuff:
            return False
        if isinstance(self.shape, np.ndarray):
            return np.array_equal(self.shape, other.shape)
        return bool(self.shape == other.shape)

    __hash__ = None  # type: ignore[assignment]


class Overlaid(Struct):
    """A segment of the truth on the run's map, or the other way round.

    Attributes:
        is_stuff: as of `Segment`.
        row: of a truth: its row in the batch.
        ious: of an annotation of the run: the IoU with each truth that it overlaps, by the row of that.
        pixels: of a truth: how many of its pixels each annotation of the run has, by the row of that; -1 for none.
    """

    is_stuff: bool
    row: int
    ious: dict[int, float]
    pixels: dict[int, int]


class SegmentGatherer(MaskGatherer):
    """Gathers semantic masks, masks and outlines of polygons."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: list[tuple[bool, int]] = []

    def add(
        self, annotations: Sequence[Any], scale: tuple[float, float] | None, source: Source
    ) -> None:
        """Append the segments of an image."""
        if any(_is_stuff(annotation) and annotation.mask is None for annotation in annotations):
            raise TypeError("not a semantic mask")
        super().add(annotations, scale, source)
        self._kinds += [
            (_is_stuff(annotation), position) for position, annotation in enumerate(annotations)
        ]

    def take(self) -> tuple[list[Any], FloatArray]:
        """The segments and their areas."""
        shapes, areas = super().take()
        kinds, self._kinds = self._kinds, []
        segments = [Segment(shape, *kind) for shape, kind in zip(shapes, kinds, strict=True)]
        return segments, areas


def _is_stuff(annotation: Any) -> bool:
    return bool(annotation.type == "semantic_mask")


def overlay(masks: Sequence[list[int]], others: Sequence[list[int]]) -> NDArray[np.int64]:
    """How many pixels each mask shares with each of the others.

    Args:
        masks: N, as lengths of runs; where they overlap the later one covers the earlier ones.
        others: M, likewise, of the same image.

    Returns:
        (N + 1, M + 1): the last row and column are of the pixels without a mask.
    """
    sides = [[_runs(counts) for counts in side] for side in (masks, others)]
    edges = [edge for side in sides for runs in side for edge in runs]
    cuts = np.unique(np.concatenate([np.zeros(1, np.int64), *edges]))
    rows, columns = (_owners(side, cuts) for side in sides)
    shape = len(masks) + 1, len(others) + 1
    pixels = np.bincount(rows * shape[1] + columns, np.diff(cuts), shape[0] * shape[1])
    return pixels.astype(np.int64).reshape(shape)


_Runs: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
"""First pixels of the runs inside a mask, and those behind their last; no run is empty."""


def _runs(counts: list[int]) -> _Runs:
    ends = np.cumsum(np.array(counts, np.int64))
    starts, stops = ends[0::2][: len(ends) // 2], ends[1::2]
    is_run = starts < stops
    return starts[is_run], stops[is_run]


def _owners(side: list[_Runs], cuts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The mask that each piece between two cuts belongs to; their number for none."""
    owners = np.full(len(cuts) - 1, len(side), np.int64)
    for number, (starts, stops) in enumerate(side):
        steps = np.zeros(len(cuts), np.int8)
        # Runs of a mask may touch: one stops where the next one starts.
        steps[np.searchsorted(cuts, starts)] += 1
        steps[np.searchsorted(cuts, stops)] -= 1
        owners[np.cumsum(steps, dtype=np.int8)[:-1] > 0] = number
    return owners


def lay_over(
    run: Columns,
    truth: Columns,
    image_whs: list[ImageWh | None],
    *,
    is_panoptic: bool,
    confidence: float,
) -> tuple[Columns, Columns]:
    """Both sides with `Overlaid` in place of shapes.

    Masks lie on semantic masks, confident ones on others, and later ones on earlier ones; crowds lie below. What has
    no pixels left does not count, and neither does what the run has where the truth is void: all of it or, for
    panoptic quality, more than half of it, a crowd of the label being void, too.

    Args:
        run, truth: as gathered.
        image_whs: width and height of each image, where known.
        is_panoptic: whether it is for panoptic quality.
        confidence: annotations of the run below are left out.
    """
    masks = _as_counts(run, truth, image_whs)
    run, truth = (
        replace(side, area=side.area.copy(), ignore=side.ignore.copy()) for side in (run, truth)
    )
    sides = (_overlaid(run), _overlaid(truth))
    of_truth = dict(slices_of_images(truth.image, len(image_whs)))
    for image, rows in slices_of_images(run.image, len(image_whs)):
        others = of_truth[image]
        painted = _turns(run, rows, confidence)
        under = _turns(truth, others, 0.0)
        pixels = overlay([masks[1][row] for row in under], [masks[0][row] for row in painted])
        _measure((run, truth), sides, (painted, under), pixels, is_panoptic=is_panoptic)
        left_out = np.setdiff1d(np.arange(rows.start, rows.stop), painted)
        run.ignore[left_out] = True
    return replace(run, shapes=sides[0]), replace(truth, shapes=sides[1])


def _measure(
    columns: tuple[Columns, Columns],
    sides: tuple[list[Overlaid], list[Overlaid]],
    rows: tuple[list[int], list[int]],
    pixels: NDArray[np.int64],
    *,
    is_panoptic: bool,
) -> None:
    """Fill in what is known of the segments of one image; `pixels` as of `overlay`, truths first."""
    run, truth = columns
    areas, truth_areas = pixels.sum(axis=0), pixels.sum(axis=1)
    void = pixels[-1]
    for column, row in enumerate(rows[0]):
        area, uncounted = int(areas[column]), int(void[column])
        run.area[row] = run.area[row] if run.has_area[row] else area
        overlaps = np.flatnonzero(pixels[:-1, column]).tolist()
        for other in overlaps:
            truth_row, shared = rows[1][other], int(pixels[other, column])
            is_same = run.label[row] == truth.label[truth_row]
            if truth.ignore[truth_row]:
                uncounted += shared if is_panoptic and is_same else 0
                continue
            iou = shared / (area + int(truth_areas[other]) - shared - int(void[column]))
            if not (is_panoptic and is_same and iou <= _SURE):
                sides[0][row].ious[truth_row] = iou
        is_void = uncounted > area / 2 if is_panoptic else uncounted == area
        run.ignore[row] |= not area or is_void
    for other, truth_row in enumerate(rows[1]):
        area = int(truth_areas[other])
        truth.area[truth_row] = truth.area[truth_row] if truth.has_area[truth_row] else area
        truth.ignore[truth_row] |= not area
        owners = [*rows[0], -1]
        sides[1][truth_row].pixels = {
            owners[column]: int(pixels[other, column])
            for column in np.flatnonzero(pixels[other]).tolist()
        }


def _overlaid(side: Columns) -> list[Overlaid]:
    return [Overlaid(segment.is_stuff, row, {}, {}) for row, segment in enumerate(side.shapes)]


def _turns(side: Columns, rows: slice, confidence: float) -> list[int]:
    """The rows of an image in the order in which they are drawn."""
    segments = side.shapes
    return sorted(
        (row for row in range(rows.start, rows.stop) if side.score[row] >= confidence),
        key=lambda row: (
            not segments[row].is_stuff,
            not side.crowd[row],
            side.score[row],
            segments[row].position,
        ),
    )


def _as_counts(
    run: Columns, truth: Columns, image_whs: list[ImageWh | None]
) -> tuple[list[list[int]], list[list[int]]]:
    """The lengths of the runs of every segment; outlines are drawn."""
    run, truth = (
        replace(side, shapes=[segment.shape for segment in side.shapes]) for side in (run, truth)
    )
    if not all(isinstance(shape, RunLengths) for shape in (*run.shapes, *truth.shapes)):
        run, truth = draw(run, truth, image_whs)
    first, second = ([_counts(shape) for shape in side.shapes] for side in (run, truth))
    return first, second


def _counts(mask: Any) -> list[int]:
    if isinstance(mask, RunLengths):
        return counts_of(mask)
    height, width = mask["size"]
    return counts_of(RunLengths((height, width), mask["counts"].decode()))


def _alike(segments: Shapes, truths: Shapes, image_wh: ImageWh | None) -> FloatArray:
    del image_wh
    ious = np.zeros((len(segments), len(truths)))
    columns = {truth.row: column for column, truth in enumerate(truths)}
    for number, segment in enumerate(segments):
        for row, iou in segment.ious.items():
            ious[number, columns[row]] = iou
    return ious


def _candidates(run: Columns, truth: Columns, floor: float) -> Pairs:
    del truth
    pairs = [
        (row, other, iou)
        for row, segment in enumerate(run.shapes)
        for other, iou in sorted(segment.ious.items())
        if iou >= floor
    ]
    if not pairs:
        return Pairs.none()
    rows, others, ious = zip(*pairs, strict=True)
    return Pairs(np.array(rows), np.array(others), np.array(ious))


def pixel_cells(run: Columns, truth: Columns) -> NDArray[np.int64]:
    """The pixels of the truths that count, by what the run has there; both as `lay_over` returns them.

    Returns:
        (4, C): number of the image in the batch, label of the truth, label of the run or -1 for none, pixels.
    """
    labels = np.append(run.label, -1)
    cells = [
        (image, label, labels[row], count)
        for segment, image, label, is_ignored in zip(
            truth.shapes, truth.image, truth.label, truth.ignore, strict=True
        )
        if not is_ignored
        for row, count in segment.pixels.items()
    ]
    return np.array(cells, np.int64).reshape(-1, 4).T


def stuff_labels(side: Columns) -> IndexArray:
    """Codes of the labels that semantic masks have, of one side as `lay_over` returns it."""
    is_stuff = np.array([segment.is_stuff for segment in side.shapes], bool)
    labels: IndexArray = np.unique(side.label[is_stuff])
    return labels


class SemanticMaskSimilarity(KindSimilarity):
    """Semantic masks; for panoptic quality with masks and polygons."""

    name = "semantic_mask"

    def kinds_for(self, protocol: str | None) -> tuple[str, ...]:
        """Panoptic quality takes what has pixels."""
        return (self.name, "mask", "polygon") if protocol == PANOPTIC else (self.name,)

    def gatherer(self) -> SegmentGatherer:
        """For segments."""
        return SegmentGatherer()

    def measure(self, settings: EvaluationSettings) -> Measure:
        """Intersection over union, without void pixels."""
        prepare = partial(
            lay_over,
            is_panoptic=settings.protocol == PANOPTIC,
            confidence=settings.confidence or 0.0,
        )
        return Measure(_alike, batch=_candidates, prepare=prepare)


SEMANTIC_MASK = SemanticMaskSimilarity()
