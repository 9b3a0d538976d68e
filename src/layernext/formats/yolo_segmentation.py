"""YOLO segmentation: as YOLO, but polygons are written in place of boxes."""

from __future__ import annotations

from pathlib import Path

from layernext.formats import yolo
from layernext.formats.core.format import ExportOptions, Format, Holds
from layernext.formats.core.losses import Losses

HOLDS = Holds(
    geometries={
        "rectangle": "its outline",
        "polygon": "yes, of 3 points or more",
        "rotated_box": "its outline",
        "mask": "its outline",
    },
    splits="folders",
    sizes="needed",
    parts=True,
)


def write(target: Path, losses: Losses, options: ExportOptions) -> yolo.YoloWriter:
    """Open a writer; see `Format`."""
    return yolo.YoloWriter(target, losses, task="segment", labels=options.labels)


FORMAT = Format(
    name="yolo-segmentation",
    about="YOLO segmentation",
    extension=".zip",
    is_folder=True,
    holds=HOLDS,
    read=yolo.read_yolo,
    write=write,
    image_path=yolo.image_path,
)
