"""Dictionaries of boxes, scores and labels: torchvision's detectors, DETR, Hugging Face's post-processing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from layernext.client.logged_shapes import as_boxes
from layernext.client.outputs.output import Adapter, Output, Reading, binary, rows

_KIND = "dictionaries with boxes, scores and labels (torchvision, DETR, Hugging Face)"
_READ = {"boxes", "scores", "labels", "text_labels", "masks", "keypoints", "file_name"}


def _is_detections(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and "boxes" in value
        and ("labels" in value or "text_labels" in value)
        and "annotations" not in value
    )


def _read(value: Mapping[str, Any], reading: Reading) -> Iterator[Output]:
    boxes = value["boxes"]
    # Only these libraries return tensors in such a dictionary, all as xyxy.
    is_of_torch = hasattr(boxes, "detach") and reading.box_format is None
    numbers = rows(boxes)
    layout = "xyxy" if is_of_torch else reading.format_of(numbers)
    if value.get("masks") is not None and value.get("keypoints") is not None:
        reading.losses.note("masks of detections that have keypoints", reading.where)
    for key in value.keys() - _READ:
        if value[key] is not None:
            reading.losses.note(str(key), reading.where)
    columns: dict[str, Any] = {"boxes": numbers, "format": layout}
    if value.get("masks") is not None and value.get("keypoints") is None:
        masks = binary(value["masks"])
        reading.check_length("masks", masks, len(numbers), "boxes")
        columns = {
            "masks": masks,
            "metadata": [{"bbox": box} for box in as_boxes(numbers, layout)[0]],
        }
    if value.get("keypoints") is not None and len(numbers):
        reading.check_length("keypoints", value["keypoints"], len(numbers), "boxes")
        columns["keypoints"] = rows(value["keypoints"])
    labels = value.get("text_labels")
    if labels is None or reading.names is not None:
        labels = value.get("labels", labels)
    columns["labels"] = reading.labels(labels)
    if value.get("scores") is not None:
        columns["confidences"] = rows(value["scores"])
    yield Output(image=value.get("file_name"), columns=columns, where=reading.where)


DETECTION_DICTS = Adapter(_KIND, _is_detections, _read)
