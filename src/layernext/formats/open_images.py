"""Open Images: a CSV of boxes, as fractions of the images' sizes.

Source: storage.googleapis.com/openimages, "Data formats". The names of labels such as ``/m/01g317`` are taken from
``class-descriptions-boxable.csv`` or ``class-descriptions.csv`` in the same folder.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from layernext.errors import FormatError, Problem
from layernext.formats.core.compression import open_decompressed, read_text
from layernext.formats.core.fields import box_in, number_of
from layernext.formats.core.format import KEPT, Certainty, Detection, Format, Holds, ReadOptions
from layernext.formats.core.losses import Losses
from layernext.formats.core.pixels import entry_in, scaled
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample
from layernext.formats.core.spill import Spill
from layernext.formats.table_rows import MAX_CELL
from layernext.model import Annotation, Rectangle

FLAGS = ("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside")
_COLUMNS = ("ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax")
_DESCRIPTIONS = ("class-descriptions-boxable.csv", "class-descriptions.csv")
_annotation = msgspec.json.Decoder(Rectangle)


def read_open_images(path: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a file, in the order in which they come first.

    Raises:
        FormatError: the file is not of Open Images, with the line.
    """
    names = read_descriptions(path.parent)
    for number, name in enumerate(names.values()):
        options.classes.add(name, number)
    numbers: dict[str, int] = {}
    with Spill() as spill:
        for row, where in iter_rows(path, _COLUMNS):
            with losses.problems:
                image = row.get("ImageID") or ""
                if not image:
                    raise FormatError(Problem(where, "names no image"))
                annotation = _read_row(row, names, where, options)
                if image not in numbers:
                    numbers[image] = len(numbers)
                    spill.add_image(numbers[image], image.encode())
                spill.add(numbers[image], msgspec.json.encode(annotation))
        for raw, pieces in spill.groups():
            annotations: list[Annotation] = [_annotation.decode(piece) for _, piece in pieces]
            yield _sample(raw.decode(), annotations, options)


def _sample(image: str, annotations: list[Annotation], options: ReadOptions) -> Sample:
    entry = entry_in(options.sizes, image)
    if entry is None:
        # All images of Open Images are JPEG.
        return Sample(image=f"{image}.jpg", annotations=annotations, normalized=True)
    width, height, name = entry
    return Sample(
        image=name, annotations=scaled(annotations, width, height), width=width, height=height
    )


def iter_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[dict[str, str], str]]:
    """The rows of a file that has these columns, and perhaps others, each with its location.

    Raises:
        FormatError: it lacks one of the columns, or cannot be read.
    """
    number = 0
    try:
        with (
            open_decompressed(path) as stream,
            io.TextIOWrapper(stream, encoding="utf-8", newline="") as text,
        ):
            rows = csv.DictReader(_short_lines(text, path))
            if not set(columns) <= set(rows.fieldnames or []):
                raise FormatError(Problem(str(path), f"needs the columns {', '.join(columns)}"))
            for row in rows:
                number = rows.line_num
                yield row, f"{path}:{number}"
    except UnicodeDecodeError as error:
        where = f"{path}: after line {number}"
        raise FormatError(Problem(where, "cannot be read as UTF-8")) from error
    except csv.Error as error:
        where = f"{path}: after line {number}"
        raise FormatError(Problem(where, f"cannot be read: {error}")) from error


def _short_lines(text: io.TextIOWrapper, path: Path) -> Iterator[str]:
    while line := text.readline(MAX_CELL + 1):
        if len(line) > MAX_CELL:
            raise FormatError(Problem(str(path), f"has a line longer than {MAX_CELL:,} characters"))
        yield line


def _read_row(
    row: dict[str, str], names: dict[str, str], where: str, options: ReadOptions
) -> Rectangle:
    code = row.get("LabelName") or ""
    if not code:
        raise FormatError(Problem(where, "has no LabelName"))
    left, right, top, bottom = (
        number_of(row.get(name), f"{where}: {name}") for name in _COLUMNS[2:]
    )
    score = row.get("Confidence") or row.get("Score") or None
    flags = {name: 1 for name in FLAGS if (row.get(name) or "").strip() == "1"}
    return Rectangle(
        label=names.get(code, code),
        bbox=box_in(left, top, right - left, bottom - top, where),
        confidence=options.scores.read(score, where, "Confidence"),
        metadata=flags,
    )


def read_descriptions(folder: Path) -> dict[str, str]:
    """The name of each label's code, from the lists of a folder."""
    for file in _DESCRIPTIONS:
        path = folder / file
        if path.is_file():
            pairs = [line.partition(",") for line in read_text(path).splitlines()]
            return {code.strip(): name.strip() for code, _, name in pairs if name.strip()}
    return {}


def detect(probe: Probe) -> Detection | None:
    """A CSV that begins with ``ImageID``."""
    if not probe.is_folder and probe.head.startswith(b"ImageID,") and b"XMin" in probe.head:
        return Detection(Certainty.CERTAIN, "begins with the column `ImageID`")
    return None


FORMAT = Format(
    name="open-images",
    about="Open Images boxes, CSV",
    extension=".csv",
    holds=Holds(geometries={"rectangle": KEPT}, fields={"confidence": KEPT}),
    read=read_open_images,
    detect=detect,
)
