"""What a file is, by its first bytes: names and extensions say nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

ContentType: TypeAlias = Literal["image", "video", "other"]
"""What a collection holds."""

HEAD_BYTES = 64
OTHER = "application/octet-stream"

_BITMAP_HEADER_SIZES = {12, 16, 40, 52, 56, 64, 108, 124}
# Brands of pictures in the container that videos use, too (ISO/IEC 23008-12).
_PICTURE_BRANDS = {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"}
_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
    (b"\x1aE\xdf\xa3", "video/x-matroska"),
)

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


def media_type(head: bytes) -> str:
    """The media type of a file that begins so.

    Args:
        head: the first `HEAD_BYTES`, or all if the file is shorter.

    Returns:
        One of the types of `KNOWN`, or ``application/octet-stream``.

    Example:
        >>> media_type(b"GIF89a and so on")
        'image/gif'
    """
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    # "BM" alone begins many a text.
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BITMAP_HEADER_SIZES:
        return "image/bmp"
    if head[4:8] == b"ftyp" and head[8:12] not in _PICTURE_BRANDS:
        return "video/mp4"
    return OTHER


def media_type_of(path: Path) -> str:
    """The media type of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        return media_type(file.read(HEAD_BYTES))


def fits(kind: str, content_type: ContentType) -> bool:
    """Whether files of a media type go into collections of a content type."""
    return content_type == "other" or kind.startswith(f"{content_type}/")
