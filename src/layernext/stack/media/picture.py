"""Makes pictures of an image: the same for the same seed. Runs in the decoder's process; see `decoder`."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from layernext.model import orientation_of
from layernext.stack.media.found import NotAugmentable, Picture
from layernext.stack.media.upright import turned
from layernext.wire.augmentations import Augmentation

MAX_PIXELS = 100_000_000
"""Of an image that is augmented: all of it is in memory."""

JPEG_QUALITY = 95

_SWAPS = {
    "FLIP_HORIZONTAL": Image.Transpose.FLIP_LEFT_RIGHT,
    "FLIP_VERTICAL": Image.Transpose.FLIP_TOP_BOTTOM,
    "CLOCKWISE": Image.Transpose.ROTATE_270,
    "COUNTER_CLOCKWISE": Image.Transpose.ROTATE_90,
    "UPSIDE_DOWN": Image.Transpose.ROTATE_180,
}
_FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]


def open_image(path: Path) -> Image.Image:
    """An image to augment, decoded and upright.

    Raises:
        NotAugmentable: it is too large, or has more than 8 bits a channel.
        Exception: it is damaged; decoders raise anything at damaged content.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path, formats=_FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                message = f"it has {width} x {height} pixels; at most {MAX_PIXELS:,} are augmented"
                raise NotAugmentable(message)
            # An MPO file is JPEGs in a row, the first of which is the picture.
            kind = "JPEG" if image.format == "MPO" else image.format
            orientation = orientation_of(image)
            image.load()
            plain = turned(_plain(image), orientation)
    plain.format = kind
    return plain


def _plain(image: Image.Image) -> Image.Image:
    if image.mode in {"L", "RGB", "RGBA"}:
        return image.copy()
    if image.mode in {"I", "F"} or image.mode.startswith("I;"):
        raise NotAugmentable("it has more than 8 bits a channel")
    has_alpha = image.mode in {"LA", "PA", "La", "RGBa"} or "transparency" in image.info
    return image.convert("RGBA" if has_alpha else "RGB")


def augment(image: Image.Image, what: Augmentation, seed: int, name: str) -> tuple[Picture, bytes]:
    """One more picture, and its file: a JPEG of a JPEG, of all else a PNG.

    Args:
        image: from `open_image`.
        what: what is done; numbers are drawn from its range.
        seed: of the version; with the image's name and `what` it decides every number drawn.
        name: of the image.
    """
    key = f"{seed}\n{name}\n{what.kind}.{what.property}".encode("utf-8", "surrogatepass")
    numbers = np.random.default_rng(list(hashlib.blake2b(key, digest_size=16).digest()))
    width, height = image.size
    if what.property in _SWAPS:
        return _picture(image, image.transpose(_SWAPS[what.property]), what)
    amount = float(numbers.uniform(what.low, what.high))
    if what.kind == "CROP":
        keeps = 1 - amount / 100
        w, h = max(round(width * keeps), 1), max(round(height * keeps), 1)
        left, top = (int(numbers.integers(0, room + 1)) for room in (width - w, height - h))
        cropped = image.crop((left, top, left + w, top + h))
        return _picture(image, cropped, what, (left, top, w, h))
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colors = image.convert("RGB") if alpha is not None else image
    result = _recolored(colors, what.kind, amount, numbers)
    if alpha is not None:
        result.putalpha(alpha)
    return _picture(image, result, what)


def _recolored(
    image: Image.Image, kind: str, amount: float, numbers: np.random.Generator
) -> Image.Image:
    if kind == "IMAGE_BLUR":
        return image.filter(ImageFilter.GaussianBlur(amount))
    if kind == "GRAYSCALE":
        return ImageEnhance.Color(image).enhance(1 - amount / 100)
    if kind == "SATURATION":
        return ImageEnhance.Color(image).enhance(1 + amount / 100)
    if kind == "BRIGHTNESS":
        return ImageEnhance.Brightness(image).enhance(1 + amount / 100)
    if kind == "HUE":
        hue, saturation, value = image.convert("HSV").split()
        shift = round(amount / 360 * 256)
        turned = hue.point([(value + shift) % 256 for value in range(256)])
        merged = Image.merge("HSV", (turned, saturation, value)).convert("RGB")
        return merged.convert(image.mode)
    pixels = np.array(image)
    is_noise = numbers.random(pixels.shape[:2]) < amount / 100
    pixels[is_noise] = numbers.integers(0, 256, pixels[is_noise].shape, np.uint8)
    return Image.fromarray(pixels)


def _picture(
    image: Image.Image,
    result: Image.Image,
    augmentation: Augmentation,
    window: tuple[int, int, int, int] | None = None,
) -> tuple[Picture, bytes]:
    buffer = io.BytesIO()
    if image.format == "JPEG":
        result.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        result.save(buffer, "PNG", compress_level=3)
    extension = "jpg" if image.format == "JPEG" else "png"
    picture = Picture(augmentation, image.size, extension, *result.size, window)
    return picture, buffer.getvalue()
