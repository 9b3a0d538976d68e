"""Writes COCO: a file of instances, or a list of results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from msgspec.structs import replace

from layernext.errors import DataError, Problem
from layernext.formats.coco_keypoints import MEASURES, category_fields, count_labeled, flat
from layernext.formats.coco_masks import CORNERS
from layernext.formats.coco_records import CROWD, Instances, original_id
from layernext.formats.core.compression import open_output
from layernext.formats.core.format import KEPT, Holds
from layernext.formats.core.losses import Losses
from layernext.formats.core.outlines import joined
from layernext.formats.core.rotation import outlined
from layernext.formats.core.sample import Sample, box_of, check_finite, location_of
from layernext.model import (
    Annotation,
    Keypoints,
    Mask,
    Polygon,
    Skeleton,
    is_number,
    kind_of,
    oriented_rings,
    parts_of,
)

HOLDS = Holds(
    geometries={
        "rectangle": KEPT,
        "polygon": "yes; its box if it has 1 or 2 points",
        "rotated_box": "its outline",
        "mask": KEPT,
        "keypoints": KEPT,
    },
    fields={"confidence": KEPT, "attributes": KEPT, "metadata": KEPT},
    sizes="kept",
    parts=True,
)

RESULTS_HOLDS = Holds(
    geometries=HOLDS.geometries,
    parts=True,
    fields={"confidence": "yes; 1 if missing"},
)


class CocoWriter:
    """Writes one file of instances, or a list of results; see `SampleWriter`.

    Args:
        path: the file.
        losses: counts what COCO cannot hold.
        results: write a list of results in place of instances.
        instances: the images that results refer to by number. Without it, images and labels are
            numbered 1, 2, 3 … in order of appearance.
        labels: their order gives the category ids; other labels follow in order of appearance.
        codes: category ids in place of those.
        skeletons: of the labels that have keypoints, for their categories.
    """

    def __init__(
        self,
        path: Path,
        losses: Losses,
        *,
        results: bool = False,
        instances: Instances | None = None,
        labels: list[str] | None = None,
        codes: Mapping[str, int | str] | None = None,
        skeletons: Mapping[str, Skeleton] | None = None,
    ) -> None:
        self._losses, self._results, self._instances = losses, results, instances
        self._skeletons = skeletons or {}
        self._point_counts: dict[str, int] = {}
        self._used_codes: set[int | str] = set((codes or {}).values())
        self._file = open_output(path)
        self._annotations = 0
        self._codes: dict[str, int | str] = {}
        self._ids: set[int | str] = set()
        self._images: dict[str, int | str] = {}
        if instances is not None:
            self._codes = {label: original_id(code) for label, code in instances.codes.items()}
            self._images = {
                image.file_name: original_id(image.id) for image in instances.images.values()
            }
        else:
            for label in labels or ():
                code = (codes or {}).get(label)
                self._codes[label] = self._next_code() if code is None else code
        self._rows: BinaryIO = path.with_suffix(".images").open("w+b")
        self._file.write(b"[" if results else b'{"annotations":[')

    def write(self, sample: Sample) -> None:
        """Add an image; its name may have come before, with another run."""
        if self._instances is None and sample.run is None and sample.image in self._images:
            message = "comes twice: two images would become one"
            raise DataError(Problem(sample.image, message))
        if sample.split and not self._results:
            self._losses.note("the split", sample.image)
        image_id = self._image_id(sample)
        if image_id is None:
            self._losses.note("an image that is not among the instances", sample.image)
            return
        for number, annotation in enumerate(sample.annotations):
            encoded = self._encoded(annotation, image_id, location_of(sample, number))
            if encoded is not None:
                self._file.write((b"," if self._annotations else b"") + encoded)
                self._annotations += 1

    def _image_id(self, sample: Sample) -> int | str | None:
        image_id = self._images.get(sample.image)
        if image_id is not None or self._instances is not None:
            return image_id
        number = sample.id
        if number is None or number in self._ids:
            number = len(self._images) + 1
            while number in self._ids:
                number += 1
        self._ids.add(number)
        row: dict[str, Any] = {"id": number, "file_name": sample.image}
        if sample.width and sample.height:
            row |= {"width": sample.width, "height": sample.height}
        self._rows.write((b"," if self._images else b"") + msgspec.json.encode(row))
        self._images[sample.image] = number
        if self._results:
            self._losses.note("the name of an image; results have a number", sample.image)
        return number

    def _next_code(self) -> int:
        """The next number that no category has."""
        code = len(self._codes) + 1
        while code in self._used_codes:
            code += 1
        self._used_codes.add(code)
        return code

    def _encoded(self, annotation: Annotation, image_id: int | str, where: str) -> bytes | None:
        box = box_of(annotation, where) if HOLDS.accepts(annotation, where, self._losses) else None
        if box is None:
            return None
        code = self._code(annotation.label, where)
        if code is None:
            return None
        annotation = outlined(annotation, where, self._losses)
        row: dict[str, Any] = {"image_id": image_id, "category_id": code, "bbox": box}
        if isinstance(annotation, Mask):
            row["segmentation"] = annotation.mask
            row["bbox"] = _numbers_in(annotation.metadata, "bbox") or box
        elif isinstance(annotation, Keypoints):
            self._add_points(annotation, row)
        elif isinstance(annotation, Polygon):
            outlines = self._outlines(annotation, where)
            if outlines:
                row["segmentation"] = outlines
        if annotation.confidence is not None:
            row["score"] = annotation.confidence
        if self._results:
            return self._result(annotation, row, where)
        return self._instance(annotation, row, where)

    def _add_points(self, annotation: Keypoints, row: dict[str, Any]) -> None:
        points = annotation.keypoints
        count = self._point_counts.get(annotation.label, 0)
        self._point_counts[annotation.label] = max(count, len(points))
        row["keypoints"] = flat(points)
        if self._results:
            # COCO's tools take the area of a result from its box, if it has one.
            if annotation.bbox is None:
                del row["bbox"]
            return
        row["num_keypoints"] = count_labeled(points)
        row |= {
            name: annotation.metadata[name] for name in MEASURES if _is_measure(annotation, name)
        }

    def _outlines(self, annotation: Polygon, where: str) -> list[list[float]]:
        """The outlines of a polygon; holes are joined to the outline that they are in."""
        outlines = []
        for part in parts_of(annotation.parts or annotation.polygon):
            outline = part[0]
            if len(part) > 1:
                self._losses.note("the holes of a polygon; its joined outline is", where)
                outline = joined(oriented_rings([part]))
            if len(outline) < CORNERS:
                rest = "its other outlines are" if len(annotation.parts) > 1 else "its box is"
                self._losses.note(f"a polygon of one or two points; {rest}", where)
                continue
            outlines.append([number for point in outline for number in point])
        return outlines

    def _code(self, label: str, where: str) -> int | str | None:
        code = self._codes.get(label)
        if code is None and self._instances is not None:
            self._losses.note("a label that is not among the instances", where)
        elif code is None:
            code = self._codes[label] = self._next_code()
            if self._results:
                self._losses.note("the name of a label; results have a number", where)
        return code

    def _result(self, annotation: Annotation, row: dict[str, Any], where: str) -> bytes:
        if annotation.confidence is None:
            # COCO's evaluation sorts by score; an annotation without one counts as certain.
            row["score"] = 1.0
            self._losses.note("that there is no confidence; 1 is written", where)
        annotation = replace(annotation, metadata=_without_measures(annotation))
        self._losses.note_fields(annotation, where, keeps=RESULTS_HOLDS.fields)
        return msgspec.json.encode(row)

    def _instance(self, annotation: Annotation, row: dict[str, Any], where: str) -> bytes:
        metadata = annotation.metadata
        crowd = metadata.get(CROWD)
        row["iscrowd"] = 0
        if type(crowd) is int and crowd == 1:
            row["iscrowd"] = 1
            metadata = {name: value for name, value in metadata.items() if name != CROWD}
        row["id"] = self._annotations + 1
        x, y, width, height = row["bbox"]
        kind = kind_of(annotation)
        row.setdefault("area", kind.area(kind.coordinates_of(annotation)))
        if isinstance(annotation, Mask) and _is_measure(annotation, "area"):
            row["area"] = metadata["area"]
        left = _without_measures(annotation)
        metadata = {name: value for name, value in metadata.items() if name in left}
        check_finite((row["area"], x + width, y + height), where)
        row.setdefault("segmentation", [])
        if annotation.attributes:
            row["attributes"] = annotation.attributes
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
            categories = [
                {"id": code, "name": label}
                | category_fields(self._skeletons.get(label), self._point_counts.get(label, 0))
                for label, code in self._codes.items()
            ]
            self._file.write(b'],"categories":' + msgspec.json.encode(categories) + b"}")
        self._rows.close()
        name.unlink()
        self._file.close()


def _numbers_in(metadata: dict[str, Any], name: str) -> list[float] | None:
    """A box in the metadata, as the reader leaves one that is not around its mask's pixels."""
    value = metadata.get(name)
    if not isinstance(value, list) or len(value) != len(("x", "y", "width", "height")):
        return None
    return value if all(map(is_number, value)) else None


def _is_measure(annotation: Annotation, name: str) -> bool:
    """Whether the metadata has what the reader leaves there of one of COCO's own keys."""
    value = annotation.metadata.get(name)
    if name == "bbox":
        return isinstance(annotation, Mask) and _numbers_in(annotation.metadata, name) is not None
    if name == "area":
        return isinstance(annotation, Mask | Keypoints) and is_number(value)
    if not isinstance(annotation, Keypoints):
        return False
    return type(value) is int if name == "num_keypoints" else isinstance(value, list | dict)


def _without_measures(annotation: Annotation) -> dict[str, Any]:
    """The metadata without what is written in COCO's own keys."""
    names = [name for name in ("bbox", *MEASURES) if _is_measure(annotation, name)]
    return {name: value for name, value in annotation.metadata.items() if name not in names}
