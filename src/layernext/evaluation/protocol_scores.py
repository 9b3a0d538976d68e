"""Protocols whose numbers are not averages of precision: each as a function of how often each image counts."""

from __future__ import annotations

from typing import TypeAlias

from layernext.evaluation.classification import Classification
from layernext.evaluation.parts import Part
from layernext.evaluation.segmentation import PanopticScores, SemanticScores
from layernext.model import EvaluationSettings

ProtocolScores: TypeAlias = Classification | SemanticScores | PanopticScores


def scores_of_protocol(
    part: Part, settings: EvaluationSettings, label_count: int, confidence: float
) -> ProtocolScores | None:
    """What gives the numbers of a protocol; None for those with averages of precision.

    Args:
        part: everything matched.
        settings: completed.
        label_count: codes are below.
        confidence: annotations with a lower confidence are left out.
    """
    if settings.protocol == "classification":
        return Classification.of(part, settings, label_count, confidence)
    if settings.protocol == "semantic":
        return SemanticScores.of(part, label_count)
    if settings.protocol == "panoptic":
        return PanopticScores.of(part, label_count, confidence)
    return None
