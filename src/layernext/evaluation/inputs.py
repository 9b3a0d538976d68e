"""Files of any format on their way into an evaluation.

LayerNext JSON is evaluated from where it stands. What is in another format is read once, as a stream, into
LayerNext JSON in a temporary folder, which takes about as much room as the original; so images may stand in
any order there, too. The sizes of images that such files carry are kept beside it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from layernext.errors import DataError, Problem
from layernext.evaluation.columns import Source
from layernext.evaluation.similarity import evaluated_kinds
from layernext.formats import (
    Classes,
    LabelRules,
    Losses,
    Sizes,
    SourceOptions,
    create_file,
    detect_format,
    detect_geometry,
    get_format,
    image_sizes,
    is_archive,
    iter_file,
    merged,
    read_format,
    read_skeletons,
    size_in,
)
from layernext.model import (
    KINDS,
    EvaluatedGeometry,
    EvaluationSettings,
    Geometry,
    ImageAnnotations,
    Protocol,
    Skeleton,
    with_sigmas,
)

AnyPath: TypeAlias = str | os.PathLike[str]
ImageWh: TypeAlias = tuple[float, float]

LAYERNEXT = {"layernext", "layernext-v1"}
"""Formats that are evaluated as they are."""


class _Typed(Struct, gc=False):
    type: str | None = None


class _TypedImage(Struct, gc=False):
    annotations: list[_Typed]


_decode_types = msgspec.json.Decoder(_TypedImage).decode


class Side(Struct, frozen=True, kw_only=True):
    """One side of an evaluation, as LayerNext JSON.

    Attributes:
        path: the file; may be compressed.
        name: of the original file or folder, for messages.
        source: how its sets are to be read.
        sizes: width and height of images, where the original says it.
        order: the rank of images among the ids of a COCO file, which is how pycocotools sorts them.
        skeletons: what the keypoints of a label are, where the original says it.
    """

    path: Path
    name: str
    source: Source
    sizes: dict[str, ImageWh]
    order: dict[str, int] = {}
    skeletons: dict[str, Skeleton] = {}


class Sides(Struct, frozen=True, kw_only=True):
    """A ground truth and the runs that are measured against it.

    Attributes:
        truth, runs: the files.
        folder_sizes: sizes of images in a folder that the user named.
        image_wh: width and height of images whose size no file has; None if unknown.
        match_names: see `SourceOptions`.
    """

    truth: Side
    runs: list[Side]
    folder_sizes: Sizes
    image_wh: ImageWh | None
    match_names: bool = False

    def with_sigmas(self, settings: EvaluationSettings) -> EvaluationSettings:
        """The settings with the sigmas of the files' skeletons, for keypoints."""
        skeletons: dict[str, Skeleton] = {}
        for side in (self.truth, *self.runs):
            skeletons = side.skeletons | skeletons
        return with_sigmas(settings, skeletons)

    def size(self, image: str) -> ImageWh | None:
        """Width and height of an image: what the ground truth says goes first."""
        for side in (self.truth, *self.runs):
            if image in side.sizes:
                return side.sizes[image]
        width, height = size_in(self.folder_sizes, image)
        return (width, height) if width and height else self.image_wh


class Given(Struct, frozen=True, kw_only=True):
    """What is known of files beside their paths.

    Attributes:
        truth_format, run_format: as in `layernext.convert`; detected by default.
        images: folder with the images, if a format lacks their sizes.
        instances: for COCO results: the COCO file that defines the ids; by default the ground truth, if it is
            one.
        losses: gathers what is in the files and cannot be read.
        source_options: how annotations are taken; label rules are shared by all files.
    """

    truth_format: str | None = None
    run_format: str | None = None
    images: AnyPath | None = None
    instances: AnyPath | None = None
    losses: Losses | None = None
    source_options: SourceOptions = SourceOptions()

    def samples_options(self, truth_path: AnyPath, path: AnyPath, *, is_truth: bool) -> _Reading:
        """How a file is read."""
        name = _format_of(path, self.truth_format if is_truth else self.run_format)
        instances = self.instances
        if name == "coco-results" and instances is None and not is_truth:
            is_coco = _format_of(truth_path, self.truth_format) == "coco"
            instances = truth_path if is_coco else None
        return _Reading(
            name=name,
            images=None if self.images is None else Path(self.images),
            instances=None if instances is None else Path(instances),
        )


class _Reading(Struct, frozen=True, kw_only=True):
    name: str
    images: Path | None
    instances: Path | None


def _format_of(path: AnyPath, name: str | None) -> str:
    return get_format(name).name if name else detect_format(Path(path))


@contextmanager
def open_sides(
    truth_path: AnyPath,
    run_paths: list[AnyPath],
    evaluated: EvaluatedGeometry,
    options: Given,
    *,
    truth_geometry: Geometry | None,
    run_geometries: list[Geometry | None],
    image_wh: ImageWh | None,
) -> Iterator[Sides]:
    """All files as LayerNext JSON; converted copies are removed at the end of the block.

    Raises:
        FormatError, DataError: a file is wrong; the message names the file and the location.
        ConfigurationError: there is no such format, or something that it needs is missing.
    """
    with ExitStack() as stack:
        sides = []
        for number, (path, geometry) in enumerate(
            zip([truth_path, *run_paths], [truth_geometry, *run_geometries], strict=True)
        ):
            reading = options.samples_options(truth_path, path, is_truth=not number)
            taken = options.source_options
            if reading.name in LAYERNEXT and taken.change_nothing and not is_archive(Path(path)):
                source = Source(geometry or detect_geometry(path))
                side = Side(
                    path=Path(path),
                    name=Path(path).name,
                    source=source,
                    sizes={},
                    skeletons=read_skeletons(path),
                )
            else:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="layernext-"))
                losses = options.losses or Losses()
                side = _converted(Path(path), reading, evaluated, Path(folder), losses, taken)
            sides.append(side)
        yield Sides(
            truth=sides[0],
            runs=sides[1:],
            folder_sizes={} if options.images is None else image_sizes(Path(options.images)),
            image_wh=image_wh,
            match_names=options.source_options.match_names,
        )


def _converted(
    path: Path,
    reading: _Reading,
    evaluated: EvaluatedGeometry,
    folder: Path,
    losses: Losses,
    taken: SourceOptions,
) -> Side:
    sizes: dict[str, ImageWh] = {}
    ids: dict[str, int | str] = {}
    classes = Classes()
    target = folder / "annotations.json"
    samples = read_format(
        path,
        reading.name,
        losses=losses,
        images=reading.images,
        instances=reading.instances,
        evaluated=evaluated,
        names=taken.names,
        scores=taken.scores,
        skip_invalid=taken.skip_invalid,
        video=taken.video,
        classes=classes,
    )
    if taken.label_rules is not None:
        samples = taken.label_rules.apply(samples, losses)
    with create_file(target) as writer:
        for sample in merged(samples, losses) if get_format(reading.name).holds.runs else samples:
            if sample.image in ids:
                raise DataError(Problem(sample.image, "is there twice"), file=path.name)
            ids[sample.image] = 0 if sample.id is None else sample.id
            if sample.width and sample.height:
                sizes[sample.image] = (sample.width, sample.height)
            annotation_set = ImageAnnotations(
                image=sample.image, annotations=sample.annotations, normalized=sample.normalized
            )
            writer.write(msgspec.json.encode(annotation_set))
    is_coco = reading.name in {"coco", "coco-results"}
    order = _ranks(ids) if is_coco else {}
    rules = taken.label_rules or LabelRules()
    return Side(
        path=target,
        name=path.name,
        source=Source(is_coco=is_coco),
        sizes=sizes,
        order=order,
        skeletons=rules.skeletons(classes.skeletons),
    )


def _ranks(ids: dict[str, int | str]) -> dict[str, int]:
    """The rank of each image by id: numbers first, then text."""
    ranked = sorted(ids, key=lambda image: (isinstance(ids[image], str), ids[image]))
    return {image: rank for rank, image in enumerate(ranked)}


def find_geometry(
    path: AnyPath,
    run_path: AnyPath | None = None,
    *,
    truth_format: str | None = None,
    run_format: str | None = None,
    images: AnyPath | None = None,
    instances: AnyPath | None = None,
    source_options: SourceOptions | None = None,
    protocol: Protocol | None = None,
) -> EvaluatedGeometry | None:
    """The geometry of a ground truth's first annotation that can be evaluated; None if there is none.

    COCO's outlines and keypoints have a box as well, as have YOLO's keypoints: if the run has boxes, that is what is evaluated.
    If the protocol is one of another geometry that takes such annotations, too, it is that one: panoptic quality takes masks.

    Raises:
        FormatError: the file is broken.
    """
    options = Given(
        truth_format=truth_format, run_format=run_format, images=images, instances=instances
    )
    reading = options.samples_options(path, path, is_truth=True)
    taken = source_options or SourceOptions()
    geometry = _first_geometry(path, reading, taken)
    has_boxes = reading.name == "coco" or (
        geometry == "keypoints" and reading.name in {"yolo", "yolo-pose"}
    )
    if geometry in {"polygon", "keypoints"} and has_boxes and run_path is not None:
        reading_of_run = options.samples_options(path, run_path, is_truth=False)
        of_run = _first_geometry(run_path, reading_of_run, taken)
        geometry = of_run or geometry
    return geometry and _geometry_of_protocol(geometry, protocol)


def _geometry_of_protocol(
    geometry: EvaluatedGeometry, protocol: Protocol | None
) -> EvaluatedGeometry:
    if protocol is None or protocol in KINDS[geometry].protocols:
        return geometry
    names: list[Any] = [kind.name for kind in KINDS.values() if protocol in kind.protocols]
    settings = [EvaluationSettings(geometry=name, protocol=protocol) for name in names]
    taking = (other.geometry for other in settings if geometry in evaluated_kinds(other))
    return next(taking, geometry)


def _first_geometry(
    path: AnyPath, reading: _Reading, taken: SourceOptions
) -> EvaluatedGeometry | None:
    if reading.name in LAYERNEXT and taken.change_nothing and not is_archive(Path(path)):
        names = _iter_layernext_kinds(path)
    else:
        samples = read_format(
            Path(path),
            reading.name,
            images=reading.images,
            instances=reading.instances,
            evaluated="keypoints",  # what can be some, is some; what can be a polygon, is one
            names=taken.names,
            scores=taken.scores,
            skip_invalid=taken.skip_invalid,
        )
        names = (annotation.geometry for sample in samples for annotation in sample.annotations)
    evaluated: dict[str | None, Any] = {
        kind.name: kind.name for kind in KINDS.values() if kind.protocols
    }
    return next((evaluated[name] for name in names if name in evaluated), None)


def _iter_layernext_kinds(path: AnyPath) -> Iterator[str | None]:
    form = detect_geometry(path)
    for raw in iter_file(path):
        try:
            annotations = _decode_types(raw).annotations
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return  # the evaluation that follows names the problem
        yield from (annotation.type or form for annotation in annotations)
