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
from layernext.model import EvaluatedGeometry, Skeleton, mask_of_pixels, rotated_corners

KIND_IMAGES = 30
IMAGE_WH = (320, 240)
THINGS_OF_KIND = 2
MARGIN = 36  # pixels from a thing's middle to the image's edge, so that none is cut
MISSED = 0.15  # of the things, by the models that the demo makes up
SHIFTS = {"kinds model v1": 2.5, "kinds model v2": 1.0}
"""Pixels by which each model misplaces things."""
TRACK_CONFUSIONS = 0.1  # of the images, for each of these pixels
TRUTH = "kinds truth"
SKIES = {"day": (226, 234, 242), "night": (52, 58, 84)}
_WATER, _LEAF, _BRICK, _AMBER = (COLORS[name] for name in ("blue", "green", "red", "amber"))
_GRASS = (150, 176, 120)
HORIZONS = (192, 214)
"""Rows between which grass begins; things are above."""

Pen = Any
"""Draws on a picture; Pillow is part of the stack extra."""


class Thing(Struct, frozen=True):
    """A thing: where its middle is, how it is turned in degrees, and which one it is in all images, if it walks."""

    x: float
    y: float
    turn: float
    track: int | None = None


class Painter(Struct, frozen=True):
    """A kind of things.

    Attributes:
        label: of its annotations.
        geometry: of its annotations.
        draw: draws a thing; ground color for its holes is the last argument.
        shape: the fields of a thing's annotation.
        walks: whether its things are the same ones in all images, a step further in each.
    """

    label: str
    geometry: EvaluatedGeometry
    draw: Callable[[Pen, Thing, Any], None]
    shape: Callable[[Thing], dict[str, Any]]
    walks: bool = False


class KindScene(Struct, frozen=True):
    """An image, and what is in it: for each painter its things."""

    image: str
    seed: int
    sky: str
    horizon: int
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


FIGURE = Skeleton(
    points=("head", "neck", "left_hand", "right_hand", "hip", "left_foot", "right_foot"),
    edges=((0, 1), (1, 2), (1, 3), (1, 4), (4, 5), (4, 6)),
    sigmas=(0.03, 0.05, 0.08, 0.08, 0.06, 0.08, 0.08),
    flips=((2, 3), (5, 6)),
)
_FIGURE_POINTS = ((0, -21), (0, -13), (13, -5), (-13, -5), (0, 4), (9, 20), (-9, 20))
FIGURE_LABEL = "figure"


def _joints(thing: Thing) -> list[tuple[float, float]]:
    """Where the points of a figure are; its arms hang as it is turned."""
    lift = thing.turn / 10
    lifts = (0, 0, lift, -lift, 0, 0, 0)
    return [
        (round(thing.x + x, 2), round(thing.y + y + up, 2))
        for (x, y), up in zip(_FIGURE_POINTS, lifts, strict=True)
    ]


def _draw_figure(pen: Pen, thing: Thing, _: Any) -> None:
    joints = _joints(thing)
    for first, second in FIGURE.edges:
        pen.line((joints[first], joints[second]), fill=_AMBER, width=3)
    x, y = joints[0]
    pen.ellipse((x - 5, y - 5, x + 5, y + 5), fill=_AMBER)


def _figure_keypoints(thing: Thing) -> dict[str, Any]:
    box = [round(thing.x - 15, 2), round(thing.y - 27, 2), 30.0, 50.0]
    return {"keypoints": [[x, y, 2] for x, y in _joints(thing)], "bbox": box}


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
    Painter(FIGURE_LABEL, "keypoints", _draw_figure, _figure_keypoints, walks=True),
)
"""Every kind of shape that the demo's first images do not have."""

KINDS: tuple[EvaluatedGeometry, ...] = (
    *(painter.geometry for painter in PAINTERS),
    "semantic_mask",
    "image_label",
)
"""What is evaluated and compared."""


def kind_scenes(count: int = KIND_IMAGES, seed: int = 5) -> list[KindScene]:
    """Scenes; the same for the same seed."""
    scenes = []
    for number in range(count):
        rng = random.Random(seed * 1_000_003 + number)  # noqa: S311 - images, no secrets
        things = [
            (kind, _walking(rng, number, count, which) if painter.walks else _thing(rng))
            for kind, painter in enumerate(PAINTERS)
            for which in range(THINGS_OF_KIND)
        ]
        sky = rng.choice(list(SKIES))
        horizon = rng.randint(*HORIZONS)
        image = f"kinds_{number:03d}.jpg"
        scenes.append(KindScene(image, rng.getrandbits(32), sky, horizon, things))
    return scenes


def _thing(rng: random.Random) -> Thing:
    x = rng.uniform(MARGIN, IMAGE_WH[0] - MARGIN)
    y = rng.uniform(MARGIN, HORIZONS[0] - 28)
    return Thing(round(x, 1), round(y, 1), round(rng.uniform(-80, 80), 1))


def _walking(rng: random.Random, number: int, count: int, which: int) -> Thing:
    """A thing that walks through all images as through the frames of a video, every other one to the left."""
    way = IMAGE_WH[0] - 2 * MARGIN
    done = number / max(count - 1, 1)
    x = MARGIN + way * (1 - done if which % 2 else done)
    y = MARGIN + (which + 0.5) * (HORIZONS[0] - 28 - MARGIN) / THINGS_OF_KIND
    return Thing(round(x, 1), round(y, 1), _thing(rng).turn, track=which + 1)


def kinds_truth(scene: KindScene) -> dict[str, Any]:
    """What is really in the scene, as an image of form v2."""
    annotations = [_annotation(kind, thing) for kind, thing in scene.things]
    label = {"type": "image_label", "label": scene.sky}
    return {"image": scene.image, "annotations": [*annotations, *_areas(scene.horizon), label]}


def _areas(horizon: int) -> list[dict[str, Any]]:
    """Semantic masks of the sky and the grass."""
    width, height = IMAGE_WH
    rows = height - horizon
    sky = mask_of_pixels((height, width), width * (horizon * b"\1" + rows * b"\0"))
    grass = mask_of_pixels((height, width), width * (horizon * b"\0" + rows * b"\1"))
    return [
        {
            "type": "semantic_mask",
            "label": label,
            "mask": {"size": [height, width], "counts": mask.counts},
        }
        for label, mask in (("sky", sky), ("grass", grass))
    ]


def kinds_predicted(scene: KindScene, run: str) -> dict[str, Any]:
    """What one of the models says: most things, a little off, with confidence."""
    rng = random.Random(f"{scene.seed} {run}")  # noqa: S311
    shift, track_shift = SHIFTS[run], _track_shift(scene, run)
    annotations = []
    for kind, thing in scene.things:
        if rng.random() < MISSED:
            continue
        moved = Thing(
            round(thing.x + rng.gauss(0, shift), 1),
            round(thing.y + rng.gauss(0, shift), 1),
            round(thing.turn + rng.gauss(0, 3 * shift), 1),
            track=_tracked(thing.track, track_shift),
        )
        annotations.append({**_annotation(kind, moved), "confidence": rng.betavariate(8, 2)})
    annotations += _areas(scene.horizon + round(rng.gauss(0, 4 * shift)))
    certainty = rng.betavariate(6, shift)
    for sky in SKIES:
        confidence = certainty if sky == scene.sky else 1 - certainty
        annotations.append({"type": "image_label", "label": sky, "confidence": confidence})
    return {"image": scene.image, "annotations": annotations}


def _track_shift(scene: KindScene, run: str) -> int:
    """By how much a model confuses the tracks of an image: most often it does not."""
    rng = random.Random(f"{scene.seed} {run} tracks")  # noqa: S311
    return int(rng.random() < TRACK_CONFUSIONS * SHIFTS[run])


def _tracked(track: int | None, shift: int) -> int | None:
    return None if track is None else (track - 1 + shift) % THINGS_OF_KIND + 1


def _annotation(kind: int, thing: Thing) -> dict[str, Any]:
    painter = PAINTERS[kind]
    track = {} if thing.track is None else {"track": thing.track}
    return {"type": painter.geometry, "label": painter.label, **track, **painter.shape(thing)}


def draw_kinds(scenes: list[KindScene], folder: Path) -> None:
    """Draw each scene to a JPEG file under its image's name."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - part of the stack extra

    for scene in scenes:
        ground = SKIES[scene.sky]
        image = Image.new("RGB", IMAGE_WH, ground)
        pen = ImageDraw.Draw(image)
        pen.rectangle((0, scene.horizon, *IMAGE_WH), fill=_GRASS)
        for kind, thing in scene.things:
            PAINTERS[kind].draw(pen, thing, ground)
        image.save(folder / scene.image, quality=JPEG_QUALITY)
