"""The formats by name, and the way from one to another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from layernext.errors import ConfigurationError, DataError, FormatError, Problem
from layernext.formats.coco import CocoWriter, read_coco
from layernext.formats.json_formats import (
    CsvWriter,
    LabelmeWriter,
    LabelStudioWriter,
    read_csv,
    read_label_studio,
    read_labelme,
)
from layernext.formats.layernext_json import create_file, detect_geometry, iter_file
from layernext.formats.samples import (
    Losses,
    Sample,
    SampleWriter,
    atomic_target,
    safe_relative,
    write_durably,
)
from layernext.formats.xml_formats import CvatWriter, VocWriter, read_cvat, read_voc
from layernext.formats.yolo import YoloWriter, read_yolo
from layernext.model import (
    Annotation,
    ImageAnnotations,
    ImageDecoder,
    Line,
    Points,
    Polygon,
    Rectangle,
    decode_trusted,
)

FormatName: TypeAlias = Literal[
    "layernext", "coco", "coco-results", "yolo", "yolo-segmentation", "voc", "labelme", "cvat",
    "label-studio", "csv",
]  # fmt: skip

IMAGE_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}


class Format(Struct, frozen=True):
    """A format.

    Attributes:
        name: as users write it.
        is_folder: whether it is a folder of files.
        needs_size: whether it cannot be written without the images' sizes.
        about: one line.
    """

    name: FormatName
    is_folder: bool
    needs_size: bool
    about: str


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("layernext", False, False, "LayerNext JSON v2; v1 is read, too"),
        Format("coco", False, False, "COCO instances: boxes and polygons"),
        Format("coco-results", False, False, "COCO results: boxes and polygons with scores"),
        Format("yolo", True, True, "YOLO detection: boxes"),
        Format("yolo-segmentation", True, True, "YOLO segmentation: polygons"),
        Format("voc", True, True, "Pascal VOC: boxes"),
        Format("labelme", True, True, "LabelMe: every shape"),
        Format("cvat", False, True, "CVAT XML for images 1.1: every shape, attributes"),
        Format("label-studio", False, True, "Label Studio JSON: boxes and polygons"),
        Format("csv", False, False, "a row for each annotation: everything"),
    )
}


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


class _LayerNextWriter:
    """Writes LayerNext JSON v2."""

    def __init__(self, path: Path, losses: Losses) -> None:
        self._losses = losses
        self._context = create_file(path)
        self._writer = self._context.__enter__()

    def write(self, sample: Sample) -> None:
        import msgspec  # noqa: PLC0415 - one call

        if sample.split:
            self._losses.note("the split", sample.image)
        one = ImageAnnotations(image=sample.image, annotations=sample.annotations)
        self._writer.write(msgspec.json.encode(one))

    def close(self) -> None:
        self._context.__exit__(None, None, None)


def read_format(
    path: Path, name: str, *, losses: Losses | None = None, images: Path | None = None
) -> Iterator[Sample]:
    """The images of a file or folder in one of the `FORMATS`.

    Args:
        path: the file or folder.
        name: of the format.
        losses: gathers what is in there and cannot be read.
        images: folder with the images, where the format does not say how large they are.

    Raises:
        ConfigurationError: there is no such format, or it is not read.
        FormatError, DataError: it is no such file, with the place.
    """
    sizes = image_sizes(images) if images is not None else {}
    found = losses or Losses()
    readers: dict[str, Callable[[], Iterator[Sample]]] = {
        "layernext": lambda: _read_layernext(path),
        "coco": lambda: read_coco(path, found),
        "yolo": lambda: read_yolo(path, sizes or image_sizes(path / "images")),
        "yolo-segmentation": lambda: read_yolo(path, sizes or image_sizes(path / "images")),
        "voc": lambda: read_voc(path),
        "labelme": lambda: read_labelme(path),
        "cvat": lambda: read_cvat(path),
        "label-studio": lambda: read_label_studio(path),
        "csv": lambda: read_csv(path),
    }
    if name not in readers:
        raise ConfigurationError(f"{name!r} is not read; there are {', '.join(readers)}")
    for sample in readers[name]():
        size = sizes.get(Path(sample.image).with_suffix("").as_posix())
        if size is not None and sample.width is None:
            yield Sample(
                image=sample.image,
                annotations=sample.annotations,
                width=size[0],
                height=size[1],
                split=sample.split,
            )
        else:
            yield sample


def _read_layernext(path: Path) -> Iterator[Sample]:
    geometry = detect_geometry(path)
    decoder = ImageDecoder(geometry)
    for number, raw in enumerate(iter_file(path)):
        decoder.decode(raw, index=number, file=str(path))
        image = decode_trusted(raw, geometry)
        if image.normalized:
            message = "has fractions for coordinates; only pixels can be converted"
            raise DataError(Problem(f"images[{number}]", message))
        yield Sample(image=image.image, annotations=image.annotations)


def detect_format(path: Path) -> FormatName:  # noqa: PLR0911 - a return for each format
    """The format of a file or folder, by what is in it.

    Raises:
        FormatError: it is none that is known.
    """
    if path.is_dir():
        if (path / "data.yaml").is_file():
            return "yolo"
        if next(path.rglob("*.xml"), None):
            return "voc"
        if next(path.rglob("*.json"), None):
            return "labelme"
        raise FormatError(Problem(str(path), "is no folder of a format that is known"))
    try:
        with path.open("rb") as file:
            head = file.read(1 << 16)
    except OSError as error:
        raise FormatError(Problem(str(path), f"cannot be read: {error.strerror}")) from error
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<"):
        return "cvat"
    if text.startswith(b"["):
        return "label-studio"
    if path.suffix == ".csv":
        return "csv"
    if text.startswith(b"{") and b'"images"' in head and _is_coco(path, head):
        return "coco"
    return "layernext"


def _is_coco(path: Path, head: bytes) -> bool:
    if head.lstrip().startswith(b'{"annotations"') or b'"file_name"' in head:
        return True
    with path.open("rb") as file:
        file.seek(-min(4096, path.stat().st_size), os.SEEK_END)
        return b'"categories"' in file.read()


def image_sizes(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Width, height and name of the images in a folder, by path below it without its ending.

    Only the files' heads are read.

    Raises:
        ConfigurationError: Pillow is not installed.
    """
    try:
        from PIL import Image  # noqa: PLC0415 - only where sizes are wanted
    except ImportError as error:
        raise ConfigurationError(
            "sizes of images need Pillow", hint="pip install 'layernext-sdk[stack]'"
        ) from error
    found: dict[str, tuple[int, int, str]] = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if path.suffix.lower() not in IMAGE_ENDINGS:
            continue
        try:
            with Image.open(path) as image:
                size = image.size
        except (OSError, ValueError) as error:
            raise FormatError(Problem(str(path), f"is no readable image: {error}")) from error
        inner = path.relative_to(folder).with_suffix("").as_posix()
        found[inner] = (*size, path.name)
        found.setdefault(inner.rpartition("/")[2], found[inner])
    return found


@contextmanager
def create_export(
    target: Path,
    name: str,
    *,
    overwrite: bool = False,
    strict: bool = False,
    labels: list[str] | None = None,
    predictions: bool = False,
) -> Iterator[tuple[SampleWriter, Losses]]:
    """A writer of one of the `FORMATS`; the target appears when the block ends well, whole.

    Args:
        target: file or folder.
        name: of the format.
        overwrite: replace what is there.
        strict: refuse what the format cannot hold.
        labels: their order gives class numbers, where a format has them.
        predictions: for Label Studio: write them as predictions.

    Raises:
        ConfigurationError: there is no such format, or the target is there.
    """
    if name not in FORMATS:
        raise ConfigurationError(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
    losses = Losses(strict=strict)
    with atomic_target(target, overwrite=overwrite, is_folder=FORMATS[name].is_folder) as place:
        writers: dict[str, Callable[[], SampleWriter]] = {
            "layernext": lambda: _LayerNextWriter(place, losses),
            "coco": lambda: CocoWriter(place, losses, labels=labels),
            "coco-results": lambda: CocoWriter(place, losses, results=True, labels=labels),
            "yolo": lambda: YoloWriter(place, losses, labels=labels),
            "yolo-segmentation": lambda: YoloWriter(
                place, losses, segmentation=True, labels=labels
            ),
            "voc": lambda: VocWriter(place, losses),
            "labelme": lambda: LabelmeWriter(place, losses),
            "cvat": lambda: CvatWriter(place, losses),
            "label-studio": lambda: LabelStudioWriter(place, losses, predictions=predictions),
            "csv": lambda: CsvWriter(place, losses),
        }
        writer = writers[name]()
        try:
            yield writer, losses
        finally:
            writer.close()


def write_export(
    samples: Iterable[Sample],
    target: Path,
    name: str,
    *,
    overwrite: bool = False,
    strict: bool = False,
    labels: list[str] | None = None,
    predictions: bool = False,
    advance: Callable[[int], None] | None = None,
) -> ConversionReport:
    """Write samples as one of the `FORMATS`; arguments as in `create_export`."""
    images = annotations = 0
    with create_export(
        target,
        name,
        overwrite=overwrite,
        strict=strict,
        labels=labels,
        predictions=predictions,
    ) as (writer, losses):
        for sample in samples:
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


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    target_format: str,
    *,
    source_format: str | None = None,
    images: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    strict: bool = False,
) -> ConversionReport:
    """Convert annotations from one format to another, without a stack.

    Args:
        source: file or folder.
        target: file or folder, which appears only when it is whole.
        target_format: one of ``layernext``, ``coco``, ``coco-results``, ``yolo``,
            ``yolo-segmentation``, ``voc``, ``labelme``, ``cvat``, ``label-studio``, ``csv``.
        source_format: likewise, without ``coco-results``; None finds it out.
        images: folder with the images, where the source does not say how large they are.
        overwrite: replace what is there.
        strict: refuse what the target's format cannot hold.

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
    report = write_export(
        read_format(path, name, losses=read, images=folder),
        Path(target),
        target_format,
        overwrite=overwrite,
        strict=strict,
    )
    return ConversionReport(
        path=report.path,
        format=report.format,
        images=report.images,
        annotations=report.annotations,
        losses={**read.found, **report.losses},
    )


def in_pixels(one: ImageAnnotations, width: int | None, height: int | None) -> list[Annotation]:
    """The annotations of a set in pixels.

    Raises:
        DataError: they are fractions, and nobody knows the size of the image.
    """
    if not one.normalized:
        return one.annotations
    if not width or not height:
        message = "has fractions for coordinates, and the size of its image is not known"
        raise DataError(Problem(one.image, message))
    return [_scaled(each, width, height) for each in one.annotations]


def _scaled(one: Annotation, width: int, height: int) -> Annotation:
    from msgspec.structs import replace  # noqa: PLC0415 - one call

    if isinstance(one, Rectangle):
        x, y, w, h = one.bbox
        return replace(one, bbox=(x * width, y * height, w * width, h * height))
    if isinstance(one, Polygon):
        return replace(one, polygon=[(x * width, y * height) for x, y in one.polygon])
    if isinstance(one, Line):
        return replace(one, line=[(x * width, y * height) for x, y in one.line])
    assert isinstance(one, Points)  # noqa: S101 - the last kind
    return replace(one, points=[(x * width, y * height) for x, y in one.points])


__all__ = [
    "FORMATS",
    "ConversionReport",
    "convert",
    "create_export",
    "detect_format",
    "in_pixels",
    "read_format",
    "safe_relative",
    "write_durably",
    "write_export",
]
