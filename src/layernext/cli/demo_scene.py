"""The demo's images: seeded scenes of crates, puddles, cables and bolts, drawn and annotated.

An annotation of the ground truth has exactly the coordinates that were drawn.
"""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

from msgspec import Struct

from layernext.model import GEOMETRY_KEYS, Geometry

IMAGE_WH = (640, 480)
THINGS_PER_SCENE = (30, 50)
MARGIN = 40  # pixels from a thing's middle to the image's edge, so that none is cut
COLORS = {
    "red": (214, 69, 65),
    "green": (64, 145, 88),
    "blue": (58, 110, 190),
    "amber": (226, 163, 46),
}
GEOMETRY_OF: dict[str, Geometry] = {
    "crate": "rectangle",
    "puddle": "polygon",
    "cable": "line",
    "bolts": "points",
}
MISSED = 0.1  # of the things, by the model that the demo makes up
INVENTED = 0.05
JPEG_QUALITY = 80
BOLT_RADIUS = 3

Points = list[tuple[float, float]]


class Thing(Struct, frozen=True):
    """One thing in a scene: what it is and where, in pixels."""

    label: str
    color: str
    points: Points


class Scene(Struct, frozen=True):
    """One image and what is in it."""

    image: str
    seed: int
    things: list[Thing]


def scenes(count: int, seed: int = 3) -> list[Scene]:
    """Some scenes; the same for the same seed."""
    result = []
    for number in range(count):
        scene_seed = seed * 1_000_003 + number
        rng = random.Random(scene_seed)  # noqa: S311 - images, no secrets
        things = [_thing(rng) for _ in range(rng.randint(*THINGS_PER_SCENE))]
        result.append(Scene(f"scene_{number:05d}.jpg", scene_seed, things))
    return result


def _thing(rng: random.Random) -> Thing:
    width, height = IMAGE_WH
    label, color = rng.choice(list(GEOMETRY_OF)), rng.choice(list(COLORS))
    x, y = rng.uniform(MARGIN, width - MARGIN), rng.uniform(MARGIN, height - MARGIN)
    if label == "crate":
        w, h = rng.uniform(8, 24), rng.uniform(8, 24)
        points = [(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)]
    elif label == "puddle":
        steps = [step * math.tau / 9 for step in range(9)]
        points = [
            (x + math.cos(a) * rng.uniform(12, 26), y + math.sin(a) * rng.uniform(8, 20))
            for a in steps
        ]
    elif label == "cable":
        points = [(x + step * 9 - 27, y + rng.uniform(-10, 10)) for step in range(7)]
    else:
        points = [(x + rng.uniform(-20, 20), y + rng.uniform(-20, 20)) for _ in range(3)]
    return Thing(label, color, _rounded(points))


def truth(scene: Scene) -> dict[str, Any]:
    """What is really in the scene, as an image of form v2."""
    return {"image": scene.image, "annotations": [_annotation(thing) for thing in scene.things]}


def predicted(scene: Scene, seed: int = 0) -> dict[str, Any]:
    """What a fair model would say: most things, a little off, some invented, with confidence.

    Another `seed` is another model.
    """
    rng = random.Random(scene.seed + seed)  # noqa: S311
    seen = [thing for thing in scene.things if rng.random() >= MISSED]
    moved = [Thing(thing.label, thing.color, _moved(rng, thing.points)) for thing in seen]
    annotations = [_scored(rng, thing, rng.betavariate(8, 2)) for thing in moved]
    invented = [_thing(rng) for _ in scene.things if rng.random() < INVENTED]
    annotations += [_scored(rng, thing, rng.betavariate(2, 5)) for thing in invented]
    return {"image": scene.image, "annotations": annotations}


def _moved(rng: random.Random, points: Points) -> Points:
    dx, dy = rng.gauss(0, 1.5), rng.gauss(0, 1.5)
    return _rounded([(x + dx, y + dy) for x, y in points])


def _rounded(points: Points) -> Points:
    return [(round(x, 2), round(y, 2)) for x, y in points]


def _scored(rng: random.Random, thing: Thing, confidence: float) -> dict[str, Any]:
    annotation = _annotation(thing)
    annotation["confidence"] = confidence
    annotation["attributes"]["color"][0]["confidence"] = rng.betavariate(9, 2)
    annotation["metadata"] = {"head": rng.choice(["near", "far"]), "anchor": rng.randrange(1000)}
    return annotation


def _annotation(thing: Thing) -> dict[str, Any]:
    geometry = GEOMETRY_OF[thing.label]
    coordinates: list[Any] = [list(point) for point in thing.points]
    if geometry == "rectangle":
        (x, y), _, (right, bottom), _ = thing.points
        coordinates = [x, y, round(right - x, 2), round(bottom - y, 2)]
    return {
        "type": geometry,
        GEOMETRY_KEYS[geometry]: coordinates,
        "label": thing.label,
        "attributes": {"color": [{"value": thing.color}]},
    }


def draw_scenes(every_scene: list[Scene], folder: Path) -> None:
    """Draw each scene to a JPEG file under its image's name."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - part of the stack extra

    for scene in every_scene:
        rng = random.Random(scene.seed + 17)  # noqa: S311
        ground = (rng.randint(205, 235), rng.randint(205, 235), rng.randint(205, 235))
        image = Image.new("RGB", IMAGE_WH, ground)
        pen = ImageDraw.Draw(image)
        for thing in scene.things:
            _draw(pen, thing)
        image.save(folder / scene.image, quality=JPEG_QUALITY)


def _draw(pen: Any, thing: Thing) -> None:
    color = COLORS[thing.color]
    edge = tuple(part // 2 for part in color)
    if thing.label == "cable":
        pen.line(thing.points, fill=color, width=3, joint="curve")
    elif thing.label == "bolts":
        for x, y in thing.points:
            corners = (x - BOLT_RADIUS, y - BOLT_RADIUS, x + BOLT_RADIUS, y + BOLT_RADIUS)
            pen.ellipse(corners, fill=color, outline=edge)
    else:
        pen.polygon(thing.points, fill=color, outline=edge)
