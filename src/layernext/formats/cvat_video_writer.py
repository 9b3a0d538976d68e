"""CVAT's XML for videos, written: a track for each object, with its shape in every frame.

As in CVAT's own exports, a shape is written in each frame of its track, so nothing is left to interpolation. Where a
track has no shape in the next frame, one that is ``outside`` ends it there.
"""

from __future__ import annotations

import sqlite3
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from itertools import count, groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import TypeAlias

import msgspec

from layernext.errors import DataError, Problem
from layernext.formats.core.compression import open_output
from layernext.formats.core.format import ExportOptions, Format, Holds
from layernext.formats.core.losses import Losses
from layernext.formats.core.outlines import rows_of_mask
from layernext.formats.core.sample import Sample, location_of, size_of
from layernext.formats.cvat import ShapeElements, read_cvat
from layernext.formats.cvat_shapes import TAGS
from layernext.formats.cvat_video import MAX_FRAMES, frame_name
from layernext.model import Annotation, Frame, Mask, Track, frame_of

HOLDS = Holds(
    geometries={
        **dict.fromkeys(("rectangle", "polygon", "line", "points"), "in a track"),
        "rotated_box": "in a track; the rotation from 0 to 360",
        "mask": "in a track, its pixels",
    },
    fields={
        "track": "yes; text becomes a number",
        "attributes": "the first value of each, as text",
    },
    sizes="needed",
    videos="frames",
)

_Key: TypeAlias = tuple[Track | None, str, str, int]
"""A track of ours, the label and the element of its shapes, and a number if these do not tell two shapes of a frame
apart: a track of CVAT has one label, one kind of shape, and one shape in a frame."""

_annotation = msgspec.json.Decoder(Annotation)


class CvatVideoWriter:
    """Writes one XML file; see `SampleWriter`.

    CVAT groups shapes by track, and expects the labels first: so the shapes wait in a temporary database, of which one
    track at a time is in memory.
    """

    def __init__(self, path: Path, losses: Losses, labels: list[str] | None = None) -> None:
        self._path, self._losses = path, losses
        self._shapes = ShapeElements(losses, labels, are_mutable=True)
        self._names: dict[str, None] = {}
        self._frames: list[Frame | None] = []
        self._size: tuple[int, int] | None = None
        self._tracks: dict[_Key, int] = {}
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE shape (track, frame, position, raw BLOB NOT NULL)")

    def write(self, sample: Sample) -> None:
        """Add a frame.

        Raises:
            DataError: it came before, or has another size than the frames before.
        """
        if sample.image in self._names:
            raise DataError(Problem(sample.image, "comes twice, which this format cannot hold"))
        size = size_of(sample)
        if self._size is not None and size != self._size:
            width, height = self._size
            message = f"is {size[0]} x {size[1]} pixels, and other frames are {width} x {height}"
            raise DataError(Problem(sample.image, f"{message}: a video has one size"))
        self._size = size
        self._names[sample.image] = None
        number = len(self._frames)
        self._frames.append(frame_of(sample.image))
        if sample.split:
            self._losses.note("the split", sample.image)
        repeats: Counter[tuple[Track | None, str, str]] = Counter()
        for position, annotation in enumerate(sample.annotations):
            where = location_of(sample, position)
            if not HOLDS.accepts(annotation, where, self._losses):
                continue
            if isinstance(annotation, Mask) and not rows_of_mask(annotation.mask):
                self._losses.note("a mask without pixels", where)
                continue
            self._losses.note_fields(annotation, where, keeps=HOLDS.fields)
            self._shapes.note_label(annotation)
            kind = (annotation.track, annotation.label, TAGS[annotation.geometry])
            repeat = repeats[kind]
            repeats[kind] += 1
            if annotation.track is None:
                self._losses.note("that an annotation has no track; it is one", where)
                repeat = len(self._tracks)
            elif repeat:
                self._losses.note("that two shapes of a frame are one track", where)
            track = self._tracks.setdefault((*kind, repeat), len(self._tracks))
            row = (track, number, position, msgspec.json.encode(annotation))
            self._database.execute("INSERT INTO shape VALUES (?, ?, ?, ?)", row)

    def close(self) -> None:
        """Write the labels, then the tracks."""
        with open_output(self._path) as file:
            file.write(b'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n')
            file.write(b"<version>1.1</version>\n")
            numbers = self._numbers()
            size = max(numbers, default=-1) + 1
            file.write(ET.tostring(self._meta(size), encoding="utf-8") + b"\n")
            for element in self._iter_tracks(numbers, size):
                file.write(ET.tostring(element, encoding="utf-8") + b"\n")
            file.write(b"</annotations>\n")
        self._database.close()

    def _numbers(self) -> list[int]:
        """The number of each frame: its own, if all are of one sequence; else in their order."""
        numbered = [frame.number for frame in self._frames if frame is not None]
        sequences = {None if frame is None else frame.sequence for frame in self._frames}
        is_sequence = len(sequences) == 1 and None not in sequences
        is_usable = is_sequence and len({*numbered}) == len(numbered) and max(numbered) < MAX_FRAMES
        numbers = numbered if is_usable else [*range(len(self._frames))]
        for number, name in zip(numbers, self._names, strict=True):
            if name != frame_name(number):
                self._losses.note("the name of an image; frames are numbered", name)
        return numbers

    def _iter_tracks(self, numbers: list[int], size: int) -> Iterator[ET.Element]:
        ids = self._track_ids()
        keys, names = list(self._tracks), list(self._names)
        rows = self._database.execute(
            "SELECT track, frame, raw FROM shape ORDER BY track, frame, position"
        )
        for track, group in groupby(rows, key=itemgetter(0)):
            _, label, _, _ = keys[track]
            fields = {"id": str(ids[track]), "label": label, "source": "manual"}
            element = ET.Element("track", fields)
            shapes = sorted(
                (
                    (numbers[frame], names[frame], _annotation.decode(raw))
                    for _, frame, raw in group
                ),
                key=itemgetter(0),
            )
            for (frame, name, annotation), (following, *_) in pairwise([*shapes, (size, "", None)]):
                shape = self._shape(annotation, frame, f"{name}: track {ids[track]}")
                element.append(shape)
                if following > frame + 1:
                    end = deepcopy(shape)
                    end.attrib |= {"frame": str(frame + 1), "outside": "1"}
                    element.append(end)
            yield element

    def _shape(self, annotation: Annotation, frame: int, where: str) -> ET.Element:
        shape = self._shapes.shape(annotation, where)
        for name in ("label", "source"):
            del shape.attrib[name]
        shape.attrib |= {"frame": str(frame), "keyframe": "1", "outside": "0"}
        return shape

    def _track_ids(self) -> list[int]:
        """The id of each track in the file: its own number, if no other track has that."""
        taken: set[int] = set()
        ids: list[int | None] = []
        for track, *_ in self._tracks:
            is_own = isinstance(track, int) and track >= 0 and track not in taken
            ids.append(track if isinstance(track, int) and is_own else None)
            if isinstance(track, int) and is_own:
                taken.add(track)
            elif track is not None:
                self._losses.note("the id of a track; a number is", f"track {track}")
        free = (number for number in count() if number not in taken)
        return [next(free) if number is None else number for number in ids]

    def _meta(self, size: int) -> ET.Element:
        """The description of a task."""
        meta = ET.Element("meta")
        task = ET.SubElement(meta, "task")
        ET.SubElement(task, "name").text = "layernext"
        ET.SubElement(task, "size").text = str(size)
        ET.SubElement(task, "mode").text = "interpolation"
        ET.SubElement(task, "start_frame").text = "0"
        ET.SubElement(task, "stop_frame").text = str(max(size - 1, 0))
        self._shapes.add_labels(task)
        if self._size is not None:
            original = ET.SubElement(task, "original_size")
            ET.SubElement(original, "width").text = str(self._size[0])
            ET.SubElement(original, "height").text = str(self._size[1])
        return meta


def write(target: Path, losses: Losses, options: ExportOptions) -> CvatVideoWriter:
    """Open a writer; see `Format`."""
    return CvatVideoWriter(target, losses, options.labels)


FORMAT = Format(
    name="cvat-video",
    about="CVAT XML for videos 1.1",
    extension=".xml",
    holds=HOLDS,
    read=read_cvat,
    write=write,
)
