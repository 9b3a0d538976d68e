"""Masks, compared by the overlap of their pixels; polygons count as the pixels inside of them, as in COCO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layernext.evaluation.columns import FloatArray, Source
from layernext.evaluation.similarity.boundary import BOUNDARY
from layernext.evaluation.similarity.drawn import MASK_IOU
from layernext.evaluation.similarity.measure import Gatherer, KindSimilarity, Measure
from layernext.evaluation.similarity.polygon import OutlineGatherer
from layernext.model import KINDS, EvaluationSettings


class MaskGatherer(Gatherer):
    """Gathers run lengths of masks, and outlines of polygons."""

    def __init__(self) -> None:
        self._outlines = OutlineGatherer()
        self._shapes: list[Any] = []
        self._areas: list[float] = []

    def add(
        self, annotations: Sequence[Any], scale: tuple[float, float] | None, source: Source
    ) -> None:
        """Append the masks and polygons of an image."""
        kind = KINDS["mask"]
        for annotation in annotations:
            mask = annotation.mask
            if mask is None:
                self._outlines.add([annotation], scale, source)
                (shape,), (area,) = self._outlines.take()
            elif kind.is_doubtful(mask):
                raise TypeError("not the run lengths of a mask")
            else:
                shape, area = mask, kind.area(mask)
            self._shapes.append(shape)
            self._areas.append(area)

    def take(self) -> tuple[list[Any], FloatArray]:
        """The shapes and their areas."""
        shapes, areas = self._shapes, np.array(self._areas, float)
        self._shapes, self._areas = [], []
        return shapes, areas


class MaskSimilarity(KindSimilarity):
    """Masks, and polygons beside them, under every protocol of theirs."""

    name = "mask"
    kinds = ("mask", "polygon")

    def gatherer(self) -> MaskGatherer:
        """For masks and outlines."""
        return MaskGatherer()

    def measure(self, settings: EvaluationSettings) -> Measure:
        """Intersection over union of pixels, or that of the boundaries if it is lower."""
        return BOUNDARY if settings.protocol == "boundary" else MASK_IOU


MASK = MaskSimilarity()
