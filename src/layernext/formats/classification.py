"""Folders of images by class, as Ultralytics and torchvision have them for classification.

The name of a folder is the label of the whole images in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from layernext.errors import ConfigurationError, FormatError, Problem
from layernext.formats.core.format import (
    Certainty,
    Detection,
    ExportOptions,
    Format,
    Holds,
    ReadOptions,
)
from layernext.formats.core.losses import Losses
from layernext.formats.core.pixels import IMAGE_EXTENSIONS, image_size
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample, location_of
from layernext.formats.core.targets import safe_relative
from layernext.model import ImageLabel

_SPLITS = {
    "train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test",
}  # fmt: skip
_FEWEST_CLASSES = 2
HOLDS = Holds(geometries={"image_label": "yes, one of an image"}, splits="folders")


def read_classification(root: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images by split, class and name.

    Raises:
        FormatError: a folder does not have images, or an image is not readable.
    """
    folders = _class_folders(root)
    for number, name in enumerate(sorted({folder.name for _, folder in folders})):
        options.classes.add(name, number)
    if not folders:
        raise FormatError(Problem(str(root), "has no folders of images"))
    for split, folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() not in IMAGE_EXTENSIONS:
                continue
            sample = None
            with losses.problems:
                base = root / folder.relative_to(root).parts[0] if split else root
                sample = _read_image(path, folder.name, base, split)
            if sample is not None:
                yield sample


def _read_image(path: Path, label: str, base: Path, split: str | None) -> Sample:
    width, height = image_size(path)
    return Sample(
        image=path.relative_to(base).as_posix(),
        annotations=[ImageLabel(label=label)],
        width=width,
        height=height,
        split=split,
    )


def _class_folders(root: Path) -> list[tuple[str | None, Path]]:
    inner = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    splits = [(split, path) for path in inner if (split := _SPLITS.get(path.name.lower()))]
    if not splits:
        return [(None, path) for path in inner]
    return [
        (split, folder)
        for split, path in splits
        for folder in sorted(path.iterdir())
        if folder.is_dir()
    ]


class ClassificationWriter:
    """Names what folders of images cannot hold; the images themselves are copied. See `SampleWriter`."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses

    def write(self, sample: Sample) -> None:
        """Add an image."""
        answer = _answer_of(sample)
        if answer is None:
            self._losses.note("an image without a label", sample.image)
        elif Path(sample.image).parts[0] != answer.label:
            self._losses.note(
                "an image's name: the folder of its label goes before it", sample.image
            )
        for number, annotation in enumerate(sample.annotations):
            where = location_of(sample, number)
            if not HOLDS.accepts(annotation, where, self._losses):
                continue
            if annotation is answer:
                self._losses.note_fields(annotation, where, keeps=())
            else:
                self._losses.note("further labels of an image", where)

    def close(self) -> None:
        """Nothing is left to write."""


def _answer_of(sample: Sample) -> ImageLabel | None:
    """The most confident label of an image, the first of equal ones; None if it has none."""
    labels = [label for label in sample.annotations if isinstance(label, ImageLabel)]
    return max(
        labels,
        key=lambda label: 2.0 if label.confidence is None else label.confidence,
        default=None,
    )


def image_path(sample: Sample) -> Path | None:
    """The image in the folder of its label, in that of its split; None if it has no label."""
    answer = _answer_of(sample)
    if answer is None:
        return None
    split = {"validation": "val"}.get(sample.split or "", sample.split)
    inner, folder = safe_relative(sample.image), safe_relative(answer.label)
    if inner.parts[0] != answer.label:
        inner = folder / inner
    return Path(split) / inner if split else inner


def write(target: Path, losses: Losses, options: ExportOptions) -> ClassificationWriter:
    """Open a writer; see `Format`.

    Raises:
        ConfigurationError: the images are not to be copied, and there is nothing else to write.
    """
    del target
    if options.copy_images is None:
        raise ConfigurationError(
            "folders by class consist of the images",
            hint="give the folder of the images, to copy them",
        )
    return ClassificationWriter(losses)


def detect(probe: Probe) -> Detection | None:
    """Two folders or more, in one or in folders of splits, that have images and nothing else."""
    if not probe.is_folder or set(probe.first_files) - IMAGE_EXTENSIONS - {"", ".cache"}:
        return None
    folders = _class_folders(probe.path)
    names = {folder.name for _, folder in folders}
    if len(names) < _FEWEST_CLASSES or names & {"images", "labels"}:
        return None
    if any(path.suffix.lower() in IMAGE_EXTENSIONS for path in probe.path.iterdir()):
        return None
    return Detection(Certainty.LIKELY, "has a folder of images for each class")


FORMAT = Format(
    name="classification",
    about="images in folders by class",
    extension=".zip",
    is_folder=True,
    holds=HOLDS,
    read=read_classification,
    write=write,
    detect=detect,
    image_path=image_path,
)
