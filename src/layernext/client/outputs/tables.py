"""Tables of pandas, Polars and Arrow: a row for each box, or for each label of a whole image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from layernext.client.logged_shapes import BoxFormat, as_boxes
from layernext.client.outputs.output import Adapter, Output, Reading, Shapes
from layernext.errors import ConfigurationError, DataError, Problem
from layernext.model import is_number

_KIND = "tables of pandas, Polars or Arrow"

_IMAGES = ("image", "image_name", "file_name", "filename")
_PATHS = ("image_path", "img_path", "path")
_LABELS = ("label", "class_name", "category", "name")
_NUMBERS = ("class_id", "category_id", "label_id", "class", "cls")
_CONFIDENCES = ("confidence", "conf", "score")
_TRACKS = ("track", "track_id", "tracker_id")
_BOXES: dict[tuple[str, ...], BoxFormat | None] = {
    ("xmin", "ymin", "xmax", "ymax"): "xyxy",
    ("x_min", "y_min", "x_max", "y_max"): "xyxy",
    ("x1", "y1", "x2", "y2"): "xyxy",
    ("left", "top", "right", "bottom"): "xyxy",
    ("left", "top", "width", "height"): "xywh",
    ("x", "y", "box_width", "box_height"): "xywh",
    ("cx", "cy", "width", "height"): "cxcywh",
    ("cx", "cy", "w", "h"): "cxcywh",
    ("xcenter", "ycenter", "width", "height"): "cxcywh",
    ("x_center", "y_center", "width", "height"): "cxcywh",
    # Left and top here, the center there: the caller has to say it.
    ("x", "y", "width", "height"): None,
    ("x", "y", "w", "h"): None,
    ("bbox",): None,
    ("box",): None,
}
"""Columns of a box, and the layout that their names show."""

_OUTLINES = ("mask", "masks", "segmentation", "polygon", "points", "parts", "line", "keypoints")
_MISSING = {"NoneType", "NAType", "NaTType"}


def _is_table(value: Any) -> bool:
    is_frame = hasattr(value, "columns") and hasattr(value, "to_numpy")
    return is_frame or (hasattr(value, "to_pydict") and hasattr(value, "schema"))


def _read(table: Any, reading: Reading) -> Iterator[Output]:
    names = [str(name) for name in _column_names(table)]
    for name in _OUTLINES:
        if name in names:
            message = f"has the column {name!r}, and only boxes and labels are read"
            advice = "save a table in the columns of docs/formats.md as CSV or Parquet, and upload the file"
            raise DataError(Problem(reading.where, message), hint=advice)
    columns = _Columns(names, reading)
    values = {name: _values(table, name) for name in names}
    for image, indexes in columns.rows_by_image(values).items():
        shapes = Shapes()
        for index in indexes:
            row = {name: column[index] for name, column in values.items()}
            columns.add(shapes, row, reading.at(f"{reading.where} row {index}"))
        is_path = columns.image in _PATHS
        file_name = None if image is None else str(image)
        yield Output(
            image=None if is_path else file_name,
            path=file_name if is_path else None,
            columns=shapes.columns(),
            where=f"{reading.where} row {indexes[0]}",
        )


class _Columns:
    """Which columns of a table have what."""

    def __init__(self, names: list[str], reading: Reading) -> None:
        def first(candidates: tuple[str, ...]) -> str | None:
            return next((name for name in candidates if name in names), None)

        self.image = first((*_IMAGES, *_PATHS))
        self.label, self.number = first(_LABELS), first(_NUMBERS)
        self.confidence, self.track = first(_CONFIDENCES), first(_TRACKS)
        if self.label is None and self.number is None:
            message = (
                f"has the columns {', '.join(names)}; must have `label`, or `class_id` with names="
            )
            raise DataError(Problem(reading.where, message))
        self.box, self._layout = _box_columns(names, reading)
        used = {self.image, self.label, self.number, self.confidence, self.track, *self.box}
        self._others = [name for name in names if name not in used]

    def rows_by_image(self, values: dict[str, list[Any]]) -> dict[Any, list[int]]:
        """The numbers of each image's rows, the images in the order of their first rows."""
        count = len(next(iter(values.values()), []))
        if self.image is None:
            return {None: list(range(count))}
        rows: dict[Any, list[int]] = {}
        for index, image in enumerate(values[self.image]):
            rows.setdefault(image, []).append(index)
        return rows

    def add(self, shapes: Shapes, row: dict[str, Any], reading: Reading) -> None:
        """Append what a row has. A row with neither label nor box is an image without annotations."""
        box = [row[name] for name in self.box]
        label = next(
            (
                row[name]
                for name in (self.label, self.number)
                if name and not _is_missing(row[name])
            ),
            None,
        )
        if label is None and all(map(_is_missing, box)):
            return
        if label is None:
            raise DataError(Problem(reading.where, "has a box, and no label"))
        fields: dict[str, Any] = {"labels": reading.labels([_whole(label)])[0]}
        for column, name in (("confidences", self.confidence), ("tracks", self.track)):
            if name is not None and not _is_missing(row[name]):
                fields[column] = _whole(row[name]) if column == "tracks" else row[name]
        others = {name: row[name] for name in self._others if not _is_missing(row[name])}
        if others:
            fields["metadata"] = others
        if not self.box:
            shapes.add("labels", None, **fields)
            return
        if len(box) == 1:  # all four numbers in a cell
            box = list(box[0])
        shapes.add("boxes", as_boxes([box], self._layout)[0][0], **fields)


def _box_columns(names: list[str], reading: Reading) -> tuple[tuple[str, ...], BoxFormat]:
    """The columns of the boxes, and their layout; none if there are no boxes."""
    for columns, layout in _BOXES.items():
        if all(name in names for name in columns):
            if layout is None:
                return columns, reading.format_of(columns)
            if reading.box_format not in {None, layout}:
                message = f"format is {reading.box_format!r}, and the columns {', '.join(columns)} are {layout}"
                raise ConfigurationError(message)
            return columns, layout
    return (), "xywh"


def _column_names(table: Any) -> list[Any]:
    return list(table.columns if hasattr(table, "to_numpy") else table.schema.names)


def _values(table: Any, name: str) -> list[Any]:
    column = table[name] if hasattr(table, "to_numpy") else table.column(name)
    for method in ("to_pylist", "to_list", "tolist"):
        if hasattr(column, method):
            values: list[Any] = getattr(column, method)()
            return values
    return list(column)


def _is_missing(value: Any) -> bool:
    return type(value).__name__ in _MISSING or (isinstance(value, float) and value != value)  # noqa: PLR0124 - NaN


def _whole(value: Any) -> Any:
    """A class number or track that a column with gaps has as a floating point number."""
    return int(value) if is_number(value) and value == int(value) else value


TABLES = Adapter(_KIND, _is_table, _read)
