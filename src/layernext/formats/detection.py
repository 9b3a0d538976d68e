"""Which format a file or folder has."""

from __future__ import annotations

from pathlib import Path

from layernext.errors import FormatError, Problem
from layernext.formats.compression import open_decompressed

HEAD_BYTES = 1 << 16


def detect_format(path: Path) -> str:  # noqa: PLR0911 - a return for each format
    """The name of the format that a file or folder seems to have.

    Raises:
        FormatError: it is none that is known.
    """
    if path.is_dir():
        if (path / "data.yaml").is_file():
            return "yolo"
        if next(path.rglob("*.xml"), None):
            return "voc"
        if next(path.rglob("*.json"), None):
            return "labelme"
        raise FormatError(Problem(str(path), "is no folder of a format that is known"))
    with open_decompressed(path) as file:
        head = b""
        while len(head) < HEAD_BYTES and (piece := file.read(HEAD_BYTES - len(head))):
            head += piece
    text = head.lstrip(b" \t\r\n")
    if text.startswith(b"PAR1"):
        return "parquet"
    if text.startswith(b"<"):
        return "cvat"
    if text.startswith(b"["):
        return "coco-results" if b'"image_id"' in head else "label-studio"
    if b".csv" in path.name.lower().encode() or text.startswith(b"image,"):
        return "csv"
    # What COCO's images have, or its annotations, which may come first.
    if text.startswith(b"{") and (
        b'"file_name"' in head or b'"image_id"' in head or _is_coco(path)
    ):
        return "coco"
    return "layernext"


def _is_coco(path: Path) -> bool:
    """Whether the file ends as COCO may, with its categories; of plain files alone."""
    with path.open("rb") as file:
        file.seek(-min(4096, path.stat().st_size), 2)
        return b'"categories"' in file.read()
