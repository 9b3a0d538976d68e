"""The demo's second set of images: every further kind of annotation, drawn where the ground truth says.

A kind is a `Painter`: how a thing of it is drawn, and what its annotation is. Each image has two things of each kind.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from layernext.cli.demo_scene import COLORS, JPEG_QUALITY
from layernext.model import EvaluatedGeometry, mask_of_pixels, rotated_corners

KIND_IMAGES = 40
IMAGE_WH = (320, 240)
THINGS_OF_KIND = 2
MARGIN = 36  # pixels from a thing's middle to the image's edge, so that none is cut
MISSED = 0.15  # of the things, by the models that the demo makes up
SHIFTS = {"kinds model v1": 2.5, "kinds model v2": 1.0}
"""Pixels by which each model misplaces things."""
TRUTH = "kinds truth"
SKIES = {"day": (226, 234, 242), "night": (52, 58, 84)}
_WATER, _LEAF, _BRICK = COLORS["blue"], COLORS["green"], COLORS["red"]

Pen = Any
"""Draws on a picture; Pillow is part of the stack extra."""


class Thing(Struct, frozen=True):
    """A thing: where its middle is, and how it is turned in degrees."""

    x: float
    y: float
    turn: float


class Painter(Struct, frozen=True):
    """A kind of things.

    Attributes:
        label: of its annotations.
        geometry: of its annotations.
        draw: draws a thing; ground color for its holes is the last argument.
        shape: the fields of a thing's annotation.
    """

    label: str
    geometry: EvaluatedGeometry
    draw: Callable[[Pen, Thing, Any], None]
    shape: Callable[[Thing], dict[str, Any]]


class KindScene(Struct, frozen=True):
    """An image, and what is in it: for each painter its things."""

    image: str
    seed: int
    sky: str
    things: list[tuple[int, Thing]]


def _ring(thing: Thing, radius: float, count: int = 16) -> list[tuple[float, float]]:
    angles = [step * math.tau / count for step in range(count)]
    return [
        (round(thing.x + radius * 1.2 * math.cos(a), 2), round(thing.y + radius * math.sin(a), 2))
        for a in angles
    ]


def _pond_parts(thing: Thing) -> list[list[list[tuple[float, float]]]]:
    """A pond with an island, and a puddle beside it."""
    puddle = Thing(thing.x + 26, thing.y + 20, 0)
    return [[_ring(thing, 18), _ring(thing, 7)], [_ring(puddle, 5)]]


def _draw_pond(pen: Pen, thing: Thing, ground: Any) -> None:
    for outer, *holes in _pond_parts(thing):
        pen.polygon(outer, fill=_WATER)
        for hole in holes:
            pen.polygon(hole, fill=ground)


def _draw_wreath(pen: Pen, thing: Thing, ground: Any) -> None:
    for radius, color in ((20, _LEAF), (9, ground)):
        pen.ellipse(
            (thing.x - radius, thing.y - radius, thing.x + radius, thing.y + radius), fill=color
        )


def _wreath_mask(thing: Thing) -> dict[str, Any]:
    from PIL import Image, ImageDraw  # noqa: PLC0415 - part of the stack extra

    width, height = IMAGE_WH
    picture = Image.new("L", IMAGE_WH, 0)
    pen = ImageDraw.Draw(picture)
    for radius, value in ((20, 1), (9, 0)):
        pen.ellipse(
            (thing.x - radius, thing.y - radius, thing.x + radius, thing.y + radius), fill=value
        )
    mask = mask_of_pixels((height, width), picture.transpose(Image.Transpose.TRANSPOSE).tobytes())
    return {"mask": {"size": [height, width], "counts": mask.counts}}


def _brick_box(thing: Thing) -> tuple[float, float, float, float]:
    return round(thing.x - 22, 2), round(thing.y - 8, 2), 44.0, 16.0


PAINTERS = (
    Painter("pond", "polygon", _draw_pond, lambda thing: {"parts": _pond_parts(thing)}),
    Painter("wreath", "mask", _draw_wreath, _wreath_mask),
    Painter(
        "brick",
        "rotated_box",
        lambda pen, thing, _: pen.polygon(
            rotated_corners(_brick_box(thing), thing.turn), fill=_BRICK, outline=(90, 30, 30)
        ),
        lambda thing: {"bbox": [*_brick_box(thing)], "rotation": thing.turn},
    ),
)
"""Every kind of shape that the demo's first images do not have."""

KINDS: tuple[EvaluatedGeometry, ...] = (*(painter.geometry for painter in PAINTERS), "image_label")
"""What is evaluated and compared."""


def kind_scenes(count: int = KIND_IMAGES, seed: int = 5) -> list[KindScene]:
    """Scenes; the same for the same seed."""
    scenes = []
    for number in range(count):
        rng = random.Random(seed * 1_000_003 + number)  # noqa: S311 - images, no secrets
        things = [
            (kind, _thing(rng)) for kind in range(len(PAINTERS)) for _ in range(THINGS_OF_KIND)
        ]
        sky = rng.choice(list(SKIES))
        scenes.append(KindScene(f"kinds_{number:03d}.jpg", rng.getrandbits(32), sky, things))
    return scenes


def _thing(rng: random.Random) -> Thing:
    width, height = IMAGE_WH
    x, y = rng.uniform(MARGIN, width - MARGIN), rng.uniform(MARGIN, height - MARGIN)
    return Thing(round(x, 1), round(y, 1), round(rng.uniform(-80, 80), 1))


def kinds_truth(scene: KindScene) -> dict[str, Any]:
    """What is really in the scene, as an image of form v2."""
    annotations = [_annotation(kind, thing) for kind, thing in scene.things]
    label = {"type": "image_label", "label": scene.sky}
    return {"image": scene.image, "annotations": [*annotations, label]}


def kinds_predicted(scene: KindScene, run: str) -> dict[str, Any]:
    """What one of the models says: most things, a little off, with confidence."""
    rng = random.Random(f"{scene.seed} {run}")  # noqa: S311
    shift = SHIFTS[run]
    annotations = []
    for kind, thing in scene.things:
        if rng.random() < MISSED:
            continue
        moved = Thing(
            round(thing.x + rng.gauss(0, shift), 1),
            round(thing.y + rng.gauss(0, shift), 1),
            round(thing.turn + rng.gauss(0, 3 * shift), 1),
        )
        annotations.append({**_annotation(kind, moved), "confidence": rng.betavariate(8, 2)})
    certainty = rng.betavariate(6, shift)
    for sky in SKIES:
        confidence = certainty if sky == scene.sky else 1 - certainty
        annotations.append({"type": "image_label", "label": sky, "confidence": confidence})
    return {"image": scene.image, "annotations": annotations}


def _annotation(kind: int, thing: Thing) -> dict[str, Any]:
    painter = PAINTERS[kind]
    return {"type": painter.geometry, "label": painter.label, **painter.shape(thing)}


def draw_kinds(scenes: list[KindScene], folder: Path) -> None:
    """Draw each scene to a JPEG file under its image's name."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - part of the stack extra

    for scene in scenes:
        ground = SKIES[scene.sky]
        image = Image.new("RGB", IMAGE_WH, ground)
        pen = ImageDraw.Draw(image)
        for kind, thing in scene.things:
            PAINTERS[kind].draw(pen, thing, ground)
        image.save(folder / scene.image, quality=JPEG_QUALITY)
