"""How shapes are gathered and compared: a file for each kind, and `kinds`, which lists them."""

from layernext.evaluation.similarity.keypoints import keypoint_similarity
from layernext.evaluation.similarity.kinds import SIMILARITIES, evaluated_kinds, measure_for
from layernext.evaluation.similarity.measure import (
    Gatherer,
    ImageWh,
    KindSimilarity,
    Measure,
    Pairs,
    slices_of_images,
)
from layernext.evaluation.similarity.polygon import polygon_area
from layernext.evaluation.similarity.rectangle import bbox_iou
from layernext.evaluation.similarity.rotated_box import rotated_iou
from layernext.evaluation.similarity.semantic_mask import pixel_cells, stuff_labels

__all__ = [
    "SIMILARITIES",
    "Gatherer",
    "ImageWh",
    "KindSimilarity",
    "Measure",
    "Pairs",
    "bbox_iou",
    "evaluated_kinds",
    "keypoint_similarity",
    "measure_for",
    "pixel_cells",
    "polygon_area",
    "rotated_iou",
    "slices_of_images",
    "stuff_labels",
]
