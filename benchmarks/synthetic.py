"""Seeded synthetic model runs, written as LayerNext JSON v2, image by image.

Boxes in 640 by 480 images, 80 labels, a confidence and one metadata value each: about 140 bytes of
JSON a box, like the runs in the field.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

IMAGE_WH = (640, 480)
LABELS = [f"label_{number:02d}" for number in range(80)]
NAMES = ["bottle", "cup", "fork", "knife", "spoon", "bowl"]


def iter_images(image_count: int, boxes: int, seed: int = 7) -> Iterator[str]:
    """The JSON text of each image of a run."""
    rng = random.Random(seed)
    for number in range(image_count):
        annotations = []
        for _ in range(boxes):
            x, y = round(rng.uniform(0, 600), 2), round(rng.uniform(0, 440), 2)
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
                    "metadata": {"name": rng.choice(NAMES)},
                }
            )
        yield json.dumps({"image": f"{number:012d}.jpg", "annotations": annotations})


def write_run(path: Path, image_count: int, boxes: int, seed: int = 7) -> Path:
    """Write the run to `path`, unless a file of that name is there already."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write('{"images": [\n')
        for number, text in enumerate(iter_images(image_count, boxes, seed)):
            file.write(f"{',' if number else ''}{text}\n")
        file.write("]}\n")
    partial.replace(path)
    return path
