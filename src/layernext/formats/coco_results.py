"""COCO results, as cocodataset.org describes them: a list of detections that refer to a file of instances by number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec

from layernext.errors import ConfigurationError, FormatError, Problem
from layernext.formats.coco_records import (
    Head,
    Instances,
    Purpose,
    gather_annotations,
    original_id,
    read_annotation,
    read_image,
    read_numbers,
    sides_of,
)
from layernext.formats.coco_writer import RESULTS_HOLDS, CocoWriter
from layernext.formats.core.compression import open_decompressed
from layernext.formats.core.format import Certainty, Detection, ExportOptions, Format, ReadOptions
from layernext.formats.core.json_stream import JsonWindow, expect_end
from layernext.formats.core.losses import Losses
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample
from layernext.formats.core.scores import Scores
from layernext.formats.core.spill import Id, Spill
from layernext.model import Annotation, Geometry


def read_instances(path: Path) -> Instances:
    """The images and labels of a file of instances, by number, for results that refer to them.

    Raises:
        FormatError: the file is not COCO instances, with the location.
    """
    instances = read_numbers(path, has_super=False)
    if not instances.images or not instances.labels:
        raise FormatError(Problem(str(path), "has no images or no categories; results need them"))
    return instances


def read_results(
    path: Path,
    instances: Instances,
    losses: Losses,
    *,
    evaluated: Geometry | None = None,
    scores: Scores | None = None,
) -> Iterator[Sample]:
    """The images of a list of results, in the order of the instances; those without results are left out.

    A result may name its image by ``file_name``, or by the name without extension as its id, as Ultralytics does.

    Args:
        path: the results: plain, ``.gz`` or ``.zst``.
        instances: has names and sizes of the images, and the labels.
        losses: counts what cannot be read.
        evaluated: the geometry to be evaluated, as in `read_coco`; ``area`` is then that of the ``bbox``,
            as COCO's tools compute it.
        scores: how scores become confidences.

    Raises:
        FormatError: the file is not COCO results, or refers to what the instances do not have; with the
            location.
    """
    scores = scores or Scores()
    names = _ImageNames(instances)
    with Spill() as spill:
        for image_id, image in instances.images.items():
            spill.add_image(image_id, msgspec.json.encode(image))
        with open_decompressed(path) as stream:
            window = JsonWindow(stream, str(path))
            gather_annotations(path, window, spill, losses, names.resolve)
            expect_end(window)
        stray = spill.find_stray()
        if stray is not None:
            with losses.problems:
                where = f"{path}: [{stray[0]}].image_id"
                raise FormatError(Problem(where, f"the instances have no image {stray[1]!r}"))
        for raw_image, pieces in spill.groups():
            if not pieces:
                continue
            image = read_image(raw_image, str(path))
            width, height = sides_of(image)
            purpose = None if evaluated is None else Purpose(evaluated, image, is_result=True)
            annotations: list[Annotation] = []
            for number, raw in pieces:
                with losses.problems:
                    annotation = read_annotation(
                        raw,
                        instances.labels,
                        f"{path}: [{number}]",
                        losses,
                        scores,
                        purpose,
                        (width, height),
                    )
                    if annotation is not None:
                        annotation.metadata.pop("file_name", None)
                        annotations.append(annotation)
            yield Sample(
                image=image.file_name,
                annotations=annotations,
                width=width,
                height=height,
                id=original_id(image.id),
            )


class _ImageNames:
    """The images of instances by name, for results that do not use their ids."""

    def __init__(self, instances: Instances) -> None:
        self._images = instances.images
        self._ids: dict[str, Id] = {}
        for image_id, image in instances.images.items():
            path = PurePosixPath(image.file_name.replace("\\", "/"))
            for name in (image.file_name, path.name, path.stem):
                self._ids.setdefault(name, image_id)

    def resolve(self, image_id: Id, head: Head) -> Id:
        """The id in the instances: of the file that a result names, or else of its id."""
        if isinstance(head.file_name, str) and head.file_name in self._ids:
            return self._ids[head.file_name]
        return image_id if image_id in self._images else self._ids.get(str(image_id), image_id)


def read(path: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a list of results; see `read_results`.

    Raises:
        ConfigurationError: the file of instances is not named.
    """
    if options.instances is None:
        raise ConfigurationError(
            "COCO results have numbers for images and labels",
            hint="name the file of instances that they refer to",
        )
    instances = read_instances(options.instances)
    for label, code in instances.codes.items():
        options.classes.add(label, original_id(code), instances.skeletons.get(label))
    return read_results(path, instances, losses, evaluated=options.evaluated, scores=options.scores)


def write(target: Path, losses: Losses, options: ExportOptions) -> CocoWriter:
    """Open a writer; see `Format`.

    Raises:
        FormatError: the file of instances is not valid.
    """
    instances = None if options.instances is None else read_instances(options.instances)
    return CocoWriter(
        target,
        losses,
        results=True,
        instances=instances,
        labels=options.labels,
        codes=options.codes,
        skeletons=options.skeletons,
    )


def detect(probe: Probe) -> Detection | None:
    """A list whose entries have ``image_id``."""
    outline = probe.json
    if outline is None or not outline.is_list:
        return None
    keys = outline.entry_keys.get("")
    if keys is None:
        return None if outline.is_broken else Detection(Certainty.POSSIBLE, "is an empty list")
    if "image_id" in keys:
        return Detection(Certainty.CERTAIN, "is a list of entries with `image_id`")
    return None


FORMAT = Format(
    name="coco-results",
    about="COCO results, with scores",
    extension=".json",
    holds=RESULTS_HOLDS,
    read=read,
    write=write,
    detect=detect,
)
