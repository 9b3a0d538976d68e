"""YOLO OBB: oriented bounding boxes, a line of four corners for each, as fractions of the image's size.

Source: docs.ultralytics.com/datasets/obb. Our own data.yaml says ``task: obb``; of others only the user knows that
four corners are a rotated box rather than a polygon.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from layernext.formats import yolo
from layernext.formats.core.format import (
    Certainty,
    Detection,
    ExportOptions,
    Format,
    Holds,
    ReadOptions,
)
from layernext.formats.core.losses import Losses
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample
from layernext.formats.text_boxes import FOUR_POINTS

HOLDS = Holds(
    geometries={
        "rectangle": "a rotated box",
        "polygon": FOUR_POINTS,
        "rotated_box": "yes; the rotation from -180 to 180",
    },
    splits="folders",
    sizes="needed",
)


def read(root: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a dataset; see `Format`."""
    return yolo.read_yolo(root, losses, options, are_rotated=True)


def write(target: Path, losses: Losses, options: ExportOptions) -> yolo.YoloWriter:
    """Open a writer; see `Format`."""
    return yolo.YoloWriter(target, losses, task="obb", labels=options.labels)


def detect(probe: Probe) -> Detection | None:
    """A data.yaml with the task ``obb``."""
    if yolo.is_rotated(probe.path):
        return Detection(Certainty.CERTAIN, "has a YAML with `task: obb`")
    return None


FORMAT = Format(
    name="yolo-obb",
    about="YOLO oriented boxes",
    extension=".zip",
    is_folder=True,
    holds=HOLDS,
    read=read,
    write=write,
    detect=detect,
    image_path=yolo.image_path,
)
