"""Which format a file or folder has."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from layernext.errors import FormatError, Problem
from layernext.formats.compression import open_decompressed
from layernext.formats.json_stream import JsonWindow, iter_list, iter_members

HEAD_BYTES = 1 << 10

READ_FORMATS = (
    "layernext", "coco", "coco-results", "yolo", "yolo-segmentation", "voc", "labelme", "cvat",
    "label-studio", "csv", "parquet",
)  # fmt: skip
"""What a file or folder can be, as people are told."""


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
        raise _unknown(path)
    with open_decompressed(path) as file:
        head = b""
        while len(head) < HEAD_BYTES and (piece := file.read(HEAD_BYTES - len(head))):
            head += piece
    text = head.lstrip(b" \t\r\n")
    if text.startswith(b"PAR1"):
        return "parquet"
    if text.startswith(b"<"):
        return "cvat"
    if ".csv" in path.name.lower() or text.startswith(b"image,"):
        return "csv"
    if not text.startswith((b"{", b"[")):
        raise _unknown(path)
    return _json_format(path)


def _unknown(path: Path) -> FormatError:
    formats = ", ".join(READ_FORMATS)
    return FormatError(Problem(str(path), f"is not in a format that is read: {formats}"))


def _json_format(path: Path) -> str:
    """The format of a JSON file, by its first keys; what is broken is left to a reader to complain of."""
    has_images = is_whole = False
    with suppress(FormatError), open_decompressed(path) as file:
        window = JsonWindow(file, path.name)
        if window.peek() == b"[":
            first = next(iter_list(window, "tasks"), b"{}")
            return "coco-results" if "image_id" in _keys(first) else "label-studio"
        for key in iter_members(window, "an object"):
            if key in {"annotations", "categories"}:
                return "coco"
            if key != "images":
                window.value()
                continue
            has_images = True
            for first in iter_list(window, "images"):
                return "coco" if "file_name" in _keys(first) else "layernext"
        is_whole = True
    if is_whole and not has_images:
        raise _unknown(path)
    return "layernext"


def _keys(raw: bytes) -> set[str]:
    try:
        return set(msgspec.json.decode(raw, type=dict[str, msgspec.Raw]))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return set()
