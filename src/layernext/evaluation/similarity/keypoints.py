"""Keypoints, compared by object keypoint similarity (OKS).

Source: COCOeval.computeOks in pycocotools, in the same arithmetic. A truth without a labeled point neither counts nor is
missed, and what is found in its place is ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import replace

from layernext.errors import DataError, Problem
from layernext.evaluation.columns import Columns, FloatArray, Source
from layernext.evaluation.similarity.measure import (
    Gatherer,
    ImageWh,
    KindSimilarity,
    Measure,
    Pairs,
    slices_of_images,
)
from layernext.model import KINDS, EvaluationSettings, sigmas_of

_TINY = np.spacing(1)


class Pose(NamedTuple):
    """The keypoints of an object.

    Attributes:
        label: of the object.
        points: (K, 3): x, y and visibility, in pixels.
        box: (4,): x, y, width and height of the object; None if it is not known.
    """

    label: str
    points: FloatArray
    box: FloatArray | None

    def extent(self, *, is_labeled: bool) -> FloatArray:
        """(4,): the box around all points, or around those that are labeled, if there are any."""
        xy = self.points[:, :2]
        if is_labeled and (self.points[:, 2] > 0).any():
            xy = xy[self.points[:, 2] > 0]
        low = xy.min(axis=0)
        return np.concatenate([low, xy.max(axis=0) - low])


class PoseGatherer(Gatherer):
    """Gathers poses, with the areas of their boxes."""

    def __init__(self) -> None:
        self._poses: list[Pose] = []

    def add(
        self, annotations: Sequence[Any], scale: tuple[float, float] | None, source: Source
    ) -> None:
        """Append the poses of an image."""
        del source
        kind = KINDS["keypoints"]
        for annotation in annotations:
            if not annotation.keypoints:
                raise TypeError("no keypoints")
            points, box = kind.coordinates_of(annotation)
            if scale is not None:
                points, box = kind.scale((points, box), *scale)
            pose = Pose(
                annotation.label, np.array(points, float), None if box is None else np.array(box)
            )
            self._poses.append(pose)

    def take(self) -> tuple[list[Pose], FloatArray]:
        """The poses and their areas (N,)."""
        poses, self._poses = self._poses, []
        boxes = [pose.extent(is_labeled=True) if pose.box is None else pose.box for pose in poses]
        return poses, np.array([box[2] * box[3] for box in boxes], float)


def prepare(
    run: Columns, truth: Columns, image_whs: list[ImageWh | None]
) -> tuple[Columns, Columns]:
    """Both sides as COCO's tools take them.

    Truths without a labeled point are ignored. Annotations of a run take up the area of all their points.
    """
    del image_whs
    is_empty = [not (pose.points[:, 2] > 0).any() for pose in truth.shapes]
    area = run.area.copy()
    for row, pose in enumerate(run.shapes):
        if pose.box is None and not run.has_area[row]:
            _, _, width, height = pose.extent(is_labeled=False)
            area[row] = width * height
    ignore = truth.ignore | np.array(is_empty, bool)
    return replace(run, area=area), replace(truth, ignore=ignore)


def keypoint_similarity(
    poses: FloatArray, truth: FloatArray, area: float, box: FloatArray, sigmas: FloatArray
) -> FloatArray:
    """Object keypoint similarity of each of N poses to a truth: 0 to 1.

    Args:
        poses: (N, K, 2): x and y of their points.
        truth: (K, 3): x, y and visibility of its points; those of visibility 0 are not compared.
        area: of the truth, in square pixels.
        box: (4,) of the truth, which counts if none of its points is labeled: then it is how far each point is
            outside of twice the box.
        sigmas: (K,) of the points.

    Returns:
        (N,): the mean of exp(-distance² / (2 · area · (2 · sigma)²)) over the labeled points.
    """
    is_labeled = truth[:, 2] > 0
    if is_labeled.any():
        away = poses - truth[:, :2]
    else:
        low, high = box[:2] - box[2:], box[:2] + box[2:] * 2
        away = np.maximum(0.0, low - poses) + np.maximum(0.0, poses - high)
        is_labeled = np.ones(len(truth), bool)
    squares = away[..., 0] ** 2 + away[..., 1] ** 2
    exponents = squares / (sigmas * 2) ** 2 / (area + _TINY) / 2
    alike: FloatArray = np.exp(-exponents[:, is_labeled]).sum(axis=1) / is_labeled.sum()
    return alike


def pose_candidates(
    run: Columns, truth: Columns, floor: float, *, sigmas: dict[str, tuple[float, ...]]
) -> Pairs:
    """All pairs of a batch with at least the similarity `floor`.

    Raises:
        DataError: annotations of a label have different numbers of points, or others than its sigmas.
    """
    pairs = [Pairs.none()]
    count = int(run.image[-1]) + 1 if run.count else 0
    of_truth = dict(slices_of_images(truth.image, count))
    for image, rows in slices_of_images(run.image, count):
        others = of_truth[image]
        if rows.start == rows.stop or others.start == others.stop:
            continue
        alike = np.stack(
            [
                _alike(run.shapes[rows], pose, float(truth.area[row]), sigmas)
                for row, pose in enumerate(truth.shapes[others], others.start)
            ],
            axis=1,
        )
        near = np.nonzero(alike >= floor)
        pairs.append(Pairs(near[0] + rows.start, near[1] + others.start, alike[near]))
    return Pairs.joined(pairs)


def _alike(
    poses: list[Pose], truth: Pose, area: float, sigmas: dict[str, tuple[float, ...]]
) -> FloatArray:
    """The similarity of poses to a truth; those with another number of points are not alike."""
    count = len(truth.points)
    of_points = sigmas.get(truth.label) or sigmas_of(None, count)
    if len(of_points) != count:
        message = f"has {count} keypoints, and sigmas for {len(of_points)}"
        raise DataError(Problem(truth.label, message))
    comparable = []
    for row, pose in enumerate(poses):
        if len(pose.points) == count:
            comparable.append(row)
        elif pose.label == truth.label:
            message = f"has {len(pose.points)} keypoints in the run and {count} in the ground truth"
            raise DataError(Problem(truth.label, message))
    alike = np.zeros(len(poses))
    if comparable:
        xy = np.stack([poses[row].points[:, :2] for row in comparable])
        box = truth.extent(is_labeled=False) if truth.box is None else truth.box
        alike[comparable] = keypoint_similarity(xy, truth.points, area, box, np.array(of_points))
    return alike


def _unused(poses: Any, others: Any, image_wh: ImageWh | None) -> FloatArray:
    """Poses are always compared in batches: their similarity depends on the areas of the truths."""
    raise NotImplementedError


class KeypointsSimilarity(KindSimilarity):
    """Keypoints under their protocol."""

    name = "keypoints"

    def gatherer(self) -> PoseGatherer:
        """For poses."""
        return PoseGatherer()

    def measure(self, settings: EvaluationSettings) -> Measure:
        """Object keypoint similarity."""
        batch = partial(pose_candidates, sigmas=settings.sigmas)
        return Measure(_unused, batch=batch, prepare=prepare)


KEYPOINTS = KeypointsSimilarity()
