"""Looks into one file: its type, its size in pixels, a thumbnail."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from msgspec import Struct
from PIL import Image, ImageOps

IMAGE_KIND = 5
THUMBNAIL_SIDE = 256
MAX_PIXELS = 500_000_000
"""Of an image that is looked into: 22,000 pixels square. Larger ones may be meant to fill the memory."""

MAX_THUMBNAIL_PIXELS = 100_000_000
"""Of an image that is decoded for its thumbnail; JPEGs are decoded small in the first place."""

_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}


class Look(Struct, frozen=True, kw_only=True):
    """What a look into a file has shown.

    Attributes:
        content_type: a media type; ``application/octet-stream`` if it is none that we know.
        width, height: pixels as they are stored, before any rotation that the file asks for:
            annotations count in these.
        frame_count, frame_rate: of a video.
        thumbnail: a small picture as WebP, turned as the file asks for.
        failure: why the file is not what its collection holds, or cannot be read.
    """

    content_type: str
    width: int | None = None
    height: int | None = None
    frame_count: int | None = None
    frame_rate: float | None = None
    thumbnail: bytes | None = None
    failure: str | None = None


def look_into(path: Path, kind: int) -> Look:
    """Look into a file.

    Args:
        path: of the file; any content.
        kind: of its collection: 5 images, 4 videos, 7 other files.
    """
    if kind == IMAGE_KIND:
        return _look_into_image(path)
    return Look(content_type=_type_by_bytes(path))


def _look_into_image(path: Path) -> Look:
    try:
        with warnings.catch_warnings():
            # Pillow warns of large images; our own limits decide.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=list(_TYPES)) as image:
                kind = _TYPES[str(image.format)]
                width, height = image.size
                if width * height > MAX_PIXELS:
                    why = f"it has {width} x {height} pixels, more than this stack looks at"
                    return Look(content_type=kind, width=width, height=height, failure=why)
                thumbnail = _thumbnail(image)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        return Look(content_type=_type_by_bytes(path), failure=f"it is no readable image: {error}")
    return Look(content_type=kind, width=width, height=height, thumbnail=thumbnail)


def _thumbnail(image: Image.Image) -> bytes | None:
    side = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    image.draft("RGB", side)
    if image.size[0] * image.size[1] > MAX_THUMBNAIL_PIXELS:
        return None
    image.thumbnail(side)
    turned = ImageOps.exif_transpose(image)
    has_alpha = turned.mode in {"RGBA", "LA", "PA"} or "transparency" in turned.info
    buffer = io.BytesIO()
    turned.convert("RGBA" if has_alpha else "RGB").save(buffer, "WEBP", quality=80, method=2)
    return buffer.getvalue()


def _type_by_bytes(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(64)
    if head[4:8] == b"ftyp":
        return "video/mp4"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "video/webm" if b"webm" in head else "video/x-matroska"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    return "application/octet-stream"
