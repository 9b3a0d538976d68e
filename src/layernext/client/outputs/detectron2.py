"""`Instances` of Detectron2, also as its predictors return them: ``{"instances": …}``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from layernext.client.logged_shapes import as_boxes
from layernext.client.outputs.output import Adapter, Output, Reading, binary, rows

_KIND = "Detectron2 Instances"
_KEY = "instances"
_ROTATED = 5
_READ = {"pred_boxes", "pred_masks", "pred_keypoints", "pred_classes", "scores"}


def _is_instances(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = value.get(_KEY)
    return hasattr(value, "get_fields") and hasattr(value, "image_size")


def _read(value: Any, reading: Reading) -> Iterator[Output]:
    reading.check_fixed(_KIND)
    is_mapping = isinstance(value, Mapping)
    instances = value[_KEY] if is_mapping else value
    fields = instances.get_fields()
    others = [key for key in value if key != _KEY] if is_mapping else []
    for key in (*others, *sorted(fields.keys() - _READ)):
        reading.losses.note(str(key), reading.where)
    height, width = instances.image_size
    columns: dict[str, Any] = {"size": (width, height), **_shapes(fields, reading)}
    if "pred_classes" in fields:
        columns["labels"] = reading.labels(fields["pred_classes"])
    if "scores" in fields:
        columns["confidences"] = rows(fields["scores"])
    name = value.get("file_name") if is_mapping else None
    yield Output(path=name, columns=columns, where=reading.where)


def _shapes(fields: Mapping[str, Any], reading: Reading) -> dict[str, Any]:
    boxes = fields.get("pred_boxes")
    numbers = [] if boxes is None else rows(boxes.tensor)
    if "pred_keypoints" in fields and numbers:
        if "pred_masks" in fields:
            reading.losses.note("masks of detections that have keypoints", reading.where)
        keypoints = rows(fields["pred_keypoints"])
        return {"boxes": numbers, "format": "xyxy", "keypoints": keypoints}
    if "pred_masks" in fields:
        masks = fields["pred_masks"]
        masks = binary(getattr(masks, "tensor", masks))
        if boxes is None:
            return {"masks": masks}
        reading.check_length("pred_masks", masks, len(numbers), "boxes")
        return {"masks": masks, "metadata": [{"bbox": box} for box in as_boxes(numbers, "xyxy")[0]]}
    if numbers and len(numbers[0]) == _ROTATED:
        # Detectron2 turns boxes counterclockwise.
        return {
            "boxes": [row[:4] for row in numbers],
            "rotations": [-row[4] for row in numbers],
            "format": "cxcywh",
        }
    return {"boxes": numbers, "format": "xyxy"}


DETECTRON2 = Adapter(_KIND, _is_instances, _read)
