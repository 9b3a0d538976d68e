"""The settings of an evaluation, and the defaults of each protocol.

A protocol is a published way to count. Sources, with what is special to each, are in
docs/evaluation.md; the numbers stand here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from layernext.errors import ConfigurationError
from layernext.model.collection import Record
from layernext.model.geometry import KINDS, EvaluatedGeometry
from layernext.model.problems import listed
from layernext.model.skeleton import Skeleton, sigmas_of

Protocol: TypeAlias = Literal[
    "coco",
    "voc",
    "voc2007",
    "lvis",
    "boundary",
    "lane-f1",
    "chamfer",
    "classification",
    "oks",
    "semantic",
    "panoptic",
]
"""``coco``, ``voc``, ``voc2007`` and ``lvis`` for boxes, rotated boxes, polygons and masks, ``boundary`` for polygons
and masks, ``classification`` for image labels, ``oks`` for keypoints, ``semantic`` and ``panoptic`` for semantic masks;
the others for lines."""

MAX_BITS = 64
"""Thresholds times area ranges: each pair is one bit of a number stored with an annotation."""

MAX_BINS = 1_000
MAX_NUMBERS = 100
MAX_LINE_WIDTH = 10_000.0
"""More than is ever useful: a stack must not be made to compute without limit."""


class AreaRange(Struct, frozen=True):
    """A range of sizes: an average is taken over the truths in it.

    Attributes:
        name: suffix in the names of numbers: ``s`` gives ``APs``; empty for all sizes.
        low, high: area in square pixels, both included, as COCO has it.
    """

    name: str
    low: float
    high: float


ALL_AREAS = AreaRange("", 0.0, 1e10)
"""Every size, with COCO's own upper bound (params.areaRng in cocoeval.py)."""

COCO_AREAS = (
    ALL_AREAS,
    AreaRange("s", 0.0, 32.0**2),
    AreaRange("m", 32.0**2, 96.0**2),
    AreaRange("l", 96.0**2, 1e10),
)

COCO_THRESHOLDS = (*(0.5 + step * ((0.95 - 0.5) / 9) for step in range(9)), 0.95)
""".50 to .95 in steps of .05: the doubles of ``numpy.linspace(.5, .95, 10)``, to the last digit."""


class _Defaults(Struct, frozen=True):
    thresholds: tuple[float, ...]
    areas: tuple[AreaRange, ...]
    max_annotations: tuple[int, ...]
    match_threshold: float


_LEAST_PANOPTIC = 0.5
"""Segments that overlap by more than half have one partner at most, so nothing needs to be chosen."""

_NO_LIMIT = (1 << 31) - 1

PROTOCOLS: dict[Protocol, _Defaults] = {
    "coco": _Defaults(COCO_THRESHOLDS, COCO_AREAS, (1, 10, 100), 0.5),
    "lvis": _Defaults(COCO_THRESHOLDS, COCO_AREAS, (300,), 0.5),
    # Boundary IoU in place of IoU.
    "boundary": _Defaults(COCO_THRESHOLDS, COCO_AREAS, (1, 10, 100), 0.5),
    "voc": _Defaults((0.5,), (ALL_AREAS,), (_NO_LIMIT,), 0.5),
    "voc2007": _Defaults((0.5,), (ALL_AREAS,), (_NO_LIMIT,), 0.5),
    # IoU of lines drawn 30 pixels wide (CULane).
    "lane-f1": _Defaults((0.5, 0.3), (ALL_AREAS,), (_NO_LIMIT,), 0.5),
    # Distances in pixels.
    "chamfer": _Defaults((5.0, 10.0, 15.0), (ALL_AREAS,), (_NO_LIMIT,), 10.0),
    # Object keypoint similarity, as COCO evaluates keypoints.
    "oks": _Defaults(COCO_THRESHOLDS, (ALL_AREAS, *COCO_AREAS[2:]), (20,), 0.5),
    # Labels of an image are all alike; the last number is the 5 of top-5 accuracy.
    "classification": _Defaults((0.5,), (ALL_AREAS,), (5,), 0.5),
    # The threshold is for which labels of an image were found; the numbers are over pixels.
    "semantic": _Defaults((0.5,), (ALL_AREAS,), (_NO_LIMIT,), 0.5),
    "panoptic": _Defaults((0.5,), (ALL_AREAS,), (_NO_LIMIT,), 0.5),
}


class EvaluationSettings(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What is evaluated, and how.

    Attributes:
        geometry: geometry to evaluate; annotations of other geometries are left out, and counted. ``mask``
            also takes polygons, as the pixels inside them.
        protocol: None is ``coco`` for boxes, rotated boxes, polygons and masks, ``lane-f1`` for lines,
            ``classification`` for image labels, ``oks`` for keypoints, ``semantic`` for semantic masks. ``panoptic``
            takes masks and polygons in addition to semantic masks.
        thresholds: thresholds at which averages are taken: IoU from 0 to 1, or for ``chamfer`` distances in
            pixels. Empty: the protocol's own.
        areas: size ranges for averages; all other numbers are computed in the first. Empty:
            the protocol's own.
        max_annotations: how many annotations of one label in one image count, best first: recall is given at
            each of these numbers, precision at the last. For ``classification``, the k of the top-k
            accuracies. For ``lvis``, annotations of all labels of an image together. Empty: the protocol's
            own.
        match_threshold: threshold for curves, confusion, error kinds and tallies; None: the
            protocol's own, IoU 0.5.
        background_threshold: up to where an annotation counts as background, for error kinds; None: IoU 0.1 (as
            in TIDE) or half the match threshold if that is lower; for distances three times the
            match threshold.
        confidence: confidence at which confusion, tallies and each label's precision and recall are given;
            None
            takes the one that is best for F1 over all labels.
        slices: names of attributes of the truth's annotations, and of the images' metadata, for
            which tables are made, a row for each value. ``*`` stands for every attribute.
        bins: of the calibration.
        line_width: pixels that a line is drawn wide for ``lane-f1``.
        tracking: also measure tracks (HOTA, MOTA, IDF1), of kinds that overlap. Annotations with at least `confidence` count;
            all, if that is None.
        sigmas: for keypoints: of each point of a label's skeleton, by label; see `Skeleton`. Of other labels those of
            the skeleton that the stack has, or else those of `sigmas_of`.
    """

    geometry: EvaluatedGeometry = "rectangle"
    protocol: Protocol | None = None
    thresholds: tuple[float, ...] = ()
    areas: tuple[AreaRange, ...] = ()
    max_annotations: tuple[int, ...] = ()
    match_threshold: float | None = None
    background_threshold: float | None = None
    confidence: float | None = None
    slices: tuple[str, ...] = ()
    bins: int = 15
    line_width: float = 30.0
    tracking: bool = False
    sigmas: dict[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def is_distance(self) -> bool:
        """Whether thresholds are distances, which are better the lower they are."""
        return self.protocol == "chamfer"

    def complete(self) -> EvaluationSettings:
        """The same settings, checked, with the protocol's defaults filled in.

        Raises:
            ConfigurationError: they contradict each other or are out of range; the message says which.
        """
        protocols: Sequence[Any] = KINDS[self.geometry].protocols
        protocol: Protocol = self.protocol or protocols[0]
        if protocol not in protocols:
            names = ", ".join(name for name in PROTOCOLS if name in protocols)
            others = [kind.name for kind in KINDS.values() if protocol in kind.protocols]
            raise ConfigurationError(
                f"the protocol {protocol!r} is not for the geometry {self.geometry!r}",
                hint=f"use one of {names}"
                + (f"; or the geometry {listed(others)}" if others else ""),
            )
        defaults = PROTOCOLS[protocol]
        match_threshold = (
            defaults.match_threshold if self.match_threshold is None else self.match_threshold
        )
        background_threshold = self.background_threshold
        if background_threshold is None:
            is_distance = protocol == "chamfer"
            background_threshold = (
                3 * match_threshold if is_distance else min(0.1, match_threshold / 2)
            )
        whole = replace(
            self,
            protocol=protocol,
            thresholds=self.thresholds or defaults.thresholds,
            areas=self.areas or defaults.areas,
            max_annotations=tuple(sorted(self.max_annotations or defaults.max_annotations)),
            match_threshold=match_threshold,
            background_threshold=background_threshold,
        )
        _check(whole)
        return whole


def with_sigmas(
    settings: EvaluationSettings, skeletons: Mapping[str, Skeleton]
) -> EvaluationSettings:
    """The settings with the sigmas of skeletons, for labels that the settings do not name.

    Args:
        settings: of any evaluation; only that of keypoints has sigmas.
        skeletons: by label.
    """
    if settings.geometry != "keypoints":
        return settings
    sigmas = {label: sigmas_of(entry, len(entry.points)) for label, entry in skeletons.items()}
    return replace(settings, sigmas=sigmas | settings.sigmas)


_WITHOUT_OBJECTS = {"chamfer", "classification", "semantic", "panoptic"}
"""Protocols that say nothing of how far one object overlaps another."""


def _check(settings: EvaluationSettings) -> None:
    assert settings.match_threshold is not None  # noqa: S101 - `complete` has set it
    highest = math.inf if settings.is_distance else 1.0
    for threshold in (*settings.thresholds, settings.match_threshold):
        if not 0 < threshold <= highest or not math.isfinite(threshold):
            bounds = "be positive" if settings.is_distance else "be above 0 and at most 1"
            raise ConfigurationError(f"a threshold is {threshold}, must {bounds}")
    assert settings.background_threshold is not None  # noqa: S101 - likewise
    if (settings.background_threshold > settings.match_threshold) != settings.is_distance:
        raise ConfigurationError(
            f"background_threshold is {settings.background_threshold}, must be worse than the match "
            f"threshold, {settings.match_threshold}"
        )
    if settings.protocol == "panoptic" and settings.match_threshold < _LEAST_PANOPTIC:
        raise ConfigurationError(
            f"match_threshold is {settings.match_threshold}, must be at least {_LEAST_PANOPTIC} for panoptic quality"
        )
    if len(settings.thresholds) * len(settings.areas) > MAX_BITS:
        raise ConfigurationError(
            f"{len(settings.thresholds)} thresholds times {len(settings.areas)} area ranges are more "
            f"than {MAX_BITS}; take fewer"
        )
    if len({area.name for area in settings.areas}) < len(settings.areas):
        raise ConfigurationError("two area ranges have the same name")
    if settings.tracking and settings.protocol in _WITHOUT_OBJECTS:
        raise ConfigurationError(
            f"tracking needs objects that overlap; it is not for the geometry {settings.geometry!r} with the "
            f"protocol {settings.protocol!r}"
        )
    for label, sigmas in settings.sigmas.items():
        if not sigmas or not all(0 < sigma < math.inf for sigma in sigmas):
            raise ConfigurationError(f"the sigmas of {label!r} are {list(sigmas)}, must be above 0")
    _check_counts(settings)


def _check_counts(settings: EvaluationSettings) -> None:
    for area in settings.areas:
        if not 0 <= area.low <= area.high:
            raise ConfigurationError(f"area range {area.name!r} is {area.low} to {area.high}")
    if settings.max_annotations[0] < 1:
        raise ConfigurationError("max_annotations must be at least 1")
    if settings.confidence is not None and not 0 <= settings.confidence <= 1:
        raise ConfigurationError(f"confidence is {settings.confidence}, must be from 0 to 1")
    if not 1 <= settings.bins <= MAX_BINS:
        raise ConfigurationError(f"bins is {settings.bins}, must be from 1 to {MAX_BINS}")
    if not 0 < settings.line_width <= MAX_LINE_WIDTH:
        text = f"must be above 0 and at most {MAX_LINE_WIDTH:g}"
        raise ConfigurationError(f"line_width is {settings.line_width}, {text}")
    for name in ("max_annotations", "slices"):
        count = len(getattr(settings, name))
        if count > MAX_NUMBERS:
            raise ConfigurationError(f"{name} are {count}, must be at most {MAX_NUMBERS}")
    if settings.max_annotations[-1] > _NO_LIMIT:
        raise ConfigurationError(f"max_annotations must be at most {_NO_LIMIT}")
