"""Pixels: the sizes of images, and coordinates that are fractions of them."""

from __future__ import annotations

import struct
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from msgspec.structs import replace

from layernext.errors import ConfigurationError, DataError, FormatError, Problem
from layernext.model import Annotation, ImageAnnotations, Line, Points, Polygon, Rectangle

Sizes: TypeAlias = dict[str, tuple[int, int, str]]
"""Width, height and file name of images, by path below a folder without its ending."""

IMAGE_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}

MAX_PIXELS = 500_000_000
"""Of an image, as in a stack; nothing is decoded for its size."""


def image_sizes(folder: Path) -> Sizes:
    """Width, height and name of the images in a folder, by path below it without its ending.

    Only the files' heads are read.

    Raises:
        ConfigurationError: Pillow is not installed.
    """
    try:
        from PIL import Image  # noqa: PLC0415 - only where sizes are wanted
    except ImportError as error:
        raise ConfigurationError(
            "sizes of images need Pillow", hint="pip install '.[stack]' in the source folder"
        ) from error
    found: Sizes = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if path.suffix.lower() not in IMAGE_ENDINGS:
            continue
        try:
            size = _image_size(path, Image)
        except Exception as error:
            # Decoders raise anything at damaged content.
            raise FormatError(Problem(str(path), "is not a readable image")) from error
        if size[0] * size[1] > MAX_PIXELS:
            message = f"has {size[0]} x {size[1]} pixels; at most {MAX_PIXELS:,} are read"
            raise FormatError(Problem(str(path), message))
        inner = path.relative_to(folder).with_suffix("").as_posix()
        found[inner] = (*size, path.name)
        found.setdefault(inner.rpartition("/")[2], found[inner])
    return found


def _image_size(path: Path, pillow: Any) -> tuple[int, int]:
    """Width and height by the file's head.

    `Image.open` refuses what has more than 179 megapixels, as decoding it could fill the memory. Its limit is of the
    whole process and not ours to change, so its plugins are called directly; they decode nothing.
    """
    pillow.init()
    with path.open("rb") as file:
        head = file.read(16)
        for name in pillow.ID:
            factory, accepts = pillow.OPEN[name]
            accepted = accepts is None or accepts(head)
            if not accepted or isinstance(accepted, str):  # a string says what is missing
                continue
            file.seek(0)
            try:
                with factory(file, str(path)) as image:
                    width, height = image.size
                    return width, height
            except (SyntaxError, IndexError, TypeError, struct.error):
                continue  # it is not of this type; another one may read it
    raise ValueError("no plugin reads it")


def size_in(sizes: Sizes, image: str) -> tuple[int | None, int | None]:
    """Width and height of an image; None and None if they are not known."""
    found = sizes.get(PurePosixPath(image).with_suffix("").as_posix()) if sizes else None
    return (found[0], found[1]) if found else (None, None)


def in_pixels(one: ImageAnnotations, width: int | None, height: int | None) -> list[Annotation]:
    """The annotations of a set in pixels.

    Raises:
        DataError: they are fractions, and nobody knows the size of the image.
    """
    if not one.normalized:
        return one.annotations
    if not width or not height:
        message = "has fractions for coordinates, and the size of its image is not known"
        raise DataError(Problem(one.image, message))
    return [_scaled(each, width, height) for each in one.annotations]


def _scaled(one: Annotation, width: int, height: int) -> Annotation:
    if isinstance(one, Rectangle):
        x, y, w, h = one.bbox
        return replace(one, bbox=(x * width, y * height, w * width, h * height))
    if isinstance(one, Polygon):
        return replace(one, polygon=[(x * width, y * height) for x, y in one.polygon])
    if isinstance(one, Line):
        return replace(one, line=[(x * width, y * height) for x, y in one.line])
    assert isinstance(one, Points)  # noqa: S101 - the last kind
    return replace(one, points=[(x * width, y * height) for x, y in one.points])
