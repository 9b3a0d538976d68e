"""How a picture is turned: pictures stand upright everywhere, as browsers, OpenCV and annotation tools show them."""

from __future__ import annotations

import struct
from typing import Any

_ORIENTATION_TAG = 0x0112
_SHORT = 3
_SIDEWAYS = range(5, 9)
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_PREFIX = b"Exif\0\0"


def orientation_of(image: Any) -> int:
    """The EXIF orientation of an opened picture of Pillow, 1 to 8; 1 if it has none. Decodes nothing.

    For TIFF and AVIF it is 1: Pillow itself turns what they contain.
    """
    content = image.info.get("exif")
    if image.format in {"TIFF", "AVIF"} or not isinstance(content, bytes):
        return 1
    return exif_orientation(content)


def exif_orientation(content: bytes) -> int:
    """The orientation in EXIF data, 1 to 8; 1 if there is none, or the data is damaged.

    Source: CIPA DC-008 (Exif 2.32), sections 4.5.2 and 4.6.4, tag 274 of the first directory.
    """
    data = content.removeprefix(_PREFIX)
    order = _BYTE_ORDERS.get(data[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        for number in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", data, start + 2 + 12 * number)
            if tag == _ORIENTATION_TAG:
                return value if kind == _SHORT and value in range(1, 9) else 1
    except struct.error:  # it ends early
        return 1
    return 1


def upright_size(image: Any) -> tuple[int, int]:
    """Width and height of an opened picture of Pillow as it is seen."""
    width, height = image.size
    return (height, width) if orientation_of(image) in _SIDEWAYS else (width, height)
