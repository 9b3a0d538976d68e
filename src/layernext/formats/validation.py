"""Whether a source is right: what is not valid is an error, and what is valid and looks wrong a warning."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from msgspec import Struct

from layernext.formats.conversion import counts_to_dict
from layernext.formats.core.classes import Classes
from layernext.formats.core.losses import DEFAULT_PROBLEM_LIMIT, Losses
from layernext.formats.core.sample import Sample, location_of
from layernext.formats.core.scores import Scores
from layernext.formats.reading import read_format
from layernext.model import Annotation, Keypoints, Polygon, RotatedBox, kind_of, parts_of

CORNERS = 3

TOLERANCE = 1.0
"""Pixels that a shape may be outside of its image: rounding, and pixels that are counted from 1."""

MAX_GAPS = 5
"""Class numbers that are named if they are missing."""


class Validation(Struct, frozen=True, kw_only=True):
    """What a valid source contains.

    Attributes:
        format: format of the file or folder.
        images, annotations: how many it contains.
        warnings: what looks wrong: how often, and where it first occurred.
        losses: what is not read, in the same form.
    """

    format: str
    images: int
    annotations: int
    warnings: dict[str, tuple[int, str]]
    losses: dict[str, tuple[int, str]]

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "format": self.format,
            "images": self.images,
            "annotations": self.annotations,
            "warnings": counts_to_dict(self.warnings),
            "losses": counts_to_dict(self.losses),
        }


def validate_source(
    path: Path,
    name: str,
    *,
    images: Path | None = None,
    instances: Path | None = None,
    names: list[str] | None = None,
    scores: Scores | None = None,
    limit: int = DEFAULT_PROBLEM_LIMIT,
) -> Validation:
    """Read a whole source in a format, and look for problems.

    Args:
        path: file, folder or zip archive.
        name: of the format.
        images: folder with the images, if the source lacks their sizes.
        instances: for COCO results: the COCO file that defines the ids.
        names: class names, if the source has only numbers.
        scores: how scores become confidences.
        limit: stop after this many problems.

    Raises:
        DataError: the source is not valid, with every location up to the limit.
        ConfigurationError: there is no such format, or something that it needs is missing.
    """
    losses, classes, doubts = Losses(), Classes(), _Doubts()
    losses.problems.limit = limit
    samples = read_format(
        path,
        name,
        losses=losses,
        images=images,
        instances=instances,
        names=names,
        scores=scores,
        classes=classes,
    )
    for sample in samples:
        doubts.add(sample, classes, losses)
    doubts.finish(classes, losses, str(path))
    return Validation(
        format=name,
        images=doubts.images,
        annotations=doubts.annotations,
        warnings=losses.warnings,
        losses=losses.counts,
    )


class _Doubts:
    """Looks at images one after another for what is likely to be a mistake."""

    def __init__(self) -> None:
        self.images = self.annotations = 0
        self._certain = self._scored = 0
        self._names: set[tuple[str, str | None, str | None]] = set()
        self._point_counts: dict[str, int] = {}

    def add(self, sample: Sample, classes: Classes, losses: Losses) -> None:
        """Look at one image."""
        self.images += 1
        name = (sample.image, sample.run, sample.mode)
        if name in self._names:
            losses.warn("two images have the same name", sample.image)
        self._names.add(name)
        size: tuple[float, float] | None = None
        if sample.normalized:
            size = (1.0, 1.0)
        elif sample.width and sample.height:
            size = (float(sample.width), float(sample.height))
        seen: set[tuple[str, str]] = set()
        for number, annotation in enumerate(sample.annotations):
            self.annotations += 1
            self._scored += annotation.confidence is not None
            self._certain += annotation.confidence == 1
            where = location_of(sample, number)
            _look_at_shape(annotation, size, sample.normalized, where, losses)
            if isinstance(annotation, Keypoints):
                self._look_at_points(annotation, classes, where, losses)
            kind = kind_of(annotation)
            shape = (annotation.label, repr(kind.coordinates_of(annotation)))
            if shape in seen:
                losses.warn("an annotation that repeats another one of the image", where)
            seen.add(shape)

    def _look_at_points(
        self, annotation: Keypoints, classes: Classes, where: str, losses: Losses
    ) -> None:
        count, label = len(annotation.keypoints), annotation.label
        skeleton = classes.skeletons.get(label)
        if skeleton is not None and len(skeleton.points) != count:
            losses.warn("keypoints that are not as many as the points of their skeleton", where)
        elif self._point_counts.setdefault(label, count) != count:
            losses.warn("keypoints that are not as many as others of their label", where)
        if annotation.bbox is None and not any(seen for *_, seen in annotation.keypoints):
            losses.warn("keypoints without a box, of which no point is labeled", where)

    def finish(self, classes: Classes, losses: Losses, path: str) -> None:
        """Look at the whole."""
        if not self.images:
            losses.warn("there are no images", path)
        elif not self.annotations:
            losses.warn("there are no annotations", path)
        if self._scored > 1 and self._certain == self._scored:
            losses.warn("every confidence is 1.0", path)
        numbers = classes.numbers
        if numbers and numbers[-1] - numbers[0] + 1 > len(numbers):
            missing = _missing(numbers)
            losses.warn(f"class numbers skip {missing}", path)


def _missing(numbers: list[int]) -> str:
    gaps: list[str] = []
    for number, following in pairwise(numbers):
        if following - number > 1:
            last = following - 1
            gaps.append(f"{number + 1}" if last == number + 1 else f"{number + 1} to {last}")
    return ", ".join(gaps[:MAX_GAPS]) + (" …" if len(gaps) > MAX_GAPS else "")


_WITH_AREA = {"rectangle", "polygon", "mask", "rotated_box"}


def _look_at_shape(
    annotation: Annotation,
    size: tuple[float, float] | None,
    is_normalized: bool,
    where: str,
    losses: Losses,
) -> None:
    kind = kind_of(annotation)
    coordinates = kind.coordinates_of(annotation)
    if isinstance(annotation, Polygon) and any(
        len(ring) < CORNERS for part in parts_of(coordinates) for ring in part
    ):
        losses.warn("a polygon of fewer than 3 points", where)
    elif annotation.geometry in _WITH_AREA and not kind.area(coordinates):
        losses.warn(f"a {annotation.geometry} without area", where)
    box = kind.box(coordinates)
    # A rotated box in fractions is known in pixels only.
    is_unknown = is_normalized and isinstance(annotation, RotatedBox)
    if size is None or box is None or is_unknown:
        return
    tolerance = TOLERANCE / 100 if is_normalized else TOLERANCE
    x, y, width, height = box
    is_outside = (
        min(x, y) < -tolerance
        or x + width > size[0] + tolerance
        or y + height > size[1] + tolerance
    )
    if is_outside:
        losses.warn("a shape that reaches out of its image", where)
