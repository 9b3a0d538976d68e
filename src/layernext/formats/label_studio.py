"""Label Studio: its JSON export, one file of tasks; coordinates are percent of the image's size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from layernext.errors import DataError, FormatError, Problem
from layernext.formats.core.compression import open_decompressed, open_output
from layernext.formats.core.format import (
    KEPT,
    Certainty,
    Detection,
    ExportOptions,
    Format,
    Holds,
    ReadOptions,
)
from layernext.formats.core.json_stream import JsonWindow, check_keys, expect_end, iter_list
from layernext.formats.core.labels import label_of
from layernext.formats.core.losses import Losses
from layernext.formats.core.probe import Probe
from layernext.formats.core.rotation import box_or_outline
from layernext.formats.core.sample import Sample, check_finite, location_of, points_of, size_of
from layernext.formats.core.targets import check_new
from layernext.model import Annotation, Polygon, Rectangle

HOLDS = Holds(
    geometries={
        "rectangle": KEPT,
        "polygon": KEPT,
    },
    fields={"confidence": KEPT},
    splits=KEPT,
    sizes="needed",
)


class LabelStudioWriter:
    """Writes one file of tasks; see `SampleWriter`.

    Args:
        path: the file.
        losses: counts what Label Studio cannot hold.
        predictions: write predictions, for people to start from, in place of annotations.
    """

    def __init__(self, path: Path, losses: Losses, *, predictions: bool = False) -> None:
        self._losses, self._key = losses, "predictions" if predictions else "annotations"
        self._file, self._count = open_output(path), 0
        self._names: set[str] = set()
        self._file.write(b"[")

    def write(self, sample: Sample) -> None:
        """Add an image."""
        check_new(self._names, sample.image)
        size = size_of(sample)
        results = []
        for number, annotation in enumerate(sample.annotations):
            where = location_of(sample, number)
            if not HOLDS.accepts(annotation, where, self._losses):
                continue
            self._losses.note_fields(annotation, where, keeps=HOLDS.fields)
            results.append(_studio_shape(annotation, f"r{number}", size, where))
        # Label Studio keeps `meta` as it is.
        meta: dict[str, Any] = {"width": size[0], "height": size[1]}
        if sample.split:
            meta["split"] = sample.split
        task = {
            "data": {"image": sample.image},
            "meta": meta,
            self._key: [{"result": results}],
        }
        self._file.write((b",\n" if self._count else b"\n") + msgspec.json.encode(task))
        self._count += 1

    def close(self) -> None:
        """Complete the file."""
        self._file.write(b"\n]\n")
        self._file.close()


def _studio_shape(
    annotation: Annotation, name: str, size: tuple[int, int], where: str
) -> dict[str, Any]:
    width, height = size
    fields: dict[str, Any] = {
        "id": name,
        "from_name": "label",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
    }
    if annotation.confidence is not None:
        fields["score"] = annotation.confidence
    if isinstance(annotation, Rectangle):
        x, y, w, h = annotation.bbox
        value: dict[str, Any] = {
            "x": 100 * x / width,
            "y": 100 * y / height,
            "width": 100 * w / width,
            "height": 100 * h / height,
            "rotation": 0,
            "rectanglelabels": [annotation.label],
        }
        check_finite((value["x"], value["y"], value["width"], value["height"]), where)
        return {**fields, "type": "rectanglelabels", "value": value}
    points = [[100 * x / width, 100 * y / height] for x, y in points_of(annotation)]
    for point in points:
        check_finite(point, where)
    value = {"points": points, "closed": True, "polygonlabels": [annotation.label]}
    return {**fields, "type": "polygonlabels", "value": value}


class _Task(msgspec.Struct):
    data: dict[str, Any]
    annotations: list[dict[str, Any]] = []
    predictions: list[dict[str, Any]] = []
    meta: dict[str, Any] | None = None


_task = msgspec.json.Decoder(_Task)


def read_label_studio(path: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a file of tasks: the newest annotation of each, or else the newest prediction.

    Raises:
        FormatError: the file is not of Label Studio, with the location.
    """
    del options
    with open_decompressed(path) as stream:
        window = JsonWindow(stream, str(path))
        for number, raw in enumerate(iter_list(window, "tasks")):
            where = f"{path}: [{number}]"
            try:
                task = _task.decode(raw)
                image = str(task.data["image"])
                done = [
                    entry for entry in task.annotations if not entry.get("was_cancelled")
                ] or task.predictions  # fmt: skip
                results = done[-1]["result"] if done else []
            except KeyError as error:
                message = f"is not a task: it has no {error}"
                raise FormatError(Problem(where, message)) from error
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise FormatError(Problem(where, f"is not a task: {error}")) from error
            check_keys(raw, where)
            if len(done) > 1:
                losses.note_shape("older annotations of a task", where)
            yield _read_task(image, results, task.meta or {}, where, losses)
        expect_end(window)


def _read_task(
    image: str, results: Any, meta: dict[str, Any], where: str, losses: Losses
) -> Sample:
    annotations: list[Annotation] = []
    width, height, split = meta.get("width"), meta.get("height"), meta.get("split")
    if not isinstance(results, list) or not image:
        raise FormatError(Problem(where, "has no list of results, or no image"))
    for index, result in enumerate(results):
        location = f"{where}.result[{index}]"
        try:
            width, height = int(result["original_width"]), int(result["original_height"])
            if width < 0 or height < 0:
                raise FormatError(Problem(location, "the size of its image must be ≥ 0"))
            annotation = _read_studio(result, (width, height), location, losses)
        except (
            KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError,
        ) as error:  # fmt: skip
            if isinstance(error, DataError):
                raise
            message = "is not a result: its size, label, numbers or points cannot be read"
            raise FormatError(Problem(location, message)) from error
        if annotation is not None:
            annotations.append(annotation)
    return Sample(
        image=image,
        annotations=annotations,
        width=width if type(width) is int and width >= 0 else None,
        height=height if type(height) is int and height >= 0 else None,
        split=split if isinstance(split, str) else None,
    )


def _read_studio(
    result: Any, size: tuple[int, int], where: str, losses: Losses
) -> Annotation | None:
    value, kind = result["value"], result["type"]
    if kind not in {"rectanglelabels", "polygonlabels"}:
        losses.note_shape(f"a result of the type {kind}", where)
        return None
    labels = value[kind]
    if len(labels) > 1:
        losses.note("further labels of a shape", where)
    score = result.get("score")
    if score is not None and not 0 <= float(score) <= 1:
        raise FormatError(Problem(where, f"has the score {score}, must be from 0 to 1"))
    fields: dict[str, Any] = {
        "label": label_of(labels[0]),
        "confidence": None if score is None else float(score),
    }
    if kind == "rectanglelabels":
        x, y, w, h = (float(value[name]) for name in ("x", "y", "width", "height"))
        if w < 0 or h < 0:
            raise FormatError(Problem(where, "width and height must be ≥ 0"))
        box = (x * size[0] / 100, y * size[1] / 100, w * size[0] / 100, h * size[1] / 100)
        check_finite(box, where)
        rotation = float(value.get("rotation") or 0)
        # Label Studio rotates around the top left corner.
        return box_or_outline(box, rotation, where, fields, center=box[:2])
    points = [(float(x) * size[0] / 100, float(y) * size[1] / 100) for x, y in value["points"]]
    if not points:
        raise FormatError(Problem(where, "has no points"))
    for point in points:
        check_finite(point, where)
    return Polygon(polygon=points, **fields)


def write(target: Path, losses: Losses, options: ExportOptions) -> LabelStudioWriter:
    """Open a writer; see `Format`."""
    return LabelStudioWriter(target, losses, predictions=options.predictions)


def detect(probe: Probe) -> Detection | None:
    """A list of tasks, which have ``data``."""
    outline = probe.json
    if outline is None or not outline.is_list:
        return None
    keys = outline.entry_keys.get("")
    if keys is None:
        return None if outline.is_broken else Detection(Certainty.POSSIBLE, "is an empty list")
    return (
        Detection(Certainty.CERTAIN, "is a list of tasks with `data`") if "data" in keys else None
    )


FORMAT = Format(
    name="label-studio",
    about="Label Studio JSON",
    extension=".json",
    holds=HOLDS,
    read=read_label_studio,
    write=write,
    detect=detect,
)
