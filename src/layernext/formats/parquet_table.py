"""Parquet: a row for each annotation, with the columns of `layernext.formats.table_rows`.

``points`` is a list of lists of two numbers, attributes and metadata are JSON text, and whatever is missing is null.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from layernext.errors import ConfigurationError, FormatError, Problem
from layernext.formats.core.format import Certainty, Detection, ExportOptions, Format, ReadOptions
from layernext.formats.core.losses import Losses
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample
from layernext.formats.table_rows import COLUMNS, HOLDS, rows_of, samples_of

GROUP_ROWS = 100_000
"""Rows of a group, which is what is in memory while a file is written."""

GROUP_POINTS = 2_000_000
"""Points of a group, if annotations have many."""

_CHARACTERS = 16
"""Characters of a mask, of keypoints or of the parts of a polygon that count as a point."""


def _arrow() -> Any:
    try:
        import pyarrow as pa  # noqa: PLC0415 - only where Parquet is used
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
        "rotation": number,
    }
    return arrow.schema([(name, kinds.get(name, text)) for name in COLUMNS])


class ParquetWriter:
    """Writes Parquet, a group of rows at a time; see `SampleWriter`.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """

    def __init__(self, path: Path, losses: Losses) -> None:
        self._losses = losses
        self._arrow = _arrow()
        self._schema = _schema(self._arrow)
        self._file = self._arrow.parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self._points = 0

    def write(self, sample: Sample) -> None:
        """Add an image."""
        for row in rows_of(sample, self._losses):
            for name, column in self._columns.items():
                column.append(row[name])
            characters = sum(len(row[name] or ()) for name in ("mask", "parts", "keypoints"))
            self._points += len(row["points"] or ()) + characters // _CHARACTERS
        if len(self._columns["image"]) >= GROUP_ROWS or self._points >= GROUP_POINTS:
            self._write_group()

    def _write_group(self) -> None:
        batch = self._arrow.RecordBatch.from_pydict(self._columns, schema=self._schema)
        self._file.write_batch(batch)
        for column in self._columns.values():
            column.clear()
        self._points = 0

    def close(self) -> None:
        """Write the remaining rows, and complete the file."""
        if self._columns["image"]:
            self._write_group()
        self._file.close()


READ_ROWS = 10_000


def read_parquet(path: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a file with `COLUMNS`; missing columns count as null.

    Raises:
        FormatError: the file is not valid, with the row.
        ConfigurationError: pyarrow is not installed.
    """
    arrow = _arrow()
    try:
        file = arrow.parquet.ParquetFile(path)
    except (OSError, ValueError, arrow.ArrowException) as error:
        # Text that is not UTF-8 and broken schemas are ValueErrors; their messages are not for users.
        raise FormatError(Problem(str(path), "is not a Parquet file, or is damaged")) from error
    with file:
        names = [name for name in file.schema_arrow.names if name in COLUMNS]
        if not {"image", "label", "type"} <= set(names):
            raise FormatError(Problem(str(path), f"needs the columns {', '.join(COLUMNS)}"))
        yield from samples_of(_parquet_rows(path, file, names, arrow), losses, options.scores)


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


def write(target: Path, losses: Losses, options: ExportOptions) -> ParquetWriter:
    """Open a writer; see `Format`."""
    del options
    return ParquetWriter(target, losses)


def detect(probe: Probe) -> Detection | None:
    """A file that begins with Parquet's mark."""
    if probe.head.startswith(b"PAR1"):
        return Detection(Certainty.CERTAIN, "begins with PAR1")
    return None


FORMAT = Format(
    name="parquet",
    about="a row for each annotation",
    extension=".parquet",
    holds=HOLDS,
    read=read_parquet,
    write=write,
    detect=detect,
)
