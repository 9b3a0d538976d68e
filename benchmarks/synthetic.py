"""Seeded synthetic model runs, written as LayerNext JSON v2, image by image.

Boxes in 640 by 480 images, 80 labels; each with a confidence and one attribute value, as the boxes
of the seed's sample have them (there, in v1, the attribute stands as `metadata`). About 210 bytes of
JSON a box. With `attributes=False` the value is free metadata instead: about 140 bytes a box.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

IMAGE_WH = (640, 480)
LABELS = [f"label_{number:02d}" for number in range(80)]
NAMES = ["bottle", "cup", "fork", "knife", "spoon", "bowl"]


def iter_images(image_count: int, boxes: int, *, attributes: bool = True) -> Iterator[str]:
    """The JSON text of each image of a run."""
    rng = random.Random(7)
    for number in range(image_count):
        annotations = []
        for _ in range(boxes):
            x, y = round(rng.uniform(0, 600), 2), round(rng.uniform(0, 440), 2)
            name = rng.choice(NAMES)
            values = [{"value": name, "confidence": round(rng.random(), 4), "metadata": {}}]
            annotations.append(
                {
                    "type": "rectangle",
                    "label": rng.choice(LABELS),
                    "bbox": [
                        x,
                        y,
                        round(rng.uniform(1, 640 - x), 2),
                        round(rng.uniform(1, 480 - y), 2),
                    ],
                    "confidence": round(rng.random(), 4),
                }
                | ({"attributes": {"name": values}} if attributes else {"metadata": {"name": name}})
            )
        yield json.dumps({"image": f"{number:012d}.jpg", "annotations": annotations})


def write_run(path: Path, image_count: int, boxes: int, *, attributes: bool = True) -> Path:
    """Write the run to `path`, unless a file of that name is there already."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write('{"images": [\n')
        for number, text in enumerate(iter_images(image_count, boxes, attributes=attributes)):
            file.write(f"{',' if number else ''}{text}\n")
        file.write("]}\n")
    partial.replace(path)
    return path
