"""CSV: a row for each annotation, with the columns of `layernext.formats.table_rows`; lists and objects are JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from layernext.errors import FormatError, Problem
from layernext.formats.core.compression import open_decompressed, open_output
from layernext.formats.core.format import Certainty, Detection, ExportOptions, Format, ReadOptions
from layernext.formats.core.losses import Losses
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample
from layernext.formats.table_rows import COLUMNS, HOLDS, MAX_CELL, rows_of, samples_of


class CsvWriter:
    """Writes CSV; see `SampleWriter`."""

    def __init__(self, path: Path, losses: Losses) -> None:
        self._losses = losses
        self._file = io.TextIOWrapper(open_output(path), encoding="utf-8", newline="")
        self._writer = csv.DictWriter(self._file, COLUMNS)
        self._writer.writeheader()

    def write(self, sample: Sample) -> None:
        """Add an image."""
        for row in rows_of(sample, self._losses):
            if row["points"] is not None:
                row["points"] = msgspec.json.encode(row["points"]).decode()
            self._writer.writerow(row)

    def close(self) -> None:
        """Complete the file."""
        self._file.close()


def read_csv(path: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a file; rows of an image that follow each other are its annotations.

    Raises:
        FormatError: the file is not valid, with the line.
    """
    csv.field_size_limit(MAX_CELL)
    line = 0
    try:
        with (
            open_decompressed(path) as stream,
            io.TextIOWrapper(stream, encoding="utf-8", newline="") as text,
        ):
            rows = csv.DictReader(_csv_lines(text, path))
            if not {"image", "label", "type"} <= set(rows.fieldnames or []):
                raise FormatError(Problem(str(path), f"needs the columns {', '.join(COLUMNS)}"))
            located = ((_plain(row), f"{path}:{rows.line_num}") for row in rows)
            for sample in samples_of(located, losses, options.scores):
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
    while line := text.readline(MAX_CELL + 1):
        number += 1
        if len(line) > MAX_CELL:
            message = f"is longer than {MAX_CELL:,} characters"
            raise FormatError(Problem(f"{path}:{number}", message))
        yield line


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row of CSV as Parquet has it, except that numbers and points are still text."""
    return {name: value or None for name, value in row.items()}


def write(target: Path, losses: Losses, options: ExportOptions) -> CsvWriter:
    """Open a writer; see `Format`."""
    del options
    return CsvWriter(target, losses)


def detect(probe: Probe) -> Detection | None:
    """A header that begins with ``image``, or ``.csv`` in the name."""
    if probe.is_folder:
        return None
    if probe.head.startswith(b"image,"):
        return Detection(Certainty.CERTAIN, "begins with the column `image`")
    if ".csv" in probe.path.name.lower():
        return Detection(Certainty.LIKELY, "has .csv in its name")
    return None


FORMAT = Format(
    name="csv",
    about="a row for each annotation",
    extension=".csv",
    holds=HOLDS,
    read=read_csv,
    write=write,
    detect=detect,
)
