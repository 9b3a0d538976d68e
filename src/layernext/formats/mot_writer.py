"""Writes MOT Challenge: a folder for each sequence, with the boxes of its frames in one text file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
from msgspec import Struct

from layernext.errors import DataError, Problem
from layernext.formats.core.format import KEPT, Holds
from layernext.formats.core.losses import Losses
from layernext.formats.core.sample import Sample, box_of, location_of
from layernext.formats.core.spill import Spill
from layernext.formats.core.targets import safe_relative
from layernext.model import Track, frame_of, is_number

CLASSES = (
    "pedestrian", "person on vehicle", "car", "bicycle", "motorbike", "non motorized vehicle",
    "static person", "distractor", "occluder", "occluder on the ground", "occluder full", "reflection",
    "crowd",
)  # fmt: skip
"""The classes of MOT16 to MOT20, from 1."""

MAX_FRAMES = 1_000_000

HOLDS = Holds(
    geometries={
        "rectangle": KEPT,
        **dict.fromkeys(("polygon", "mask", "rotated_box"), "its box"),
    },
    fields={"confidence": KEPT, "track": "yes; text becomes a number"},
    videos="frames",
    parts=True,
)
_REDUCED = {
    "polygon": "the outline of a polygon; its box is",
    "mask": "the pixels of a mask; its box is",
    "rotated_box": "the rotation of a box; the box around it is",
}
_KEPT_METADATA = ("visibility", "ignore")


class _Box(Struct, array_like=True):
    """A box of a sequence, until all its frames are known."""

    frame: int
    track: Track | None
    box: tuple[float, float, float, float]
    confidence: float | None
    label: int
    ignore: bool
    visibility: float | None


class _Sequence(Struct):
    """What is known of a sequence that is being written.

    Attributes:
        frames: number to name of each frame so far.
        width, height: of its frames, if that is known.
        is_scored: whether a box has a confidence: then the file is that of a detector or tracker.
        has_visibility: whether a box has a visibility.
    """

    number: int
    frames: dict[int, str]
    width: int | None = None
    height: int | None = None
    is_scored: bool = False
    has_visibility: bool = False


class MotWriter:
    """Writes ``gt/gt.txt`` for each sequence, or ``det/det.txt`` if its boxes have confidences; see `SampleWriter`.

    Boxes wait in a temporary database until the frames, labels and tracks of all sequences are known. At most the
    boxes of one sequence are in memory at a time.
    """

    def __init__(self, root: Path, losses: Losses, labels: Iterable[str] | None = None) -> None:
        self._root, self._losses = root, losses
        self._spill = Spill()
        self._sequences: dict[str, _Sequence] = {}
        self._labels = {label: code for code, label in enumerate(labels or ())}

    def write(self, sample: Sample) -> None:
        """Add a frame."""
        sequence, frame = self._place(sample)
        if sample.split:
            self._losses.note("the split", sample.image)
        if sample.width and sample.height:
            sequence.width, sequence.height = sample.width, sample.height
        for number, annotation in enumerate(sample.annotations):
            where = location_of(sample, number)
            if not HOLDS.accepts(annotation, where, self._losses):
                continue
            box = box_of(annotation, where)
            if box is None:
                continue
            if annotation.geometry in _REDUCED:
                self._losses.note_shape(_REDUCED[annotation.geometry], where)
            visibility, ignore = self._flags(annotation.metadata)
            if annotation.metadata.keys() - set(_KEPT_METADATA):
                self._losses.note("metadata", where)
            if annotation.attributes:
                self._losses.note("attributes", where)
            sequence.is_scored |= annotation.confidence is not None
            sequence.has_visibility |= visibility is not None
            self._spill.add(
                sequence.number,
                msgspec.json.encode(
                    _Box(
                        frame, annotation.track, box, annotation.confidence,
                        self._labels.setdefault(annotation.label, len(self._labels)),
                        ignore, visibility,
                    )
                ),
            )  # fmt: skip

    def _place(self, sample: Sample) -> tuple[_Sequence, int]:
        """The sequence and the number of a frame, from 1."""
        frame = frame_of(sample.image)
        folder = PurePosixPath(sample.image).parent.as_posix()
        name = frame.sequence if frame is not None else "" if folder == "." else folder
        sequence = self._sequences.get(name)
        if sequence is None:
            sequence = self._sequences[name] = _Sequence(len(self._sequences), {})
            self._spill.add_image(sequence.number, b"")
        number = frame.number if frame is not None else max(sequence.frames, default=0) + 1
        if number in sequence.frames:
            message = f"is frame {number} of a sequence, as {sequence.frames[number]!r} is"
            raise DataError(Problem(sample.image, message))
        if number >= MAX_FRAMES:
            message = f"has the frame {number:,}, must be below {MAX_FRAMES:,}"
            raise DataError(Problem(sample.image, message))
        sequence.frames[number] = sample.image
        return sequence, number

    def _flags(self, metadata: dict[str, Any]) -> tuple[float | None, bool]:
        visibility = metadata.get("visibility")
        return (visibility if is_number(visibility) else None), bool(metadata.get("ignore"))

    def close(self) -> None:
        """Write the files of all sequences."""
        is_single = list(self._sequences) in ([], [""])
        with self._spill:
            groups = self._spill.groups()
            for (name, sequence), (_, pieces) in zip(self._sequences.items(), groups, strict=True):
                folder = self._root if not name else self._root / safe_relative(name)
                boxes = [msgspec.json.decode(raw, type=_Box) for _, raw in pieces]
                self._write_sequence(name, sequence, folder, boxes, is_single=is_single)
        if not self._sequences:
            (self._root / "gt").mkdir(parents=True)
            (self._root / "gt" / "gt.txt").touch()

    def _write_sequence(
        self, name: str, sequence: _Sequence, folder: Path, boxes: list[_Box], *, is_single: bool
    ) -> None:
        # MOT counts frames from 1, tools of videos from 0.
        shift = 1 if 0 in sequence.frames else 0
        extension = PurePosixPath(next(iter(sequence.frames.values()))).suffix or ".jpg"
        prefix = "" if is_single else f"{name}/img1/" if name else "img1/"
        for number, image in sequence.frames.items():
            if image != f"{prefix}{number + shift:06d}{extension}":
                self._losses.note("the name of an image; frames are numbered", image)
        kind = "det" if sequence.is_scored else "gt"
        inner = folder / kind
        inner.mkdir(parents=True, exist_ok=True)
        tracks = self._numbers(boxes, name)
        boxes.sort(key=lambda box: box.frame)
        codes = self._codes()
        with (inner / f"{kind}.txt").open("x", encoding="utf-8", newline="\n") as file:
            for box in boxes:
                number = -1 if box.track is None else tracks[box.track]
                score = self._score(box, sequence, sequence.frames[box.frame])
                values = [box.frame + shift, number, *box.box, score, codes[box.label]]
                if sequence.has_visibility:
                    if box.visibility is None:
                        what = "that there is no visibility; 1 is written"
                        self._losses.note(what, sequence.frames[box.frame])
                    values.append(1 if box.visibility is None else box.visibility)
                file.write(",".join(map(repr, values)) + "\n")
        self._write_about(folder, inner, sequence, max(sequence.frames) + shift, extension, name)

    def _score(self, box: _Box, sequence: _Sequence, image: str) -> float:
        """What is in the column of the confidence: in a ground truth, whether a box counts."""
        if not sequence.is_scored:
            return 0 if box.ignore else 1
        if box.ignore:
            self._losses.note("that an annotation is ignored, beside confidences", image)
        if box.confidence is None:
            self._losses.note("that there is no confidence; 1 is written", image)
            return 1
        return box.confidence

    def _numbers(self, boxes: list[_Box], name: str) -> dict[Track, int]:
        """The number of each track of a sequence: its own, if it has one that is not negative."""
        tracks = dict.fromkeys(box.track for box in boxes if box.track is not None)
        numbers: dict[Track, int] = {
            track: track for track in tracks if isinstance(track, int) and track >= 0
        }
        following = max(numbers.values(), default=0) + 1
        for track in tracks:
            if track not in numbers:
                self._losses.note("the id of a track; a number is", f"{name}: {track}")
                numbers[track] = following
                following += 1
        return numbers

    def _codes(self) -> list[int]:
        """The class of each label: the benchmark's, if it has all of them."""
        if self._labels.keys() <= set(CLASSES):
            return [CLASSES.index(label) + 1 for label in self._labels]
        return [code + 1 for code in range(len(self._labels))]

    def _write_about(
        self, folder: Path, inner: Path, sequence: _Sequence, last: int, extension: str, name: str
    ) -> None:
        """The classes, if a reader would not know them, and what the tools want to know of a sequence."""
        has_usual = self._labels.keys() <= set(CLASSES)
        if sequence.is_scored or not has_usual:
            plain = {label: " ".join(label.split()) for label in self._labels}
            for label, text in plain.items():
                if label != text:
                    self._losses.note("white space in a label", label)
            names = CLASSES if has_usual else tuple(plain.values())
            (inner / "labels.txt").write_text("\n".join([*names, ""]), encoding="utf-8")
        lines = [
            "[Sequence]",
            f"name={PurePosixPath(name).name or 'sequence'}",
            "imDir=img1",
            f"seqLength={last}",
        ]
        if sequence.width and sequence.height:
            lines += [f"imWidth={sequence.width}", f"imHeight={sequence.height}"]
        lines.append(f"imExt={extension}")
        (folder / "seqinfo.ini").write_text("\n".join(lines) + "\n", encoding="utf-8")
