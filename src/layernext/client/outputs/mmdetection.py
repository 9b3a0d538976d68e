"""`DetDataSample` of MMDetection, and of MMRotate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from layernext.client.logged_shapes import as_boxes
from layernext.client.outputs.output import Adapter, Output, Reading, binary, rows

_KIND = "MMDetection DetDataSample"
_ROTATED = 5
_NOT_CARRIED = ("pred_panoptic_seg", "pred_sem_seg", "pred_track_instances")


def _is_sample(value: Any) -> bool:
    return hasattr(value, "pred_instances") and hasattr(value, "metainfo")


def _read(sample: Any, reading: Reading) -> Iterator[Output]:
    reading.check_fixed(_KIND)
    for name in _NOT_CARRIED:
        if getattr(sample, name, None) is not None:
            reading.losses.note(name, reading.where)
    instances, info = sample.pred_instances, sample.metainfo
    columns = _shapes(instances, reading)
    if info.get("ori_shape"):
        height, width = info["ori_shape"][:2]
        columns["size"] = (width, height)
    if getattr(instances, "labels", None) is not None:
        columns["labels"] = reading.labels(instances.labels)
    if getattr(instances, "scores", None) is not None:
        columns["confidences"] = rows(instances.scores)
    if getattr(instances, "keypoints", None) is not None:
        reading.losses.note("keypoints", reading.where)
    yield Output(path=info.get("img_path"), columns=columns, where=reading.where)


def _shapes(instances: Any, reading: Reading) -> dict[str, Any]:
    boxes = getattr(instances, "bboxes", None)
    numbers = [] if boxes is None else rows(getattr(boxes, "tensor", boxes))
    masks = getattr(instances, "masks", None)
    if masks is not None:
        masks = binary(getattr(masks, "masks", masks))  # BitmapMasks have an array of that name
        if boxes is None:
            return {"masks": masks}
        reading.check_length("masks", masks, len(numbers), "boxes")
        return {"masks": masks, "metadata": [{"bbox": box} for box in as_boxes(numbers, "xyxy")[0]]}
    if numbers and len(numbers[0]) == _ROTATED:
        return {
            "boxes": [row[:4] for row in numbers],
            "rotations": [math.degrees(row[4]) for row in numbers],
            "format": "cxcywh",
        }
    return {"boxes": numbers, "format": "xyxy"}


MMDETECTION = Adapter(_KIND, _is_sample, _read)
