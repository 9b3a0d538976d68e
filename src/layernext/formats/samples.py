"""What every format is read to and written from: images with annotations in pixels."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from layernext.errors import ConfigurationError, DataError, Problem
from layernext.model import Annotation, Line, Points, Polygon, Rectangle


class Sample(Struct, frozen=True, kw_only=True):
    """An image with its annotations, on the way from one format to another.

    Attributes:
        image: its name; may have folders in it, with slashes.
        annotations: in pixels.
        width, height: its size in pixels; None if nobody said.
        split: ``train``, ``validation`` or ``test``; None if there are none.
    """

    image: str
    annotations: list[Annotation]
    width: int | None = None
    height: int | None = None
    split: str | None = None


class Losses:
    """What a format cannot hold: counted, and where it was first.

    Args:
        strict: refuse the first loss.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self.found: dict[str, tuple[int, str]] = {}

    def note(self, what: str, where: str) -> None:
        """One thing is lost.

        Raises:
            DataError: with `strict`.
        """
        if self._strict:
            raise DataError(Problem(where, f"{what} cannot be kept in this format"))
        count, first = self.found.get(what, (0, where))
        self.found[what] = (count + 1, first)

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
        raise DataError(Problem(name[:200], "is no plain path of a file below a folder"))
    return Path(*parts)


def box_of(one: Annotation) -> tuple[float, float, float, float] | None:
    """x, y, width, height of what a rectangle or polygon covers."""
    if isinstance(one, Rectangle):
        return one.bbox
    if isinstance(one, Polygon):
        xs, ys = [x for x, _ in one.polygon], [y for _, y in one.polygon]
        return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
    return None


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
    made = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
    if is_folder:
        made.mkdir()
    try:
        yield made
        old = target.parent / f".{target.name}.{secrets.token_hex(4)}.old"
        if target.exists():
            target.rename(old)
        made.rename(target)
        _remove(old)
        with suppress(OSError):
            _flush(target.parent)
    finally:
        _remove(made)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, content: bytes) -> None:
    """Write a small file and bring it onto the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
