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
from numpy.typing import NDArray

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
    poses: FloatArray, truths: FloatArray, areas: FloatArray, boxes: FloatArray, sigmas: FloatArray
) -> FloatArray:
    """Object keypoint similarity of each of N poses to each of M truths.

    Args:
        poses: (N, K, 2): x and y of their points.
        truths: (M, K, 3): x, y and visibility of their points; those of visibility 0 are not compared.
        areas: (M,) of the truths, in square pixels.
        boxes: (M, 4) of the truths. They count where no point is labeled: then by how far each point of the pose is
            outside of twice the box.
        sigmas: (K,) of the points.

    Returns:
        (N, M), each 0 to 1: the mean of exp(-distance² / (2 · area · (2 · sigma)²)) over the labeled points.
    """
    is_labeled: NDArray[np.bool_] = truths[..., 2] > 0
    away = poses[:, None] - truths[None, ..., :2]
    is_empty: NDArray[np.bool_] = np.logical_not(is_labeled.any(axis=1))
    if is_empty.any():
        low = (boxes[is_empty, :2] - boxes[is_empty, 2:])[:, None]
        high = (boxes[is_empty, :2] + boxes[is_empty, 2:] * 2)[:, None]
        points = poses[:, None]
        away[:, is_empty] = np.maximum(0.0, low - points) + np.maximum(0.0, points - high)
        is_labeled = is_labeled | is_empty[:, None]
    squares = away[..., 0] ** 2 + away[..., 1] ** 2
    exponents = squares / (sigmas * 2) ** 2 / (areas[:, None] + _TINY) / 2
    alike: FloatArray = (np.exp(-exponents) * is_labeled).sum(axis=2) / is_labeled.sum(axis=1)
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
        alike = _alike(run.shapes[rows], truth.shapes[others], truth.area[others], sigmas)
        near = np.nonzero(alike >= floor)
        pairs.append(Pairs(near[0] + rows.start, near[1] + others.start, alike[near]))
    return Pairs.joined(pairs)


def _alike(
    poses: list[Pose],
    truths: list[Pose],
    areas: FloatArray,
    sigmas: dict[str, tuple[float, ...]],
) -> FloatArray:
    """The similarities of an image; poses of different numbers of points are not alike."""
    alike = np.zeros((len(poses), len(truths)))
    groups: dict[tuple[str, int], list[int]] = {}
    for column, truth in enumerate(truths):
        groups.setdefault((truth.label, len(truth.points)), []).append(column)
    for (label, count), columns in groups.items():
        of_points = sigmas.get(label) or sigmas_of(None, count)
        if len(of_points) != count:
            message = f"has {count} keypoints, and sigmas for {len(of_points)}"
            raise DataError(Problem(label, message))
        rows = [row for row, pose in enumerate(poses) if len(pose.points) == count]
        for pose in poses:
            if pose.label == label and len(pose.points) != count:
                message = (
                    f"has {len(pose.points)} keypoints in the run and {count} in the ground truth"
                )
                raise DataError(Problem(label, message))
        if not rows:
            continue
        boxes = [
            truths[at].extent(is_labeled=False) if truths[at].box is None else truths[at].box
            for at in columns
        ]
        alike[np.ix_(rows, columns)] = keypoint_similarity(
            np.stack([poses[row].points[:, :2] for row in rows]),
            np.stack([truths[at].points for at in columns]),
            areas[columns],
            np.array(boxes),
            np.array(of_points),
        )
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
