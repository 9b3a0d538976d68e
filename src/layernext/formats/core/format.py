"""What a format is: the record that each format's module exports as ``FORMAT``, and what its functions receive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct, field

from layernext.formats.core.classes import Classes
from layernext.formats.core.losses import Losses
from layernext.formats.core.pixels import Sizes
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample, SampleWriter
from layernext.formats.core.scores import Scores
from layernext.model import Annotation, Geometry, Skeleton

KEPT = "yes"
"""What a format makes of something that comes back as it was."""


class Holds(Struct, frozen=True, kw_only=True):
    """What a format can hold; the table in docs/formats.md is generated from it.

    The texts say what becomes of something: `KEPT`, or a few words such as ``its box``. What is not
    listed cannot be held: a writer counts it as a loss.

    Attributes:
        geometries: what becomes of each kind of geometry. A kind that is missing is left out and
            named as a loss.
        fields: what becomes of ``confidence``, ``track``, ``attributes`` and ``metadata``.
        splits: how the splits of a dataset are held; None if they are not.
        runs: whether the model run or ground truth of an annotation is held.
        sizes: of the images: ``needed`` if nothing can be written without them.
        videos: how frames of videos are held; None if they are not.
        fractions: whether coordinates may be fractions of an image's size.
        skeletons: the fields of a label's `Skeleton` that are held, or whose loss the writer counts itself.
        parts: whether a writer takes polygons of several outlines; if not, it gets a polygon for each part.
    """

    geometries: Mapping[str, str]
    fields: Mapping[str, str] = field(default_factory=dict)
    splits: str | None = None
    runs: bool = False
    sizes: Literal["needed", "kept", "no"] = "no"
    videos: str | None = None
    fractions: bool = False
    parts: bool = False
    skeletons: tuple[str, ...] = ("points", "edges", "sigmas", "flips")

    def accepts(self, annotation: Annotation, where: str, losses: Losses) -> bool:
        """Whether the format can hold this kind of geometry; if not, that is counted as a loss."""
        if annotation.geometry in self.geometries:
            return True
        losses.note(f"the geometry {annotation.geometry}", where)
        return False


class Certainty(IntEnum):
    """How certain a format is that a file or folder is its own.

    The most certain format is chosen. If several formats are equally certain, the user must name one.
    """

    POSSIBLE = 1
    """Nothing speaks against it: used only if no format knows better."""
    LIKELY = 2
    """It looks so, by a convention that others may share, such as a file extension."""
    CERTAIN = 3
    """It has what only this format has."""


class Detection(Struct, frozen=True):
    """That a file or folder may be in a format, and why.

    Attributes:
        certainty: how certain that is.
        reason: completes "it …", such as ``has the key `shapes```; shown if the choice is not clear.
    """

    certainty: Certainty
    reason: str


class ReadOptions(Struct, frozen=True, kw_only=True):
    """What is known, besides the path, when a file or folder is read.

    Attributes:
        images: folder with the images.
        sizes: width, height and name of the images in that folder.
        instances: for COCO results: the COCO file that defines the ids.
        evaluated: the geometry to be evaluated, if that is what the images are read for.
        scores: how scores become confidences.
        names: class names in the order of their numbers, for sources that have only numbers.
        classes: gets the classes that the source declares.
    """

    images: Path | None = None
    sizes: Sizes = field(default_factory=dict)
    instances: Path | None = None
    evaluated: Geometry | None = None
    scores: Scores = Scores()
    names: list[str] | None = None
    classes: Classes = field(default_factory=Classes)


class ExportOptions(Struct, frozen=True, kw_only=True):
    """How an export is written.

    Attributes:
        overwrite: replace an existing target.
        strict: fail if the format cannot hold all data.
        labels: their order gives the class numbers, in formats that have them.
        codes: for COCO: the ids of categories, by label.
        skeletons: what the keypoints of a label are, by label.
        predictions: for Label Studio: write predictions in place of annotations.
        instances: for COCO results: the COCO file that defines the ids.
        copy_images: folder with the images to copy next to the annotations.
    """

    overwrite: bool = False
    strict: bool = False
    labels: list[str] | None = None
    codes: Mapping[str, int | str] = field(default_factory=dict)
    skeletons: Mapping[str, Skeleton] = field(default_factory=dict)
    predictions: bool = False
    instances: Path | None = None
    copy_images: Path | None = None


Reader: TypeAlias = Callable[[Path, Losses, ReadOptions], Iterator[Sample]]
"""Reads a file or folder as a stream of samples; counts what it does not read."""

OpenWriter: TypeAlias = Callable[[Path, Losses, ExportOptions], SampleWriter]
"""Opens a writer for a path that does not exist, or for an empty folder."""

Detector: TypeAlias = Callable[[Probe], Detection | None]
"""Says whether a file or folder may be in the format; None if it is not. Must be cheap."""


class Format(Struct, frozen=True, kw_only=True):
    """A format: its name, its functions and what it can hold.

    Attributes:
        name: as users write it.
        about: description in a few words.
        extension: of its file; of the archive, if it is a folder.
        is_folder: whether it is a folder of files.
        holds: what it can hold.
        read: reads it; None if it is only written. Raises `FormatError` with the location.
        write: writes it; None if it is only read.
        detect: recognizes it; None if it must always be named.
        first_frame: number that the format gives the first frame of a video.
        image_path: where the format expects an image, below the folder; None if it has no images, or not this one.
    """

    name: str
    about: str
    extension: str
    holds: Holds
    is_folder: bool = False
    read: Reader | None = None
    write: OpenWriter | None = None
    detect: Detector | None = None
    first_frame: int = 0
    image_path: Callable[[Sample], Path | None] | None = None
