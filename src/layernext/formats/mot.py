"""MOT Challenge: a line of text for each box of each frame; ``gt/gt.txt`` or ``det/det.txt`` of a sequence.

Source: motchallenge.net, "Data format": frame, id, left, top, width, height, confidence, class, visibility.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec
from msgspec import Struct

from layernext.errors import FormatError, Problem
from layernext.formats.core.compression import read_text
from layernext.formats.core.fields import box_in, number_of
from layernext.formats.core.format import (
    Certainty,
    Detection,
    ExportOptions,
    Format,
    ReadOptions,
)
from layernext.formats.core.losses import Losses
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample
from layernext.formats.core.spill import Spill
from layernext.formats.core.xml_stream import read_side
from layernext.formats.mot_writer import CLASSES, HOLDS, MAX_FRAMES, MotWriter
from layernext.formats.yolo_lines import iter_lines
from layernext.model import Annotation, Rectangle

_FILES = ("gt/gt.txt", "det/det.txt")
MAX_SEQUENCES = 10_000
_FEWEST, _VISIBILITY_AT = 6, 8
_LINE = re.compile(
    r"\d+\s*,\s*-?\d+(\.\d+)?\s*(,\s*-?\d+(\.\d+)?(e[-+]?\d+)?\s*){4,}$", re.IGNORECASE
)
_annotation = msgspec.json.Decoder(Rectangle)


class _Sequence(Struct, frozen=True, kw_only=True):
    extension: str = ".jpg"
    frames: int = 0
    width: int | None = None
    height: int | None = None


def read_mot(path: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The frames of a sequence in order: ``000001.jpg``, and so on; of several, ``<sequence>/img1/000001.jpg``.

    Raises:
        FormatError: the file is not of MOT, with the line.
    """
    if path.is_file() or _file_in(path) is not None:
        yield from _read_sequence(_file_of(path), "", losses, options)
        return
    sequences = _sequences_in(path)
    if not sequences:
        raise FormatError(Problem(str(path), "has neither gt/gt.txt nor det/det.txt"))
    for file, name in sequences:
        yield from _read_sequence(file, f"{name}/img1/", losses, options)


def _read_sequence(
    file: Path, prefix: str, losses: Losses, options: ReadOptions
) -> Iterator[Sample]:
    """The frames of one sequence, their names behind `prefix`."""
    named = _read_names(file)
    names = named or CLASSES
    sequence = _read_about(file)
    is_truth = file.stem == "gt"
    for code, name in enumerate(names, 1):
        options.classes.add(name, code)
    with Spill() as frames:
        for number, line in iter_lines(file):
            words = [word.strip() for word in line.split(",")]
            if line.strip():
                with losses.problems:
                    where = f"{file}:{number}"
                    frame, annotation = _read_words(
                        words,
                        names if is_truth or named else None,
                        where,
                        options,
                        is_truth=is_truth,
                    )
                    frames.add(frame, msgspec.json.encode(annotation))
        last = max(sequence.frames, frames.last_piece() or 0)
        for frame in range(1, last + 1):
            frames.add_image(frame, b"")
        for frame, (_, pieces) in enumerate(frames.groups(), 1):
            annotations: list[Annotation] = [_annotation.decode(raw) for _, raw in pieces]
            yield Sample(
                image=f"{prefix}{frame:06d}{sequence.extension}",
                annotations=annotations,
                width=sequence.width,
                height=sequence.height,
            )


def _read_words(
    words: list[str],
    names: Sequence[str] | None,
    where: str,
    options: ReadOptions,
    *,
    is_truth: bool,
) -> tuple[int, Rectangle]:
    """A line; without `names` nothing is behind the confidence but places in space."""
    if len(words) < _FEWEST:
        message = f"has {len(words)} values; expected frame, id, left, top, width, height"
        raise FormatError(Problem(where, message))
    frame, track, left, top, width, height, *further = (number_of(word, where) for word in words)
    if not 1 <= frame <= MAX_FRAMES or not frame.is_integer():
        message = f"has the frame {words[0]}, must be from 1 to {MAX_FRAMES:,}"
        raise FormatError(Problem(where, message))
    metadata: dict[str, float | int] = {}
    confidence, label = None, CLASSES[0]
    if is_truth and further and not further[0]:
        metadata["ignore"] = 1  # as the benchmark's own evaluation leaves it out
    if not is_truth and further and further[0] != -1:
        confidence = options.scores.read(further[0], where)
    if names is not None:
        code = int(further[1]) if len(further) > 1 else 1
        label = names[code - 1] if 1 <= code <= len(names) else f"class {code}"
        if len(further) > _VISIBILITY_AT - _FEWEST:
            metadata["visibility"] = further[2]
    return int(frame), Rectangle(
        label=label,
        bbox=box_in(left, top, width, height, where),
        confidence=confidence,
        track=_track_in(words[1], track, where),
        metadata=metadata,
    )


def _track_in(word: str, number: float, where: str) -> int | None:
    """The number of a track, which is -1 in detections."""
    if number < 0:
        return None
    if not number.is_integer():
        raise FormatError(Problem(where, f"has the track {word}, must be a whole number"))
    # Large numbers would be rounded by way of a float.
    return int(word) if word.isdecimal() else int(number)


def _read_names(file: Path) -> Sequence[str]:
    """The classes of ``labels.txt`` beside the file, as Datumaro and CVAT write them."""
    path = file.with_name("labels.txt")
    names = [line.strip() for line in read_text(path).splitlines()] if path.is_file() else []
    return [name for name in names if name]


def _file_of(path: Path) -> Path:
    if path.is_file():
        return path
    file = _file_in(path)
    if file is not None:
        return file
    raise FormatError(Problem(str(path), "has neither gt/gt.txt nor det/det.txt"))


def _file_in(folder: Path) -> Path | None:
    for inner in ("gt/gt.txt", "det/det.txt", "gt.txt", "det.txt"):
        if (folder / inner).is_file():
            return folder / inner
    return None


def _sequences_in(root: Path) -> list[tuple[Path, str]]:
    """The files of the sequences in a folder with their names: a folder for each, or results as ``<sequence>.txt``."""
    folders = sorted(
        {
            path.parent.parent
            for pattern in _FILES
            for path in islice(root.rglob(pattern), MAX_SEQUENCES)
        }
    )
    if folders:
        return [(_file_of(folder), folder.relative_to(root).as_posix()) for folder in folders]
    return [(path, path.stem) for path in _results_in(root)]


def _results_in(root: Path) -> list[Path]:
    """The files of a folder whose first lines are of MOT, by name."""
    paths = islice(sorted(root.glob("*.txt")), MAX_SEQUENCES)
    return [path for path in paths if path.stem != "labels" and _is_like(path)]


def _is_like(path: Path) -> bool:
    with path.open("rb") as file:
        return _LINE.match(file.readline(1000).decode("ascii", "replace").strip()) is not None


def _read_about(file: Path) -> _Sequence:
    """What ``seqinfo.ini`` says of a sequence; the defaults if there is none."""
    for folder in (file.parent, file.parent.parent):
        path = folder / "seqinfo.ini"
        if not path.is_file():
            continue
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read(path, encoding="utf-8")
            fields = dict(parser["Sequence"])
        except (configparser.Error, UnicodeDecodeError, KeyError) as error:
            raise FormatError(Problem(str(path), "is not the description of a sequence")) from error
        return _Sequence(
            extension=fields.get("imext", ".jpg"),
            frames=min(read_side(fields.get("seqlength")) or 0, MAX_FRAMES),
            width=read_side(fields.get("imwidth")),
            height=read_side(fields.get("imheight")),
        )
    return _Sequence()


def write(target: Path, losses: Losses, options: ExportOptions) -> MotWriter:
    """Open a writer; see `Format`."""
    return MotWriter(target, losses, options.labels)


def detect(probe: Probe) -> Detection | None:
    """A sequence with ``gt/gt.txt`` or ``det/det.txt``, or such a file."""
    path = probe.path
    if probe.is_folder:
        names = _FILES
        has_file = any(
            next(path.glob(pattern), None) for name in names for pattern in (name, f"*/{name}")
        )
        if has_file:
            return Detection(Certainty.CERTAIN, f"has {' or '.join(names)}")
        first = probe.first(".txt")
        is_like = first is not None and first.path.parent == path and _is_like(first.path)
        return (
            Detection(Certainty.LIKELY, "has files of frames, ids and boxes") if is_like else None
        )
    line = probe.head.partition(b"\n")[0].decode("ascii", "replace").strip()
    if path.suffix.lower() == ".txt" and _LINE.match(line):
        return Detection(Certainty.LIKELY, "has lines of a frame, an id and a box")
    return None


FORMAT = Format(
    name="mot",
    about="MOT Challenge sequence",
    extension=".zip",
    is_folder=True,
    holds=HOLDS,
    read=read_mot,
    write=write,
    detect=detect,
    first_frame=1,
)
