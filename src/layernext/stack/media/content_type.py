"""What a file is, by its first bytes."""

from __future__ import annotations

from pathlib import Path

OTHER = "application/octet-stream"
_STARTS = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
_HEIF_TYPES = {
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    **dict.fromkeys((b"heic", b"heix", b"heif", b"mif1", b"msf1"), "image/heic"),
}
"""By their brand: images in the container of MP4."""


def type_by_bytes(path: Path) -> str:
    """The media type of a file; ``application/octet-stream`` if it is none that we inspect."""
    with path.open("rb") as file:
        head = file.read(64)
    if head[4:8] == b"ftyp":
        return _HEIF_TYPES.get(head[8:12], "video/mp4")
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "video/webm" if b"webm" in head else "video/x-matroska"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _STARTS.items() if head.startswith(start)), OTHER)
