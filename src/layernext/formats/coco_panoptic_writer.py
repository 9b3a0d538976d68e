"""Writes COCO panoptic: ``panoptic.json``, and in the folder ``panoptic`` a PNG of segment ids for each image.

Things are masks and polygons, stuff is semantic masks. A pixel has one segment: masks lie on semantic masks,
confident ones on others, later ones on earlier ones. Source: cocodataset.org (data format, panoptic segmentation).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from layernext.errors import DataError, FormatError, Problem
from layernext.formats.coco import read_coco
from layernext.formats.coco_records import CROWD
from layernext.formats.core.format import KEPT, ExportOptions, Format, Holds, ReadOptions
from layernext.formats.core.label_maps import pillow
from layernext.formats.core.losses import Losses
from layernext.formats.core.painting import (
    Run,
    check_size,
    mask_of_outline,
    paint,
    runs_of_mask,
    visible,
)
from layernext.formats.core.pixels import MAX_PIXELS
from layernext.formats.core.sample import (
    Sample,
    check_finite,
    location_of,
    points_of,
    size_of,
)
from layernext.formats.core.targets import safe_relative, write_new
from layernext.model import Annotation, Mask, SemanticMask

HOLDS = Holds(
    geometries={
        "polygon": "a mask",
        "mask": KEPT,
        "semantic_mask": KEPT,
    },
    fields={"confidence": KEPT, "track": KEPT, "attributes": KEPT, "metadata": KEPT},
    sizes="needed",
    parts=True,
)

NAME = "panoptic"


class _Segment(Struct):
    annotation: Annotation
    where: str
    runs: list[Run]


class PanopticWriter:
    """Writes a folder; see `SampleWriter`.

    Args:
        root: the folder.
        losses: counts what COCO panoptic cannot hold.
        labels: their order gives the category ids; other labels follow in order of appearance.
    """

    def __init__(self, root: Path, losses: Losses, labels: list[str] | None = None) -> None:
        self._root, self._losses = root, losses
        self._labels = {label: number for number, label in enumerate(labels or (), 1)}
        pillow()
        (root / NAME).mkdir()
        self._categories: dict[tuple[str, bool], int] = {}
        self._images = 0
        self._file: BinaryIO = (root / f"{NAME}.json").open("wb")
        self._rows: BinaryIO = (root / f"{NAME}.images").open("w+b")
        self._file.write(b'{"annotations":[')

    def write(self, sample: Sample) -> None:
        """Add an image."""
        width, height = size = size_of(sample)
        if width * height > MAX_PIXELS:
            raise DataError(Problem(sample.image, "is too large for a map of segments"))
        if sample.split:
            self._losses.note("the split", sample.image)
        name = safe_relative(sample.image).with_suffix(".png").as_posix()
        segments = [
            _Segment(annotation, where, self._runs(annotation, size, where))
            for number, annotation in enumerate(sample.annotations)
            for where in [location_of(sample, number)]
            if HOLDS.accepts(annotation, where, self._losses)
        ]
        self._uncover(segments)
        planes = [bytearray(width * height) for _ in range(3)]
        rows = []
        for number, segment in enumerate(segments, 1):
            if not segment.runs:
                self._losses.note_shape("a segment without pixels", segment.where)
                continue
            for index, plane in enumerate(planes):
                paint(plane, height, segment.runs, number >> 8 * index & 255)
            rows.append(self._row(segment, number, height))
        self._write_png(name, planes, size, sample.image)
        self._images += 1
        image = {"id": self._images, "file_name": sample.image, "width": width, "height": height}
        entry = {"image_id": self._images, "file_name": name, "segments_info": rows}
        for file, row in ((self._rows, image), (self._file, entry)):
            file.write((b"," if self._images > 1 else b"") + msgspec.json.encode(row))

    def _runs(self, annotation: Annotation, size: tuple[int, int], where: str) -> list[Run]:
        if isinstance(annotation, Mask | SemanticMask):
            check_size(annotation.mask, size, where)
            return runs_of_mask(annotation.mask)
        points = points_of(annotation)
        for point in points:
            check_finite(point, where)
        self._losses.note("the outline of a polygon; its pixels are", where)
        return runs_of_mask(mask_of_outline(points, size))

    def _uncover(self, segments: list[_Segment]) -> None:
        """Leave of each segment what no other one covers."""
        taken: list[Run] = []
        order = sorted(
            range(len(segments)),
            key=lambda index: (
                not isinstance(segments[index].annotation, SemanticMask),
                _score(segments[index].annotation),
                index,
            ),
        )
        for index in reversed(order):
            segment = segments[index]
            left = visible(segment.runs, taken)
            taken = sorted([*taken, *left])
            if _count(left) < _count(segment.runs):
                self._losses.note("pixels of a segment that another one covers", segment.where)
            segment.runs = left

    def _row(self, segment: _Segment, number: int, height: int) -> dict[str, Any]:
        annotation = segment.annotation
        metadata = dict(annotation.metadata)
        crowd = metadata.get(CROWD)
        is_crowd = type(crowd) is int and crowd == 1
        if is_crowd:
            del metadata[CROWD]
        row: dict[str, Any] = {
            "id": number,
            "category_id": self._category(annotation),
            "area": _count(segment.runs),
            "bbox": _box(segment.runs, height),
            "iscrowd": int(is_crowd),
        }
        if annotation.confidence is not None:
            row["score"] = annotation.confidence
        if annotation.track is not None:
            row["track_id"] = annotation.track
        if annotation.attributes:
            row["attributes"] = annotation.attributes
        if metadata:
            row["metadata"] = metadata
        return row

    def _category(self, annotation: Annotation) -> int:
        key = (annotation.label, isinstance(annotation, SemanticMask))
        if key not in self._categories:
            number = self._labels.get(annotation.label)
            if number is None or number in self._categories.values():
                number = 1 + max([len(self._labels), *self._categories.values()])
            self._categories[key] = number
        return self._categories[key]

    def _write_png(
        self, name: str, planes: list[bytearray], size: tuple[int, int], image: str
    ) -> None:
        images = pillow()
        bands = [images.frombytes("L", size, bytes(plane)) for plane in planes]
        encoded = io.BytesIO()
        images.merge("RGB", bands).save(encoded, "PNG")
        write_new(self._root / NAME / name, encoded.getvalue(), image)

    def close(self) -> None:
        """Write what comes last."""
        categories: list[dict[str, Any]] = [
            {"id": number, "name": label, "isthing": int(not is_stuff)}
            for (label, is_stuff), number in self._categories.items()
        ]
        used = set(self._categories.values())
        categories += [
            {"id": number, "name": label, "isthing": 1}
            for label, number in self._labels.items()
            if number not in used
        ]
        self._file.write(b'],"images":[')
        self._rows.seek(0)
        while piece := self._rows.read(1 << 20):
            self._file.write(piece)
        categories.sort(key=lambda category: category["id"])
        self._file.write(b'],"categories":' + msgspec.json.encode(categories) + b"}")
        name = Path(self._rows.name)
        self._rows.close()
        name.unlink()
        self._file.close()


def _score(annotation: Annotation) -> float:
    return 1.0 if annotation.confidence is None else annotation.confidence


def _count(runs: list[Run]) -> int:
    return sum(end - start for start, end in runs)


def _box(runs: list[Run], height: int) -> list[int]:
    """x, y, width and height of the pixels."""
    ends = [(divmod(start, height), divmod(end - 1, height)) for start, end in runs]
    left, right = ends[0][0][0], ends[-1][1][0]
    top, bottom = height, 0
    for (first, upper), (last, lower) in ends:
        # A run of several columns reaches the lower edge, and goes on at the upper one.
        top = min(top, upper if first == last else 0)
        bottom = max(bottom, lower if first == last else height - 1)
    return [left, top, right + 1 - left, bottom + 1 - top]


def read(path: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a file, or of the file in a folder.

    Raises:
        FormatError: the folder has no file ``panoptic.json``; also as `read_coco`.
    """
    file = path / f"{NAME}.json" if path.is_dir() else path
    if not file.is_file():
        raise FormatError(Problem(str(path), f"has no file {NAME}.json"))
    return read_coco(file, losses, scores=options.scores, classes=options.classes)


def write(target: Path, losses: Losses, options: ExportOptions) -> PanopticWriter:
    """Open a writer; see `Format`."""
    return PanopticWriter(target, losses, options.labels)


FORMAT = Format(
    name="coco-panoptic",
    about="COCO panoptic: segments as PNG",
    extension=".zip",
    is_folder=True,
    holds=HOLDS,
    read=read,
    write=write,
)
