"""Reads one image: its type, its size in pixels, a thumbnail. Runs in the decoder's process; see `decoder`."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import msgspec
from PIL import Image, ImageFile, UnidentifiedImageError

from layernext.model import media_type_of, orientation_of, upright_size
from layernext.stack.media.found import Look
from layernext.stack.media.upright import turned

THUMBNAIL_SIDE = 256
MAX_PIXELS = 500_000_000
"""Of an image that is read: 22,000 pixels square."""

MAX_DECODED_BYTES = 1 << 30
"""Of an image that is decoded for its thumbnail; JPEGs are decoded small in the first place."""

LARGE_PIXELS = 4_000_000
"""From here on the size is reported before the decoding starts, which may fail."""

TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",  # several JPEGs in a row; the first is the picture
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
}
_SAMPLES = 4
"""Pixels taken from images that Pillow cannot average, for each pixel of the thumbnail and direction."""

_BYTES_A_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}


def read_image(path: Path, report_size: Callable[[Look], None], *, only_size: bool = False) -> Look:
    """Read an image; what cannot be read gives a `Look` with a failure, never an exception.

    Args:
        path: of the file; any content.
        report_size: called with what is known before a large image is decoded.
        only_size: decode nothing; there is no thumbnail then.
    """
    Image.init()
    # The process is ours alone, and `MAX_PIXELS` decides.
    Image.MAX_IMAGE_PIXELS = None
    look = Look(content_type=media_type_of(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _open(path) as image:
                width, height = upright_size(image)
                orientation = orientation_of(image)
                look = Look(content_type=TYPES[str(image.format)], width=width, height=height)
                if width * height > MAX_PIXELS:
                    why = f"it has {width} x {height} pixels; at most {MAX_PIXELS:,} are read"
                    return _failed(look, why)
                if width * height > LARGE_PIXELS:
                    report_size(look)
                thumbnail = None if only_size else _thumbnail(image, orientation)
    except MemoryError:
        # Its size is right all the same; without one, the file asked for memory before it was known.
        if look.width is None:
            return _failed(look, "it is not a readable image: its content is damaged")
        return look
    except UnidentifiedImageError:
        return _failed(look, _unreadable(look.content_type))
    except Exception as error:  # noqa: BLE001 - decoders raise anything at damaged content
        is_short = isinstance(error, EOFError) or "truncated" in str(error).lower()
        damaged = _failed(look, "it is not a readable image: its content is damaged")
        return _with_what_is_there(path, look) if is_short else damaged
    return Look(content_type=look.content_type, width=width, height=height, thumbnail=thumbnail)


def _open(path: Path) -> Image.Image:
    return Image.open(path, formats=[name for name in TYPES if name in Image.OPEN])


def _with_what_is_there(path: Path, look: Look) -> Look:
    """A file that ends early: a failure, with a thumbnail of the part that is there."""
    failed = _failed(look, "it is not a readable image: its content ends early")
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        with _open(path) as image:
            thumbnail = _thumbnail(image, orientation_of(image))
    except Exception:  # noqa: BLE001 - too little of it is there
        return failed
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    return msgspec.structs.replace(failed, thumbnail=thumbnail)


def _unreadable(media_type: str) -> str:
    """Why nothing reads a file of this type as an image."""
    if media_type == "image/heic":
        return "it is a HEIC image, which is not read: convert it to JPEG, PNG, WebP or AVIF"
    if media_type.startswith("video/"):
        return "it is a video, not an image: upload it to a collection of videos"
    return "it is not a readable image of a supported type"


def _failed(look: Look, why: str) -> Look:
    return Look(content_type=look.content_type, width=look.width, height=look.height, failure=why)


def _thumbnail(image: Image.Image, orientation: int) -> bytes | None:
    """A small upright picture as WebP; None if decoding would take more memory than it may."""
    side = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    image.draft("RGB", side)
    if image.size[0] * image.size[1] * _BYTES_A_PIXEL.get(image.mode, 4) > MAX_DECODED_BYTES:
        return None
    small = image
    if image.mode in {"I", "F"} or image.mode.startswith("I;"):
        small = _tone_mapped(_sampled(image))
    elif image.mode in {"1", "P", "PA"} or "transparency" in image.info:
        # Palette numbers and the color that stands for "transparent" cannot be averaged.
        sampled = _sampled(image)
        small = sampled.convert("RGBA" if _has_alpha(image) else "RGB")
    small.thumbnail(side)
    small = turned(small, orientation)
    buffer = io.BytesIO()
    mode = "RGBA" if _has_alpha(small) else "RGB"
    small.convert(mode).save(buffer, "WEBP", quality=80, method=2)
    return buffer.getvalue()


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info


def _sampled(image: Image.Image) -> Image.Image:
    """The image with fewer pixels, each one of its own: works for every mode."""
    scale = min(1.0, THUMBNAIL_SIDE * _SAMPLES / max(image.size))
    size = (max(round(image.size[0] * scale), 1), max(round(image.size[1] * scale), 1))
    image.load()
    return image.resize(size, Image.Resampling.NEAREST)


def _tone_mapped(image: Image.Image) -> Image.Image:
    """Gray values of more than 8 bits, stretched from their darkest to their brightest percent."""
    import numpy as np  # noqa: PLC0415 - takes as long to load as all else, for few images

    values = np.asarray(image).astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, (1, 99)) if finite.size else (0.0, 0.0)
    if high <= low and finite.size:
        low, high = finite.min(), finite.max()
    if high <= low:
        return Image.new("L", image.size, 128)  # all pixels are the same
    scaled = np.nan_to_num((values - low) / (high - low), nan=0.0, posinf=1.0, neginf=0.0)
    return Image.fromarray((scaled.clip(0, 1) * 255).round().astype(np.uint8))
