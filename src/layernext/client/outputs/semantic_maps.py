"""Label maps: what ``post_process_semantic_segmentation`` of Hugging Face's image processors returns for an image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from layernext.client.outputs.output import Adapter, Output, Reading, semantic_columns

_KIND = "label maps (H, W) of class numbers, as tensors"
_LEAST_WIDTH = 8
"""Of a map in pixels. Whole numbers in fewer columns are more likely boxes."""


def _is_map(value: Any) -> bool:
    shape: tuple[Any, ...] = getattr(value, "shape", ())
    is_tensor = hasattr(value, "detach") and "int" in str(getattr(value, "dtype", ""))
    return is_tensor and len(shape) == 2 and shape[1] >= _LEAST_WIDTH  # noqa: PLR2004 - height and width


def _read(value: Any, reading: Reading) -> Iterator[Output]:
    reading.check_fixed(_KIND)
    yield Output(columns=semantic_columns(value, reading), where=reading.where)


SEMANTIC_MAPS = Adapter(_KIND, _is_map, _read)
