"""Skeletons: what the keypoints of a label are called, which of them are joined, and how exact they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import TypeAlias, TypeVar

from msgspec import Struct

from layernext.errors import Problem
from layernext.model.check import find_names_problem
from layernext.model.problems import show

PointPair: TypeAlias = tuple[int, int]
"""Positions of two points, counted from 0."""

MAX_POINTS = 1_000
"""Of a skeleton; the largest that is in use, of a whole body with face and hands, has 133."""

MAX_EDGES = 10_000

_Entry = TypeVar("_Entry")


class Skeleton(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The points of a label's `Keypoints`. It is stored once for each label of a collection.

    Attributes:
        points: names of the points, in the order that annotations have them.
        edges: which points are joined by a line when they are drawn: pairs of positions, counted from 0.
        sigmas: how much people disagree about the location of each point, relative to the size of the object,
            as in COCO's object keypoint similarity. Empty if unknown.
        flips: which points change places in a mirrored image, such as the left and the right eye: pairs of positions.
    """

    points: tuple[str, ...]
    edges: tuple[PointPair, ...] = ()
    sigmas: tuple[float, ...] = ()
    flips: tuple[PointPair, ...] = ()

    def mirrored(self, keypoints: Sequence[_Entry]) -> list[_Entry]:
        """Points in the order that they have in a mirrored image."""
        mirrored = list(keypoints)
        for first, second in self.flips:
            if max(first, second) < len(mirrored):
                mirrored[first], mirrored[second] = mirrored[second], mirrored[first]
        return mirrored


_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_BODY = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")

COCO_PERSON = Skeleton(
    points=(*_FACE, *(f"{side}_{part}" for part in _BODY for side in ("left", "right"))),
    edges=(
        (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
        (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
    ),
    sigmas=(
        0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089,
        0.089,
    ),
    flips=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
)  # fmt: skip
"""The skeleton of persons in COCO, with the sigmas of COCO's evaluation (params.kpt_oks_sigmas in cocoeval.py)."""


def sigmas_of(skeleton: Skeleton | None, count: int) -> tuple[float, ...]:
    """The sigmas of the points of a label.

    Args:
        skeleton: of the label; None if it is not known.
        count: how many points its annotations have.

    Returns:
        Those of the skeleton. If it has none: COCO's for the 17 points of COCO's persons, whose names may be
        unknown; otherwise 1 / `count` for each point.
    """
    if skeleton is not None and skeleton.sigmas:
        return skeleton.sigmas
    names = None if skeleton is None else skeleton.points
    is_person = names in {None, COCO_PERSON.points, unnamed_points(count)}
    if is_person and count == len(COCO_PERSON.points):
        return COCO_PERSON.sigmas
    return (1 / count,) * count


def unnamed_points(count: int) -> tuple[str, ...]:
    """Names for points that have none: 1, 2, 3 and so on."""
    return tuple(str(number) for number in range(1, count + 1))


def find_skeleton_problems(skeleton: Skeleton, where: str) -> Iterator[Problem]:
    """How a skeleton contradicts itself; nothing if it does not.

    Args:
        skeleton: of any points, edges, sigmas and flips.
        where: its path.
    """
    count = len(skeleton.points)
    for key, most in (("points", MAX_POINTS), ("edges", MAX_EDGES), ("sigmas", count)):
        if len(getattr(skeleton, key)) > most:
            text = f"has {len(getattr(skeleton, key)):,} entries, must have at most {most:,}"
            yield Problem(f"{where}.{key}", text)
            return
    if not count:
        yield Problem(f"{where}.points", "is empty, must name at least one point")
    names: set[str] = set()
    for position, name in enumerate(skeleton.points):
        problem = find_names_problem(name, "a point")
        if problem or name in names:
            text = problem or f"{show(name)} is listed twice"
            yield Problem(f"{where}.points[{position}]", text)
        names.add(name)
    for key in ("edges", "flips"):
        yield from _pair_problems(getattr(skeleton, key), count, f"{where}.{key}")
    if len({point for pair in skeleton.flips for point in pair}) < 2 * len(skeleton.flips):
        yield Problem(f"{where}.flips", "has a point twice")
    yield from _sigma_problems(skeleton.sigmas, count, f"{where}.sigmas")


def _pair_problems(pairs: Sequence[PointPair], count: int, where: str) -> Iterator[Problem]:
    for position, pair in enumerate(pairs):
        if not all(0 <= point < count for point in pair):
            text = f"is {show(list(pair))}, must be two positions from 0 to {count - 1}"
            yield Problem(f"{where}[{position}]", text)
        elif pair[0] == pair[1]:
            yield Problem(f"{where}[{position}]", "has the same point twice")


def _sigma_problems(sigmas: Sequence[float], count: int, where: str) -> Iterator[Problem]:
    if sigmas and len(sigmas) != count:
        yield Problem(where, f"has {len(sigmas)} entries, must have one for each of {count} points")
    for position, sigma in enumerate(sigmas):
        if not 0 < sigma < inf:
            yield Problem(f"{where}[{position}]", f"is {show(sigma)}, must be above 0")
