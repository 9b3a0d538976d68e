"""What the YAML of a YOLO pose dataset says of keypoints: names, and which change places in a mirrored image."""

from __future__ import annotations

from typing import Any

from layernext.formats.core.losses import Losses
from layernext.model import (
    COCO_PERSON,
    PointPair,
    Skeleton,
    find_skeleton_problems,
    unnamed_points,
)


def read_skeletons(
    content: dict[str, Any], names: dict[int, str], count: int, where: str, losses: Losses
) -> dict[str, Skeleton]:
    """The skeletons of a dataset's classes.

    Args:
        content: of its YAML.
        names: of the classes, by number.
        count: how many points an object has.
        where: the YAML, for messages.
        losses: counts what is not valid.
    """
    flips = _flips(content.get("flip_idx"), count)
    skeletons = {}
    for number, label in names.items():
        points = _names_of(content.get("kpt_names"), number)
        skeleton = Skeleton(points=points or unnamed_points(count), flips=flips)
        if len(skeleton.points) != count or any(find_skeleton_problems(skeleton, where)):
            losses.note("names or flips of keypoints that contradict kpt_shape", where)
        elif skeleton.points == COCO_PERSON.points or (not points and flips == COCO_PERSON.flips):
            skeletons[label] = COCO_PERSON  # the edges are not in the file, but known
        elif points or (flips and not content.get("kpt_names")):
            skeletons[label] = skeleton
    return skeletons


def _flips(positions: Any, count: int) -> tuple[PointPair, ...]:
    if not isinstance(positions, list) or sorted(map(str, positions)) != sorted(
        map(str, range(count))
    ):
        return ()
    return tuple((first, second) for first, second in enumerate(positions) if first < second)


def _names_of(names: Any, number: int) -> tuple[str, ...]:
    """The names of the points of a class: by its number, in a list of lists, or the same for all classes."""
    if isinstance(names, dict):
        names = names.get(number, names.get(str(number)))
    elif isinstance(names, list) and names and isinstance(names[0], list):
        names = names[number] if number < len(names) else None
    return tuple(map(str, names)) if isinstance(names, list) else ()
