"""LabelMe (a file for each image), Label Studio (one file of tasks), and CSV (a row for each annotation).

LabelMe: the JSON that labelme 5 writes. Label Studio: its JSON export, shapes in percent of the image's size.
CSV keeps everything; its columns are `CSV_COLUMNS`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from layernext.errors import FormatError, Problem
from layernext.formats.samples import (
    Losses,
    Sample,
    place_of,
    points_of,
    safe_relative,
    size_of,
    write_durably,
)
from layernext.model import Annotation, Line, Points, Polygon, Rectangle

_LABELME: dict[type[Any], str] = {
    Rectangle: "rectangle", Polygon: "polygon", Line: "linestrip", Points: "points",
}  # fmt: skip

CSV_COLUMNS = (
    "image", "width", "height", "split", "label", "type", "confidence", "x", "y", "box_width",
    "box_height", "points", "attributes", "metadata",
)  # fmt: skip
_csv_annotation = msgspec.json.Decoder(Annotation)


def _load(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
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
        width, height = size_of(sample)
        shapes: list[dict[str, Any]] = []
        for number, one in enumerate(sample.annotations):
            self._losses.note_fields(one, place_of(sample, number), keeps=frozenset())
            points = points_of(one)
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
            "imagePath": sample.image,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        path = self._root / safe_relative(sample.image).with_suffix(".json")
        write_durably(path, msgspec.json.encode(content))

    def close(self) -> None:
        """Nothing comes last."""


def read_labelme(root: Path) -> Iterator[Sample]:
    """The images of a folder, by name.

    Raises:
        FormatError: something is no such file, with the place.
    """
    for path in sorted(root.rglob("*.json")):
        content = _load(path)
        if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
            raise FormatError(Problem(str(path), "has no `shapes`"))
        annotations = [
            _read_labelme(shape, f"{path}: shapes[{number}]")
            for number, shape in enumerate(content["shapes"])
        ]
        yield Sample(
            image=str(content.get("imagePath") or path.stem),
            annotations=annotations,
            width=content.get("imageWidth"),
            height=content.get("imageHeight"),
        )


def _read_labelme(shape: Any, where: str) -> Annotation:
    try:
        label, kind = str(shape["label"]), shape["shape_type"]
        points = [(float(x), float(y)) for x, y in shape["points"]]
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(Problem(where, f"is no shape of LabelMe: {error}")) from error
    if kind == "rectangle" and len(points) == 2:  # noqa: PLR2004 - two corners
        (a, b), (c, d) = points
        return Rectangle(label=label, bbox=(min(a, c), min(b, d), abs(c - a), abs(d - b)))
    if kind == "polygon":
        return Polygon(label=label, polygon=points)
    if kind in {"linestrip", "line"}:
        return Line(label=label, line=points)
    if kind in {"point", "points"}:
        return Points(label=label, points=points)
    raise FormatError(Problem(where, f"has the shape_type {kind!r}, which is not read"))


class LabelStudioWriter:
    """Writes one file of tasks; see `SampleWriter`.

    Args:
        path: the file.
        losses: gathers what Label Studio cannot hold.
        predictions: write the shapes as predictions, with their scores, to begin from.
    """

    def __init__(self, path: Path, losses: Losses, *, predictions: bool = False) -> None:
        self._losses, self._key = losses, "predictions" if predictions else "annotations"
        self._file, self._count = path.open("wb"), 0
        self._file.write(b"[")

    def write(self, sample: Sample) -> None:
        """Add an image."""
        size = size_of(sample)
        results = []
        for number, one in enumerate(sample.annotations):
            where = place_of(sample, number)
            if isinstance(one, Line | Points):
                self._losses.note(f"the geometry {one.geometry}", where)
                continue
            keeps = frozenset({"confidence"}) if self._key == "predictions" else frozenset[str]()
            self._losses.note_fields(one, where, keeps=keeps)
            results.append(_studio_shape(one, f"r{number}", size))
        task = {
            "data": {"image": sample.image},
            "meta": {"split": sample.split} if sample.split else {},
            self._key: [{"result": results}],
        }
        self._file.write((b",\n" if self._count else b"\n") + msgspec.json.encode(task))
        self._count += 1

    def close(self) -> None:
        """Write the end."""
        self._file.write(b"\n]\n")
        self._file.close()


def _studio_shape(one: Annotation, name: str, size: tuple[int, int]) -> dict[str, Any]:
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
        return {**fields, "type": "rectanglelabels", "value": value}
    points = [[100 * x / width, 100 * y / height] for x, y in points_of(one)]
    value = {"points": points, "closed": True, "polygonlabels": [one.label]}
    return {**fields, "type": "polygonlabels", "value": value}


def read_label_studio(path: Path) -> Iterator[Sample]:
    """The images of a file of tasks: the newest annotation of each, or else the first prediction.

    Raises:
        FormatError: it is no such file, with the place.
    """
    tasks = _load(path)
    if not isinstance(tasks, list):
        raise FormatError(Problem(str(path), "is no list of tasks"))
    for number, task in enumerate(tasks):
        where = f"{path}: [{number}]"
        try:
            image = str(task["data"]["image"])
            done = task.get("annotations") or task.get("predictions") or [{"result": []}]
            results = done[-1]["result"]
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise FormatError(Problem(where, f"is no task: {error}")) from error
        annotations: list[Annotation] = []
        size: tuple[int | None, int | None] = (None, None)
        for place, result in enumerate(results):
            there = f"{where}.result[{place}]"
            one, size = _read_studio(result, there)
            annotations.append(one)
        split = (task.get("meta") or {}).get("split")
        yield Sample(
            image=image, annotations=annotations, width=size[0], height=size[1], split=split
        )


def _read_studio(result: Any, where: str) -> tuple[Annotation, tuple[int, int]]:
    try:
        value, kind = result["value"], result["type"]
        size = int(result["original_width"]), int(result["original_height"])
        label = str(value[kind][0])
        fields: dict[str, Any] = {"label": label, "confidence": result.get("score")}
        if kind == "rectanglelabels":
            if value.get("rotation"):
                raise FormatError(Problem(where, "is a rotated rectangle, which is not read"))
            x, y, w, h = (float(value[name]) for name in ("x", "y", "width", "height"))
            box = (x * size[0] / 100, y * size[1] / 100, w * size[0] / 100, h * size[1] / 100)
            return Rectangle(bbox=box, **fields), size
        if kind == "polygonlabels":
            points = [(x * size[0] / 100, y * size[1] / 100) for x, y in value["points"]]
            return Polygon(polygon=points, **fields), size
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise FormatError(Problem(where, f"is no result that is read: {error!r}")) from error
    raise FormatError(Problem(where, f"has the type {kind!r}, which is not read"))


class CsvWriter:
    """Writes a row for each annotation, and one for an image without any; see `SampleWriter`."""

    def __init__(self, path: Path, losses: Losses) -> None:
        del losses  # nothing is lost
        self._file = path.open("w", encoding="utf-8", newline="")
        self._rows = csv.DictWriter(self._file, CSV_COLUMNS)
        self._rows.writeheader()

    def write(self, sample: Sample) -> None:
        """Add an image."""
        for row in table_rows(sample):
            self._rows.writerow({name: _cell(value) for name, value in row.items()})

    def close(self) -> None:
        """End the file."""
        self._file.close()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    return "" if value is None else value


def table_rows(sample: Sample) -> Iterator[dict[str, Any]]:
    """The rows of an image, by `CSV_COLUMNS`; lists and objects are JSON."""
    head: dict[str, Any] = dict.fromkeys(CSV_COLUMNS)
    head |= {
        "image": sample.image,
        "width": sample.width,
        "height": sample.height,
        "split": sample.split,
    }
    if not sample.annotations:
        yield head
    for one in sample.annotations:
        row = {**head, "label": one.label, "type": one.geometry, "confidence": one.confidence}
        if isinstance(one, Rectangle):
            row |= dict(zip(("x", "y", "box_width", "box_height"), one.bbox, strict=True))
        else:
            row["points"] = msgspec.json.encode(points_of(one)).decode()
        for name in ("attributes", "metadata"):
            if getattr(one, name):
                row[name] = msgspec.json.encode(getattr(one, name)).decode()
        yield row


def read_csv(path: Path) -> Iterator[Sample]:
    """The images of a file; the rows of an image stand together.

    Raises:
        FormatError: it is no such file, with the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not {"image", "label", "type"} <= set(rows.fieldnames or []):
                raise FormatError(Problem(str(path), f"needs the columns {', '.join(CSV_COLUMNS)}"))
            yield from _gathered((row, f"{path}:{rows.line_num}") for row in rows)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(Problem(str(path), f"cannot be read: {error}")) from error


def _gathered(rows: Iterator[tuple[dict[str, Any], str]]) -> Iterator[Sample]:
    current: tuple[Any, ...] | None = None
    annotations: list[Annotation] = []
    for row, where in rows:
        head = (row["image"], row.get("width"), row.get("height"), row.get("split"))
        if current is not None and head != current:
            yield _csv_sample(current, annotations)
            annotations = []
        current = head
        if row.get("label"):
            annotations.append(_csv_shape(row, where))
    if current is not None:
        yield _csv_sample(current, annotations)


def _csv_sample(head: tuple[Any, ...], annotations: list[Annotation]) -> Sample:
    image, width, height, split = head
    return Sample(
        image=image,
        annotations=annotations,
        width=int(width) if width else None,
        height=int(height) if height else None,
        split=split or None,
    )


_GEOMETRY_KEYS = {"polygon": "polygon", "line": "line", "points": "points"}


def _csv_shape(row: dict[str, Any], where: str) -> Annotation:
    try:
        kind = row["type"]
        shape: dict[str, Any] = {"type": kind, "label": row["label"]}
        if row.get("confidence"):
            shape["confidence"] = float(row["confidence"])
        if kind == "rectangle":
            shape["bbox"] = [float(row[name]) for name in ("x", "y", "box_width", "box_height")]
        else:
            shape[_GEOMETRY_KEYS[kind]] = msgspec.json.decode(row["points"])
        for name in ("attributes", "metadata"):
            if row.get(name):
                shape[name] = msgspec.json.decode(row[name])
        decoded: Annotation = _csv_annotation.decode(msgspec.json.encode(shape))
    except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
        raise FormatError(Problem(where, f"is no annotation: {error}")) from error
    return decoded
