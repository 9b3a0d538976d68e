"""The formats by name, and the way from one to another."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from layernext.errors import ConfigurationError, DataError, Problem
from layernext.formats.coco import CocoWriter, read_coco, read_instances, read_results
from layernext.formats.detection import detect_format
from layernext.formats.json_formats import (
    LabelmeWriter,
    LabelStudioWriter,
    read_label_studio,
    read_labelme,
)
from layernext.formats.layernext_samples import (
    LayerNextV1Writer,
    LayerNextWriter,
    read_layernext,
)
from layernext.formats.masks import MaskWriter
from layernext.formats.pixels import Sizes, image_sizes, size_in
from layernext.formats.samples import (
    Losses,
    Sample,
    SampleWriter,
    atomic_target,
    safe_relative,
)
from layernext.formats.tables import CsvWriter, ParquetWriter, read_csv, read_parquet
from layernext.formats.xml_formats import CvatWriter, VocWriter, read_cvat, read_voc
from layernext.formats.yolo import YoloWriter, read_yolo
from layernext.model import Geometry, record_html, short_repr


class Format(Struct, frozen=True):
    """A format.

    Attributes:
        name: as users write it.
        ending: of its file; of a folder that is packed.
        is_folder: whether it is a folder of files.
        needs_size: whether it cannot be written without the images' sizes.
        is_read: whether it is read, too.
        keeps_runs: whether it says of which model run or ground truth an annotation is.
        about: one line.
    """

    name: str
    ending: str
    is_folder: bool
    needs_size: bool
    is_read: bool
    keeps_runs: bool
    about: str


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("layernext", ".json", False, False, True, False, "LayerNext JSON v2; v1 is read"),
        Format("layernext-v1", ".json", False, False, True, False, "LayerNext JSON v1"),
        Format("coco", ".json", False, False, True, False, "COCO instances"),
        Format("coco-results", ".json", False, False, True, False, "COCO results, with scores"),
        Format("yolo", ".zip", True, True, True, False, "YOLO detection"),
        Format("yolo-segmentation", ".zip", True, True, True, False, "YOLO segmentation"),
        Format("voc", ".zip", True, True, True, False, "Pascal VOC"),
        Format("labelme", ".zip", True, True, True, False, "LabelMe"),
        Format("cvat", ".xml", False, True, True, False, "CVAT XML for images 1.1"),
        Format("label-studio", ".json", False, True, True, False, "Label Studio JSON"),
        Format("csv", ".csv", False, False, True, True, "a row for each annotation"),
        Format("parquet", ".parquet", False, False, True, True, "a row for each annotation"),
        Format("masks", ".zip", True, True, False, False, "class numbers as pixels, PNG"),
    )
}

REFUSED = {
    "tfrecord": "TFRecord is not written: it would take TensorFlow; write coco or parquet, which "
    "TensorFlow's own tools turn into it",
}


def check_format(name: str) -> Format:
    """The format of this name.

    Raises:
        ConfigurationError: there is none.
    """
    if name in REFUSED:
        raise ConfigurationError(REFUSED[name])
    if name not in FORMATS:
        raise ConfigurationError(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
    return FORMATS[name]


class ConversionReport(Struct, frozen=True, kw_only=True):
    """What a conversion or export wrote.

    Attributes:
        path: the file or folder.
        format: of it.
        images: how many.
        annotations: in them, those that the format cannot hold included.
        losses: what the format cannot hold: what, how often, and where it was first.
    """

    path: Path
    format: str
    images: int
    annotations: int
    losses: dict[str, tuple[int, str]]

    def __repr__(self) -> str:
        return short_repr(self)

    def _repr_html_(self) -> str:
        return record_html(self)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        losses = {
            what: {"count": count, "first": first} for what, (count, first) in self.losses.items()
        }
        return {
            "path": os.fspath(self.path),
            "format": self.format,
            "images": self.images,
            "annotations": self.annotations,
            "losses": losses,
        }


def read_format(
    path: Path,
    name: str,
    *,
    losses: Losses | None = None,
    images: Path | None = None,
    instances: Path | None = None,
    evaluated: Geometry | None = None,
) -> Iterator[Sample]:
    """The images of a file or folder in one of the `FORMATS`, as a stream.

    Args:
        path: the file or folder.
        name: of the format.
        losses: gathers what is in there and cannot be read.
        images: folder with the images, where the format does not say how large they are.
        instances: for COCO results: the file of instances that they refer to.
        evaluated: the geometry that is to be evaluated, if that is what the images are read for: see `read_coco`.

    Raises:
        ConfigurationError: there is no such format, it is not read, or something that it needs is missing.
        FormatError, DataError: it is not such a file, with the place.
    """
    if not check_format(name).is_read:
        raise ConfigurationError(f"{name} is written, not read")
    if name == "coco-results" and instances is None:
        raise ConfigurationError(
            "COCO results have numbers for images and labels",
            hint="give the file of instances that they are of",
        )
    sizes = image_sizes(images) if images is not None else {}
    for sample in _read(path, name, losses or Losses(), sizes, instances, evaluated):
        width, height = size_in(sizes, sample.image)
        is_new = width is not None and sample.width is None
        yield replace(sample, width=width, height=height) if is_new else sample


def _read(
    path: Path,
    name: str,
    losses: Losses,
    sizes: Sizes,
    instances: Path | None,
    evaluated: Geometry | None,
) -> Iterator[Sample]:
    readers: dict[str, Callable[[], Iterator[Sample]]] = {
        "layernext": lambda: read_layernext(path, sizes),
        "layernext-v1": lambda: read_layernext(path, sizes),
        "coco": lambda: read_coco(path, losses, evaluated=evaluated),
        "coco-results": lambda: read_results(
            path, read_instances(instances or path), losses, evaluated=evaluated
        ),
        "yolo": lambda: read_yolo(path, sizes or image_sizes(path / "images")),
        "yolo-segmentation": lambda: read_yolo(path, sizes or image_sizes(path / "images")),
        "voc": lambda: read_voc(path, losses),
        "labelme": lambda: read_labelme(path, losses),
        "cvat": lambda: read_cvat(path, losses),
        "label-studio": lambda: read_label_studio(path, losses),
        "csv": lambda: read_csv(path),
        "parquet": lambda: read_parquet(path),
    }
    return readers[name]()


class ExportOptions(Struct, frozen=True, kw_only=True):
    """How an export is written.

    Attributes:
        overwrite: replace what is there.
        strict: refuse what the format cannot hold.
        labels: their order gives class numbers, where a format has them.
        predictions: for Label Studio: write them as predictions.
        instances: for COCO results: the file of instances whose numbers they take.
        copy_images: for YOLO and VOC: folder from which the images are laid beside the annotations.
    """

    overwrite: bool = False
    strict: bool = False
    labels: list[str] | None = None
    predictions: bool = False
    instances: Path | None = None
    copy_images: Path | None = None


@contextmanager
def create_export(
    target: Path, name: str, options: ExportOptions
) -> Iterator[tuple[SampleWriter, Losses]]:
    """A writer of one of the `FORMATS`; the target appears when the block ends well, whole.

    Args:
        target: file or folder.
        name: of the format.
        options: how.

    Raises:
        ConfigurationError: there is no such format, or the target is there.
    """
    kind = check_format(name)
    if options.copy_images is not None and name not in {"yolo", "yolo-segmentation", "voc"}:
        raise ConfigurationError(f"{name} has no place for images; yolo and voc do")
    losses = Losses(strict=options.strict)
    labels = options.labels
    instances = None if options.instances is None else read_instances(options.instances)
    with atomic_target(target, overwrite=options.overwrite, is_folder=kind.is_folder) as place:
        writers: dict[str, Callable[[], SampleWriter]] = {
            "layernext": lambda: LayerNextWriter(place, losses),
            "layernext-v1": lambda: LayerNextV1Writer(place, losses),
            "coco": lambda: CocoWriter(place, losses, labels=labels),
            "coco-results": lambda: CocoWriter(
                place, losses, results=True, instances=instances, labels=labels
            ),
            "yolo": lambda: YoloWriter(place, losses, labels=labels),
            "yolo-segmentation": lambda: YoloWriter(
                place, losses, segmentation=True, labels=labels
            ),
            "voc": lambda: VocWriter(place, losses),
            "labelme": lambda: LabelmeWriter(place, losses),
            "cvat": lambda: CvatWriter(place, losses),
            "label-studio": lambda: LabelStudioWriter(
                place, losses, predictions=options.predictions
            ),
            "csv": lambda: CsvWriter(place, losses),
            "parquet": lambda: ParquetWriter(place, losses),
            "masks": lambda: MaskWriter(place, losses, labels=labels),
        }
        writer = writers[name]()
        if options.copy_images is not None:
            writer = _WithImages(writer, place, options.copy_images)
        try:
            yield writer, losses
        finally:
            writer.close()


class _WithImages:
    """Lays each image where its format looks for it, as a hard link if that can be."""

    def __init__(self, writer: Any, root: Path, images: Path) -> None:
        self._writer, self._root, self._images = writer, root, images

    def write(self, sample: Sample) -> None:
        self._writer.write(sample)
        source = self._images / safe_relative(sample.image)
        target = self._root / self._writer.image_place(sample)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            try:
                os.link(source, target)
            except OSError:
                shutil.copy2(source, target)
        except FileNotFoundError as error:
            raise DataError(Problem(sample.image, f"is not in {self._images}")) from error

    def close(self) -> None:
        self._writer.close()


def write_export(
    samples: Iterable[Sample],
    target: Path,
    name: str,
    options: ExportOptions | None = None,
    *,
    advance: Callable[[int], None] | None = None,
) -> ConversionReport:
    """Write samples as one of the `FORMATS`, streamed.

    Args:
        samples: the images. An image that comes several times in a row, once for each run, becomes one
            where the format does not keep runs.
        target: file or folder, which appears when it is whole.
        name: of the format.
        options: how.
        advance: called with the number of new images, for progress.
    """
    images = annotations = 0
    with create_export(target, name, options or ExportOptions()) as (writer, losses):
        for sample in samples if FORMATS[name].keeps_runs else merged(samples, losses):
            writer.write(sample)
            images += 1
            annotations += len(sample.annotations)
            if advance is not None:
                advance(1)
    return ConversionReport(
        path=target,
        format=name,
        images=images,
        annotations=annotations,
        losses=losses.found,
    )


def merged(samples: Iterable[Sample], losses: Losses) -> Iterator[Sample]:
    """Samples of one image that stand together, as one."""
    current: Sample | None = None
    for sample in samples:
        if current is None or current.image != sample.image or current.split != sample.split:
            if current is not None:
                yield current
            current = sample
            continue
        if (current.run, current.mode) != (sample.run, sample.mode):
            losses.note("which model run or ground truth an annotation is of", sample.image)
        current = replace(current, annotations=[*current.annotations, *sample.annotations])
    if current is not None:
        yield current


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    target_format: str,
    *,
    source_format: str | None = None,
    images: str | os.PathLike[str] | None = None,
    instances: str | os.PathLike[str] | None = None,
    copy_images: bool = False,
    overwrite: bool = False,
    strict: bool = False,
) -> ConversionReport:
    """Convert annotations from one format to another, without a stack, as a stream.

    Args:
        source: file or folder.
        target: file or folder, which appears only when it is whole; a single file is compressed if it ends
            in ``.gz`` or ``.zst``.
        target_format: ``layernext``, ``layernext-v1``, ``coco``, ``coco-results``, ``yolo``,
            ``yolo-segmentation``, ``voc``, ``labelme``, ``cvat``, ``label-studio``, ``csv``,
            ``parquet`` or ``masks``.
        source_format: likewise, without ``masks``; None finds it out.
        images: folder with the images, where the source does not say how large they are.
        instances: for COCO results, read or written: the file of instances that has their numbers.
        copy_images: lay the images of that folder beside the labels of YOLO or VOC.
        overwrite: replace what is there.
        strict: refuse what the target's format cannot hold, or what is not read of the source's.

    Returns:
        How much was written, and what the format cannot hold: nothing is left out unsaid.

    Raises:
        ConfigurationError: there is no such format, or the target is there already.
        FormatError, DataError: the source is wrong, with the place; or with `strict` a loss.
    """
    path = Path(source)
    read = Losses(strict=strict)
    name = source_format or detect_format(path)
    folder = None if images is None else Path(images)
    if copy_images and folder is None:
        raise ConfigurationError("images can only be copied from a folder", hint="give `images`")
    numbers = None if instances is None else Path(instances)
    options = ExportOptions(
        overwrite=overwrite,
        strict=strict,
        instances=numbers if target_format == "coco-results" else None,
        copy_images=folder if copy_images else None,
    )
    samples = read_format(path, name, losses=read, images=folder, instances=numbers)
    report = write_export(samples, Path(target), target_format, options)
    return replace(report, losses={**read.found, **report.losses})
