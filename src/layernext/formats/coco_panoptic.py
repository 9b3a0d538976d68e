"""COCO panoptic: the segments of an image, whose pixels are in a PNG beside the file.

A pixel's color is the id of its segment: red plus 256 times green plus 65,536 times blue. The PNGs are in a folder of
the name of the JSON file, as COCO's own are, or beside it. Source: cocodataset.org (data format).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from layernext.formats.coco_records import ImageSize, Label, decode_row, read_annotation
from layernext.formats.core.json_stream import check_keys
from layernext.formats.core.label_maps import mask_of_color, open_turned
from layernext.formats.core.losses import Losses
from layernext.formats.core.scores import Scores
from layernext.formats.core.spill import Id
from layernext.model import Annotation


class _Segments(Struct, gc=False):
    segments_info: list[dict[str, Any]]
    file_name: Any = None


_decode_segments = msgspec.json.Decoder(_Segments)


def read_segments(
    raw: bytes, labels: dict[Id, Label], path: Path, where: str, losses: Losses, size: ImageSize
) -> list[Annotation]:
    """The segments of an image: masks, or their boxes where the PNG is not there, which is a loss.

    Args:
        raw: the entry as it is in the file.
        labels: the labels by category id.
        path: the JSON file.
        where: the location of the entry, for messages.
        losses: counts segments without pixels.
        size: width and height of the image, if known.

    Raises:
        FormatError: a segment or the PNG is not valid.
        ConfigurationError: there is a PNG, and Pillow is not installed.
    """
    entry = decode_row(_decode_segments, raw, where)
    check_keys(raw, where)
    bands = _bands_of(path, entry.file_name, f"{where}.file_name")
    annotations: list[Annotation] = []
    for number, fields in enumerate(entry.segments_info):
        location = f"{where}.segments_info[{number}]"
        with losses.problems:
            segmentation = _segmentation(bands, fields.get("id"))
            if segmentation is None:
                losses.note_shape("the pixels of a panoptic segment; its box is", location)
            content = fields | {"image_id": 0, "segmentation": segmentation}
            annotation = read_annotation(
                msgspec.json.encode(content), labels, location, losses, Scores(), size=size
            )
            if annotation is not None:
                annotations.append(annotation)
    return annotations


def _bands_of(path: Path, name: Any, where: str) -> list[Any]:
    """Red, green and blue of an image's PNG, turned so that its rows are the image's columns; none if it is not there."""
    if not isinstance(name, str) or not name:
        return []
    plain = Path(name).name  # no path of a file leads out of its folder
    paths = [path.with_suffix("") / plain, path.parent / plain]
    png = next((candidate for candidate in paths if candidate.is_file()), None)
    if png is None:
        return []
    return list(open_turned(png, where, "RGB").split())


def _segmentation(bands: list[Any], segment: Any) -> dict[str, Any] | None:
    """The run lengths of the pixels of a segment; None if there are none."""
    if not bands or type(segment) is not int or not 0 <= segment < 1 << 24:
        return None
    color = (segment & 255, segment >> 8 & 255, segment >> 16)
    mask = mask_of_color(bands, color)
    return None if mask is None else {"size": [*mask.size], "counts": mask.counts}
