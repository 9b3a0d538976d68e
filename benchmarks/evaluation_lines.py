"""Overlap and distance of lines: ours, and the straightforward ways, in one run.

    .venv/bin/python benchmarks/evaluation_lines.py                5,000 images x 8 lines a side
    .venv/bin/python benchmarks/evaluation_lines.py --images 500

Seeded lanes of 20 points in images of 1640 by 590 pixels, 8 in the truth and 8 in the run. Peers, as
far as they are installed (`pip install opencv-python-headless shapely scipy`): masks of the whole
image drawn with OpenCV or Pillow; outlines around lines with shapely; all pairs of points with scipy.
Peers work on a part of the images and are scaled by lines/s. The largest difference is between our
overlap and the peer's: theirs round to whole pixels or count area.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from layernext.evaluation.chamfer import chamfer_distance, resample
from layernext.evaluation.lanes import lane_iou

WIDTH, HEIGHT = 1640, 590
LINE_WIDTH = 30
LINES = 8
PEER_IMAGES = 100
CUTOFF = 30.0  # pixels; twice the highest threshold of the protocol

Lines = list[np.ndarray]


def images(count: int) -> Iterator[tuple[Lines, Lines]]:
    """Lanes towards a vanishing point, and a run that is some pixels off and misses a few."""
    rng = np.random.default_rng(7)
    y = np.linspace(HEIGHT - 1, 250, 20)
    for _ in range(count):
        bottom = np.sort(rng.uniform(-400, WIDTH + 400, LINES))
        far = rng.uniform(700, 900)
        bend = rng.uniform(-60, 60)
        share = (HEIGHT - 1 - y) / (HEIGHT - 1 - 250)
        truth = [
            np.stack([foot + (far - foot) * share + bend * share**2, y], axis=1) for foot in bottom
        ]
        run = [line + rng.normal(0, 8, 2) * (1, 0) + rng.normal(0, 2, (20, 2)) for line in truth]
        run[0][:, 0] += rng.uniform(40, 200)
        yield run, truth


def opencv(run: Lines, truth: Lines) -> np.ndarray:
    import cv2  # noqa: PLC0415 - peers may be missing

    def mask(line: np.ndarray) -> np.ndarray:
        canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.polylines(canvas, [line.round().astype(np.int32)], False, 1, LINE_WIDTH)
        return canvas.astype(bool)

    return from_masks([mask(line) for line in run], [mask(line) for line in truth])


def pillow(run: Lines, truth: Lines) -> np.ndarray:
    from PIL import Image, ImageDraw  # noqa: PLC0415

    def mask(line: np.ndarray) -> np.ndarray:
        canvas = Image.new("1", (WIDTH, HEIGHT))
        ImageDraw.Draw(canvas).line(
            [tuple(point) for point in line.tolist()], 1, LINE_WIDTH, joint="curve"
        )
        return np.asarray(canvas)

    return from_masks([mask(line) for line in run], [mask(line) for line in truth])


def from_masks(run: list[np.ndarray], truth: list[np.ndarray]) -> np.ndarray:
    return np.array([[(a & b).sum() / (a | b).sum() for b in truth] for a in run])


def with_shapely(run: Lines, truth: Lines) -> np.ndarray:
    import shapely  # noqa: PLC0415

    image = shapely.box(0, 0, WIDTH, HEIGHT)
    a, b = (
        shapely.intersection(shapely.buffer(shapely.linestrings(lines), LINE_WIDTH / 2), image)
        for lines in (run, truth)
    )
    shared = shapely.area(shapely.intersection(a[:, None], b[None]))
    return shared / (shapely.area(a)[:, None] + shapely.area(b)[None] - shared)


def all_pairs(run: Lines, truth: Lines) -> np.ndarray:
    from scipy.spatial import distance  # noqa: PLC0415

    found = np.empty((len(run), len(truth)))
    for i, line in enumerate(run):
        for j, other in enumerate(truth):
            apart = distance.cdist(resample(line, 100), resample(other, 100))
            found[i, j] = (apart.min(0).mean() + apart.min(1).mean()) / 2
    return found


def ours_iou(run: Lines, truth: Lines) -> np.ndarray:
    return lane_iou(run, truth, width=LINE_WIDTH, image_wh=(WIDTH, HEIGHT))


def ours_chamfer(run: Lines, truth: Lines) -> np.ndarray:
    return chamfer_distance(run, truth, cutoff=CUTOFF)


def rate(work: Callable[[Lines, Lines], Any], data: list[tuple[Lines, Lines]]) -> float:
    """Lines a second, both sides counted."""
    work(*data[0])  # imports
    start = time.perf_counter()
    for run, truth in data:
        work(run, truth)
    return len(data) * 2 * LINES / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5_000)
    data = list(images(parser.parse_args().images))
    few = data[:PEER_IMAGES]
    groups = [
        ("overlap of drawn lines", ours_iou,
         [("OpenCV, whole masks", "cv2", opencv), ("Pillow, whole masks", "PIL", pillow),
          ("shapely, outlines", "shapely", with_shapely)]),
        ("Chamfer distance", ours_chamfer, [("scipy, all points", "scipy", all_pairs)]),
    ]  # fmt: skip
    for title, ours, peers in groups:
        own = rate(ours, data)
        seconds = len(data) * 2 * LINES / own
        print(f"{title}: {len(data)} images x {LINES} lines a side")
        print(f"  ours                 {own:>9,.0f} lines/s   {seconds:.1f} s")
        for name, module, work in peers:
            if importlib.util.find_spec(module) is None:
                print(f"  {name:20} not installed")
                continue
            theirs = rate(work, few)
            apart = 0.0
            for run, truth in few[:20]:
                mine, other = ours(run, truth), work(run, truth)
                known = np.isfinite(mine)
                apart = max(apart, float(np.abs(mine - other)[known].max(initial=0)))
            print(
                f"  {name:20} {theirs:>9,.0f} lines/s   ours is {own / theirs:.1f} x as fast; "
                f"largest difference {apart:.2g}"
            )


if __name__ == "__main__":
    main()
