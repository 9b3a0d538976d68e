"""Masks: upload, query and evaluation in a stack, beside pycocotools on the same run lengths.

    python3 dev.py bench --masks                  500 images x 36 masks, twice: truth and run
    python3 dev.py bench --masks --images 5000

Draws seeded outlines of 24 corners in 640 by 480 images, 80 labels, as COCO's compressed run lengths, and writes
them as LayerNext and as COCO files. The stack is a process of its own on an empty folder; its job evaluates what was
uploaded. pycocotools loads the COCO files and evaluates them. Both must give the same AP. Memory is the peak that no
file stands behind, of a side's processes together. Compare ratios: the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from evaluation import LABELS, private_mb
from memory_peak import MemoryPeak
from pycocotools import mask as coco_masks

import layernext
from layernext.cli.demo_stack import running_stack

HERE = Path(__file__).parent
DATA = HERE / "data"
IMAGE_WH = (640, 480)
MASKS = 36
CORNERS = 24
QUERIES = (
    "annotation.geometry = mask AND annotation.label = label_07",
    "annotation.area > 12000 AND annotation.confidence > 0.9",
)

PYCOCOTOOLS = """
import contextlib, io, json, sys, time
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
with contextlib.redirect_stdout(io.StringIO()):
    started = time.perf_counter()
    truth = COCO(sys.argv[1])
    run = truth.loadRes(sys.argv[2])
    loaded = time.perf_counter()
    evaluation = COCOeval(truth, run, "segm")
    evaluation.evaluate(); evaluation.accumulate(); evaluation.summarize()
    ended = time.perf_counter()
print(json.dumps({"load": loaded - started, "evaluate": ended - loaded, "AP": evaluation.stats[0]}))
"""


def outlines(centers: Any, radii: Any, rng: np.random.Generator) -> list[dict[str, Any]]:
    """The run lengths of wobbly outlines around centers."""
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    width, height = IMAGE_WH
    reach = radii[:, None] * rng.uniform(0.75, 1.1, (len(radii), CORNERS))
    x = np.clip(centers[:, :1] + reach * np.cos(angles), 0, width - 1)
    y = np.clip(centers[:, 1:] + reach * np.sin(angles), 0, height - 1)
    corners = np.stack([x, y], axis=2).reshape(len(radii), -1).tolist()
    encoded: list[dict[str, Any]] = coco_masks.frPyObjects(corners, height, width)
    return encoded


def iter_images(images: int) -> Iterator[tuple[str, list[Any], list[Any]]]:
    """Name, truths and annotations of each image, as (label, run lengths, confidence)."""
    rng = np.random.default_rng(13)
    for number in range(images):
        centers = rng.uniform((40, 40), (600, 440), (MASKS, 2))
        radii = rng.choice([16.0, 40.0, 80.0], MASKS) * rng.uniform(0.6, 1.4, MASKS)
        labels = rng.integers(0, LABELS, MASKS)
        moved = centers + rng.normal(0, 0.08, centers.shape) * radii[:, None]
        is_new = rng.random(MASKS) < 0.2
        moved[is_new] = rng.uniform((40, 40), (600, 440), (int(is_new.sum()), 2))
        names = np.where(rng.random(MASKS) < 0.85, labels, rng.integers(0, LABELS, MASKS))
        confidences = np.where(is_new, rng.beta(1, 3, MASKS), rng.beta(3, 1.5, MASKS)).round(6)
        truths = [row["counts"].decode() for row in outlines(centers, radii, rng)]
        run = [row["counts"].decode() for row in outlines(moved, radii, rng)]
        yield (
            f"{number:012d}.jpg",
            list(zip(labels.tolist(), truths, strict=True)),
            list(zip(names.tolist(), run, confidences.tolist(), strict=True)),
        )


def area(counts: str) -> float:
    width, height = IMAGE_WH
    return float(coco_masks.area({"size": [height, width], "counts": counts.encode()}))


def write_files(images: int) -> dict[str, Path]:
    """The files of a size, written unless they exist."""
    names = ("truth", "run", "coco-truth", "coco-results")
    paths = {name: DATA / f"masks-{images}x{MASKS}-{name}.json" for name in names}
    if all(path.exists() for path in paths.values()):
        return paths
    width, height = IMAGE_WH
    rows: dict[str, list[Any]] = {name: [] for name in names}
    files = []
    for number, (image, truths, run) in enumerate(iter_images(images), start=1):
        files.append({"id": number, "file_name": image, "width": width, "height": height})
        annotations: dict[str, list[Any]] = {"truth": [], "run": []}
        for name, label, counts, *confidence in [
            *(("truth", *truth) for truth in truths),
            *(("run", *annotation) for annotation in run),
        ]:
            mask = {"size": [height, width], "counts": counts}
            fields = {"confidence": confidence[0]} if confidence else {}
            annotations[name].append(
                {"type": "mask", "label": f"label_{label:02d}", "mask": mask, **fields}
            )
            row = {"image_id": number, "category_id": label + 1, "segmentation": mask}
            if confidence:
                rows["coco-results"].append({**row, "score": confidence[0]})
            else:
                row |= {"id": len(rows["coco-truth"]) + 1, "area": area(counts), "iscrowd": 0}
                rows["coco-truth"].append(row)
        for name in ("truth", "run"):
            rows[name].append({"image": image, "annotations": annotations[name]})
    categories = [{"id": code + 1, "name": f"label_{code:02d}"} for code in range(LABELS)]
    for name in ("truth", "run"):
        paths[name].write_text(json.dumps({"images": rows[name]}))
    truth = {"annotations": rows["coco-truth"], "images": files, "categories": categories}
    paths["coco-truth"].write_text(json.dumps(truth))
    paths["coco-results"].write_text(json.dumps(rows["coco-results"]))
    return paths


@contextmanager
def step(name: str, seconds: dict[str, float]) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - started


def measure_ours(paths: dict[str, Path]) -> tuple[dict[str, float], float]:
    """Seconds of each step, with the AP, and the peak memory of client and stack."""
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=DATA) as folder:
        peak = MemoryPeak(os.getpid(), private_mb)
        with (
            running_stack(Path(folder) / "stack") as stack,
            layernext.LayerNextClient(stack.api_key, stack.secret, stack.url) as client,
        ):
            with step("upload", seconds):
                for name in ("truth", "run"):
                    client.upload_modelrun(
                        "bench", name, paths[name], ground_truth=name == "truth", progress=False
                    )
            for query in QUERIES:
                with step(f"query {query}", seconds):
                    seconds[f"images {query}"] = sum(
                        1 for _ in client.items.iter("bench", query=query)
                    )
            with step("evaluate", seconds):
                evaluation = client.evaluate(
                    collection="bench",
                    run="run",
                    ground_truth="truth",
                    geometry="mask",
                    progress=False,
                )
            seconds["AP"] = float(evaluation.summary["AP"] or 0)
        return seconds, peak.stop()


def measure_pycocotools(paths: dict[str, Path]) -> tuple[dict[str, float], float]:
    process = subprocess.Popen(
        [sys.executable, "-c", PYCOCOTOOLS, str(paths["coco-truth"]), str(paths["coco-results"])],
        stdout=subprocess.PIPE,
        text=True,
    )
    peak = MemoryPeak(process.pid, private_mb)
    output = process.communicate()[0]
    return json.loads(output), peak.stop()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=500)
    options = parser.parse_args()
    DATA.mkdir(exist_ok=True)
    paths = write_files(options.images)
    count = options.images * MASKS
    megabytes = sum(paths[name].stat().st_size for name in ("truth", "run")) / 1e6
    print(
        f"{count:,} masks against {count:,}, {megabytes:,.0f} MB of JSON; {os.cpu_count()} cores, "
        f"Python {platform.python_version()}"
    )
    ours, our_memory = measure_ours(paths)
    theirs, their_memory = measure_pycocotools(paths)
    print(f"ours:        upload {ours['upload']:.1f} s ({2 * count / ours['upload']:,.0f} masks/s), "
          f"evaluate {ours['evaluate']:.1f} s, {our_memory:,.0f} MB, AP {ours['AP']:.15f}")  # fmt: skip
    for query in QUERIES:
        answer = f"{ours[f'images {query}']:.0f} images in {1000 * ours[f'query {query}']:.0f} ms"
        print(f"             {answer}: {query}")
    print(f"pycocotools: load {theirs['load']:.1f} s, evaluate {theirs['evaluate']:.1f} s, "
          f"{their_memory:,.0f} MB, AP {theirs['AP']:.15f}")  # fmt: skip
    print(f"pycocotools / ours: evaluate {theirs['evaluate'] / ours['evaluate']:.1f} x the time, "
          f"{their_memory / our_memory:.1f} x the memory; AP differs by {abs(theirs['AP'] - ours['AP']):.1e}")  # fmt: skip
    if abs(theirs["AP"] - ours["AP"]) > 1e-9:
        raise SystemExit("the APs differ")


if __name__ == "__main__":
    main()
