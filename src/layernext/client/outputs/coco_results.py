"""Lists of COCO results: an entry for each object, with the numbers of its image and category."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from layernext.client.outputs.output import Adapter, Output, Reading, Shapes
from layernext.errors import DataError, Problem

_KIND = "lists of COCO results"
_READ = {"image_id", "category_id", "bbox", "segmentation", "score", "id", "area", "iscrowd"}


def _is_results(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(
            isinstance(row, Mapping) and {"image_id", "category_id"} <= row.keys() for row in value
        )
    )


def _read(value: list[Mapping[str, Any]], reading: Reading) -> Iterator[Output]:
    reading.check_fixed(_KIND)
    if reading.names is None:
        message = "are COCO results, with numbers of images and categories; pass names={number: label} and image={number: name}"
        advice = "or save the list as JSON and upload that file with format='coco-results' and instances="
        raise DataError(Problem(reading.where, message), hint=advice)
    labels = reading.labels([row["category_id"] for row in value])
    images: dict[Any, list[int]] = {}
    for index, row in enumerate(value):
        images.setdefault(row["image_id"], []).append(index)
    for image, indexes in images.items():
        shapes = Shapes()
        for index in indexes:
            _add(shapes, value[index], labels[index], reading.at(f"{reading.where}[{index}]"))
        yield Output(
            image=image if isinstance(image, str) else None,
            id=None if isinstance(image, str) else image,
            columns=shapes.columns(),
            where=f"{reading.where}[{indexes[0]}]",
        )


def _add(shapes: Shapes, row: Mapping[str, Any], label: str, reading: Reading) -> None:
    for key in row.keys() - _READ:
        reading.losses.note(str(key), reading.where)
    fields: dict[str, Any] = {"labels": label, "confidences": row.get("score")}
    outline, box = row.get("segmentation"), row.get("bbox")
    if not outline and box is None:
        raise DataError(Problem(reading.where, "has neither `bbox` nor `segmentation`"))
    if outline and box is not None:
        fields["metadata"] = {"bbox": box}
    if isinstance(outline, Mapping):
        shapes.add("masks", outline, **fields)
    elif outline:
        outlines = [_points(flat, reading) for flat in outline]
        parts = [[points] for points in outlines]
        shapes.add("polygons", outlines[0] if len(outlines) == 1 else parts, **fields)
    else:
        shapes.add("boxes", box, **fields)


def _points(flat: Any, reading: Reading) -> list[tuple[Any, Any]]:
    if not isinstance(flat, list | tuple) or len(flat) % 2:
        message = "must be a list of outlines, each x and y of its corners in turn"
        raise DataError(Problem(f"{reading.where}.segmentation", message))
    return list(zip(flat[::2], flat[1::2], strict=True))


COCO_RESULTS = Adapter(_KIND, _is_results, _read)
