"""`supervision.Detections`: boxes, rotated boxes or masks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from layernext.client.logged_shapes import as_boxes
from layernext.client.outputs.output import Adapter, Output, Reading, rows
from layernext.model import box_of_corners

_KIND = "supervision Detections"
_ATTRIBUTES = ("xyxy", "mask", "confidence", "class_id", "tracker_id")
_LABELS, _CORNERS = "class_name", "xyxyxyxy"
_TOLERANCE = 0.5
"""Pixels that a corner of a rotated box may be elsewhere, as it is in numbers of 32 bits."""


def _is_detections(value: Any) -> bool:
    return all(hasattr(value, name) for name in _ATTRIBUTES)


def _read(detections: Any, reading: Reading) -> Iterator[Output]:
    reading.check_fixed(_KIND)
    data = dict(getattr(detections, "data", None) or {})
    for key in getattr(detections, "metadata", None) or {}:
        reading.losses.note(f"metadata of all detections: {key}", reading.where)
    boxes = rows(detections.xyxy)
    metadata: list[dict[str, Any]] = [{} for _ in boxes]
    columns = _shapes(detections, data.pop(_CORNERS, None), boxes, metadata)
    labels = data.pop(_LABELS, None)
    if labels is None or reading.names is not None:
        labels = detections.class_id
    if labels is not None:
        columns["labels"] = reading.labels(labels)
    for key, values in data.items():
        reading.check_length(f"data.{key}", values, len(boxes), "boxes")
        for fields, value in zip(metadata, rows(values), strict=True):
            fields[str(key)] = value
    if detections.confidence is not None:
        columns["confidences"] = rows(detections.confidence)
    if detections.tracker_id is not None:
        columns["tracks"] = rows(detections.tracker_id)
    if any(metadata):
        columns["metadata"] = metadata
    yield Output(columns=columns, where=reading.where)


def _shapes(
    detections: Any, corners: Any, boxes: list[Any], metadata: list[dict[str, Any]]
) -> dict[str, Any]:
    if detections.mask is not None:
        for fields, box in zip(metadata, as_boxes(boxes, "xyxy")[0], strict=True):
            fields["bbox"] = box
        return {"masks": [detections.mask[index] for index in range(len(boxes))]}
    if corners is None:
        return {"boxes": boxes, "format": "xyxy"}
    outlines = [[(x, y) for x, y in outline] for outline in rows(corners)]
    # Corners may run either way around.
    rotated = [
        box_of_corners(outline, _TOLERANCE) or box_of_corners(outline[::-1], _TOLERANCE)
        for outline in outlines
    ]
    if None in rotated:
        return {"polygons": outlines}
    return {
        "boxes": [box for box, _ in filter(None, rotated)],
        "rotations": [degrees for _, degrees in filter(None, rotated)],
    }


SUPERVISION = Adapter(_KIND, _is_detections, _read)
