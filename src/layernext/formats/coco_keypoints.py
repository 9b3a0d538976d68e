"""COCO's keypoints: flat lists of x, y and visibility, and categories that name the points."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from layernext.errors import FormatError, Problem
from layernext.formats.core.losses import Losses
from layernext.formats.core.poses import skeleton_of
from layernext.model import (
    KINDS,
    Keypoint,
    Keypoints,
    Skeleton,
    unnamed_points,
)

NUMBERS = 3
"""Of a point: x, y and visibility."""

_LARGEST = sys.float_info.max

MEASURES = ("area", "num_keypoints", "segmentation")
"""What COCO says of an object beside its points, which is kept as metadata."""


def read_points(numbers: list[int | float], where: str) -> list[Keypoint]:
    """The points of a flat list.

    Raises:
        FormatError: they are not whole points, or a visibility is negative.
    """
    if len(numbers) % NUMBERS:
        message = f"has {len(numbers)} numbers, must have x, y and visibility of each point"
        raise FormatError(Problem(where, message))
    points = list(zip(numbers[::NUMBERS], numbers[1::NUMBERS], numbers[2::NUMBERS], strict=True))
    # Almost all are right: the slow check would take ten times as long as everything else.
    is_right = points and min(numbers[2::NUMBERS]) >= 0 and max(map(abs, numbers)) <= _LARGEST
    if not is_right:
        problems = [*KINDS["keypoints"].find_problems([list(point) for point in points], where)]
        if problems:
            raise FormatError(problems)
    return points


def flat(points: Sequence[Keypoint]) -> list[int | float]:
    """The list that COCO has for points."""
    return [number for point in points for number in point]


def count_labeled(points: Sequence[Keypoint]) -> int:
    """COCO's ``num_keypoints``."""
    return sum(visibility > 0 for *_, visibility in points)


def pose_of(
    points: list[Keypoint],
    box: tuple[float, float, float, float] | None,
    fields: dict[str, Any],
    measures: dict[str, Any],
) -> Keypoints:
    """The keypoints of an object.

    Args:
        points: its points.
        box: its ``bbox``. One that is just the box around the labeled points is not said again.
        fields: the other fields of the annotation.
        measures: what COCO says of the object. What follows from points and box is left out, the rest becomes
            metadata.
    """
    kind = KINDS["keypoints"]
    if box is not None and tuple(box) == kind.box((points, None)):
        box = None
    derived = {"area": kind.area((points, box)), "num_keypoints": count_labeled(points)}
    for name in MEASURES:
        value = measures.get(name)
        if value is not None and value != [] and value != derived.get(name):
            fields["metadata"].setdefault(name, value)
    return Keypoints(keypoints=points, bbox=box, **fields)


def read_skeleton(category: Any, where: str, losses: Losses) -> Skeleton | None:
    """The skeleton of a category; None if it has none, or none that says more than how many points there are.

    Args:
        category: has ``keypoints``, names; ``skeleton``, pairs of numbers from 1 on; and what this package writes
            beside them: ``sigmas``, and ``flips``, pairs as those of the skeleton.
        where: its location, for messages.
        losses: counts what is not valid.
    """
    return skeleton_of(
        category.keypoints,
        category.skeleton,
        where,
        losses,
        sigmas=category.sigmas,
        flips=category.flips,
    )


def category_fields(skeleton: Skeleton | None, count: int) -> dict[str, Any]:
    """What a category says of keypoints.

    Args:
        skeleton: of the label, if it is known.
        count: how many points its annotations have; 0 for none.
    """
    if skeleton is None:
        return {"keypoints": unnamed_points(count), "skeleton": []} if count else {}
    fields: dict[str, Any] = {
        "keypoints": skeleton.points,
        "skeleton": [[start + 1, end + 1] for start, end in skeleton.edges],
    }
    if skeleton.sigmas:
        fields["sigmas"] = skeleton.sigmas
    if skeleton.flips:
        fields["flips"] = [[start + 1, end + 1] for start, end in skeleton.flips]
    return fields
