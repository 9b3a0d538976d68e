"""Keypoints on their way between formats: what they are in a format that has them, and in one that has not."""

from __future__ import annotations

from typing import Any

from layernext.formats.core.losses import Losses
from layernext.model import (
    PointPair,
    Skeleton,
    find_skeleton_problems,
    is_number,
    unnamed_points,
)

BOX_OF_POINTS = "the points of keypoints; the box of the object is"
"""The loss of a format that has boxes, and no keypoints."""

CONTRADICTION = "the skeleton of a label, which contradicts itself; its names are"

HIDDEN = 1
VISIBLE = 2
"""Visibilities of points that are labeled."""

_SURE = 0.5


def is_hidden(visibility: float) -> bool:
    """Whether a labeled point is hidden; if the visibility is a confidence, whether that is below a half."""
    return visibility == HIDDEN or 0 < visibility < _SURE


def skeleton_of(
    names: Any, edges: Any, where: str, losses: Losses, *, sigmas: Any = None, flips: Any = None
) -> Skeleton | None:
    """A skeleton as COCO and Datumaro have it; None if it says no more than how many points there are.

    Args:
        names: of the points.
        edges: pairs of numbers, from 1 on.
        where: its location, for messages.
        losses: counts what is not valid.
        sigmas: of the points.
        flips: pairs of numbers, from 1 on.
    """
    if not isinstance(names, list) or not names:
        return None
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        losses.note("the names of keypoints, which are not each a name of its own", where)
        names = unnamed_points(len(names))
    numbers = sigmas if isinstance(sigmas, list) else []
    is_sound = all(map(is_number, numbers))
    skeleton = Skeleton(
        points=tuple(names),
        edges=_pairs(edges, where, losses),
        sigmas=tuple(numbers) if is_sound else (),
        flips=_pairs(flips, where, losses),
    )
    if not is_sound or any(find_skeleton_problems(skeleton, where)):
        losses.note(CONTRADICTION, where)
        skeleton = Skeleton(points=tuple(names))
    is_empty = skeleton == Skeleton(points=unnamed_points(len(names)))
    return None if is_empty else skeleton


def _pairs(entries: Any, where: str, losses: Losses) -> tuple[PointPair, ...]:
    """Pairs of positions from 0 on; some tools count from 0, COCO counts from 1."""
    if not isinstance(entries, list):
        return ()
    pairs = [
        entry
        for entry in entries
        if isinstance(entry, list)
        and len(entry) == 2  # noqa: PLR2004 - two ends
        and all(type(end) is int for end in entry)
    ]
    if len(pairs) < len(entries):
        losses.note("an edge of a skeleton that is not two numbers", where)
    first = 0 if any(0 in pair for pair in pairs) else 1
    return tuple((start - first, end - first) for start, end in pairs)
