"""Open Images: a CSV of labels of whole images.

Source: storage.googleapis.com/openimages, "Image labels": a row says that an image has a label, with a confidence. In
those that people verified 1 is that it has it, and 0 that it has not.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import msgspec

from layernext.errors import FormatError, Problem
from layernext.formats.core.compression import open_output
from layernext.formats.core.format import (
    KEPT,
    Certainty,
    Detection,
    ExportOptions,
    Format,
    Holds,
    ReadOptions,
)
from layernext.formats.core.losses import Losses
from layernext.formats.core.pixels import entry_in
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample, location_of
from layernext.formats.core.spill import Spill
from layernext.formats.open_images import iter_rows, read_descriptions
from layernext.model import Annotation, ImageLabel

COLUMNS = ("ImageID", "Source", "LabelName", "Confidence")
HOLDS = Holds(geometries={"image_label": KEPT}, fields={"confidence": KEPT})

_EXTENSION = ".jpg"
"""Of all images of Open Images, which their ids leave out."""

_annotation = msgspec.json.Decoder(ImageLabel)


class LabelWriter:
    """Writes one file; see `SampleWriter`."""

    def __init__(self, path: Path, losses: Losses) -> None:
        self._losses = losses
        self._file = io.TextIOWrapper(open_output(path), encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)

    def write(self, sample: Sample) -> None:
        """Add an image."""
        name, extension = sample.image, Path(sample.image).suffix
        if extension.lower() == _EXTENSION:
            name = name[: -len(extension)]
        if extension != _EXTENSION:
            self._losses.note("the extension of an image's name", sample.image)
        if sample.split:
            self._losses.note("the split", sample.image)
        rows = 0
        for number, annotation in enumerate(sample.annotations):
            where = location_of(sample, number)
            if not HOLDS.accepts(annotation, where, self._losses):
                continue
            self._losses.note_fields(annotation, where, keeps=HOLDS.fields)
            score = "" if annotation.confidence is None else repr(annotation.confidence)
            self._writer.writerow((name, "layernext", annotation.label, score))
            rows += 1
        if not rows:
            self._losses.note("an image without labels", sample.image)

    def close(self) -> None:
        """Complete the file."""
        self._file.close()


def read(path: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a file, in the order in which they come first.

    Raises:
        FormatError: the file is not of Open Images, with the line.
    """
    names = read_descriptions(path.parent)
    for number, name in enumerate(names.values()):
        options.classes.add(name, number)
    numbers: dict[str, int] = {}
    with Spill() as spill:
        for row, where in iter_rows(path, ("ImageID", "LabelName")):
            with losses.problems:
                image = row.get("ImageID") or ""
                annotation = _read_row(row, names, where, losses, options)
                if not image:
                    raise FormatError(Problem(where, "names no image"))
                if image not in numbers:
                    numbers[image] = len(numbers)
                    spill.add_image(numbers[image], image.encode())
                if annotation is not None:
                    spill.add(numbers[image], msgspec.json.encode(annotation))
        for raw, pieces in spill.groups():
            annotations: list[Annotation] = [_annotation.decode(piece) for _, piece in pieces]
            yield _sample(raw.decode(), annotations, options)


def _read_row(
    row: dict[str, str], names: dict[str, str], where: str, losses: Losses, options: ReadOptions
) -> ImageLabel | None:
    code = row.get("LabelName") or ""
    if not code:
        raise FormatError(Problem(where, "has no LabelName"))
    confidence = options.scores.read(row.get("Confidence") or None, where, "Confidence")
    if confidence == 0 and "verification" in (row.get("Source") or ""):
        losses.note("that an image does not have a label", where)
        return None
    return ImageLabel(label=names.get(code, code), confidence=confidence)


def _sample(image: str, annotations: list[Annotation], options: ReadOptions) -> Sample:
    entry = entry_in(options.sizes, image)
    if entry is None:
        return Sample(image=f"{image}{_EXTENSION}", annotations=annotations)
    width, height, name = entry
    return Sample(image=name, annotations=annotations, width=width, height=height)


def write(target: Path, losses: Losses, options: ExportOptions) -> LabelWriter:
    """Open a writer; see `Format`."""
    del options
    return LabelWriter(target, losses)


def detect(probe: Probe) -> Detection | None:
    """A CSV that begins with ``ImageID``, and has labels without boxes."""
    head = probe.head.partition(b"\n")[0]
    if probe.is_folder or not head.startswith(b"ImageID,") or b"LabelName" not in head:
        return None
    if b"XMin" in head:
        return None
    return Detection(Certainty.CERTAIN, "begins with the columns `ImageID` and `LabelName`")


FORMAT = Format(
    name="open-images-labels",
    about="Open Images labels of images, CSV",
    extension=".csv",
    holds=HOLDS,
    read=read,
    write=write,
    detect=detect,
)
