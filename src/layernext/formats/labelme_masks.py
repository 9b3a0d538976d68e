"""LabelMe's masks: a PNG, as base64, of the part of the image between two corners, both of which are inside."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

from layernext.errors import ConfigurationError, FormatError, Problem
from layernext.formats.core.outlines import Run, mask_of_rows, rows_of_mask
from layernext.formats.core.pixels import MAX_PIXELS
from layernext.model import Point, RunLengths

_INSIDE = re.compile(rb"[^\x00]+")


def _pillow() -> Any:
    try:
        from PIL import Image  # noqa: PLC0415 - only where there are masks
    except ImportError as error:
        raise ConfigurationError(
            "LabelMe's masks need Pillow", hint="pip install '.[stack]' in the source folder"
        ) from error
    return Image


def read_mask_image(text: str, corner: Point, size: tuple[int, int], where: str) -> RunLengths:
    """The mask of a shape.

    Args:
        text: its PNG, as base64.
        corner: the upper left one.
        size: height and width of the image.
        where: for the error.

    Raises:
        FormatError: it is not an image, or a larger one than the mask's.
        ConfigurationError: Pillow is not installed.
    """
    image = _pillow()
    try:
        with image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as png:
            width, height = png.size
            is_fitting = width * height <= min(MAX_PIXELS, 4 * size[0] * size[1])
            pixels = png.convert("L").tobytes() if is_fitting else b""
    except Exception as error:
        # Decoders raise any exception for damaged content.
        raise FormatError(Problem(f"{where}.mask", "is not a PNG in base64")) from error
    if not is_fitting:
        raise FormatError(Problem(f"{where}.mask", "is larger than its image"))
    rows: dict[int, list[Run]] = {}
    for row in range(height):
        line = pixels[row * width : (row + 1) * width]
        runs = [match.span() for match in _INSIDE.finditer(line)]
        if runs:
            rows[row] = runs
    return mask_of_rows(rows, size, (round(corner[0]), round(corner[1])))


def mask_shape(mask: RunLengths) -> dict[str, Any] | None:
    """Points and PNG of a mask's shape; None if it has no pixels inside.

    Raises:
        ConfigurationError: Pillow is not installed.
    """
    rows = rows_of_mask(mask)
    if not rows:
        return None
    left = min(runs[0][0] for runs in rows.values())
    right = max(runs[-1][1] for runs in rows.values())
    top, bottom = min(rows), max(rows) + 1
    pixels = bytearray((right - left) * (bottom - top))
    for row, runs in rows.items():
        for start, stop in runs:
            begin = (row - top) * (right - left) + start - left
            pixels[begin : begin + stop - start] = b"\xff" * (stop - start)
    png = io.BytesIO()
    size = (right - left, bottom - top)
    _pillow().frombytes("L", size, bytes(pixels)).convert("1").save(png, "PNG")
    return {
        "points": [[left, top], [right - 1, bottom - 1]],
        "mask": base64.b64encode(png.getvalue()).decode(),
    }
