"""Lines: compared by the overlap of drawn lines (``lane-f1``) or by their distance (``chamfer``)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from layernext.evaluation.chamfer import chamfer_distance
from layernext.evaluation.columns import Columns, FloatArray, Source
from layernext.evaluation.lanes import lane_iou
from layernext.evaluation.similarity.measure import (
    Gatherer,
    ImageWh,
    KindSimilarity,
    Measure,
    Pairs,
    Shapes,
)
from layernext.evaluation.similarity.polygon import polygon_area
from layernext.model import EvaluationSettings


class LineGatherer(Gatherer):
    """Gathers lines as arrays (K, 2)."""

    def __init__(self) -> None:
        self._lines: list[FloatArray] = []

    def add(
        self, annotations: Sequence[Any], scale: tuple[float, float] | None, source: Source
    ) -> None:
        """Append the lines of an image."""
        del source
        for annotation in annotations:
            points = annotation.line or annotation.polygon
            if not points:
                raise TypeError("no points")
            self._lines.append(np.array(points, float) * (scale or (1.0, 1.0)))

    def take(self) -> tuple[list[FloatArray], FloatArray]:
        """The lines and the areas that they would enclose, for size ranges."""
        lines, self._lines = self._lines, []
        return lines, np.array([polygon_area(line) for line in lines], float)


def _lane_iou(width: float, lines: Shapes, others: Shapes, image_wh: ImageWh | None) -> FloatArray:
    return lane_iou(lines, others, width=width, image_wh=image_wh)


def _distance(
    lines: Shapes, others: Shapes, image_wh: ImageWh | None, cutoff: float = np.inf
) -> FloatArray:
    del image_wh  # lines may reach beyond an image
    return chamfer_distance(lines, others, cutoff=cutoff)


def _near_lines(run: Columns, truth: Columns, floor: float) -> Pairs:
    """Pairs of lines; distances beyond the floor need not be computed."""
    images = 1 + int(max(run.image.max(initial=-1), truth.image.max(initial=-1)))
    near = Measure(partial(_distance, cutoff=-floor), is_distance=True)
    return near.candidates(run, truth, floor, [None] * images)


_DISTANCE = Measure(_distance, is_distance=True, batch=_near_lines)


class LineSimilarity(KindSimilarity):
    """Lines under each protocol of theirs."""

    name = "line"

    def gatherer(self) -> LineGatherer:
        """For lines."""
        return LineGatherer()

    def measure(self, settings: EvaluationSettings) -> Measure:
        """Overlap of lines as wide as the settings say, or distances."""
        if settings.protocol == "chamfer":
            return _DISTANCE
        return Measure(partial(_lane_iou, settings.line_width))


LINE = LineSimilarity()
