"""`Results` of Ultralytics: boxes, rotated boxes, masks, keypoints, semantic masks, and labels of the whole image."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from layernext.client.logged_shapes import as_boxes
from layernext.client.outputs.output import (
    Adapter,
    Output,
    Reading,
    binary_mask,
    plain,
    rows,
    semantic_columns,
)

_KIND = "Ultralytics Results"
_ATTRIBUTES = ("orig_shape", "names", "path", "boxes", "probs")
_LABELS = 5
"""Labels of a whole image that are logged, the most likely ones: those that Ultralytics itself reports."""
_PLACEHOLDER = re.compile(r"image\d+\.jpg")
"""What Ultralytics calls an image that it got as an array. Paths of files are absolute."""
_LETTERBOX_SHIFT = 0.1
"""By which Ultralytics shifts half a pixel of padding before it rounds."""


def _is_results(value: Any) -> bool:
    return all(hasattr(value, name) for name in _ATTRIBUTES)


def _read(result: Any, reading: Reading) -> Iterator[Output]:
    reading.check_fixed(_KIND)
    height, width = (int(side) for side in result.orig_shape)
    if getattr(result, "depth", None) is not None:
        reading.losses.note("depth maps", reading.where)
    path = str(result.path)
    yield Output(
        path=None if _PLACEHOLDER.fullmatch(path) else path,
        columns={"size": (width, height), **_columns(result, reading, (height, width))},
        where=reading.where,
    )


def _columns(result: Any, reading: Reading, size: tuple[int, int]) -> dict[str, Any]:
    if getattr(result, "obb", None) is not None:
        obb = result.obb
        numbers = rows(obb.xywhr)
        return {
            "boxes": [row[:4] for row in numbers],
            "rotations": [math.degrees(row[4]) for row in numbers],
            "format": "cxcywh",
            **_fields(obb, result, reading),
        }
    if getattr(result, "semantic_mask", None) is not None:
        return semantic_columns(result.semantic_mask.data, reading, result.names)
    if result.probs is not None:
        return _image_labels(result, reading)
    return {} if result.boxes is None else _detections(result, reading, size)


def _detections(result: Any, reading: Reading, size: tuple[int, int]) -> dict[str, Any]:
    """Boxes, or what detections have instead: keypoints or masks."""
    boxes = rows(result.boxes.xyxy)
    fields = _fields(result.boxes, result, reading)
    keypoints = getattr(result, "keypoints", None)
    if keypoints is not None and len(boxes):
        return {"boxes": boxes, "format": "xyxy", "keypoints": rows(keypoints.data), **fields}
    if getattr(result, "masks", None) is None:
        return {"boxes": boxes, "format": "xyxy", **fields}
    masks = plain(result.masks.data)
    reading.check_length("masks", masks, len(boxes), "boxes")
    return {
        "masks": [_in_image(mask, size) for mask in masks],
        "metadata": [{"bbox": box} for box in as_boxes(boxes, "xyxy")[0]],
        **fields,
    }


def _fields(boxes: Any, result: Any, reading: Reading) -> dict[str, Any]:
    tracks = getattr(boxes, "id", None)
    return {
        "labels": reading.labels(boxes.cls, result.names),
        "confidences": rows(boxes.conf),
        **({} if tracks is None else {"tracks": [int(number) for number in rows(tracks)]}),
    }


def _image_labels(result: Any, reading: Reading) -> dict[str, Any]:
    confidences = rows(result.probs.data)
    best = sorted(range(len(confidences)), key=lambda number: -confidences[number])[:_LABELS]
    if len(confidences) > _LABELS:
        reading.losses.note(f"labels of images after the {_LABELS} most likely", reading.where)
    return {
        "labels": reading.labels(best, result.names),
        "confidences": [confidences[number] for number in best],
    }


def _in_image(mask: Any, size: tuple[int, int]) -> Any:
    """A mask with the pixels of the image: those of a padded, scaled copy, unless it has them already.

    Each pixel of the image takes the nearest one of the copy. Ultralytics pads both sides alike.
    """
    mask = binary_mask(mask)
    copy_height, copy_width = mask.shape
    height, width = size
    if (copy_height, copy_width) == size:
        return mask > 0
    scale = min(copy_height / height, copy_width / width)

    def sources(copy_side: int, side: int) -> list[int]:
        inner = max(round(side * scale), 1)
        start = max(round((copy_side - inner) / 2 - _LETTERBOX_SHIFT), 0)
        return [start + int((pixel + 0.5) * inner / side) for pixel in range(side)]

    return (mask > 0)[sources(copy_height, height)][:, sources(copy_width, width)]


ULTRALYTICS = Adapter(_KIND, _is_results, _read)
