"""Tables: CSV and Parquet, a row for each annotation, and one for an image without any. Nothing is lost.

The columns are `COLUMNS` in both. In CSV lists and objects are JSON. In Parquet ``points`` is a list of lists of two
numbers, attributes and metadata are JSON text, and everything that there is not is null.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from layernext.errors import ConfigurationError, DataError, FormatError, Problem
from layernext.formats.compression import open_decompressed, open_output
from layernext.formats.json_stream import check_keys
from layernext.formats.samples import Losses, Sample, check_finite, points_of
from layernext.model import Annotation, AttributeValue, Line, Points, Polygon, Rectangle

COLUMNS = (
    "image", "width", "height", "split", "run", "mode", "label", "type", "confidence",
    "x", "y", "box_width", "box_height", "points", "attributes", "metadata",
)  # fmt: skip

GROUP_ROWS = 100_000
"""Rows of a group in Parquet, which is what is in memory while one is written."""

GROUP_POINTS = 2_000_000
"""Points in a group, where shapes have many."""

_HEAD = ("image", "width", "height", "split", "run", "mode")
_MAX_CELL = 16 << 20
"""Characters of a cell, and of a line."""

_annotation = msgspec.json.Decoder(Annotation)
_attributes = msgspec.json.Decoder(dict[str, list[AttributeValue]])
_metadata = msgspec.json.Decoder(dict[str, Any])


def _rows(sample: Sample) -> Iterator[dict[str, Any]]:
    """The rows of an image; `points` as they are, attributes and metadata as JSON."""
    head: dict[str, Any] = dict.fromkeys(COLUMNS)
    head |= {name: getattr(sample, name) for name in _HEAD}
    if not sample.annotations:
        yield head
    for one in sample.annotations:
        row = {**head, "label": one.label, "type": one.geometry, "confidence": one.confidence}
        if isinstance(one, Rectangle):
            row["x"], row["y"], row["box_width"], row["box_height"] = one.bbox
        else:
            row["points"] = points_of(one)
        if one.attributes:
            row["attributes"] = msgspec.json.encode(one.attributes).decode()
        if one.metadata:
            row["metadata"] = msgspec.json.encode(one.metadata).decode()
        yield row


class CsvWriter:
    """Writes CSV; see `SampleWriter`."""

    def __init__(self, path: Path, losses: Losses) -> None:
        del losses  # nothing is lost
        self._file = io.TextIOWrapper(open_output(path), encoding="utf-8", newline="")
        self._writer = csv.DictWriter(self._file, COLUMNS)
        self._writer.writeheader()

    def write(self, sample: Sample) -> None:
        """Add an image."""
        for row in _rows(sample):
            if row["points"] is not None:
                row["points"] = msgspec.json.encode(row["points"]).decode()
            self._writer.writerow(row)

    def close(self) -> None:
        """End the file."""
        self._file.close()


def read_csv(path: Path) -> Iterator[Sample]:
    """The images of a file; rows of an image that stand together are its annotations.

    Raises:
        FormatError: it is not such a file, with the line.
    """
    csv.field_size_limit(_MAX_CELL)
    line = 0
    try:
        with (
            open_decompressed(path) as stream,
            io.TextIOWrapper(stream, encoding="utf-8", newline="") as text,
        ):
            rows = csv.DictReader(_csv_lines(text, path))
            if not {"image", "label", "type"} <= set(rows.fieldnames or []):
                raise FormatError(Problem(str(path), f"needs the columns {', '.join(COLUMNS)}"))
            for sample in _gathered((_plain(row), f"{path}:{rows.line_num}") for row in rows):
                yield sample
                line = rows.line_num
    except UnicodeDecodeError as error:
        where = f"{path}: after line {line}"
        raise FormatError(Problem(where, "cannot be read as UTF-8")) from error
    except csv.Error as error:
        raise FormatError(
            Problem(f"{path}: after line {line}", f"cannot be read: {error}")
        ) from error


def _csv_lines(text: io.TextIOWrapper, path: Path) -> Iterator[str]:
    number = 0
    while line := text.readline(_MAX_CELL + 1):
        number += 1
        if len(line) > _MAX_CELL:
            message = f"is longer than {_MAX_CELL:,} characters"
            raise FormatError(Problem(f"{path}:{number}", message))
        yield line


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row of CSV as one of Parquet has it, but for numbers and points, which are still text."""
    return {name: value or None for name, value in row.items()}


def _gathered(rows: Iterator[tuple[dict[str, Any], str]]) -> Iterator[Sample]:
    current: tuple[Any, ...] | None = None
    annotations: list[Annotation] = []
    begun = ""
    for row, where in rows:
        head = tuple([row.get(name) for name in _HEAD])
        if head != current:
            if current is not None:
                yield _sample(current, annotations, begun)
            current, annotations, begun = head, [], where
        if row.get("label"):
            annotations.append(_shape(row, where))
        elif row.get("type"):
            raise FormatError(Problem(where, "has a shape, and no label"))
    if current is not None:
        yield _sample(current, annotations, begun)


def _sample(head: tuple[Any, ...], annotations: list[Annotation], where: str) -> Sample:
    image, width, height, split, run, mode = head
    if not image:
        raise FormatError(Problem(where, "names no image"))
    for name, value in (("image", image), ("split", split), ("run", run)):
        if not isinstance(value, str | None):
            raise FormatError(Problem(where, f"{name} must be a string"))
    if mode not in {None, "machine", "human"}:
        raise FormatError(Problem(where, f"has the mode {mode!r}, must be machine or human"))
    try:
        return Sample(
            image=image,
            annotations=annotations,
            width=_side(width),
            height=_side(height),
            split=split,
            run=run,
            mode=mode,
        )
    except (ValueError, TypeError, OverflowError) as error:
        message = "width and height must be whole numbers ≥ 0"
        raise FormatError(Problem(where, message)) from error


def _side(value: Any) -> int | None:
    side = int(value) if value else None
    if side is not None and side < 0:
        raise ValueError(side)
    return side


_SHAPES: dict[str, type[Any]] = {"polygon": Polygon, "line": Line, "points": Points}


def _shape(row: dict[str, Any], where: str) -> Annotation:
    try:
        fields: dict[str, Any] = {"label": row["label"]}
        if row.get("confidence") is not None:
            fields["confidence"] = float(row["confidence"])
            if not 0 <= fields["confidence"] <= 1:
                message = f"has the confidence {row['confidence']}, must be from 0 to 1"
                raise FormatError(Problem(where, message))
        if row.get("attributes"):
            fields["attributes"] = _attributes.decode(row["attributes"])
            check_keys(row["attributes"].encode(), f"{where}.attributes")
        if row.get("metadata"):
            fields["metadata"] = _metadata.decode(row["metadata"])
            check_keys(row["metadata"].encode(), f"{where}.metadata")
        return _outlined(row, fields, where)
    except DataError:
        raise
    except msgspec.MsgspecError as error:
        raise FormatError(Problem(where, f"is not an annotation: {error}")) from error
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        message = "is not an annotation: its type, numbers or points cannot be read"
        raise FormatError(Problem(where, message)) from error


def _outlined(row: dict[str, Any], fields: dict[str, Any], where: str) -> Annotation:
    kind = str(row.get("type"))
    if kind == "rectangle":
        x, y, width, height = (float(row[each]) for each in COLUMNS[9:13])
        check_finite((x, y, width, height), where)
        if width < 0 or height < 0:
            raise FormatError(Problem(where, "width and height must be ≥ 0"))
        return Rectangle(bbox=(x, y, width, height), **fields)
    given = row["points"]
    pairs = msgspec.json.decode(given) if isinstance(given, str) else given
    points = [(float(x), float(y)) for x, y in pairs]
    for point in points:
        check_finite(point, where)
    if not points:
        raise FormatError(Problem(where, "has no points"))
    one: Annotation = _SHAPES[kind](**{kind: points}, **fields)
    return one


# -- Parquet ----------------------------------------------------------------------------------


def _arrow() -> Any:
    try:
        import pyarrow as pa  # noqa: PLC0415 - only where Parquet is wanted
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "Parquet needs pyarrow", hint="pip install '.[parquet]' in the source folder"
        ) from error
    return pa


def _schema(arrow: Any) -> Any:
    text, number = arrow.string(), arrow.float64()
    kinds = {
        "width": arrow.int32(),
        "height": arrow.int32(),
        "confidence": number,
        "x": number,
        "y": number,
        "box_width": number,
        "box_height": number,
        "points": arrow.list_(arrow.list_(number)),
    }
    return arrow.schema([(name, kinds.get(name, text)) for name in COLUMNS])


class ParquetWriter:
    """Writes Parquet, a group of rows at a time; see `SampleWriter`.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """

    def __init__(self, path: Path, losses: Losses) -> None:
        del losses  # nothing is lost
        self._arrow = _arrow()
        self._schema = _schema(self._arrow)
        self._file = self._arrow.parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self._points = 0

    def write(self, sample: Sample) -> None:
        """Add an image."""
        for row in _rows(sample):
            for name, column in self._columns.items():
                column.append(row[name])
            self._points += len(row["points"] or ())
        if len(self._columns["image"]) >= GROUP_ROWS or self._points >= GROUP_POINTS:
            self._write_group()

    def _write_group(self) -> None:
        batch = self._arrow.RecordBatch.from_pydict(self._columns, schema=self._schema)
        self._file.write_batch(batch)
        for column in self._columns.values():
            column.clear()
        self._points = 0

    def close(self) -> None:
        """Write what is left, and the end."""
        if self._columns["image"]:
            self._write_group()
        self._file.close()


READ_ROWS = 10_000


def read_parquet(path: Path) -> Iterator[Sample]:
    """The images of a file with `COLUMNS`; those that are missing count as null.

    Raises:
        FormatError: it is not such a file, with the row.
        ConfigurationError: pyarrow is not installed.
    """
    arrow = _arrow()
    try:
        file = arrow.parquet.ParquetFile(path)
    except (OSError, ValueError, arrow.ArrowException) as error:
        # Text that is not UTF-8 and broken schemas are ValueErrors; their messages are Python's.
        raise FormatError(Problem(str(path), "is not a Parquet file, or is damaged")) from error
    with file:
        names = [name for name in file.schema_arrow.names if name in COLUMNS]
        if not {"image", "label", "type"} <= set(names):
            raise FormatError(Problem(str(path), f"needs the columns {', '.join(COLUMNS)}"))
        yield from _gathered(_parquet_rows(path, file, names, arrow))


def _parquet_rows(
    path: Path, file: Any, names: list[str], arrow: Any
) -> Iterator[tuple[dict[str, Any], str]]:
    number = 0
    try:
        for batch in file.iter_batches(batch_size=READ_ROWS, columns=names):
            columns = [batch.column(name).to_pylist() for name in names]
            for values in zip(*columns, strict=True):
                yield dict(zip(names, values, strict=True)), f"{path}: row {number}"
                number += 1
    except UnicodeDecodeError as error:
        where = f"{path}: after row {number}"
        raise FormatError(Problem(where, "cannot be read as UTF-8")) from error
    except (OSError, ValueError, OverflowError, arrow.ArrowException) as error:
        where = f"{path}: after row {number}"
        raise FormatError(Problem(where, "cannot be read: the file is damaged")) from error
