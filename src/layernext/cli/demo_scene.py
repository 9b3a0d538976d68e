"""The demo's pictures: seeded scenes of boxes, blobs and lines, drawn and annotated."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

from msgspec import Struct

IMAGE_WH = (320, 240)
SHAPES_PER_SCENE = (6, 14)
COLOURS = {
    "red": (214, 69, 65), "green": (64, 145, 88), "blue": (58, 110, 190), "amber": (226, 163, 46),
}  # fmt: skip
KINDS = ("crate", "puddle", "cable")


class Shape(Struct, frozen=True):
    """One thing in a scene, with its true outline in pixels."""

    kind: str
    colour: str
    points: list[tuple[float, float]]


class Scene(Struct, frozen=True):
    """One picture."""

    name: str
    seed: int
    shapes: list[Shape]


def scenes(count: int, seed: int = 3) -> list[Scene]:
    """Some scenes; the same for the same seed."""
    made = []
    for number in range(count):
        rng = random.Random(seed * 1_000_003 + number)  # noqa: S311 - pictures, no secrets
        shapes = [_shape(rng) for _ in range(rng.randint(*SHAPES_PER_SCENE))]
        made.append(Scene(f"scene_{number:05d}.png", number, shapes))
    return made


def _shape(rng: random.Random) -> Shape:
    width, height = IMAGE_WH
    kind, colour = rng.choice(KINDS), rng.choice(list(COLOURS))
    x, y = rng.uniform(30, width - 30), rng.uniform(30, height - 30)
    if kind == "crate":
        w, h = rng.uniform(10, 28), rng.uniform(10, 28)
        points = [(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)]
    elif kind == "puddle":
        points = [
            (x + math.cos(a) * rng.uniform(12, 26), y + math.sin(a) * rng.uniform(8, 20))
            for a in (step * math.tau / 9 for step in range(9))
        ]
    else:
        points = [(x + step * 9 - 27, y + rng.uniform(-10, 10)) for step in range(7)]
    return Shape(kind, colour, [(round(px, 2), round(py, 2)) for px, py in points])


def truth(scene: Scene) -> dict[str, Any]:
    """What is really in the scene, as an image of form v2."""
    return {
        "image": scene.name,
        "annotations": [_annotation(shape, shape.points) for shape in scene.shapes],
    }


def predicted(scene: Scene) -> dict[str, Any]:
    """What a fair model would say: most things, a little off, sometimes wrong, with confidence."""
    rng = random.Random(scene.seed)  # noqa: S311
    annotations = []
    for shape in scene.shapes:
        if rng.random() < 0.12:  # noqa: PLR2004 - one in eight is missed
            continue
        dx, dy = rng.gauss(0, 1.5), rng.gauss(0, 1.5)
        points = [(round(x + dx, 2), round(y + dy, 2)) for x, y in shape.points]
        annotation = _annotation(shape, points)
        annotation["confidence"] = round(rng.betavariate(8, 2), 4)
        value = annotation["attributes"]["colour"][0]
        value["confidence"] = round(rng.betavariate(9, 2), 4)
        annotation["metadata"] = {"head": rng.choice(["a", "b"]), "step": rng.randrange(1000)}
        annotations.append(annotation)
    return {"image": scene.name, "annotations": annotations}


def _annotation(shape: Shape, points: list[tuple[float, float]]) -> dict[str, Any]:
    annotation: dict[str, Any] = {
        "label": shape.kind,
        "attributes": {"colour": [{"value": shape.colour}]},
    }
    if shape.kind == "crate":
        (x, y), _, (right, bottom), _ = points
        bbox = [x, y, round(right - x, 2), round(bottom - y, 2)]
        return {"type": "rectangle", "bbox": bbox, **annotation}
    if shape.kind == "puddle":
        return {"type": "polygon", "polygon": [list(point) for point in points], **annotation}
    return {"type": "line", "line": [list(point) for point in points], **annotation}


def draw_scenes(every_scene: list[Scene], folder: Path) -> None:
    """Draw each scene to a PNG file under its name."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - part of the stack extra

    for scene in every_scene:
        rng = random.Random(scene.seed + 17)  # noqa: S311
        ground = tuple(rng.randint(205, 235) for _ in range(3))
        picture = Image.new("RGB", IMAGE_WH, ground)
        pen = ImageDraw.Draw(picture)
        for shape in scene.shapes:
            colour = COLOURS[shape.colour]
            if shape.kind == "cable":
                pen.line(shape.points, fill=colour, width=3, joint="curve")
            else:
                edge = tuple(part // 2 for part in colour)
                pen.polygon(shape.points, fill=colour, outline=edge)
        picture.save(folder / scene.name, compress_level=1)
