"""Masks: pixels of the image, as run lengths, in format v2 only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import floor
from typing import Any, ClassVar, Literal

from layernext.errors import DataError, Problem
from layernext.model.geometry.kind import AnnotationFields, Box, GeometryKind, Point
from layernext.model.geometry.run_lengths import (
    MAX_PIXELS,
    RunLengths,
    box_of_counts,
    counts_of,
    find_mismatch,
    mask_of_pixels,
    pixels_of,
    sampled,
)
from layernext.model.problems import show, wrong

MAX_DRAWN_COUNTS = 1_000
"""Of one mask on a small picture; one with more is drawn from every second, fourth … row and column."""

_FIXED_COLONS = 3
"""Those of the keys `mask`, `size` and `counts`."""


class Mask(AnnotationFields, tag="mask", frozen=True, kw_only=True, gc=False):
    """Labeled pixels; other fields as in `Rectangle`.

    Attributes:
        mask: the pixels, in COCO's run-length encoding. Even in a normalized set, they are pixels of the
            image.
    """

    geometry: ClassVar[Literal["mask"]] = "mask"

    mask: RunLengths


class MaskKind(GeometryKind[RunLengths]):
    """Everything particular to masks."""

    name = "mask"
    code = 5
    struct: ClassVar[type[Any]] = Mask
    key = "mask"
    coordinates_type = checked_type = RunLengths
    is_in_pixels = True
    protocols: ClassVar[tuple[str, ...]] = ("coco", "lvis", "voc", "voc2007", "boundary")

    def count_colons(self, coordinates: RunLengths) -> int:
        """Those of its keys; a compressed string may have some, too."""
        counts = coordinates.counts
        return _FIXED_COLONS + (counts.count(":") if isinstance(counts, str) else 0)

    def is_doubtful(self, coordinates: RunLengths) -> bool:
        """Whether the size is out of range, or the counts are not those of so many pixels."""
        height, width = coordinates.size
        if height < 1 or width < 1 or height * width > MAX_PIXELS:
            return True
        try:
            return find_mismatch(coordinates) is not None
        except DataError:
            return True

    def find_problems(self, coordinates: Any, where: str) -> Iterator[Problem]:
        """All that is wrong with JSON in place of run lengths."""
        if not isinstance(coordinates, dict):
            yield wrong(where, coordinates, '{"size": [height, width], "counts": …}')
            return
        for key in coordinates:
            if key not in {"size", "counts"}:
                yield Problem(where, f"unknown key {show(key)}; known are counts and size")
        for key in ("size", "counts"):
            if key not in coordinates:
                yield Problem(f"{where}.{key}", "is missing")
        problems = [*_size_problems(coordinates, where), *_counts_problems(coordinates, where)]
        yield from problems
        if problems or not {"size", "counts"} <= coordinates.keys():
            return
        height, width = coordinates["size"]
        try:
            mismatch = find_mismatch(RunLengths((height, width), coordinates["counts"]))
        except DataError as error:
            mismatch = error.problems[0].message
        if mismatch is not None:
            yield Problem(f"{where}.counts", mismatch)

    def box(self, coordinates: RunLengths) -> Box:
        """The smallest box around the pixels; all 0 if there are none."""
        x, y, width, height = box_of_counts(counts_of(coordinates), coordinates.size[0])
        return float(x), float(y), float(width), float(height)

    def area(self, coordinates: RunLengths) -> float:
        """The number of pixels."""
        return float(sum(counts_of(coordinates)[1::2]))

    def scale(self, coordinates: RunLengths, width: float, height: float) -> RunLengths:
        """The mask itself: it has pixels where others have fractions."""
        del width, height
        return coordinates

    def move(
        self, coordinates: RunLengths, move: Callable[[float, float], Point]
    ) -> RunLengths | None:
        """The mask in a mirrored or turned image; None if it is not of the image's size."""
        height, width = coordinates.size
        pixels = pixels_of(coordinates)
        keeps_axes = move(0, 0)[0] != move(1, 0)[0]
        lines = (
            [pixels[start : start + height] for start in range(0, height * width, height)]
            if keeps_axes
            else [pixels[row::height] for row in range(height)]
        )
        new_width, new_height = (width, height) if keeps_axes else (height, width)
        x, y = move(0.5, 0.5)
        far_x, far_y = move(width - 0.5, height - 0.5)
        if sorted((x, far_x)) != [0.5, new_width - 0.5] or sorted((y, far_y)) != [
            0.5,
            new_height - 0.5,
        ]:
            return None
        if far_x < x:
            lines.reverse()
        if far_y < y:
            lines = [line[::-1] for line in lines]
        return mask_of_pixels((new_height, new_width), b"".join(lines))

    def crop(self, coordinates: RunLengths, window: Box) -> Sequence[RunLengths]:
        """The pixels inside the window, if there are any."""
        height, width = coordinates.size
        left, top = floor(window[0]), floor(window[1])
        new_width, new_height = max(1, round(window[2])), max(1, round(window[3]))
        pixels = pixels_of(coordinates)
        above, begin = max(0, -top), max(0, top)
        columns: list[bytes] = []
        for column in range(left, left + new_width):
            part = b""
            if 0 <= column < width:
                part = pixels[
                    column * height + begin : column * height
                    + min(height, max(begin, top + new_height))
                ]
            columns.append((b"\x00" * above + part).ljust(new_height, b"\x00")[:new_height])
        cut = b"".join(columns)
        return [mask_of_pixels((new_height, new_width), cut)] if b"\x01" in cut else []

    def drawing(self, coordinates: RunLengths) -> tuple[int, Sequence[float | None]]:
        """Pixels of the image that each pixel stands for, height, width, and the counts."""
        whole, size, step = counts_of(coordinates), coordinates.size, 1
        counts = whole
        while len(counts) > MAX_DRAWN_COUNTS and step < max(coordinates.size):
            step *= 2
            counts, size = sampled(whole, coordinates.size, step)
        return self.code, [step, *size, *counts]


def _size_problems(fields: dict[str, Any], where: str) -> Iterator[Problem]:
    if "size" not in fields:
        return
    size = fields["size"]
    is_pair = isinstance(size, list) and len(size) == 2  # noqa: PLR2004 - height and width
    if not is_pair or any(type(side) is not int or side < 1 for side in size):
        yield wrong(f"{where}.size", size, "[height, width], whole numbers from 1")
    elif size[0] * size[1] > MAX_PIXELS:
        message = f"has {size[0]} x {size[1]} pixels, must have at most {MAX_PIXELS:,}"
        yield Problem(f"{where}.size", message)


def _counts_problems(fields: dict[str, Any], where: str) -> Iterator[Problem]:
    if "counts" not in fields:
        return
    counts = fields["counts"]
    if isinstance(counts, list):
        for position, count in enumerate(counts):
            if type(count) is not int or count < 0:
                yield wrong(f"{where}.counts[{position}]", count, "a whole number from 0")
    elif not isinstance(counts, str):
        yield wrong(f"{where}.counts", counts, "a list of run lengths, or a string of them")


MASK = MaskKind()
