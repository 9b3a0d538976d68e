"""What a file is, by its first bytes."""

from __future__ import annotations

from pathlib import Path

OTHER = "application/octet-stream"


def type_by_bytes(path: Path) -> str:
    """The media type of a file; ``application/octet-stream`` if it is none that we look into."""
    with path.open("rb") as file:
        head = file.read(64)
    if head[4:8] == b"ftyp":
        return "video/mp4"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "video/webm" if b"webm" in head else "video/x-matroska"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    return OTHER
