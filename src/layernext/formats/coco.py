"""COCO: instances and results, as cocodataset.org describes them (data format, results format).

An annotation's attributes and metadata go into the keys ``attributes`` and ``metadata``, which COCO's tools pass
over and we read again; a confidence into ``score``. Boxes are kept as they are; ``area`` is a box's own, or the
polygon's by the shoelace formula.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct, field

from layernext.errors import FormatError, Problem
from layernext.formats.samples import Losses, Sample, box_of, place_of
from layernext.model import Annotation, AttributeValue, Polygon, Rectangle

CROWD = "iscrowd"


class _Category(Struct, gc=False):
    id: int
    name: str


class _Image(Struct, gc=False):
    id: int
    file_name: str
    width: int | None = None
    height: int | None = None


class _Annotation(Struct, gc=False):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float] | None = None
    segmentation: Any = None
    iscrowd: int = 0
    score: float | None = None
    attributes: Any = None
    metadata: dict[str, Any] = field(default_factory=dict)


class _Instances(Struct, gc=False):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation] = field(default_factory=list)


class CocoWriter:
    """Writes one file of instances, or a list of results; see `SampleWriter`.

    Args:
        path: the file.
        losses: gathers what COCO cannot hold.
        results: write a list of results in place of instances; images have the numbers 1, 2, 3 … in the
            order they come, as they have in the instances of the same images.
        labels: their order gives the category ids; others follow as they come.
    """

    def __init__(
        self, path: Path, losses: Losses, *, results: bool = False, labels: list[str] | None = None
    ) -> None:
        self._losses, self._results = losses, results
        self._file: BinaryIO = path.open("wb")
        self._images = 0
        self._annotations = 0
        self._codes = {label: number for number, label in enumerate(labels or [], 1)}
        self._rows: BinaryIO = path.with_suffix(".images").open("w+b")
        self._file.write(b"[" if results else b'{"annotations":[')

    def write(self, sample: Sample) -> None:
        """Add an image."""
        self._images += 1
        row = {"id": self._images, "file_name": sample.image}
        if sample.width and sample.height:
            row |= {"width": sample.width, "height": sample.height}
        self._rows.write((b"," if self._images > 1 else b"") + msgspec.json.encode(row))
        for number, one in enumerate(sample.annotations):
            encoded = self._encoded(one, place_of(sample, number))
            if encoded is not None:
                self._file.write((b"," if self._annotations else b"") + encoded)
                self._annotations += 1

    def _encoded(self, one: Annotation, where: str) -> bytes | None:
        box = box_of(one)
        if box is None:
            self._losses.note(f"the geometry {one.geometry}", where)
            return None
        code = self._codes.setdefault(one.label, len(self._codes) + 1)
        row: dict[str, Any] = {"image_id": self._images, "category_id": code, "bbox": box}
        if isinstance(one, Polygon):
            row["segmentation"] = [[each for point in one.polygon for each in point]]
        if one.confidence is not None:
            row["score"] = one.confidence
        elif self._results:
            row["score"] = 1.0
        if self._results:
            self._losses.note_fields(one, where, keeps=frozenset({"confidence"}))
            return msgspec.json.encode(row)
        metadata = dict(one.metadata)
        row["id"] = self._annotations + 1
        row["iscrowd"] = int(bool(metadata.pop(CROWD, 0)))
        row["area"] = _area(one.polygon) if isinstance(one, Polygon) else box[2] * box[3]
        row.setdefault("segmentation", [])
        if one.attributes:
            row["attributes"] = one.attributes
        if metadata:
            row["metadata"] = metadata
        return msgspec.json.encode(row)

    def close(self) -> None:
        """Write what comes last."""
        name = Path(self._rows.name)
        if self._results:
            self._file.write(b"]")
        else:
            self._file.write(b'],"images":[')
            self._rows.seek(0)
            while piece := self._rows.read(1 << 20):
                self._file.write(piece)
            categories = [{"id": code, "name": label} for label, code in self._codes.items()]
            self._file.write(b'],"categories":' + msgspec.json.encode(categories) + b"}")
        self._rows.close()
        name.unlink()
        self._file.close()


def _area(points: list[tuple[float, float]]) -> float:
    following = [*points[1:], *points[:1]]
    crossed = sum(a * d - c * b for (a, b), (c, d) in zip(points, following, strict=True))
    return abs(crossed) / 2


def read_coco(path: Path, losses: Losses) -> Iterator[Sample]:
    """The images of a file of instances, in the order of the file.

    The file's annotations may stand in any order, so all of them are held while it is read: some 300 bytes
    each. Of several polygons of one object, and of masks (RLE), only the box is read, and noted as a loss.

    Raises:
        FormatError: it is no such file, with the place.
    """
    try:
        content = msgspec.json.decode(path.read_bytes(), type=_Instances)
    except OSError as error:
        raise FormatError(Problem(str(path), f"cannot be read: {error.strerror}")) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(Problem(str(path), f"is no COCO file: {error}")) from error
    names = {category.id: category.name for category in content.categories}
    of_image: dict[int, list[tuple[int, _Annotation]]] = {image.id: [] for image in content.images}
    for number, one in enumerate(content.annotations):
        where = f"{path}: annotations[{number}]"
        if one.image_id not in of_image:
            raise FormatError(Problem(f"{where}.image_id", f"there is no image {one.image_id}"))
        if one.category_id not in names:
            raise FormatError(Problem(f"{where}.category_id", f"there is no {one.category_id}"))
        of_image[one.image_id].append((number, one))
    for image in content.images:
        annotations = [
            _read(one, names, f"{path}: annotations[{number}]", losses)
            for number, one in of_image[image.id]
        ]
        yield Sample(
            image=image.file_name,
            annotations=annotations,
            width=image.width,
            height=image.height,
        )


def _read(one: _Annotation, names: dict[int, str], where: str, losses: Losses) -> Annotation:
    metadata = dict(one.metadata)
    if one.iscrowd:
        metadata[CROWD] = one.iscrowd
    fields: dict[str, Any] = {
        "label": names[one.category_id],
        "confidence": one.score,
        "attributes": _attributes(one.attributes),
        "metadata": metadata,
    }
    polygons = one.segmentation if isinstance(one.segmentation, list) else None
    if polygons and len(polygons) == 1 and len(polygons[0]) >= 6 and len(polygons[0]) % 2 == 0:  # noqa: PLR2004 - three points
        flat = [float(each) for each in polygons[0]]
        return Polygon(polygon=list(zip(flat[::2], flat[1::2], strict=True)), **fields)
    if one.segmentation:
        losses.note("a mask, or an object of several polygons", where)
    if one.bbox is None:
        raise FormatError(Problem(where, "has neither a bbox nor one polygon"))
    if one.bbox[2] < 0 or one.bbox[3] < 0:
        raise FormatError(Problem(f"{where}.bbox", "width and height must be ≥ 0"))
    return Rectangle(bbox=one.bbox, **fields)


def _attributes(given: Any) -> dict[str, list[AttributeValue]]:
    """Attributes as we write them, or as CVAT does: name to one value."""
    if not isinstance(given, dict):
        return {}
    found: dict[str, list[AttributeValue]] = {}
    for name, value in given.items():
        is_ours = isinstance(value, list) and all(
            isinstance(v, dict) and "value" in v for v in value
        )
        found[name] = (
            [msgspec.convert(each, AttributeValue) for each in value]
            if is_ours
            else [AttributeValue(value=value)]
        )
    return found
