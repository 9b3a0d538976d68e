"""Masks for semantic segmentation: a PNG for each image whose pixels are class numbers. Written, not read.

0 is the background, 1 and up are the labels in the order of ``classes.txt``. Where annotations overlap, the later one
wins. A pixel belongs to a shape if its middle is inside of it.
"""

from __future__ import annotations

import io
import math
from operator import itemgetter
from pathlib import Path
from typing import Any

from layernext.errors import ConfigurationError, DataError, Problem
from layernext.formats.core.format import ExportOptions, Format, Holds
from layernext.formats.core.losses import Losses
from layernext.formats.core.sample import Sample, check_finite, location_of, points_of, size_of
from layernext.formats.core.targets import safe_relative, write_new
from layernext.model import Mask, Point, RunLengths, counts_of, runs_inside

MAX_LABELS = 255
MAX_PIXELS = 1 << 29
"""The limit of one image, which is in memory as a whole, one byte for each pixel."""

HOLDS = Holds(
    geometries={
        "rectangle": "as pixels",
        "polygon": "as pixels",
        "rotated_box": "as pixels",
        "mask": "as pixels",
    },
    splits="folders",
    sizes="needed",
    parts=True,
)

FOLDERS = {"train": "train", "validation": "val", "test": "test"}


def _pillow() -> Any:
    try:
        from PIL import Image  # noqa: PLC0415 - only where masks are written
    except ImportError as error:
        raise ConfigurationError(
            "masks need Pillow", hint="pip install '.[stack]' in the source folder"
        ) from error
    return Image


class MaskWriter:
    """Writes a folder of masks, by split; see `SampleWriter`.

    Args:
        root: the folder.
        losses: gathers what masks cannot hold.
        labels: their order gives the class numbers; other labels follow in order of appearance.
    """

    def __init__(self, root: Path, losses: Losses, *, labels: list[str] | None = None) -> None:
        self._root, self._losses = root, losses
        _pillow()
        self._codes = {label: number for number, label in enumerate(labels or [], 1)}

    def write(self, sample: Sample) -> None:
        """Add an image."""
        split = sample.split or "train"
        folder = FOLDERS.get(split, safe_relative(split).name)
        path = self._root / folder / safe_relative(sample.image).with_suffix(".png")
        write_new(path, mask_png(sample, self._codes, self._losses), sample.image)

    def close(self) -> None:
        """Write the list of classes; the line number is the class number."""
        labels = "".join(f"{label}\n" for label in self._codes)
        (self._root / "classes.txt").write_text(labels, encoding="utf-8")


def mask_png(sample: Sample, codes: dict[str, int], losses: Losses) -> bytes:
    """The mask of an image as PNG; new labels get the next number in `codes`.

    Raises:
        DataError: its size is unknown or too large, or there are too many labels.
    """
    image = _pillow()
    width, height = size_of(sample)
    if width * height > MAX_PIXELS:
        raise DataError(Problem(sample.image, "is too large for a mask"))
    pixels = bytearray(width * height)
    for number, annotation in enumerate(sample.annotations):
        where = location_of(sample, number)
        if not HOLDS.accepts(annotation, where, losses):
            continue
        code = codes.setdefault(annotation.label, len(codes) + 1)
        if code > MAX_LABELS:
            raise DataError(Problem(where, f"is the label number {code}; masks have {MAX_LABELS}"))
        losses.note("which annotation a pixel is of", where)
        losses.note_fields(annotation, where, keeps=HOLDS.fields)
        if isinstance(annotation, Mask):
            _paint(pixels, (width, height), annotation.mask, code, where)
            continue
        points = points_of(annotation)
        for point in points:
            check_finite(point, where)
        near = [(_near(x, width), _near(y, height)) for x, y in points]
        _fill(pixels, width, height, near, code)
    mask = image.frombytes("L", (width, height), bytes(pixels))
    encoded = io.BytesIO()
    mask.save(encoded, "PNG")
    return encoded.getvalue()


def _paint(
    pixels: bytearray, size: tuple[int, int], mask: RunLengths, code: int, where: str
) -> None:
    """Give the pixels of a mask a number."""
    width, height = size
    if mask.size != (height, width):
        message = (
            f"its mask has {mask.size[1]} x {mask.size[0]} pixels, its image {width} x {height}"
        )
        raise DataError(Problem(where, message))
    for start, end in runs_inside(counts_of(mask)):
        position = start
        while position < end:  # column by column
            column, row = divmod(position, height)
            rows = min(end - position, height - row)
            first = row * width + column
            pixels[first : first + rows * width : width] = bytes([code]) * rows
            position += rows


def _fill(pixels: bytearray, width: int, height: int, points: list[Point], code: int) -> None:
    """Give the pixels whose middle is inside an outline a number; those under its corners if there are none.

    Only middles count, as for COCO's tools: what is 20 pixels wide covers 20, not 21.
    """
    is_empty = True
    for row, xs in _crossings(height, points).items():
        xs.sort()
        for left, right in zip(xs[::2], xs[1::2], strict=True):
            start, end = (max(0, math.ceil(min(x, float(width)) - 0.5)) for x in (left, right))
            if start < end:
                pixels[row * width + start : row * width + end] = bytes([code]) * (end - start)
                is_empty = False
    if is_empty:
        for x, y in points:
            if 0 <= x < width and 0 <= y < height:
                pixels[int(y) * width + int(x)] = code


def _crossings(height: int, points: list[Point]) -> dict[int, list[float]]:
    """Where the middle of each row crosses an outline."""
    crossings: dict[int, list[float]] = {}
    for start, end in zip(points, [*points[1:], *points[:1]], strict=True):
        (top_x, top), (bottom_x, bottom) = sorted((start, end), key=itemgetter(1))
        if top == bottom:
            continue
        first = max(0, math.ceil(top - 0.5))
        last = min(height, math.ceil(bottom - 0.5))
        slope = (bottom_x - top_x) / (bottom - top)
        for row in range(first, last):
            crossings.setdefault(row, []).append(top_x + (row + 0.5 - top) * slope)
    return crossings


def _near(value: float, side: int) -> float:
    # Twice the side beyond the edge: a shape that comes from far away keeps its slope well enough.
    return min(max(value, -2.0 * side), 3.0 * side)


def write(target: Path, losses: Losses, options: ExportOptions) -> MaskWriter:
    """Open a writer; see `Format`."""
    return MaskWriter(target, losses, labels=options.labels)


FORMAT = Format(
    name="masks",
    about="class numbers as pixels, PNG",
    extension=".zip",
    is_folder=True,
    holds=HOLDS,
    write=write,
)
