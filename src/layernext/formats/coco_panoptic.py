"""COCO panoptic: the segments of an image, whose pixels are in a PNG beside the file.

Segments of things are masks, those of stuff (categories whose ``isthing`` is 0) semantic masks.
A pixel's color is the id of its segment: red plus 256 times green plus 65,536 times blue. The PNGs are in a folder of
the name of the JSON file, as COCO's own are, or beside it. Source: cocodataset.org (data format).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from layernext.errors import DataError
from layernext.formats.coco_records import ImageSize, Label, decode_row, read_annotation
from layernext.formats.core.json_stream import check_keys
from layernext.formats.core.label_maps import mask_of_color, open_turned
from layernext.formats.core.losses import Losses
from layernext.formats.core.scores import Scores
from layernext.formats.core.semantic import with_whole_labels
from layernext.formats.core.spill import Id
from layernext.formats.core.targets import safe_relative
from layernext.model import Annotation, Mask, SemanticMask


class _Segments(Struct, gc=False):
    segments_info: list[dict[str, Any]]
    file_name: Any = None


_decode_segments = msgspec.json.Decoder(_Segments)


def read_segments(
    raw: bytes,
    labels: dict[Id, Label],
    stuff: set[Id],
    path: Path,
    where: str,
    losses: Losses,
    size: ImageSize,
) -> list[Annotation]:
    """The segments of an image.

    Where the PNG is not there, things are their boxes and stuff is left out; both are losses.

    Args:
        raw: the entry as it is in the file.
        labels: the labels by category id.
        stuff: ids of categories whose segments are semantic masks.
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
            category_id = fields.get("category_id")
            is_stuff = isinstance(category_id, int | float | str) and category_id in stuff
            if segmentation is None and is_stuff:
                losses.note_shape("the pixels of a panoptic segment of stuff", location)
                continue
            if segmentation is None:
                losses.note_shape("the pixels of a panoptic segment; its box is", location)
            content = fields | {"image_id": 0, "segmentation": segmentation}
            annotation = read_annotation(
                msgspec.json.encode(content), labels, location, losses, Scores(), size=size
            )
            if annotation is not None and is_stuff and isinstance(annotation, Mask):
                annotation = _semantic(annotation)
            if annotation is not None:
                annotations.append(annotation)
    whole = with_whole_labels(annotations, where, losses)
    if len(whole) < len(annotations):
        losses.note("that stuff of a label has several segments", where)
    return whole


def _semantic(mask: Mask) -> SemanticMask:
    return SemanticMask(
        label=mask.label,
        confidence=mask.confidence,
        attributes=mask.attributes,
        metadata=mask.metadata,
        mask=mask.mask,
    )


def _bands_of(path: Path, name: Any, where: str) -> list[Any]:
    """Red, green and blue of an image's PNG, turned so that its rows are the image's columns; none if it is not there."""
    if not isinstance(name, str) or not name:
        return []
    try:
        inner = safe_relative(name)
    except DataError:
        inner = Path(Path(name).name)  # no path of a file leads out of its folder
    paths = [
        folder / candidate
        for candidate in (inner, Path(inner.name))
        for folder in (path.with_suffix(""), path.parent)
    ]
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
