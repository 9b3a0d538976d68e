"""Polygons, compared by the overlap of the pixels inside of them, as COCO's tools do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layernext.evaluation.columns import FloatArray, Source
from layernext.evaluation.similarity.boundary import BOUNDARY
from layernext.evaluation.similarity.drawn import MASK_IOU, Parts
from layernext.evaluation.similarity.measure import Gatherer, KindSimilarity, Measure
from layernext.model import EvaluationSettings


class OutlineGatherer(Gatherer):
    """Gathers polygons as arrays (K, 2) or `Parts`, or the segmentation that COCO has in place of one."""

    def __init__(self) -> None:
        self._shapes: list[Any] = []

    def add(
        self, annotations: Sequence[Any], scale: tuple[float, float] | None, source: Source
    ) -> None:
        """Append the outlines of an image."""
        for annotation in annotations:
            if source.is_coco and annotation.metadata and annotation.metadata.segmentation:
                self._shapes.append(annotation.metadata.segmentation)
                continue
            factors = scale or (1.0, 1.0)
            if annotation.parts:
                rings = [
                    [np.array(ring, float) * factors for ring in part] for part in annotation.parts
                ]
                self._shapes.append(Parts(rings))
            elif annotation.polygon:
                self._shapes.append(np.array(annotation.polygon, float) * factors)
            else:
                raise TypeError("no points")

    def take(self) -> tuple[list[Any], FloatArray]:
        """The outlines and their areas; NaN where a mask must be drawn first."""
        shapes, self._shapes = self._shapes, []
        areas = [
            polygon_area(shape) if isinstance(shape, np.ndarray) else np.nan for shape in shapes
        ]
        return shapes, np.array(areas, float)


def polygon_area(points: FloatArray) -> float:
    """Area inside a closed outline (K, 2), by the shoelace formula; 0 for fewer than three points."""
    x, y = points[:, 0], points[:, 1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


class PolygonSimilarity(KindSimilarity):
    """Polygons under every protocol of theirs."""

    name = "polygon"

    def gatherer(self) -> OutlineGatherer:
        """For outlines."""
        return OutlineGatherer()

    def measure(self, settings: EvaluationSettings) -> Measure:
        """Intersection over union of masks, or that of the boundaries if it is lower."""
        return BOUNDARY if settings.protocol == "boundary" else MASK_IOU


POLYGON = PolygonSimilarity()
