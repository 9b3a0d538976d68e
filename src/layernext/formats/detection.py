"""Which format a file or folder has."""

from __future__ import annotations

import re
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

_ROOT_TAG = re.compile(rb"<([A-Za-z_][^\s/>]*)")
_PROLOG = re.compile(
    rb"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\])?\s*>", re.DOTALL | re.IGNORECASE
)


def detect_format(path: Path) -> str:
    """The name of the format that a file or folder seems to have.

    Raises:
        FormatError: it does not seem to be in a known format; says what it is, if that can be told.
    """
    if path.is_dir():
        return _folder_format(path)
    text = _head(path).lstrip(b" \t\r\n")
    if text.startswith(b"PAR1"):
        return "parquet"
    if text.startswith(b"<"):
        tag = _root_tag(text)
        if tag == "annotation":
            message = "is one file of a Pascal VOC folder; pass the folder"
            raise FormatError(Problem(str(path), message))
        if tag != "annotations":
            raise _unknown(path)
        return "cvat"
    if ".csv" in path.name.lower() or text.startswith(b"image,"):
        return "csv"
    if not text.startswith((b"{", b"[")):
        raise _unknown(path)
    return _json_format(path)


def _folder_format(folder: Path) -> str:
    """The format of a folder, by the first file that can decide."""
    if (folder / "data.yaml").is_file():
        return "yolo"
    for pattern, name, format_name in (
        ("*.xml", "Pascal VOC", "voc"),
        ("*.json", "LabelMe", "labelme"),
    ):
        path = next(folder.rglob(pattern), None)
        if path is None:
            continue
        is_right = (
            _is_labelme(path)
            if pattern == "*.json"
            else _root_tag(_head(path)) in {"annotation", None}
        )
        if not is_right:
            message = (
                f"contains a file that is not {name}: {path.relative_to(folder)}; pass a folder with "
                "YOLO, Pascal VOC or LabelMe files only, or a single file"
            )
            raise FormatError(Problem(str(folder), message))
        return format_name
    raise _unknown(folder)


def _head(path: Path) -> bytes:
    head = b""
    with open_decompressed(path) as file:
        while len(head) < HEAD_BYTES and (piece := file.read(HEAD_BYTES - len(head))):
            head += piece
    return head


def _root_tag(head: bytes) -> str | None:
    """The name of the first element of an XML text; None if the head does not tell."""
    tag = _ROOT_TAG.search(_PROLOG.sub(b"", head))
    return tag[1].decode(errors="replace") if tag else None


def _is_labelme(path: Path) -> bool:
    """Whether a JSON file has shapes; a broken one is left to the reader, which says where."""
    with suppress(FormatError), open_decompressed(path) as file:
        window = JsonWindow(file, path.name)
        if window.peek() != b"{":
            return False
        for key in iter_members(window, "an object"):
            if key == "shapes":
                return True
            window.value()
        return False
    return True


def _unknown(path: Path) -> FormatError:
    formats = ", ".join(READ_FORMATS)
    return FormatError(Problem(str(path), f"is not in a supported format: {formats}"))


def _json_format(path: Path) -> str:
    """The format of a JSON file, by its first keys; a broken one is left to the reader to report."""
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
