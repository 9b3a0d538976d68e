"""COCO instances, as cocodataset.org describes them (data format).

An annotation's attributes and metadata go into the keys ``attributes`` and ``metadata``, which COCO's tools ignore and
this reader reads again; a confidence goes into ``score``. Boxes are kept as they are; ``area`` is that of the box, or of
the polygon by the shoelace formula. ``info``, ``licenses`` and further keys of images are not read. Neither are
``area`` and ``ignore``, except for an evaluation (`read_coco`), which counts by them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from layernext.errors import FormatError, Problem
from layernext.formats.coco_panoptic import read_segments
from layernext.formats.coco_records import (
    Label,
    Purpose,
    gather_annotations,
    gather_labels,
    original_id,
    read_annotation,
    read_image,
    read_numbers,
    sides_of,
)
from layernext.formats.coco_writer import HOLDS, CocoWriter
from layernext.formats.core.classes import Classes
from layernext.formats.core.compression import open_decompressed
from layernext.formats.core.format import Certainty, Detection, ExportOptions, Format, ReadOptions
from layernext.formats.core.json_stream import (
    JsonWindow,
    expect_end,
    iter_list,
    iter_unique_members,
)
from layernext.formats.core.losses import Losses
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample
from layernext.formats.core.scores import Scores
from layernext.formats.core.spill import Id, RepeatedImage, Spill, id_of
from layernext.model import Annotation, Geometry


class _Head(Struct):
    """What a file of instances has, apart from images and annotations, which are spilled."""

    labels: dict[Id, Label]
    stuff: set[Id]
    has_images: bool = False
    has_categories: bool = False


def read_coco(
    path: Path,
    losses: Losses,
    *,
    has_supercategories: bool = False,
    evaluated: Geometry | None = None,
    scores: Scores | None = None,
    classes: Classes | None = None,
) -> Iterator[Sample]:
    """The images of a file of instances, in the order of the file: plain, ``.gz`` or ``.zst``.

    The annotations may be in any order, and before their images; see `Spill` for what that costs.
    Keys of annotations that COCO does not have become metadata, and so do the box and the area of a mask that are not
    those of its pixels.

    Args:
        path: the file.
        losses: counts what cannot be read.
        has_supercategories: read supercategories as labels, and the categories as their attribute ``name``.
        evaluated: the geometry to be evaluated, if the file is read for that: ``area`` and ``ignore`` become
            metadata, and so do masks if polygons are evaluated; if boxes are, the ``bbox`` of every object is read.
        scores: how scores become confidences.
        classes: gets the categories in their order.

    Raises:
        FormatError: the file is not COCO instances, with the location.
    """
    scores = scores or Scores()
    with Spill() as spill:
        head = _gather(path, spill, losses, has_supercategories, classes or Classes())
        labels = head.labels
        for raw_image, pieces in spill.groups():
            image = read_image(raw_image, str(path))
            width, height = sides_of(image)
            purpose = None if evaluated is None else Purpose(evaluated, image)
            annotations: list[Annotation] = []
            for number, raw in pieces:
                with losses.problems:
                    where = f"{path}: annotations[{number}]"
                    if b'"segments_info"' in raw:
                        annotations += read_segments(
                            raw, labels, head.stuff, path, where, losses, (width, height)
                        )
                        continue
                    annotation = read_annotation(
                        raw, labels, where, losses, scores, purpose, (width, height)
                    )
                    if annotation is not None:
                        annotations.append(annotation)
            yield Sample(
                image=image.file_name,
                annotations=annotations,
                width=width,
                height=height,
                id=original_id(image.id),
            )


def _gather(path: Path, spill: Spill, losses: Losses, has_super: bool, classes: Classes) -> _Head:
    head = _Head({}, set())
    with open_decompressed(path) as stream:
        window = JsonWindow(stream, str(path))
        for key in iter_unique_members(window, "an object with `images` and `categories`"):
            if key == "images":
                head.has_images = True
                _gather_images(path, window, spill)
            elif key == "annotations":
                gather_annotations(path, window, spill, losses)
            elif key == "categories":
                head.has_categories = True
                gather_labels(path, window, head.labels, losses, has_super, classes, head.stuff)
            else:
                window.value()
        expect_end(window)
    for name, is_present in (("images", head.has_images), ("categories", head.has_categories)):
        if not is_present:
            raise FormatError(Problem(str(path), f"is not a COCO file: it has no list `{name}`"))
    stray = spill.find_stray()
    if stray is not None:
        number, image_id = stray
        with losses.problems:
            where = f"{path}: annotations[{number}].image_id"
            raise FormatError(Problem(where, f"there is no image {image_id!r}"))
    return head


def _gather_images(path: Path, window: JsonWindow, spill: Spill) -> None:
    for number, raw in enumerate(iter_list(window, "images")):
        where = f"{path}: images[{number}]"
        image = read_image(raw, where)
        try:
            spill.add_image(id_of(image.id), raw, image.file_name)
        except RepeatedImage as repeated:
            key, value = ("file_name", image.file_name) if repeated.is_name else ("id", image.id)
            message = f"{value!r} appears twice: images[{repeated.index}] has it, too"
            raise FormatError(Problem(f"{where}.{key}", message)) from None


def read_coco_labels(path: Path) -> dict[str, list[str]]:
    """The supercategories of a file of instances, with the categories of each.

    A category without a supercategory is listed itself, without categories of its own.

    Raises:
        FormatError: the file is not COCO instances, with the location.
    """
    groups: dict[str, list[str]] = {}
    for label, attributes in read_numbers(path, has_super=True).labels.values():
        names = groups.setdefault(label, [])
        names += [str(v.value) for v in attributes.get("name", []) if v.value not in names]
    return groups


def read(path: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a file of instances; see `read_coco`."""
    return read_coco(
        path,
        losses,
        evaluated=options.evaluated,
        scores=options.scores,
        classes=options.classes,
    )


def write(target: Path, losses: Losses, options: ExportOptions) -> CocoWriter:
    """Open a writer; see `Format`."""
    return CocoWriter(
        target, losses, labels=options.labels, codes=options.codes, skeletons=options.skeletons
    )


def detect(probe: Probe) -> Detection | None:
    """An object with ``annotations`` or ``categories``, or with images that have a ``file_name``."""
    outline = probe.json
    if outline is None or outline.is_list or "items" in outline.keys:
        return None
    if "file_name" in outline.entry_keys.get("images", ()):
        return Detection(Certainty.CERTAIN, "has images with `file_name`")
    for key in ("annotations", "categories"):
        if key in outline.keys and "image" not in outline.entry_keys.get("images", ()):
            return Detection(Certainty.CERTAIN, f"has the list `{key}`")
    return None


FORMAT = Format(
    name="coco",
    about="COCO instances",
    extension=".json",
    holds=HOLDS,
    read=read,
    write=write,
    detect=detect,
)
