"""Which measure goes with which geometry and protocol."""

from __future__ import annotations

from layernext.evaluation.polygons import draw, mask_candidates, mask_iou
from layernext.evaluation.similarity import Measure, bbox_iou, box_candidates
from layernext.model import EvaluatedGeometry, EvaluationSettings, Protocol

_BOXES = Measure(bbox_iou, batch=box_candidates)
_POLYGONS = Measure(mask_iou, batch=mask_candidates, prepare=draw)

MEASURES: dict[tuple[EvaluatedGeometry, Protocol], Measure] = {
    ("rectangle", "coco"): _BOXES,
    ("rectangle", "lvis"): _BOXES,
    ("rectangle", "voc"): _BOXES,
    ("rectangle", "voc2007"): _BOXES,
    ("polygon", "coco"): _POLYGONS,
    ("polygon", "lvis"): _POLYGONS,
    ("polygon", "voc"): _POLYGONS,
    ("polygon", "voc2007"): _POLYGONS,
}


def measure_for(settings: EvaluationSettings) -> Measure:
    """The measure of completed settings."""
    assert settings.protocol is not None  # noqa: S101 - they are completed
    return MEASURES[settings.geometry, settings.protocol]
