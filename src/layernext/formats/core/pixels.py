"""Pixels: the sizes of images, and coordinates that are fractions of them."""

from __future__ import annotations

import struct
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from layernext.errors import ConfigurationError, DataError, FormatError, Problem
from layernext.model import Annotation, ImageAnnotations, kind_of, upright_size

Sizes: TypeAlias = dict[str, tuple[int, int, str]]
"""Width, height and file name of images, by path below a folder, without extension."""

IMAGE_EXTENSIONS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}

MAX_PIXELS = 500_000_000
"""The limit of one image, as in a stack. Reading a size decodes nothing."""


def image_sizes(folder: Path) -> Sizes:
    """Width, height and name of the images in a folder, by path below it, without extension.

    Only the first bytes of the files are read.

    Raises:
        FormatError: a file is not a readable image, or too large.
        ConfigurationError: Pillow is not installed.
    """
    sizes: Sizes = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if path.suffix.lower() not in IMAGE_EXTENSIONS:
            continue
        inner = path.relative_to(folder).with_suffix("").as_posix()
        sizes[inner] = (*image_size(path), path.name)
        sizes.setdefault(inner.rpartition("/")[2], sizes[inner])
    return sizes


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image as it is seen, upright, from the first bytes of its file.

    Raises:
        FormatError: it is not a readable image, or too large.
        ConfigurationError: Pillow is not installed.
    """
    try:
        from PIL import Image  # noqa: PLC0415 - only where sizes are needed
    except ImportError as error:
        raise ConfigurationError(
            "sizes of images need Pillow", hint="pip install '.[stack]' in the source folder"
        ) from error
    try:
        width, height = _image_size(path, Image)
    except Exception as error:
        # Decoders raise any exception for damaged content.
        raise FormatError(Problem(str(path), "is not a readable image")) from error
    if width * height > MAX_PIXELS:
        message = f"has {width} x {height} pixels; at most {MAX_PIXELS:,} are read"
        raise FormatError(Problem(str(path), message))
    return width, height


def _image_size(path: Path, pillow: Any) -> tuple[int, int]:
    """Width and height from the first bytes of a file.

    `Image.open` refuses more than 179 megapixels, since decoding them could fill the memory. That limit holds for the
    whole process and is not ours to change, so its plugins are called directly; they decode nothing.
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
                    return upright_size(image)
            except (SyntaxError, IndexError, TypeError, struct.error):
                continue  # not of this type; another plugin may read it
    raise ValueError("no plugin reads it")


def size_in(sizes: Sizes, image: str) -> tuple[int | None, int | None]:
    """Width and height of an image; (None, None) if they are not known."""
    entry = entry_in(sizes, image) if sizes else None
    return (entry[0], entry[1]) if entry else (None, None)


def entry_in(sizes: Sizes, image: str) -> tuple[int, int, str] | None:
    """Width, height and file name of an image, with or without its extension; None if they are not known."""
    path = PurePosixPath(image)
    return sizes.get(path.with_suffix("").as_posix() if path.name else image)


def in_pixels(image: ImageAnnotations, width: int | None, height: int | None) -> list[Annotation]:
    """The annotations of a set in pixels.

    Raises:
        DataError: they are fractions, and the size of the image is not known.
    """
    if not image.normalized:
        return image.annotations
    if not width or not height:
        message = "has fractions for coordinates, and the size of its image is not known"
        raise DataError(Problem(image.image, message))
    return scaled(image.annotations, width, height)


def scaled(annotations: list[Annotation], width: int, height: int) -> list[Annotation]:
    """Annotations in pixels, in place of fractions of an image's size."""
    return [_scaled(annotation, width, height) for annotation in annotations]


def _scaled(annotation: Annotation, width: int, height: int) -> Annotation:
    kind = kind_of(annotation)
    coordinates = kind.scale(kind.coordinates_of(annotation), width, height)
    in_place: Annotation = kind.with_coordinates(annotation, coordinates)
    return in_place
