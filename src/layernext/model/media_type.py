"""What a file is, by its first bytes: names and extensions say nothing."""

from __future__ import annotations

from pathlib import Path

HEAD_BYTES = 64
UNKNOWN_TYPE = "application/octet-stream"

_BITMAP_HEADER_SIZES = {12, 16, 40, 52, 56, 64, 108, 124}
_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
)
# Brands of pictures in the container that videos use, too (ISO/IEC 23008-12).
_PICTURE_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    **dict.fromkeys(
        (
            b"heic",
            b"heix",
            b"heim",
            b"heis",
            b"hevc",
            b"hevx",
            b"hevm",
            b"hevs",
            b"heif",
            b"mif1",
            b"msf1",
        ),
        "image/heic",
    ),
}


def media_type(head: bytes) -> str:
    """The media type of a file that begins so; ``application/octet-stream`` if it is none of ours.

    Args:
        head: the first `HEAD_BYTES`, or all if the file is shorter.

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
    if head[4:8] == b"ftyp":
        return _PICTURE_BRANDS.get(head[8:12], "video/mp4")
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "video/webm" if b"webm" in head else "video/x-matroska"
    return UNKNOWN_TYPE


def media_type_of(path: Path) -> str:
    """The media type of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        return media_type(file.read(HEAD_BYTES))
