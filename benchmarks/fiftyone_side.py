"""FiftyOne's side of `beside_fiftyone.py`: runs in the environment that has it, and prints its seconds as JSON.

python fiftyone_side.py MONGOD FOLDER COCO-TRUTH COCO-RESULTS LABEL CONFIDENCE
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def main() -> None:
    mongod, folder, truth_path, run_path, label, confidence = sys.argv[1:]
    home = Path(folder)
    with running_database(Path(mongod), home / "database") as uri:
        os.environ |= {
            "FIFTYONE_DATABASE_URI": uri,
            "FIFTYONE_DATABASE_VALIDATION": "false",
            "FIFTYONE_DO_NOT_TRACK": "true",
            "FIFTYONE_SHOW_PROGRESS_BARS": "false",
            "HOME": str(home),
        }
        with contextlib.redirect_stdout(sys.stderr):
            figures = measure(home, Path(truth_path), Path(run_path), label, float(confidence))
    print(json.dumps(figures))


@contextlib.contextmanager
def running_database(mongod: Path, folder: Path) -> Iterator[str]:
    """A MongoDB on a free port of the loopback interface; its URI."""
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(mongod), "--dbpath", str(folder), "--port", str(port), "--bind_ip", "127.0.0.1"]
    process = subprocess.Popen([*command, "--quiet"], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"mongodb://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def measure(home: Path, truth_path: Path, run_path: Path, label: str, confidence: float) -> Any:
    """Seconds of load, filter, evaluate and export, with what they found."""
    import fiftyone as fo  # noqa: PLC0415 - reads its settings from the environment

    figures: dict[str, float] = {}
    started = time.perf_counter()

    def took(name: str) -> None:
        nonlocal started
        figures[name] = time.perf_counter() - started
        started = time.perf_counter()

    dataset = fo.Dataset("bench")
    dataset.add_samples(samples(fo, truth_path, run_path))
    took("load")
    view = dataset.filter_labels(
        "run", (fo.ViewField("label") == label) & (fo.ViewField("confidence") > confidence)
    )
    figures["images"] = len(view)
    took("filter")
    results = dataset.evaluate_detections(
        "run", gt_field="truth", eval_key="bench", compute_mAP=True
    )
    figures["AP"] = float(results.mAP())
    took("evaluate")
    dataset.export(
        dataset_type=fo.types.COCODetectionDataset,
        labels_path=str(home / "export.json"),
        label_field="run",
    )
    took("export")
    return figures


def samples(fo: Any, truth_path: Path, run_path: Path) -> list[Any]:
    """A sample for each image, with its truths and the boxes of the run."""
    truth = json.loads(truth_path.read_text())
    names = {row["id"]: row["name"] for row in truth["categories"]}
    sizes = {row["id"]: (row["width"], row["height"]) for row in truth["images"]}
    fields: dict[str, dict[int, list[Any]]] = {"truth": {}, "run": {}}
    for field, rows in (("truth", truth["annotations"]), ("run", json.loads(run_path.read_text()))):
        for row in rows:
            width, height = sizes[row["image_id"]]
            x, y, w, h = row["bbox"]
            detection = fo.Detection(
                label=names[row["category_id"]],
                bounding_box=[x / width, y / height, w / width, h / height],
                confidence=row.get("score"),
            )
            fields[field].setdefault(row["image_id"], []).append(detection)
    return [
        fo.Sample(
            filepath=f"/images/{row['file_name']}",
            metadata=fo.ImageMetadata(width=row["width"], height=row["height"]),
            **{
                field: fo.Detections(detections=images.get(row["id"], []))
                for field, images in fields.items()
            },
        )
        for row in truth["images"]
    ]


if __name__ == "__main__":
    main()
