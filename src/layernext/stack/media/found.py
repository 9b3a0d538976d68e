"""What a look into a file has shown."""

from __future__ import annotations

from msgspec import Struct


class Look(Struct, frozen=True, kw_only=True):
    """What a look into a file has shown.

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
