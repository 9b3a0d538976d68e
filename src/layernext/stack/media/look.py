"""Looks into one file: its type, its size in pixels, a thumbnail. Videos have a file of their own."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from layernext.stack.media.content_type import type_by_bytes
from layernext.stack.media.found import Look
from layernext.stack.media.video import look_into_video

IMAGE_KIND = 5
VIDEO_KIND = 4
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


def look_into(path: Path, kind: int, alive: Callable[[], None]) -> Look:
    """Look into a file.

    Args:
        path: of the file; any content.
        kind: of its collection: 5 images, 4 videos, 7 other files.
        alive: called now and then while it takes long; what it raises ends the look.
    """
    if kind == IMAGE_KIND:
        return _look_into_image(path)
    if kind == VIDEO_KIND:
        return look_into_video(path, alive)
    return Look(content_type=type_by_bytes(path))


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
        return Look(content_type=type_by_bytes(path), failure=f"it is no readable image: {error}")
    return Look(content_type=kind, width=width, height=height, thumbnail=thumbnail)


def _thumbnail(image: Image.Image) -> bytes | None:
    side = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    image.draft("RGB", side)
    if image.size[0] * image.size[1] > MAX_THUMBNAIL_PIXELS:
        return None
    # Not turned as the file asks for: annotations count in stored pixels, and are drawn over it.
    image.thumbnail(side)
    has_alpha = image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info
    buffer = io.BytesIO()
    image.convert("RGBA" if has_alpha else "RGB").save(buffer, "WEBP", quality=80, method=2)
    return buffer.getvalue()
