"""Keypoints on their way between formats: what they are in a format that has them, and in one that has not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from layernext.formats.core.losses import Losses
from layernext.model import (
    Keypoint,
    Keypoints,
    PointPair,
    Rectangle,
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


class PointNames:
    """Names of points by the label of their object, for formats in which each point is a shape with a name."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}

    def add(self, label: str, names: Sequence[str]) -> None:
        """Append those names of a label's points that are new."""
        self._names.setdefault(label, {}).update(dict.fromkeys(names))

    def add_declared(self, declared: Any) -> None:
        """Append the names that a file declares as this package writes them: lists by label."""
        for label, names in declared.items() if isinstance(declared, dict) else ():
            if isinstance(names, list) and all(isinstance(name, str) for name in names):
                self.add(label, names)

    def of(self, label: str) -> tuple[str, ...]:
        """The names of a label's points, in the order they came."""
        return tuple(self._names.get(label, ()))

    def skeletons(self) -> dict[str, Skeleton]:
        """Skeletons of these names, without those that say no more than how many points there are."""
        skeletons = {label: Skeleton(points=tuple(names)) for label, names in self._names.items()}
        return {
            label: skeleton
            for label, skeleton in skeletons.items()
            if skeleton.points and skeleton.points != unnamed_points(len(skeleton.points))
        }


def joined_pose(box: Rectangle, points: Mapping[str, Keypoint], names: PointNames) -> Keypoints:
    """The keypoints of a box and its points by name; points that are missing are not labeled."""
    names.add(box.label, list(points))
    return Keypoints(
        label=box.label,
        keypoints=[points.get(name, (0, 0, 0)) for name in names.of(box.label)],
        bbox=box.bbox,
        confidence=box.confidence,
        attributes=box.attributes,
        metadata=box.metadata,
    )


def names_of_points(annotation: Keypoints, skeleton: Skeleton | None) -> tuple[str, ...]:
    """A name for each point: that of the skeleton, or its number."""
    names = unnamed_points(len(annotation.keypoints))
    return names if skeleton is None else (*skeleton.points, *names[len(skeleton.points) :])


def labeled_parts(
    annotation: Keypoints, names: Sequence[str], where: str, losses: Losses, *, has_hidden: bool
) -> list[tuple[str, Keypoint]]:
    """The labeled points by name, for a format in which each is a shape beside the box of the object.

    Args:
        annotation: the keypoints.
        names: of the points.
        where: its location, for messages.
        losses: counts what is not kept.
        has_hidden: whether the format can say that a point is hidden.
    """
    if annotation.bbox is None:
        losses.note("that keypoints have no box; the one around their points is", where)
    visibilities = {0, HIDDEN, VISIBLE} if has_hidden else {0, VISIBLE}
    parts = []
    for name, point in zip(names, annotation.keypoints, strict=False):
        x, y, visibility = point
        if visibility not in visibilities:
            losses.note("how visible a point is; that it is labeled is", where)
        if visibility:
            parts.append((name, point))
        elif x or y:
            losses.note("where a point is that is not labeled", where)
    if not parts:
        losses.note("keypoints of which no point is labeled; the box is", where)
    return parts
