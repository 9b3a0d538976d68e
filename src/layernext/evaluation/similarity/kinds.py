"""Every kind that is evaluated, listed.

A new kind is a file with a `KindSimilarity` and an entry in `SIMILARITIES`; `layernext.model.KINDS` says which
protocols it has.
"""

from __future__ import annotations

from layernext.evaluation.similarity.image_label import IMAGE_LABEL
from layernext.evaluation.similarity.keypoints import KEYPOINTS
from layernext.evaluation.similarity.line import LINE
from layernext.evaluation.similarity.mask import MASK
from layernext.evaluation.similarity.measure import KindSimilarity, Measure
from layernext.evaluation.similarity.polygon import POLYGON
from layernext.evaluation.similarity.rectangle import RECTANGLE
from layernext.evaluation.similarity.rotated_box import ROTATED_BOX
from layernext.evaluation.similarity.semantic_mask import SEMANTIC_MASK
from layernext.model import EvaluationSettings

SIMILARITIES: dict[str, KindSimilarity] = {
    similarity.name: similarity
    for similarity in (
        RECTANGLE,
        POLYGON,
        LINE,
        MASK,
        ROTATED_BOX,
        IMAGE_LABEL,
        KEYPOINTS,
        SEMANTIC_MASK,
    )
}


def evaluated_kinds(settings: EvaluationSettings) -> tuple[str, ...]:
    """Names of the kinds of annotations that an evaluation with completed settings takes."""
    return SIMILARITIES[settings.geometry].kinds_for(settings.protocol)


def measure_for(settings: EvaluationSettings) -> Measure:
    """The measure of completed settings."""
    return SIMILARITIES[settings.geometry].measure(settings)
