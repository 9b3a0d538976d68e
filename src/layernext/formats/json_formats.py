"""LabelMe (a file for each image) and Label Studio (one file of tasks).

LabelMe: the JSON that labelme 5 writes, beside the images. Label Studio: its JSON export, shapes in percent of the
image's size.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from layernext.errors import DataError, FormatError, Problem
from layernext.formats.compression import open_decompressed, open_output
from layernext.formats.json_stream import JsonWindow, check_keys, expect_end, iter_list
from layernext.formats.samples import (
    Losses,
    Sample,
    check_finite,
    check_new,
    place_of,
    points_of,
    safe_relative,
    size_of,
    write_new,
)
from layernext.model import (
    Annotation,
    Line,
    Points,
    Polygon,
    Rectangle,
    refuse_repeated_keys,
)

_LABELME: dict[type[Any], str] = {
    Rectangle: "rectangle", Polygon: "polygon", Line: "linestrip", Points: "points",
}  # fmt: skip


MAX_LABELME_BYTES = 64 << 20
"""Of the file of one image, which may have the image itself in it."""

MAX_SHAPE_BYTES = 4 << 20
"""JSON of a shape: more than 100,000 points, which take many times that in memory."""


def _load(path: Path) -> Any:
    """The content of a file, without the image that it may have in it."""
    try:
        if path.stat().st_size > MAX_LABELME_BYTES:
            message = f"is larger than {MAX_LABELME_BYTES:,} bytes"
            raise FormatError(Problem(str(path), message))
        raw = path.read_bytes()
        try:
            fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            raw_shapes = msgspec.json.decode(fields["shapes"], type=list[msgspec.Raw])
        except (msgspec.ValidationError, KeyError):
            return None
        for number, shape in enumerate(raw_shapes):
            if memoryview(shape).nbytes > MAX_SHAPE_BYTES:
                message = f"is larger than {MAX_SHAPE_BYTES:,} bytes"
                raise FormatError(Problem(f"{path}: shapes[{number}]", message))
        refuse_repeated_keys(raw, file=str(path))
        fields.pop("imageData", None)
        return {name: msgspec.json.decode(field) for name, field in fields.items()}
    except OSError as error:
        raise FormatError(Problem(str(path), f"cannot be read: {error.strerror}")) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(Problem(str(path), f"is not JSON: {error}")) from error


class LabelmeWriter:
    """Writes a folder of files; see `SampleWriter`."""

    def __init__(self, root: Path, losses: Losses) -> None:
        self._root, self._losses = root, losses

    def write(self, sample: Sample) -> None:
        """Add an image."""
        if sample.split:
            self._losses.note("the split", sample.image)
        width, height = size_of(sample)
        shapes: list[dict[str, Any]] = []
        for number, one in enumerate(sample.annotations):
            where = place_of(sample, number)
            self._losses.note_fields(one, where, keeps=frozenset())
            points = points_of(one)
            for point in points:
                check_finite(point, where)
            if isinstance(one, Rectangle):
                points = [points[0], points[2]]
            shapes.append(
                {
                    "label": one.label,
                    "points": points,
                    "group_id": None,
                    "shape_type": _LABELME[type(one)],
                    "flags": {},
                }
            )
        content: dict[str, Any] = {
            "version": "5.0.0",
            "flags": {},
            "shapes": shapes,
            # As labelme has it: seen from this file.
            "imagePath": posixpath.basename(sample.image),
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        path = self._root / safe_relative(sample.image).with_suffix(".json")
        write_new(path, msgspec.json.encode(content), sample.image)

    def close(self) -> None:
        """Nothing comes last."""


def read_labelme(root: Path, losses: Losses) -> Iterator[Sample]:
    """The images of a folder, by name.

    Raises:
        FormatError: something is not such a file, with the place.
    """
    for path in sorted(root.rglob("*.json")):
        content = _load(path)
        if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
            raise FormatError(Problem(str(path), "has no `shapes`"))
        annotations: list[Annotation] = []
        for number, shape in enumerate(content["shapes"]):
            one = _read_labelme(shape, f"{path}: shapes[{number}]", losses)
            if one is not None:
                annotations.append(one)
        yield Sample(
            image=_labelme_image(content, path, root),
            annotations=annotations,
            width=_side(content, "imageWidth", path),
            height=_side(content, "imageHeight", path),
        )


def _labelme_image(content: dict[str, Any], path: Path, root: Path) -> str:
    """The image's name below the folder; its mere name where it lies elsewhere."""
    given = str(content.get("imagePath") or path.stem).replace("\\", "/")
    folder = path.parent.relative_to(root).as_posix()
    name = posixpath.normpath(posixpath.join(folder, given))
    is_inside = not name.startswith(("../", "/")) and name not in {".", ".."}
    return name if is_inside else posixpath.basename(given)


def _side(content: dict[str, Any], name: str, path: Path) -> int | None:
    value = content.get(name)
    if value is None or (type(value) is int and value > 0):
        return value
    raise FormatError(Problem(f"{path}: {name}", f"is {value!r}, must be a whole number"))


def _label(value: Any) -> str:
    """A label, which other tools may write as a number.

    Raises:
        ValueError: it is not one.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
        raise ValueError(value)
    return str(value)


def _read_labelme(shape: Any, where: str, losses: Losses) -> Annotation | None:
    try:
        label, kind = _label(shape["label"]), str(shape.get("shape_type") or "polygon")
        points = [(float(x), float(y)) for x, y in shape["points"]]
        further = [
            name for name in ("group_id", "description", "flags")
            if shape.get(name) not in (None, "", {})
        ]  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        message = "is not a shape of LabelMe: it needs a label, and points of two numbers each"
        raise FormatError(Problem(where, message)) from error
    if not points or not label:
        raise FormatError(Problem(where, "has no points or no label"))
    for point in points:
        check_finite(point, where)
    for name in further:
        losses.note(f"the key {name!r}", where)
    if kind == "rectangle" and len(points) == 2:  # noqa: PLR2004 - two corners
        (a, b), (c, d) = points
        box = (min(a, c), min(b, d), abs(c - a), abs(d - b))
        check_finite(box, where)
        return Rectangle(label=label, bbox=box)
    if kind == "polygon":
        return Polygon(label=label, polygon=points)
    if kind in {"linestrip", "line"}:
        return Line(label=label, line=points)
    if kind in {"point", "points"}:
        return Points(label=label, points=points)
    losses.note_shape(f"a shape of the kind {kind}", where)
    return None


class LabelStudioWriter:
    """Writes one file of tasks; see `SampleWriter`.

    Args:
        path: the file.
        losses: gathers what Label Studio cannot hold.
        predictions: write the shapes as predictions, to begin from.
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
        for number, one in enumerate(sample.annotations):
            where = place_of(sample, number)
            if isinstance(one, Line | Points):
                self._losses.note(f"the geometry {one.geometry}", where)
                continue
            self._losses.note_fields(one, where, keeps=frozenset({"confidence"}))
            results.append(_studio_shape(one, f"r{number}", size, where))
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
        """Write the end."""
        self._file.write(b"\n]\n")
        self._file.close()


def _studio_shape(one: Annotation, name: str, size: tuple[int, int], where: str) -> dict[str, Any]:
    width, height = size
    fields: dict[str, Any] = {
        "id": name,
        "from_name": "label",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
    }
    if one.confidence is not None:
        fields["score"] = one.confidence
    if isinstance(one, Rectangle):
        x, y, w, h = one.bbox
        value: dict[str, Any] = {
            "x": 100 * x / width,
            "y": 100 * y / height,
            "width": 100 * w / width,
            "height": 100 * h / height,
            "rotation": 0,
            "rectanglelabels": [one.label],
        }
        check_finite((value["x"], value["y"], value["width"], value["height"]), where)
        return {**fields, "type": "rectanglelabels", "value": value}
    points = [[100 * x / width, 100 * y / height] for x, y in points_of(one)]
    for point in points:
        check_finite(point, where)
    value = {"points": points, "closed": True, "polygonlabels": [one.label]}
    return {**fields, "type": "polygonlabels", "value": value}


class _Task(msgspec.Struct):
    data: dict[str, Any]
    annotations: list[dict[str, Any]] = []
    predictions: list[dict[str, Any]] = []
    meta: dict[str, Any] | None = None


_task = msgspec.json.Decoder(_Task)


def read_label_studio(path: Path, losses: Losses) -> Iterator[Sample]:
    """The images of a file of tasks: the newest annotation of each, or else the newest prediction.

    Raises:
        FormatError: it is not such a file, with the place.
    """
    with open_decompressed(path) as stream:
        window = JsonWindow(stream, str(path))
        for number, raw in enumerate(iter_list(window, "tasks")):
            where = f"{path}: [{number}]"
            try:
                task = _task.decode(raw)
                image = str(task.data["image"])
                done = [
                    each for each in task.annotations if not each.get("was_cancelled")
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
    for place, result in enumerate(results):
        there = f"{where}.result[{place}]"
        try:
            width, height = int(result["original_width"]), int(result["original_height"])
            if width < 0 or height < 0:
                raise FormatError(Problem(there, "the size of its image must be ≥ 0"))
            one = _read_studio(result, (width, height), there, losses)
        except (
            KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError,
        ) as error:  # fmt: skip
            if isinstance(error, DataError):
                raise
            message = "is not a result: its size, label, numbers or points cannot be read"
            raise FormatError(Problem(there, message)) from error
        if one is not None:
            annotations.append(one)
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
        "label": _label(labels[0]),
        "confidence": None if score is None else float(score),
    }
    if kind == "rectanglelabels":
        if value.get("rotation"):
            losses.note_shape("the rotation of a rectangle", where)
        x, y, w, h = (float(value[name]) for name in ("x", "y", "width", "height"))
        if w < 0 or h < 0:
            raise FormatError(Problem(where, "width and height must be ≥ 0"))
        box = (x * size[0] / 100, y * size[1] / 100, w * size[0] / 100, h * size[1] / 100)
        check_finite(box, where)
        return Rectangle(bbox=box, **fields)
    points = [(float(x) * size[0] / 100, float(y) * size[1] / 100) for x, y in value["points"]]
    if not points:
        raise FormatError(Problem(where, "has no points"))
    for point in points:
        check_finite(point, where)
    return Polygon(polygon=points, **fields)
