"""Label Studio: its JSON export, one file of tasks; coordinates are percent of the image's size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from layernext.errors import DataError, Problem
from layernext.formats.core.compression import open_output
from layernext.formats.core.format import (
    KEPT,
    Certainty,
    Detection,
    ExportOptions,
    Format,
    Holds,
)
from layernext.formats.core.losses import Losses
from layernext.formats.core.outlines import rows_of_mask
from layernext.formats.core.poses import labeled_parts, names_of_points
from layernext.formats.core.probe import Probe
from layernext.formats.core.rotation import UNTURNED
from layernext.formats.core.sample import (
    Sample,
    box_of,
    check_finite,
    location_of,
    points_of,
    size_of,
)
from layernext.formats.core.targets import check_new
from layernext.formats.label_studio_brush import brush_of_runs
from layernext.formats.label_studio_tasks import CHOICES_NAME, read_label_studio
from layernext.model import (
    Annotation,
    ImageLabel,
    Keypoint,
    Keypoints,
    Mask,
    Rectangle,
    RotatedBox,
    Skeleton,
    counts_of,
    runs_inside,
)

HOLDS = Holds(
    geometries={
        "rectangle": KEPT,
        "polygon": KEPT,
        "rotated_box": KEPT,
        "image_label": KEPT,
        "mask": "yes, its pixels",
        "keypoints": "its labeled points, and its box",
    },
    fields={"confidence": KEPT},
    splits=KEPT,
    sizes="needed",
    skeletons=("points",),
)


POINTS_NAME = "keypoint"
"""The tag of points."""

POINT_WIDTH = 0.75
"""Percent of the image's width: how large a point is drawn."""


class LabelStudioWriter:
    """Writes one file of tasks; see `SampleWriter`.

    Args:
        path: the file.
        losses: counts what Label Studio cannot hold.
        predictions: write predictions, for people to start from, in place of annotations.
        skeletons: name the points of keypoints.
    """

    def __init__(
        self,
        path: Path,
        losses: Losses,
        *,
        predictions: bool = False,
        skeletons: Mapping[str, Skeleton] | None = None,
    ) -> None:
        self._skeletons = skeletons or {}
        self._losses, self._key = losses, "predictions" if predictions else "annotations"
        self._file, self._count = open_output(path), 0
        self._names: set[str] = set()
        self._file.write(b"[")

    def write(self, sample: Sample) -> None:
        """Add an image."""
        check_new(self._names, sample.image)
        size = size_of(sample)
        results: list[dict[str, Any]] = []
        names: dict[str, tuple[str, ...]] = {}
        for number, annotation in enumerate(sample.annotations):
            where = location_of(sample, number)
            if not HOLDS.accepts(annotation, where, self._losses):
                continue
            if isinstance(annotation, Mask) and not _is_paintable(annotation, size, where):
                self._losses.note("a mask without pixels", where)
                continue
            self._losses.note_fields(annotation, where, keeps=HOLDS.fields)
            if isinstance(annotation, RotatedBox) and not annotation.rotation % 360:
                self._losses.note(UNTURNED, where)
            if isinstance(annotation, Keypoints):
                points = names_of_points(annotation, self._skeletons.get(annotation.label))
                names[annotation.label] = max(names.get(annotation.label, ()), points, key=len)
                parts = labeled_parts(annotation, points, where, self._losses, has_hidden=False)
                results += _studio_pose(annotation, parts, f"r{number}", size, where)
                continue
            results.append(_studio_shape(annotation, f"r{number}", size, where))
        # Label Studio keeps `meta` as it is.
        meta: dict[str, Any] = {"width": size[0], "height": size[1]}
        if names:
            meta["keypoints"] = names
        if sample.split:
            meta["split"] = sample.split
        task = {
            "data": {"image": sample.image},
            "meta": meta,
            self._key: [{"result": results}],
        }
        self._file.write((b",\n" if self._count else b"\n") + msgspec.json.encode(task))
        self._count += 1

    def close(self) -> None:
        """Complete the file."""
        self._file.write(b"\n]\n")
        self._file.close()


def _is_paintable(annotation: Mask, size: tuple[int, int], where: str) -> bool:
    """Whether a mask has pixels.

    Raises:
        DataError: it is not of the size of its image.
    """
    height, width = annotation.mask.size
    if (width, height) != size:
        message = f"its mask has {width} x {height} pixels, its image {size[0]} x {size[1]}"
        raise DataError(Problem(where, message))
    return any(True for _ in runs_inside(counts_of(annotation.mask)))


def _studio_shape(
    annotation: Annotation, name: str, size: tuple[int, int], where: str
) -> dict[str, Any]:
    width, height = size
    fields: dict[str, Any] = {
        "id": name,
        "from_name": "label",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
    }
    if annotation.confidence is not None:
        fields["score"] = annotation.confidence
    if isinstance(annotation, ImageLabel):
        value: dict[str, Any] = {"choices": [annotation.label]}
        return {**fields, "from_name": CHOICES_NAME, "type": "choices", "value": value}
    if isinstance(annotation, Mask):
        painted = brush_of_runs(rows_of_mask(annotation.mask), width, height)
        value = {"format": "rle", "rle": painted, "brushlabels": [annotation.label]}
        return {**fields, "type": "brushlabels", "value": value}
    if isinstance(annotation, Rectangle | RotatedBox):
        rotation = annotation.rotation if isinstance(annotation, RotatedBox) else 0
        # Label Studio turns boxes about the top left corner, which is where x and y are.
        x, y = points_of(annotation)[0]
        w, h = annotation.bbox[2:]
        value = {
            "x": 100 * x / width,
            "y": 100 * y / height,
            "width": 100 * w / width,
            "height": 100 * h / height,
            "rotation": rotation,
            "rectanglelabels": [annotation.label],
        }
        check_finite((value["x"], value["y"], value["width"], value["height"]), where)
        return {**fields, "type": "rectanglelabels", "value": value}
    points = [[100 * x / width, 100 * y / height] for x, y in points_of(annotation)]
    for point in points:
        check_finite(point, where)
    value = {"points": points, "closed": True, "polygonlabels": [annotation.label]}
    return {**fields, "type": "polygonlabels", "value": value}


def _studio_pose(
    annotation: Keypoints,
    parts: list[tuple[str, Keypoint]],
    name: str,
    size: tuple[int, int],
    where: str,
) -> list[dict[str, Any]]:
    """A rectangle, and a point for each part."""
    box = box_of(annotation, where) or (0.0, 0.0, 0.0, 0.0)
    rectangle = Rectangle(label=annotation.label, bbox=box, confidence=annotation.confidence)
    whole = _studio_shape(rectangle, name, size, where)
    results = [whole]
    for number, (label, (x, y, _)) in enumerate(parts):
        value = {
            "x": 100 * x / size[0],
            "y": 100 * y / size[1],
            "width": POINT_WIDTH,
            "keypointlabels": [label],
        }
        check_finite((value["x"], value["y"]), where)  # type: ignore[arg-type]
        fields = {"id": f"{name}-{number}", "parentID": name, "from_name": POINTS_NAME}
        results.append({**whole, **fields, "type": "keypointlabels", "value": value})
        results[-1].pop("score", None)
    return results


def write(target: Path, losses: Losses, options: ExportOptions) -> LabelStudioWriter:
    """Open a writer; see `Format`."""
    return LabelStudioWriter(
        target, losses, predictions=options.predictions, skeletons=options.skeletons
    )


def detect(probe: Probe) -> Detection | None:
    """A list of tasks, which have ``data``; or JSON-MIN, whose entries have an image and an annotator."""
    outline = probe.json
    if outline is None or not outline.is_list:
        return None
    keys = outline.entry_keys.get("")
    if keys is None:
        return None if outline.is_broken else Detection(Certainty.POSSIBLE, "is an empty list")
    if "data" in keys:
        return Detection(Certainty.CERTAIN, "is a list of tasks with `data`")
    if keys & {"annotation_id", "annotator", "lead_time"}:
        return Detection(Certainty.CERTAIN, "is a list of entries with `annotator`")
    return None


FORMAT = Format(
    name="label-studio",
    about="Label Studio JSON",
    extension=".json",
    holds=HOLDS,
    read=read_label_studio,
    write=write,
    detect=detect,
)
