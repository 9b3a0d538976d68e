"""What every format is read to and written from: images with annotations in pixels."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from math import isfinite
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from layernext.errors import ConfigurationError, DataError, Problem
from layernext.model import Annotation, Line, Mode, Points, Polygon, Rectangle


class Sample(Struct, frozen=True, kw_only=True):
    """An image with its annotations, on the way from one format to another.

    Attributes:
        image: its name; may have folders in it, with slashes.
        annotations: in pixels.
        width, height: its size in pixels; None if nobody said.
        split: ``train``, ``validation`` or ``test``; None if there are none.
        run, mode: the model run or ground truth that the annotations are of; None if nobody said.
    """

    image: str
    annotations: list[Annotation]
    width: int | None = None
    height: int | None = None
    split: str | None = None
    run: str | None = None
    mode: Mode | None = None


class Losses:
    """What a format cannot hold: counted, and where it was first.

    Args:
        strict: refuse the first loss.

    Attributes:
        found: each kind of loss: how often, and where it was first.
        shapes: annotations that were left out, or whose shape became a coarser one.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self.found: dict[str, tuple[int, str]] = {}
        self.shapes = 0

    def note(self, what: str, where: str) -> None:
        """One thing is lost.

        Raises:
            DataError: with `strict`.
        """
        if self._strict:
            raise DataError(Problem(where, f"{what} cannot be kept in this format"))
        count, first = self.found.get(what, (0, where))
        self.found[what] = (count + 1, first)

    def note_shape(self, what: str, where: str) -> None:
        """A whole annotation is lost, or its shape.

        Raises:
            DataError: with `strict`.
        """
        self.note(what, where)
        self.shapes += 1

    def note_fields(self, one: Annotation, where: str, *, keeps: frozenset[str]) -> None:
        """Note what an annotation has beside label and shape, but for what the format keeps."""
        for name in ("confidence", "attributes", "metadata"):
            value = getattr(one, name)
            if name not in keeps and value is not None and value != {}:
                self.note(name, where)


class SampleWriter(Protocol):
    """Writes samples of one format; made by `create_export`."""

    def write(self, sample: Sample) -> None:
        """Add an image."""

    def close(self) -> None:
        """Write what comes last."""


def place_of(sample: Sample, number: int) -> str:
    """Where an annotation is, for messages."""
    return f"{sample.image}: annotations[{number}]"


def size_of(sample: Sample) -> tuple[int, int]:
    """Width and height of an image that must have them.

    Raises:
        DataError: nobody said how large it is.
    """
    if not sample.width or not sample.height:
        message = "its size in pixels is not known; give the folder with the images"
        raise DataError(Problem(sample.image, message))
    return sample.width, sample.height


def safe_relative(name: str) -> Path:
    """A name from a file or a stack as a path below a folder.

    Raises:
        DataError: it would lead somewhere else.
    """
    parts = name.replace("\\", "/").split("/")
    is_bad = any(part in {"", ".", ".."} or "\x00" in part or ":" in part for part in parts)
    if is_bad:
        raise DataError(Problem(name[:200], "is not a relative path to a file in a folder"))
    return Path(*parts)


def box_of(one: Annotation, where: str) -> tuple[float, float, float, float] | None:
    """x, y, width, height of what a rectangle or polygon covers; None of other shapes.

    Raises:
        DataError: it covers more than a number can say.
    """
    if isinstance(one, Rectangle):
        return one.bbox
    if isinstance(one, Polygon):
        xs, ys = [x for x, _ in one.polygon], [y for _, y in one.polygon]
        box = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
        check_finite(box, where)
        return box
    return None


def check_finite(numbers: Iterable[float], where: str) -> None:
    """Refuse what became infinite on the way.

    Raises:
        DataError: one of the numbers is not finite.
    """
    if not all(map(isfinite, numbers)):
        raise DataError(Problem(where, "its coordinates are too large for this format"))


def points_of(one: Annotation) -> list[tuple[float, float]]:
    """The points of a shape; of a rectangle its corners from the top left on, clockwise."""
    if isinstance(one, Polygon):
        return one.polygon
    if isinstance(one, Line):
        return one.line
    if isinstance(one, Points):
        return one.points
    x, y, width, height = one.bbox
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


@contextmanager
def atomic_target(target: Path, *, overwrite: bool, is_folder: bool) -> Iterator[Path]:
    """A temporary place for a file or folder, which takes its name at the end, if all went well.

    Raises:
        ConfigurationError: it is there already, and `overwrite` is not set.
    """
    if target.exists() and not overwrite:
        raise ConfigurationError(f"{target} is there already", hint="say overwrite to replace it")
    target.parent.mkdir(parents=True, exist_ok=True)
    # The ending stays: it decides about compression.
    made = target.parent / f".layernext-{secrets.token_hex(8)}{target.suffix}"
    if is_folder:
        made.mkdir()
    try:
        yield made
        _bring_to_disk(made)
        old = target.parent / f".layernext-{secrets.token_hex(8)}.old"
        if target.exists():
            target.rename(old)
        made.rename(target)
        _remove(old)
        with suppress(OSError):
            _flush(target.parent)
    finally:
        _remove(made)


def _bring_to_disk(path: Path) -> None:
    """All of a file or folder, before it gets its name."""
    if path.is_dir():
        # One call for a folder of any number of small files; each by itself takes milliseconds.
        if hasattr(os, "sync"):
            os.sync()
    else:
        _flush(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_new(names: set[str], image: str) -> None:
    """Note an image in a file that can have each only once.

    Raises:
        DataError: it came before.
    """
    if image in names:
        raise DataError(Problem(image, "comes twice, which this format cannot hold"))
    names.add(image)


def write_new(path: Path, content: bytes, image: str) -> None:
    """Write one file of a folder; `atomic_target` brings all of them onto the disk.

    Args:
        path: the file.
        content: of it.
        image: whose annotations these are, for the error.

    Raises:
        DataError: the file is there already: two images would be one in this format. Or the folder
            cannot hold such a name.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError as error:
        message = (
            f"comes twice, or differs from another image in nothing but its ending: "
            f"both would be {path.name}"
        )
        raise DataError(Problem(image, message)) from error
    except NotADirectoryError as error:
        raise DataError(Problem(image, "would be in a folder that is an image")) from error
    except OSError as error:
        if error.errno in {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}:
            raise DataError(Problem(image[:200], f"cannot be a file: {error.strerror}")) from error
        raise
