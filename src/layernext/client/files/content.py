"""Which files go into which collections."""

from __future__ import annotations

from typing import Literal, TypeAlias

ContentType: TypeAlias = Literal["image", "video", "other"]
"""What a collection holds."""

_UNREADABLE = {"image/avif", "image/heic"}
"""Not every stack can decode them."""

# Of names; only to tell a broken image from a file that was never meant to be one.
EXTENSIONS: dict[ContentType, frozenset[str]] = {
    "image": frozenset(
        (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
    ),
    "video": frozenset((".mp4", ".m4v", ".mov", ".mkv", ".webm")),
    "other": frozenset(),
}
KNOWN = {
    "image": "JPEG, PNG, WebP, BMP, TIFF or GIF",
    "video": "MP4 or Matroska",
    "other": "file",
}


def fits(kind: str, content_type: ContentType) -> bool:
    """Whether files of a media type go into collections of a content type."""
    return content_type == "other" or (
        kind.startswith(f"{content_type}/") and kind not in _UNREADABLE
    )
