"""PNGs whose pixels are numbers or colors that stand for something: label maps, and the segments of COCO panoptic."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

from layernext.errors import ConfigurationError, FormatError, Problem
from layernext.formats.core.pixels import MAX_PIXELS
from layernext.model import RunLengths, mask_of_pixels, masks_of_bytes

Color = tuple[int, int, int]
"""Red, green and blue."""

_INSIDE = bytes([0] * 255 + [1])
_HIGHEST = 255


def pillow() -> Any:
    """Pillow's module of images.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        from PIL import Image  # noqa: PLC0415 - only where there are PNGs
    except ImportError as error:
        raise ConfigurationError(
            "pixels of PNGs need Pillow", hint="pip install '.[stack]' in the source folder"
        ) from error
    return Image


def open_turned(path: Path, where: str, mode: str | None = None) -> Any:
    """A PNG, turned so that its rows are the image's columns, as run lengths count them.

    Args:
        path: of the file.
        where: the location, for messages.
        mode: of Pillow, to convert it to; None keeps what it has.

    Raises:
        FormatError: it is not a readable PNG, or has too many pixels.
        ConfigurationError: Pillow is not installed.
    """
    images = pillow()
    try:
        with images.open(path, formats=["PNG"]) as image:
            is_fitting = image.width * image.height <= MAX_PIXELS
            turned = None
            if is_fitting:
                plain = image if mode is None else image.convert(mode)
                turned = plain.transpose(images.Transpose.TRANSPOSE)
    except Exception as error:
        # Decoders raise any exception for damaged content.
        raise FormatError(Problem(where, f"{path} is not a readable PNG")) from error
    if turned is None:
        raise FormatError(Problem(where, f"{path} has more than {MAX_PIXELS:,} pixels"))
    return turned


def mask_of_color(bands: list[Any], color: Color) -> RunLengths | None:
    """The pixels of a color; None if there are none.

    Args:
        bands: red, green and blue of an image that `open_turned` has turned.
        color: which.
    """
    from PIL import ImageChops  # noqa: PLC0415 - it is there, as the bands are

    inside = None
    for band, target in zip(bands, color, strict=True):
        is_same = band.point([255 * (value == target) for value in range(256)])
        inside = is_same if inside is None else ImageChops.darker(inside, is_same)
    assert inside is not None  # noqa: S101 - there are three bands
    pixels = inside.tobytes().translate(_INSIDE)
    height, width = inside.size
    return mask_of_pixels((height, width), pixels) if b"\x01" in pixels else None


def masks_of_numbers(path: Path, where: str) -> tuple[tuple[int, int], dict[int, RunLengths]]:
    """The masks of a PNG of numbers: gray (8 or 16 bits), black and white, or the indexes of a palette.

    Returns:
        Width and height, and the mask of each number.

    Raises:
        FormatError: it is not a readable PNG, or has colors or too many numbers.
        ConfigurationError: Pillow is not installed.
    """
    turned = open_turned(path, where)
    height, width = turned.size
    if turned.mode in {"RGB", "RGBA", "LA"}:  # gray, as some tools write it
        bands = turned.convert("RGB").split()
        if len({band.tobytes() for band in bands}) > 1:
            message = f"{path} has colors, must have class numbers: a gray image or a palette"
            raise FormatError(Problem(where, message))
        turned = bands[0]
    if turned.mode == "1":
        turned = turned.point([number // _HIGHEST for number in range(256)], "L")
    if turned.mode in {"L", "P"}:
        return (width, height), masks_of_bytes((height, width), turned.tobytes())
    numbers = array("H", turned.convert("I;16").tobytes())
    distinct = sorted(set(numbers))
    if len(distinct) > _HIGHEST:
        message = f"{path} has {len(distinct)} different numbers, at most {_HIGHEST} are read"
        raise FormatError(Problem(where, message))
    indexes = {number: index for index, number in enumerate(distinct)}
    masks = masks_of_bytes((height, width), bytes(map(indexes.__getitem__, numbers)))
    return (width, height), {distinct[index]: mask for index, mask in masks.items()}
