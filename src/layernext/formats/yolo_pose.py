"""YOLO pose: a line for each object: its box, and x, y and visibility of its keypoints, as fractions of the image's size.

Source: docs.ultralytics.com/datasets/pose. The dataset's YAML says how many points every object has (``kpt_shape``),
which change places in a mirrored image (``flip_idx``) and what they are called (``kpt_names``); it has no edges.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from layernext.formats import yolo
from layernext.formats.core.format import ExportOptions, Format, Holds
from layernext.formats.core.losses import Losses
from layernext.formats.core.sample import check_finite
from layernext.model import (
    COCO_PERSON,
    Annotation,
    Keypoints,
    Skeleton,
)

HOLDS = Holds(
    geometries={"keypoints": "yes, with the box around the points if it has none"},
    splits="folders",
    sizes="needed",
)


class PoseWriter(yolo.YoloWriter):
    """Writes a folder; see `SampleWriter`. Every object of a dataset has as many points as the first one."""

    def __init__(
        self,
        root: Path,
        losses: Losses,
        *,
        labels: list[str] | None = None,
        skeletons: Mapping[str, Skeleton] | None = None,
    ) -> None:
        super().__init__(root, losses, labels=labels)
        self._skeletons = skeletons or {}
        self._count: int | None = None

    def _line(self, annotation: Annotation, size: tuple[int, int], where: str) -> str | None:
        if not isinstance(annotation, Keypoints):
            self._losses.note(f"the geometry {annotation.geometry}", where)
            return None
        points = annotation.keypoints
        self._count = self._count or len(points)
        if len(points) != self._count:
            what = f"keypoints of {len(points)} points; those of this dataset have {self._count}"
            self._losses.note(what, where)
            return None
        if annotation.bbox is None:
            self._losses.note("that keypoints have no box; the one around their points is", where)
        code = self._codes.setdefault(annotation.label, len(self._codes))
        line = yolo.yolo_line(annotation, code, size, where, as_polygon=False)
        width, height = size
        numbers = [
            number
            for x, y, visibility in points
            for number in (x / width, y / height, float(visibility))
        ]
        check_finite(numbers, where)
        return f"{line} {yolo.fractions_text(numbers)}"

    def description(self) -> list[str]:
        """The lines of data.yaml about points."""
        count = self._count or next((len(s.points) for s in self._skeletons.values()), 0)
        rows = [f"kpt_shape: [{count or 1}, 3]"]
        skeletons = {
            label: skeleton
            for label, skeleton in self._skeletons.items()
            if label in self._codes and len(skeleton.points) == count
        }
        for label, skeleton in skeletons.items():
            # Readers know COCO's by its names.
            for name in ("edges", "sigmas") if skeleton != COCO_PERSON else ():
                if getattr(skeleton, name):
                    self._losses.note(f"the {name} of a skeleton", label)
        flips = {skeleton.flips: label for label, skeleton in skeletons.items() if skeleton.flips}
        if len(flips) == 1:
            mirror = skeletons[next(iter(flips.values()))]
            rows.append(f"flip_idx: {mirror.mirrored(range(count))}")
        for label in flips.values() if len(flips) > 1 else ():
            self._losses.note("which points of a skeleton change places in a mirror", label)
        if skeletons:
            rows.append("kpt_names:")
        for label, skeleton in skeletons.items():
            names = ", ".join(map(yolo.quoted, skeleton.points))
            rows.append(f"  {self._codes[label]}: [{names}]")
        return rows


def write(target: Path, losses: Losses, options: ExportOptions) -> PoseWriter:
    """Open a writer; see `Format`."""
    return PoseWriter(target, losses, labels=options.labels, skeletons=options.skeletons)


FORMAT = Format(
    name="yolo-pose",
    about="YOLO pose",
    extension=".zip",
    is_folder=True,
    holds=HOLDS,
    read=yolo.read_yolo,
    write=write,
    image_path=yolo.image_path,
)
