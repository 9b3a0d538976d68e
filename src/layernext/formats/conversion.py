"""Reading and writing by a format's name, and conversion from one format to another."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from layernext.errors import ConfigurationError, DataError, FormatError, Problem
from layernext.formats.core.classes import Classes
from layernext.formats.core.format import ExportOptions, Format, Holds
from layernext.formats.core.label_rules import LabelRules
from layernext.formats.core.losses import Losses
from layernext.formats.core.pixels import scaled
from layernext.formats.core.sample import Sample, SampleWriter, location_of, with_single_outlines
from layernext.formats.core.scores import Scores
from layernext.formats.core.semantic import refuse_contradictions
from layernext.formats.core.targets import atomic_target, safe_relative
from layernext.formats.reading import read_format
from layernext.formats.registry import detect_format, get_format, list_formats
from layernext.model import Keypoints, Skeleton, record_html, short_repr


class ConversionReport(Struct, frozen=True, kw_only=True):
    """What a conversion or export wrote.

    Attributes:
        path: the file or folder.
        format: format of the file or folder.
        images: number of images.
        annotations: number of annotations, including those that the format cannot hold.
        losses: what the format cannot hold: what, how often, and where it first occurred.
        warnings: data that is kept but looks wrong, in the same form.
        skipped: number of annotations that were left out because they are not valid.
        problems: the first of those annotations, with their locations.
    """

    path: Path
    format: str
    images: int
    annotations: int
    losses: dict[str, tuple[int, str]]
    warnings: dict[str, tuple[int, str]] = {}
    skipped: int = 0
    problems: list[str] = []

    def __repr__(self) -> str:
        return short_repr(self)

    def _repr_html_(self) -> str:
        return record_html(self)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "path": os.fspath(self.path),
            "format": self.format,
            "images": self.images,
            "annotations": self.annotations,
            "losses": counts_to_dict(self.losses),
            "warnings": counts_to_dict(self.warnings),
            "skipped": self.skipped,
            "problems": list(self.problems),
        }


def counts_to_dict(counts: dict[str, tuple[int, str]]) -> dict[str, Any]:
    """Losses or warnings as plain data."""
    return {what: {"count": count, "first": first} for what, (count, first) in counts.items()}


@contextmanager
def create_export(
    target: Path, name: str, options: ExportOptions
) -> Iterator[tuple[SampleWriter, Losses]]:
    """A writer of a format; the target appears, whole, if the block succeeds.

    Args:
        target: file or folder.
        name: of the format.
        options: how it is written.

    Raises:
        ConfigurationError: there is no such format, it cannot be written, or the target exists.
    """
    target_format = get_format(name)
    if target_format.write is None:
        raise ConfigurationError(f"{name} is read, not written")
    if options.copy_images is not None and target_format.image_path is None:
        names = " and ".join(other.name for other in list_formats() if other.image_path)
        raise ConfigurationError(f"{name} cannot contain images; {names} can")
    losses = Losses(strict=options.strict)
    with atomic_target(
        target, overwrite=options.overwrite, is_folder=target_format.is_folder
    ) as path:
        writer = target_format.write(path, losses, options)
        if options.copy_images is not None:
            writer = _WithImages(writer, target_format, path, options.copy_images)
        try:
            yield writer, losses
        finally:
            writer.close()


class _WithImages:
    """Copies each image to where its format expects it, as a hard link if possible."""

    def __init__(
        self, writer: SampleWriter, target_format: Format, root: Path, images: Path
    ) -> None:
        assert target_format.image_path is not None  # noqa: S101 - checked by `create_export`
        self._writer, self._image_path = writer, target_format.image_path
        self._root, self._images = root, images

    def write(self, sample: Sample) -> None:
        self._writer.write(sample)
        inner = self._image_path(sample)
        if inner is None:
            return
        source, target = self._images / safe_relative(sample.image), self._root / inner
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
    """Write samples in a format, as a stream.

    Args:
        samples: the images. If the format does not hold runs, an image that comes several times in a
            row, once for each run, is written once.
        target: file or folder, which appears only once it is complete.
        name: of the format.
        options: how it is written.
        advance: called with the number of new images, for progress.
    """
    images = annotations = 0
    holds, options = get_format(name).holds, options or ExportOptions()
    skeletons = dict(options.skeletons)
    with create_export(target, name, options) as (writer, losses):
        for sample in samples if holds.runs else merged(samples, losses):
            _note_skeletons(sample, holds, skeletons, losses)
            writer.write(_held(sample, holds, losses))
            images += 1
            annotations += len(sample.annotations)
            if advance is not None:
                advance(1)
    return ConversionReport(
        path=target,
        format=name,
        images=images,
        annotations=annotations,
        losses=losses.counts,
    )


def _note_skeletons(
    sample: Sample, holds: Holds, skeletons: dict[str, Skeleton], losses: Losses
) -> None:
    """Count what a format does not hold of the skeletons of keypoints, once for each label.

    Args:
        sample: an image.
        holds: what the format holds.
        skeletons: by label; those that were counted are taken out.
        losses: counts.
    """
    for number, annotation in enumerate(sample.annotations if skeletons else ()):
        if not isinstance(annotation, Keypoints) or annotation.label not in skeletons:
            continue
        skeleton = skeletons.pop(annotation.label)
        for name in ("points", "edges", "sigmas", "flips"):
            if getattr(skeleton, name) and name not in holds.skeletons:
                what = "names of the points" if name == "points" else name
                losses.note(f"the {what} of a skeleton", location_of(sample, number))


def _held(sample: Sample, holds: Holds, losses: Losses) -> Sample:
    """A sample as a format can hold it: in pixels, and with a single outline in each polygon.

    Raises:
        DataError: coordinates are fractions, and the size of the image is not known.
    """
    annotations = sample.annotations
    if sample.normalized and not holds.fractions:
        if not sample.width or not sample.height:
            message = "has fractions for coordinates, and its size in pixels is not known"
            hint = "give the folder with the images"
            raise DataError(Problem(sample.image, message), hint=hint)
        annotations = scaled(annotations, sample.width, sample.height)
        sample = replace(sample, annotations=annotations, normalized=False)
    if holds.parts or "polygon" not in holds.geometries:
        return sample
    single = with_single_outlines(annotations, partial(location_of, sample), losses)
    return replace(sample, annotations=single)


def merged(samples: Iterable[Sample], losses: Losses) -> Iterator[Sample]:
    """Samples of the same image that follow each other, one for each run, as a single sample.

    Raises:
        DataError: they do not come from several runs, so two images have the same name; or they contradict
            each other.
    """
    current: Sample | None = None
    for sample in samples:
        if current is None or current.image != sample.image or current.split != sample.split:
            if current is not None:
                yield current
            current = sample
            continue
        if current.run is None and sample.run is None and current.mode == sample.mode:
            message = "is the name of two images, which would become one"
            raise DataError(Problem(sample.image, message))
        if (current.run, current.mode) != (sample.run, sample.mode):
            losses.note("which model run or ground truth an annotation is of", sample.image)
        current = replace(current, annotations=[*current.annotations, *sample.annotations])
        refuse_contradictions(current.annotations, current.image)
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
    names: list[str] | None = None,
    label_rules: LabelRules | None = None,
    confidence_scale: str | float | None = None,
    copy_images: bool = False,
    overwrite: bool = False,
    strict: bool = False,
    skip_invalid: bool = False,
    video: str | None = None,
) -> ConversionReport:
    """Convert annotations from one format to another, without a stack, as a stream.

    The classes that the source declares keep their order, including unused ones.

    Args:
        source: file, folder or zip archive.
        target: file or folder, which appears only once it is complete; a single file is compressed if its
            name ends in ``.gz`` or ``.zst``.
        target_format: ``layernext``, ``layernext-v1``, ``coco``, ``coco-results``, ``yolo``,
            ``yolo-segmentation``, ``voc``, ``labelme``, ``cvat``, ``label-studio``, ``csv``,
            ``parquet``, ``masks``, or another format of docs/formats.md or of a plug-in.
        source_format: one of the formats that can be read; detected by default.
        images: folder with the images, if the source lacks their sizes.
        instances: for COCO results, read or written: the COCO file that defines the ids.
        names: class names in the order of their numbers, if the source has only numbers.
        label_rules: how to select, rename and order labels; see `LabelRules`.
        confidence_scale: number to divide the scores of the source by, such as 100 for percent; or
            ``sigmoid`` for logits.
        copy_images: copy the images of ``images`` into a YOLO or VOC target, or into folders by class.
        overwrite: replace an existing target.
        strict: fail if the target's format cannot hold all data, or if some data of the source is not read.
        skip_invalid: leave out annotations that are not valid, and list them in the report.
        video: name of the video whose frames the images are, as in `read_format`.

    Returns:
        How much was written, and what the format cannot hold: nothing is dropped silently.

    Raises:
        ConfigurationError: there is no such format, or the target exists.
        FormatError, DataError: the source has no images, or is not valid, with the location of every problem;
            or, with ``strict``, data would be lost.
    """
    path, read = Path(source), Losses(strict=strict)
    get_format(target_format)
    name = source_format or detect_format(path)
    folder, numbers = (None if entry is None else Path(entry) for entry in (images, instances))
    if copy_images and folder is None:
        raise ConfigurationError("images can only be copied from a folder", hint="give `images`")
    rules, classes = label_rules or LabelRules(), Classes()
    samples = read_format(
        path,
        name,
        losses=read,
        images=folder,
        instances=numbers,
        names=names,
        scores=Scores.parse(confidence_scale),
        classes=classes,
        skip_invalid=skip_invalid,
        video=video,
    )
    samples = _with_first(samples, path, name)
    options = ExportOptions(
        overwrite=overwrite,
        strict=strict,
        labels=rules.classes(classes.names) or None,
        codes=classes.codes if rules.change_nothing else {},
        skeletons=rules.skeletons(classes.skeletons),
        instances=numbers if target_format == "coco-results" else None,
        copy_images=folder if copy_images else None,
    )
    ruled = rules.apply(samples, read)
    return _with_source(write_export(ruled, Path(target), target_format, options), read)


def _with_first(samples: Iterator[Sample], path: Path, name: str) -> Iterator[Sample]:
    """The samples, the first one read already: only then are the classes of a source known.

    Raises:
        FormatError: there is none.
    """
    first = next(samples, None)
    if first is None:
        raise FormatError(Problem(str(path), f"has no images, read as {name}"))
    return chain([first], samples)


def _with_source(report: ConversionReport, source: Losses) -> ConversionReport:
    """The report, with what was not read, looks wrong or was skipped in the source."""
    return replace(
        report,
        losses={**source.counts, **report.losses},
        warnings=source.warnings,
        skipped=source.problems.count,
        problems=[str(problem) for problem in source.problems.entries],
    )
