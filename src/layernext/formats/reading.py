"""Reading by a format's name: files, folders, zip archives, and folders of files of a format that is a single file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from msgspec.structs import replace

from layernext.errors import ConfigurationError, DataError, FormatError, Problem
from layernext.formats.core.archive import unpacked
from layernext.formats.core.classes import Classes
from layernext.formats.core.format import Format, ReadOptions
from layernext.formats.core.losses import Losses, renamed
from layernext.formats.core.pixels import Sizes, entry_in, image_sizes
from layernext.formats.core.sample import Sample
from layernext.formats.core.scores import Scores
from layernext.formats.registry import get_format, list_files_of
from layernext.model import Geometry, frame_of, video_frame

_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_WORD = re.compile(r"[a-z]+")


def read_format(
    path: Path,
    name: str,
    *,
    losses: Losses | None = None,
    images: Path | None = None,
    instances: Path | None = None,
    evaluated: Geometry | None = None,
    scores: Scores | None = None,
    names: list[str] | None = None,
    classes: Classes | None = None,
    skip_invalid: bool = False,
    video: str | None = None,
) -> Iterator[Sample]:
    """The images of a file, folder or zip archive in a format, as a stream.

    After the first annotation that is not valid, nothing more is yielded; the rest is read only to find its
    problems.

    Args:
        path: the file, folder or archive.
        name: of the format.
        losses: counts what cannot be read, and lists what is not valid.
        images: folder with the images, if the format lacks their sizes.
        instances: for COCO results: the COCO file that defines the ids.
        evaluated: the geometry to be evaluated, if that is what the images are read for: see `read_coco`.
        scores: how scores become confidences.
        names: class names in the order of their numbers, if the source has only numbers.
        classes: gets the classes that the source declares, before the first image.
        skip_invalid: leave out annotations that are not valid.
        video: name of the video whose frames the images are; they are then named as frames of it,
            such as ``clip.mp4#frame=12``. MOT Challenge counts frames from 1, everything else from 0.

    Raises:
        ConfigurationError: there is no such format, it cannot be read, or something that it needs is missing.
        FormatError, DataError: the source is not valid, with every location up to a limit.
    """
    source_format = get_format(name)
    if source_format.read is None:
        raise ConfigurationError(f"{name} is written, not read")
    losses = losses or Losses()
    losses.problems.collect(skips=skip_invalid)
    sizes = image_sizes(images) if images is not None else {}
    options = ReadOptions(
        images=images,
        sizes=sizes,
        instances=instances,
        evaluated=evaluated,
        scores=scores or Scores(),
        names=names,
        classes=classes or Classes(),
    )
    frames = None if video is None else _FramesOf(video, source_format.first_frame)
    with unpacked(path) as unpacked_path:
        try:
            for sample in _read(unpacked_path, source_format, losses, options):
                if not losses.problems.are_fatal:
                    sized = _with_size(sample, sizes, losses) if sizes else sample
                    yield sized if frames is None else frames.named(sized)
            losses.problems.refuse()
        except DataError as error:
            if unpacked_path == path:
                raise
            raise _as_in_archive(error, unpacked_path, path) from error
        finally:
            if unpacked_path != path:
                losses.rename(os.fspath(unpacked_path), os.fspath(path))


def _as_in_archive(error: DataError, folder: Path, archive: Path) -> DataError:
    problems = [
        renamed(problem, os.fspath(folder), os.fspath(archive)) for problem in error.problems
    ]
    return type(error)(problems, file=error.file and str(archive), more=error.more, hint=error.hint)


def _read(
    path: Path, source_format: Format, losses: Losses, options: ReadOptions
) -> Iterator[Sample]:
    assert source_format.read is not None  # noqa: S101 - checked by `read_format`
    if source_format.is_folder or not path.is_dir():
        yield from source_format.read(path, losses, options)
        return
    files = list_files_of(path, source_format)
    if not files:
        raise FormatError(Problem(str(path), f"has no file that looks like {source_format.name}"))
    instances = [file for file in files if file.name.startswith("instances")]
    if instances and len(instances) < len(files):
        # COCO's folder also has keypoints and captions, of the same images.
        other = next(file for file in files if file not in instances)
        losses.warn("a file beside the instances is not read", str(other))
        files = instances
    splits = [_split_of(file.relative_to(path)) for file in files]
    if len(files) > 1 and (None in splits or len(set(splits)) < len(splits)):
        listed = ", ".join(file.relative_to(path).as_posix() for file in files[:5])
        message = f"has several files in the format {source_format.name}: {listed}"
        raise FormatError(Problem(str(path), message), hint="pass one of them")
    for file, split in zip(files, splits, strict=True):
        for sample in source_format.read(file, losses, options):
            yield replace(sample, split=split) if split and sample.split is None else sample


class _FramesOf:
    """Names images as the frames of a video.

    Args:
        video: its name.
        first: the number of the first frame in the source.
    """

    def __init__(self, video: str, first: int) -> None:
        self._video, self._first = video, first
        self._sequence: str | None = None

    def named(self, sample: Sample) -> Sample:
        """The image under the name of its frame.

        Raises:
            DataError: its name has no number, or it is of another sequence than the others.
        """
        frame = frame_of(sample.image)
        if frame is None or frame.number < self._first:
            message = (
                f"is no frame of {self._video}: its name must end in a number from {self._first}"
            )
            raise DataError(Problem(sample.image, message))
        if self._sequence is None:
            self._sequence = frame.sequence
        if frame.sequence != self._sequence:
            message = f"is of another sequence than {self._sequence!r}; a video has one"
            raise DataError(Problem(sample.image, message))
        return replace(sample, image=video_frame(self._video, frame.number - self._first))


def _split_of(inner: Path) -> str | None:
    """The split that a path names, in its last word that does, such as ``train/_annotations.coco.json``."""
    words = _WORD.findall(inner.as_posix().lower())
    return next((_SPLITS[word] for word in reversed(words) if word in _SPLITS), None)


def _with_size(sample: Sample, sizes: Sizes, losses: Losses) -> Sample:
    entry = entry_in(sizes, sample.image)
    if entry is None:
        return sample
    width, height, name = entry
    if not PurePosixPath(sample.image).suffix:
        # The folder knows the extension that the source left out.
        sample = replace(sample, image=PurePosixPath(sample.image).with_name(name).as_posix())
    if sample.width is None or sample.height is None:
        return replace(sample, width=width, height=height)
    if (sample.width, sample.height) != (width, height):
        message = (
            f"the source says {sample.width} x {sample.height} pixels, and the picture has {width} x {height}; "
            "what the source says counts"
        )
        if (sample.height, sample.width) == (width, height):
            message += " (it seems to describe a turned photo as it is stored)"
        losses.warn(message, sample.image)
    return sample
