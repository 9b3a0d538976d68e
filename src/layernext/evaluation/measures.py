"""Which measure goes with which geometry and protocol."""

from __future__ import annotations

from functools import partial

import numpy as np

from layernext.evaluation.chamfer import chamfer_distance
from layernext.evaluation.lanes import lane_iou
from layernext.evaluation.packing import Columns, FloatArray
from layernext.evaluation.polygons import draw, mask_candidates, mask_iou
from layernext.evaluation.similarity import (
    ImageWh,
    Measure,
    Pairs,
    Shapes,
    bbox_iou,
    box_candidates,
)
from layernext.model import EvaluatedGeometry, EvaluationSettings, Protocol


def _lane_iou(width: float, lines: Shapes, others: Shapes, image_wh: ImageWh | None) -> FloatArray:
    return lane_iou(lines, others, width=width, image_wh=image_wh)


def _distance(
    lines: Shapes, others: Shapes, image_wh: ImageWh | None, cutoff: float = np.inf
) -> FloatArray:
    del image_wh  # lines reach beyond an image as far as they like
    return chamfer_distance(lines, others, cutoff=cutoff)


def _near_lines(run: Columns, truth: Columns, floor: float) -> Pairs:
    """Pairs of lines; distances above the wanted one need not be worked out."""
    images = 1 + int(max(run.image.max(initial=-1), truth.image.max(initial=-1)))
    near = Measure(partial(_distance, cutoff=-floor), is_distance=True)
    return near.candidates(run, truth, floor, [None] * images)


_BOXES = Measure(bbox_iou, batch=box_candidates)
_POLYGONS = Measure(mask_iou, batch=mask_candidates, prepare=draw)
_DISTANCES = Measure(_distance, is_distance=True, batch=_near_lines)

MEASURES: dict[tuple[EvaluatedGeometry, Protocol], Measure] = {
    ("rectangle", "coco"): _BOXES,
    ("rectangle", "lvis"): _BOXES,
    ("rectangle", "voc"): _BOXES,
    ("rectangle", "voc2007"): _BOXES,
    ("polygon", "coco"): _POLYGONS,
    ("polygon", "lvis"): _POLYGONS,
    ("polygon", "voc"): _POLYGONS,
    ("polygon", "voc2007"): _POLYGONS,
    ("line", "chamfer"): _DISTANCES,
}


def measure_for(settings: EvaluationSettings) -> Measure:
    """The measure of completed settings."""
    assert settings.protocol is not None  # noqa: S101 - they are completed
    if settings.protocol == "lane-f1":
        return Measure(partial(_lane_iou, settings.line_width))
    return MEASURES[settings.geometry, settings.protocol]
