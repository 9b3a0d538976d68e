"""What Hugging Face's pipelines return for one image: a list of labels with scores, boxes or masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from layernext.client.outputs.output import Adapter, Output, Reading, Shapes, binary_mask
from layernext.errors import DataError, Problem
from layernext.model import mask_of_pixels

_KIND = "results of Hugging Face pipelines"
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_BINARY = bytes(256 * [1]).replace(b"\x01", b"\x00", 128)
"""What becomes of each gray of a mask: 255 is inside."""


def _is_of_pipeline(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, Mapping) and {"label", "score"} <= row.keys() for row in value)
    )


def _read(value: list[Mapping[str, Any]], reading: Reading) -> Iterator[Output]:
    reading.check_fixed(_KIND)
    shapes = Shapes()
    labels = reading.labels([row["label"] for row in value])
    for index, (row, label) in enumerate(zip(value, labels, strict=True)):
        fields = {"labels": label, "confidences": row["score"]}
        if "box" in row:
            left, top, right, bottom = (row["box"][side] for side in _SIDES)
            shapes.add("boxes", [left, top, right - left, bottom - top], **fields)
        elif "mask" in row:
            shapes.add("masks", _mask(row["mask"], f"{reading.where}[{index}].mask"), **fields)
        else:
            shapes.add("labels", None, **fields)
    yield Output(columns=shapes.columns(), where=reading.where)


def _mask(picture: Any, where: str) -> Any:
    """A mask as the pipeline has it, a gray picture of Pillow; or an array."""
    if not hasattr(picture, "tobytes") or not hasattr(picture, "mode"):
        return binary_mask(picture)
    if picture.mode != "L":
        raise DataError(
            Problem(where, f"is a picture of mode {picture.mode!r}, must be gray ('L')")
        )
    width, height = picture.size
    pixels = picture.tobytes().translate(_BINARY)
    return mask_of_pixels((height, width), b"".join(pixels[x::width] for x in range(width)))


PIPELINES = Adapter(_KIND, _is_of_pipeline, _read)
