"""Shapes drawn as run-length encoded masks, and the overlaps of these.

pycocotools does the drawing and the overlaps, so the numbers are the reference's own. Measured
on 40 by 36 polygons of 20 points in an image of 640 by 480: 30 µs a polygon and 0.6 ms of overlaps;
faster-coco-eval's masks take 24 µs and 0.8 ms, and give the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from layernext.errors import ConfigurationError
from layernext.evaluation.columns import Columns, FloatArray
from layernext.evaluation.similarity.measure import Measure, Pairs, slices_of_images
from layernext.model import RunLengths, compressed, counts_of

_MIN_POINTS = 3
"""pycocotools reads two points as a box; repeating a point keeps them an outline."""

_Mask = dict[str, Any]


class Parts(Struct, frozen=True):
    """A polygon of several outlines.

    Attributes:
        parts: of each part the outer outline (K, 2), then its holes.
    """

    parts: list[list[FloatArray]]


def coco_masks() -> Any:
    """The mask functions of pycocotools.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        from pycocotools import mask  # noqa: PLC0415 - an optional part
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "evaluating polygons and masks needs pycocotools",
            hint="pip install '.[eval]' in the source folder",
        ) from error
    return mask


def draw(
    run: Columns, truth: Columns, image_whs: list[tuple[float, float] | None]
) -> tuple[Columns, Columns]:
    """Both sides with masks in place of points. The mask's area counts where the metadata has none.

    If the size of an image is unknown, it is that of its masks; without masks, polygons are drawn as large as
    they need. That makes a difference only for what sticks out of the image, which COCO's tools cut off.
    """
    masks = coco_masks()
    sizes = [wh or (0.0, 0.0) for wh in image_whs]
    for number, wh in enumerate(image_whs):
        if wh is None:
            sizes[number] = _extent(number, run, truth)
    drawn = replace(run, shapes=_drawn(run, sizes))
    # One by one: of more than 255 at once pycocotools 2.0.11 raises an OverflowError.
    drawn_area = np.array([masks.area(mask) for mask in drawn.shapes], float)
    drawn.area = np.where(run.has_area, run.area, drawn_area)
    drawn_truth = replace(truth, shapes=_drawn(truth, sizes), area=truth.area.copy())
    for row in np.flatnonzero(np.isnan(truth.area)):
        drawn_truth.area[row] = masks.area(drawn_truth.shapes[row])
    return drawn, drawn_truth


def _extent(image: int, *sides: Columns) -> tuple[float, float]:
    corners = [
        outline.max(axis=0)
        for side in sides
        for shape in side.shapes[slice(*np.searchsorted(side.image, (image, image + 1)))]
        for outline in _outlines(shape)
    ]
    if not corners:
        return (1.0, 1.0)
    width, height = np.ceil(np.max(corners, axis=0)) + 1
    return max(float(width), 1.0), max(float(height), 1.0)


def _outlines(shape: Any) -> list[FloatArray]:
    if isinstance(shape, Parts):
        return [part[0] for part in shape.parts]
    return [shape] if isinstance(shape, np.ndarray) else []


def _drawn(side: Columns, sizes: list[tuple[float, float]]) -> list[_Mask]:
    masks = coco_masks()
    drawn_masks: list[_Mask] = []
    for image, rows in slices_of_images(side.image, len(sizes)):
        shapes = side.shapes[rows]
        outlines = [_flat(shape) for shape in shapes if isinstance(shape, np.ndarray)]
        width, height = int(sizes[image][0]), int(sizes[image][1])
        drawn = iter(masks.frPyObjects(outlines, height, width) if outlines else [])
        for shape in shapes:
            if isinstance(shape, np.ndarray):
                drawn_masks.append(next(drawn))
            elif isinstance(shape, RunLengths):
                drawn_masks.append(_as_coco(shape))
            elif isinstance(shape, Parts):
                drawn_masks.append(_drawn_parts(shape, height, width))
            else:
                mask = masks.frPyObjects(shape, height, width)
                drawn_masks.append(masks.merge(mask) if isinstance(shape, list) else mask)
    return drawn_masks


def _flat(points: FloatArray) -> list[float]:
    missing = max(0, _MIN_POINTS - len(points))
    flat: list[float] = (
        np.concatenate([points, points[-1:].repeat(missing, axis=0)]).ravel().tolist()
    )
    return flat


def _drawn_parts(shape: Parts, height: int, width: int) -> _Mask:
    """All parts together, each without its holes."""
    masks = coco_masks()
    pieces = []
    for part in shape.parts:
        piece, *holes = masks.frPyObjects([_flat(ring) for ring in part], height, width)
        if holes:
            piece = masks.merge([piece, *map(_inverse, holes)], intersect=True)
        pieces.append(piece)
    whole: _Mask = masks.merge(pieces)
    return whole


def _inverse(mask: _Mask) -> _Mask:
    """The mask of the pixels outside."""
    height, width = mask["size"]
    counts = counts_of(RunLengths((height, width), mask["counts"].decode()))
    swapped = counts[1:] if counts[0] == 0 else [0, *counts]
    return {"size": mask["size"], "counts": compressed(swapped).encode()}


def _as_coco(mask: RunLengths) -> _Mask:
    size = [*mask.size]
    if isinstance(mask.counts, str):
        return {"size": size, "counts": mask.counts.encode()}
    encoded: _Mask = coco_masks().frPyObjects({"size": size, "counts": mask.counts}, *size)
    return encoded


def mask_iou(
    masks: list[_Mask],
    others: list[_Mask],
    image_wh: tuple[float, float] | None = None,
    *,
    crowds: list[int] | None = None,
) -> FloatArray:
    """Overlap of each mask with each of the others: intersection over union, in pixels.

    Args:
        masks: N, as `draw` makes them.
        others: M, of the same image.
        image_wh: not used.
        crowds: of each of the others, 1 for a crowd: the share of the mask that lies inside counts.

    Returns:
        (N, M), each 0 to 1.

    Source: rleIou in the COCO API (maskApi.c), by calling it.
    """
    del image_wh
    if not masks or not others:
        return np.zeros((len(masks), len(others)))
    iou: FloatArray = coco_masks().iou(masks, others, crowds or [0] * len(others))
    return iou


def overlapping_pairs(
    run: Columns,
    truth: Columns,
    floor: float,
    overlap: Callable[[list[Any], list[Any], list[int]], FloatArray],
) -> Pairs:
    """All pairs of a batch of at least the overlap `floor`.

    Args:
        run, truth: of the same batch, sorted by image.
        floor: the least overlap.
        overlap: of N shapes with M others of the same image, of which some are crowds: (N, M).
    """
    pairs = [Pairs.none()]
    count = int(run.image[-1]) + 1 if run.count else 0
    of_truth = dict(slices_of_images(truth.image, count))
    for image, rows in slices_of_images(run.image, count):
        others = of_truth[image]
        if rows.start == rows.stop or others.start == others.stop:
            continue
        crowds = truth.crowd[others].astype(np.uint8).tolist()
        iou = overlap(run.shapes[rows], truth.shapes[others], crowds)
        near = np.nonzero(iou >= floor)
        pairs.append(Pairs(near[0] + rows.start, near[1] + others.start, iou[near]))
    return Pairs.joined(pairs)


def mask_candidates(run: Columns, truth: Columns, floor: float) -> Pairs:
    """All pairs of masks of a batch with at least the IoU `floor`; crowds as in COCO."""
    return overlapping_pairs(
        run, truth, floor, lambda masks, others, crowds: mask_iou(masks, others, crowds=crowds)
    )


MASK_IOU = Measure(mask_iou, batch=mask_candidates, prepare=draw)
