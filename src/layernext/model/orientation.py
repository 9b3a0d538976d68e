"""How a picture is turned: pictures stand upright everywhere, as browsers, OpenCV and annotation tools show them."""

from __future__ import annotations

from typing import Any

EXIF_ORIENTATION = 0x0112

SIDEWAYS = frozenset({5, 6, 7, 8})
"""Orientations whose width is the height of the stored pixels."""


def orientation_of(image: Any) -> int:
    """The EXIF orientation of an opened picture, 1 to 8; 1 if it has none. Decodes nothing.

    TIFF and AVIF say 1: Pillow itself turns what they hold.

    Args:
        image: of Pillow.

    Source: CIPA DC-008 (Exif 2.32), section 4.6.4, tag 274.
    """
    from PIL import Image  # noqa: PLC0415 - only where pictures are read

    content = image.info.get("exif")
    if image.format in {"TIFF", "AVIF"} or not isinstance(content, bytes):
        return 1
    exif = Image.Exif()
    try:
        exif.load(content)
        orientation = exif.get(EXIF_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - Pillow raises anything at damaged EXIF, which other readers ignore
        return 1
    return orientation if orientation in range(1, 9) else 1


def upright_size(image: Any) -> tuple[int, int]:
    """Width and height of an opened picture as it is seen."""
    width, height = image.size
    return (height, width) if orientation_of(image) in SIDEWAYS else (width, height)


def turned(image: Any, orientation: int) -> Any:
    """A picture of Pillow as it is seen; itself if it is upright.

    Args:
        image: decoded; it may be smaller than its file.
        orientation: of its file.
    """
    from PIL.Image import Transpose  # noqa: PLC0415 - as above

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    turn = turns.get(orientation)
    return image if turn is None else image.transpose(turn)
