"""Segmentations of Hugging Face's image processors: a map of segment numbers, and a list of the segments.

That is what ``post_process_instance_segmentation`` and ``post_process_panoptic_segmentation`` return.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from layernext.client.outputs.output import Adapter, Output, Reading, binary, plain
from layernext.errors import DataError, Problem

_KIND = "Hugging Face segmentations"
_MAP, _SEGMENTS = "segmentation", "segments_info"
_READ = {"id", "label_id", "label", "score"}


def _is_segmentation(value: Any) -> bool:
    return isinstance(value, Mapping) and _MAP in value and _SEGMENTS in value


def _read(value: Mapping[str, Any], reading: Reading) -> Iterator[Output]:
    reading.check_fixed(_KIND)
    segments, array = list(value[_SEGMENTS]), plain(value[_MAP])
    columns: dict[str, Any] = {}
    if segments:
        if not hasattr(array, "shape"):
            message = (
                f"is a {type(array).__name__}, must be an array; leave out return_coco_annotation"
            )
            raise DataError(Problem(f"{reading.where}.{_MAP}", message))
        is_map = len(array.shape) == 2  # noqa: PLR2004 - height and width; otherwise a mask for each segment
        if not is_map:
            reading.check_length(_MAP, array, len(segments), "segments")
        columns = {
            "masks": [array == segment["id"] for segment in segments]
            if is_map
            else binary(array > 0),
            "labels": reading.labels(
                [segment.get("label", segment.get("label_id")) for segment in segments]
            ),
        }
        if any(segment.get("score") is not None for segment in segments):
            columns["confidences"] = [segment.get("score") for segment in segments]
        columns["metadata"] = [
            {key: fact for key, fact in segment.items() if key not in _READ} for segment in segments
        ]
    yield Output(image=value.get("file_name"), columns=columns, where=reading.where)


SEGMENTATIONS = Adapter(_KIND, _is_segmentation, _read)
