"""What came of a file: what it is, or the pictures that were made of it."""

from __future__ import annotations

from msgspec import Struct

from layernext.wire.augmentations import Augmentation


class Look(Struct, frozen=True, kw_only=True):
    """What the inspection of a file has shown.

    Attributes:
        content_type: a media type; ``application/octet-stream`` if it is none that we know.
        width, height: pixels as they are stored, before any rotation that the file asks for:
            annotations count in these.
        frame_count, frame_rate, duration_s: of a video: frames, frames a second, seconds.
        thumbnail: a small picture as WebP, turned as the file asks for.
        failure: why the file is not what its collection holds, or cannot be read.
    """

    content_type: str
    width: int | None = None
    height: int | None = None
    frame_count: int | None = None
    frame_rate: float | None = None
    duration_s: float | None = None
    thumbnail: bytes | None = None
    failure: str | None = None


class NotAugmentable(Exception):
    """No pictures can be made of an image; the text says why, for the log."""


class Picture(Struct, frozen=True, array_like=True):
    """A picture that was made of an image.

    Attributes:
        augmentation: by which it was made.
        image_wh: width and height of the image, in pixels.
        extension: ``jpg`` or ``png``.
        width, height: of the picture, in pixels.
        window: left, top, width and height of the part of the image that it shows; None if it shows all of it.
    """

    augmentation: Augmentation
    image_wh: tuple[int, int]
    extension: str
    width: int
    height: int
    window: tuple[int, int, int, int] | None = None
