"""Evaluating boxes: ours, pycocotools and faster-coco-eval on the same data, in one run.

    python3 dev.py bench --evaluation            5,000 images x 36 boxes
    python3 dev.py bench --evaluation --large    and 118,000 images x 40 boxes

Each measurement is a process of its own that reads its files, evaluates and prints AP: ours two
LayerNext files, with one process and with one for each core, and from an embedded store, as the job of a
stack does it, tallies of every image stored again; the others COCO files with the same numbers. Printed are seconds, peak memory that no file stands behind (with that of child processes) and AP. faster-coco-eval
is installed from the package index into a virtual environment of its own. On the large data pycocotools
is left out, as it needs more than an hour, and faster-coco-eval is stopped when it has taken the memory
that `--memory` names. `--fiftyone` measures FiftyOne. Compare ratios: the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
DATA = HERE / "data"
SIZES = {"medium": (5_000, 36), "large": (118_000, 40)}
LABELS = 80
FASTER = "faster-coco-eval==1.8.0"
GIGABYTE = 1 << 30

OURS = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from layernext.evaluation import evaluate_files
if __name__ == "__main__":
    truth, run, processes = sys.argv[1:]
    executor = None
    if int(processes) > 1:
        executor = ProcessPoolExecutor(int(processes), mp_context=get_context("spawn"))
    print(evaluate_files(truth, run, executor=executor).summary["AP"])
"""

FROM_STORE = """
import logging, sys, time
from pathlib import Path
import msgspec
from layernext.formats import iter_file
from layernext.model import EvaluationSettings, ImageDecoder
from layernext.stack.jobs import JobRunner, handlers_for
from layernext.stack.objects import FolderStore
from layernext.stack.store import BatchPreparation, EvaluationRequest, ImageKey, Store
from layernext.wire.native import UploadRequest

def fill(store, run, mode, path):
    upload = store.uploads.open(UploadRequest(run=run, mode=mode, collection="bench")).id
    decoder, number, batch, count = ImageDecoder(None), 0, BatchPreparation(None, normalized=False), 0
    for raw in iter_file(path):
        image = decoder.decode(raw)
        batch.add(raw, image, ImageKey("name", image.image))
        count += 1
        if count == 1000:
            store.annotations.write_batch(upload, number, str(number), batch.finish())
            number, count, batch = number + 1, 0, BatchPreparation(None, normalized=False)
    if count:
        store.annotations.write_batch(upload, number, str(number), batch.finish())
        number += 1
    store.uploads.finish(upload, number)

def evaluate(store, folder):
    place = store.collections.find("bench")
    request = EvaluationRequest(
        collection_id=place.row_id, version_id=None, split=-1, run="run", truth="truth", run_mode=None,
        truth_mode=None, settings=EvaluationSettings().complete(), is_default=True, again=True,
    )
    found = store.evaluations.request(request)
    jobs = JobRunner(store.jobs, handlers_for(store, FolderStore(Path(folder))))
    jobs.start()
    while (found := store.evaluations.get(found.id)).status in {"queued", "in_progress"}:
        time.sleep(0.05)
    jobs.stop()
    print(msgspec.json.decode(store.evaluations.result(found.id)[1])["summary"]["AP"])

if __name__ == "__main__":
    logging.basicConfig()
    folder, *files = sys.argv[1:]
    store = Store.open(f"sqlite:///{folder}/stack.sqlite3")
    if files:
        fill(store, "truth", "human", files[0])
        fill(store, "run", "machine", files[1])
        print(0)
    else:
        evaluate(store, folder)
    store.close()
"""

PYCOCOTOOLS = """
import contextlib, io, sys
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
with contextlib.redirect_stdout(io.StringIO()):
    truth = COCO(sys.argv[1])
    found = COCOeval(truth, truth.loadRes(sys.argv[2]), "bbox")
    found.evaluate(); found.accumulate(); found.summarize()
print(found.stats[0])
"""

FASTER_COCO_EVAL = """
import contextlib, io, sys
from faster_coco_eval import COCO, COCOeval_faster
with contextlib.redirect_stdout(io.StringIO()):
    truth = COCO(sys.argv[1])
    found = COCOeval_faster(truth, truth.loadRes(sys.argv[2]), "bbox")
    found.evaluate(); found.accumulate(); found.summarize()
print(found.stats[0])
"""


@dataclass
class Figures:
    """One measurement; memory is private, of all its processes, the peak, in MB."""

    who: str
    seconds: float
    memory_mb: float
    ap: float | None


def iter_images(images: int, boxes: int, digits: int) -> Iterator[tuple[str, list, list]]:
    """Name, truths and annotations of each image, as (label, x, y, width, height, confidence).

    As many annotations as truths: four of five are a truth, moved by some and now and then mislabelled.
    """
    rng = np.random.default_rng(11)
    for number in range(images):
        sides = rng.choice([20.0, 60.0, 140.0], (boxes, 2)) * rng.uniform(0.5, 1.5, (boxes, 2))
        corners = rng.uniform(0, 1, (boxes, 2)) * (np.array([640.0, 480.0]) - sides)
        truths = np.concatenate([corners, sides], axis=1)
        labels = rng.integers(0, LABELS, boxes)
        moved = truths + rng.normal(0, 0.08, truths.shape) * np.tile(sides, 2)
        moved[:, 2:] = np.maximum(moved[:, 2:], 1)
        new = rng.random(boxes) < 0.2
        moved[new, :2] = rng.uniform(0, 400, (int(new.sum()), 2))
        said = np.where(rng.random(boxes) < 0.85, labels, rng.integers(0, LABELS, boxes))
        confidence = np.where(new, rng.beta(1, 3, boxes), rng.beta(3, 1.5, boxes))
        yield (
            f"{number:012d}.jpg",
            list(zip(labels.tolist(), truths.round(2).tolist(), strict=True)),
            list(
                zip(
                    said.tolist(),
                    moved.round(2).tolist(),
                    confidence.round(digits).tolist(),
                    strict=True,
                )
            ),
        )


def write_files(images: int, boxes: int, digits: int = 4) -> dict[str, Path]:
    """The files of a size, written unless they are there; confidences have that many digits."""
    stem = f"evaluation-{images}x{boxes}" + (f"-{digits}" if digits != 4 else "")
    paths = {
        name: DATA / f"{stem}-{name}.json"
        for name in ("truth", "run", "coco-truth", "coco-results")
    }
    if all(path.exists() for path in paths.values()):
        return paths
    partial = {name: path.with_suffix(".partial") for name, path in paths.items()}
    files = {name: path.open("w") for name, path in partial.items()}
    for name in ("truth", "run"):
        files[name].write('{"images": [')
    files["coco-truth"].write('{"annotations": [')
    files["coco-results"].write("[")
    count = 0
    rows: list[dict] = []
    for number, (image, truths, said) in enumerate(iter_images(images, boxes, digits), 1):
        rows.append({"id": number, "file_name": image, "width": 640, "height": 480})
        comma = "," if number > 1 else ""
        there = [{"type": "rectangle", "label": f"label_{c:02d}", "bbox": b} for c, b in truths]
        given = [
            {"type": "rectangle", "label": f"label_{c:02d}", "bbox": b, "confidence": s}
            for c, b, s in said
        ]
        files["truth"].write(comma + json.dumps({"image": image, "annotations": there}) + "\n")
        files["run"].write(comma + json.dumps({"image": image, "annotations": given}) + "\n")
        for place, (code, box) in enumerate(truths):
            row = {
                "id": count + place + 1, "image_id": number, "category_id": code + 1, "bbox": box,
                "area": box[2] * box[3], "iscrowd": 0,
            }  # fmt: skip
            files["coco-truth"].write(("," if count + place else "") + json.dumps(row))
        for place, (code, box, score) in enumerate(said):
            row = {"image_id": number, "category_id": code + 1, "bbox": box, "score": score}
            files["coco-results"].write(("," if count + place else "") + json.dumps(row))
        count += len(truths)
    for name in ("truth", "run"):
        files[name].write("]}\n")
    categories = [{"id": code + 1, "name": f"label_{code:02d}"} for code in range(LABELS)]
    tail = f'],"images":{json.dumps(rows)},"categories":{json.dumps(categories)}}}'
    files["coco-truth"].write(tail)
    files["coco-results"].write("]")
    for name, file in files.items():
        file.close()
        partial[name].replace(paths[name])
    return paths


def private_mb(pid: int) -> float:
    """Memory of a process and its children that no file stands behind."""
    total = 0
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    for line in text.splitlines():
        words = line.split()
        if words[0] == "Anonymous:":
            total += int(words[1])
    return total / 1000 + sum(private_mb(int(child)) for child in children)


def measure(
    who: str, python: Path, script: str, *arguments: object, memory: int | None = None
) -> Figures:
    """Run a script to its end; AP is what it prints last."""
    place = DATA / f"measured-{os.getpid()}.py"
    if memory is not None:
        limit = f"resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))"
        script = f"import resource\n{limit}\n{script}"
    place.write_text(script)
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(python), str(place), *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    peak = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, private_mb(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    output = process.communicate()[0]
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    place.unlink()
    return Figures(who, seconds, peak, float(output) if process.returncode == 0 else None)


def faster_python() -> Path:
    """The interpreter of a virtual environment with faster-coco-eval in it."""
    home = DATA / FASTER.replace("==", "-")
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", FASTER], check=True)
        (home / "ready").touch()
    return python


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--large", action="store_true", help="also 118,000 images x 40 boxes")
    parser.add_argument("--only-large", action="store_true", help="only that")
    parser.add_argument("--no-others", action="store_true", help="ours alone")
    parser.add_argument("--memory", type=float, default=16, help="gigabytes that another may take")
    options = parser.parse_args()
    DATA.mkdir(exist_ok=True)
    cores = os.cpu_count() or 1
    sizes = ["large"] if options.only_large else ["medium", *(["large"] if options.large else [])]
    for size in sizes:
        images, boxes = SIZES[size]
        paths = write_files(images, boxes)
        here = Path(sys.executable)
        rows = []
        for processes in dict.fromkeys((1, cores)):
            who = f"ours, {processes} process{'es' if processes > 1 else ''}"
            rows.append(measure(who, here, OURS, paths["truth"], paths["run"], processes))
        with tempfile.TemporaryDirectory(dir=DATA) as folder:
            measure("", here, FROM_STORE, folder, paths["truth"], paths["run"])
            rows.append(measure("ours, from the store", here, FROM_STORE, folder))
        if not options.no_others:
            coco = (paths["coco-truth"], paths["coco-results"])
            memory = int(options.memory * GIGABYTE)
            rows.append(
                measure("faster-coco-eval", faster_python(), FASTER_COCO_EVAL, *coco, memory=memory)
            )
            if size == "medium":
                rows.append(measure("pycocotools", here, PYCOCOTOOLS, *coco))
        megabytes = sum(paths[name].stat().st_size for name in ("truth", "run")) / 1e6
        print(
            f"\n{images:,} images x {boxes} truths and as many annotations, {megabytes:,.0f} MB of JSON; "
            f"{cores} cores, Python {platform.python_version()}"
        )
        ours = [row for row in rows if row.who.startswith("ours")]
        best = min(ours, key=lambda row: row.seconds)
        print(f"{'':20}{'seconds':>9}{'MB':>8}  {'AP':20}  to ours: time, memory")
        for row in rows:
            ap = f"{row.ap:.15f}" if row.ap is not None else "did not end"
            ratio = f"{row.seconds / best.seconds:5.1f} x {row.memory_mb / best.memory_mb:8.1f} x"
            print(f"{row.who:20}{row.seconds:9.2f}{row.memory_mb:8.0f}  {ap:20}  {ratio}")


if __name__ == "__main__":
    main()
