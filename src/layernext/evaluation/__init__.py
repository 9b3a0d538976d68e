"""Metrics on arrays: how good a model run is against a ground truth, image by image.

How data flows: `Evaluator.add` decodes the sets of an image into packed columns (`packing`); for a batch of
images the similar pairs are listed (`similarity`) and matched (`matching`); what remains of them is a `Part`
(`parts`), a few numbers per annotation. `result` turns it into averages (`averages`), curves and calibration
(`curves`), confusions and tallies (`tallies`). The types of all results are in `layernext.model`, so that they
can be read without numpy.

**A new kind of geometry** is a file in `similarity` that says how its shapes are gathered and compared, and an
entry in `similarity.kinds`. **A new similarity** is one function
``similarity(run_shapes, truth_shapes, image_wh) -> (N, M)``, for one image, with shapes in pixels: boxes as an
array (N, 4) of x, y, width, height; rotated boxes (N, 5), with degrees; polygons and lines as a list of N arrays (K, 2). Wrap it as
``Measure(function)``; if lower is better (a distance), as ``Measure(function, is_distance=True)``: it is negated
in `Measure.candidates` and nowhere else, and thresholds are distances, too (`EvaluationSettings.is_distance`).
"""

from layernext.evaluation.chamfer import chamfer_distance
from layernext.evaluation.changes import RunPairing, cohen_kappa
from layernext.evaluation.columns import Source
from layernext.evaluation.comparison import compare_evaluations, iter_image_differences
from layernext.evaluation.evaluator import Evaluator
from layernext.evaluation.figures import (
    comparison_figures,
    confidence_figure,
    confusion_figure,
    difference_figure,
    error_figure,
    evaluation_figures,
    figure_bytes,
    precision_recall_figure,
    reliability_figure,
    save_figures,
)
from layernext.evaluation.file_comparison import compare_files
from layernext.evaluation.files import (
    evaluate_files,
    evaluate_files_to_evaluator,
)
from layernext.evaluation.image import match_image
from layernext.evaluation.inputs import find_geometry
from layernext.evaluation.lanes import lane_iou
from layernext.evaluation.similarity import Measure, bbox_iou, rotated_iou

__all__ = [
    "Evaluator",
    "Measure",
    "RunPairing",
    "Source",
    "bbox_iou",
    "chamfer_distance",
    "cohen_kappa",
    "compare_evaluations",
    "compare_files",
    "comparison_figures",
    "confidence_figure",
    "confusion_figure",
    "difference_figure",
    "error_figure",
    "evaluate_files",
    "evaluate_files_to_evaluator",
    "evaluation_figures",
    "figure_bytes",
    "find_geometry",
    "iter_image_differences",
    "lane_iou",
    "match_image",
    "precision_recall_figure",
    "reliability_figure",
    "rotated_iou",
    "save_figures",
]
