"""Conversions between formats: speed and memory, against the usual script for the same.

    python3 dev.py bench --convert                      11,800 images with 40 boxes each
    python3 dev.py bench --convert --images 118000      as many as COCO's train set has

Each conversion runs in a process of its own. "by hand" is what one would write without us: the whole file
into memory with `json` (or pycocotools for COCO), and out again. Both outputs are counted afterwards. The
files are on the disk below --folder, and stay in the page cache if there is room.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from pyarrow import parquet
from synthetic import IMAGE_WH, write_run

from layernext.formats import Sample, read_format, write_export

OURS = """
import sys, layernext
source, target, format, kind = sys.argv[1:]
layernext.convert(source, target, format, source_format=kind)
"""

TO_COCO = """
import json, sys
source, target = sys.argv[1:3]
content = json.load(open(source))
codes, images, annotations = {}, [], []
for number, image in enumerate(content["images"], 1):
    images.append({"id": number, "file_name": image["image"]})
    for one in image["annotations"]:
        code = codes.setdefault(one["label"], len(codes) + 1)
        x, y, w, h = one["bbox"]
        annotations.append({"id": len(annotations) + 1, "image_id": number, "category_id": code,
                            "bbox": [x, y, w, h], "area": w * h, "iscrowd": 0,
                            "score": one["confidence"]})
categories = [{"id": code, "name": name} for name, code in codes.items()]
json.dump({"images": images, "annotations": annotations, "categories": categories},
          open(target, "w"))
"""

TO_YOLO = """
import pathlib, sys
from pycocotools.coco import COCO
source, target = sys.argv[1:3]
coco, folder = COCO(source), pathlib.Path(target, "labels", "train")
folder.mkdir(parents=True)
for image in coco.loadImgs(coco.getImgIds()):
    wide, high, lines = image["width"], image["height"], []
    for one in coco.loadAnns(coco.getAnnIds(image["id"])):
        x, y, w, h = one["bbox"]
        lines.append(f"{one['category_id'] - 1} {(x + w / 2) / wide:.10f} {(y + h / 2) / high:.10f} "
                     f"{w / wide:.10f} {h / high:.10f}")
    (folder / image["file_name"]).with_suffix(".txt").write_text("\\n".join(lines) + "\\n")
"""

TO_LAYERNEXT = """
import json, sys
from pycocotools.coco import COCO
source, target = sys.argv[1:3]
coco = COCO(source)
names = {row["id"]: row["name"] for row in coco.loadCats(coco.getCatIds())}
json.dump({"images": [
    {"image": image["file_name"], "annotations": [
        {"type": "rectangle", "bbox": one["bbox"], "label": names[one["category_id"]],
         "confidence": one["score"], "attributes": one["attributes"]}
        for one in coco.loadAnns(coco.getAnnIds(image["id"]))]}
    for image in coco.loadImgs(coco.getImgIds())]}, open(target, "w"))
"""

TO_PARQUET = """
import json, sys
import pandas
source, target = sys.argv[1:3]
rows = []
for image in json.load(open(source))["images"]:
    for one in image["annotations"]:
        x, y, w, h = one["bbox"]
        rows.append((image["image"], one["label"], one["confidence"], x, y, w, h,
                     json.dumps(one["attributes"])))
columns = ["image", "label", "confidence", "x", "y", "box_width", "box_height", "attributes"]
pandas.DataFrame(rows, columns=columns).to_parquet(target, compression="zstd")
"""


# What the kernel says at the end; `getrusage` would count what this process had before it.
PEAK = """
print(open("/proc/self/status").read())
"""


def run(script: str, *arguments: str) -> tuple[float, int]:
    """Seconds and peak bytes of a script in a process of its own."""
    os.sync()
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script + PEAK, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    peak_kib = int(done.stdout.rsplit("VmHWM:", 1)[1].split()[0])
    return time.perf_counter() - began, peak_kib * 1024


def sized(source: Path) -> Iterator[Sample]:
    """The run with the images' sizes, which YOLO needs."""
    for each in read_format(source, "layernext"):
        yield Sample(
            image=each.image, annotations=each.annotations, width=IMAGE_WH[0], height=IMAGE_WH[1]
        )


def count(path: Path, kind: str) -> int:
    """Annotations in an output, whoever wrote it."""
    if kind == "parquet":
        return int(parquet.read_metadata(path).num_rows)
    if kind == "yolo":
        texts = (each.read_bytes() for each in (path / "labels").rglob("*.txt"))
        return sum(text.count(b"\n") for text in texts)
    mark = b'"bbox"'
    found, tail = 0, b""
    with path.open("rb") as file:
        while piece := file.read(1 << 24):
            found += (tail + piece).count(mark)
            tail = piece[-len(mark) + 1 :]
    return found


def main() -> None:
    """Run all of it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--images", type=int, default=11_800)
    parser.add_argument("--boxes", type=int, default=40)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary one by default")
    options = parser.parse_args()
    total = options.images * options.boxes
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        plain = write_run(folder / "run.json", options.images, options.boxes)
        coco = folder / "instances.json"
        write_export(sized(plain), coco, "coco")
        cases = [
            (plain, "layernext", "coco", TO_COCO, "json"),
            (plain, "layernext", "parquet", TO_PARQUET, "json and pandas"),
            (coco, "coco", "yolo", TO_YOLO, "pycocotools"),
            (coco, "coco", "layernext", TO_LAYERNEXT, "pycocotools"),
        ]
        print(f"{options.images:,} images, {total:,} boxes, {plain.stat().st_size / 1e6:,.0f} MB")
        print(
            "| conversion | annotations/s | MB of memory | by hand with | annotations/s | MB | ratios |"
        )
        print("| --- | ---: | ---: | --- | ---: | ---: | --- |")
        for source, from_kind, to_kind, script, peer in cases:
            rows = []
            for text in (OURS, script):
                target = folder / "out"
                rows.append(run(text, str(source), str(target), to_kind, from_kind))
                if count(target, to_kind) != total:
                    raise SystemExit(f"{to_kind}: {count(target, to_kind)} of {total} annotations")
                if target.is_dir():
                    shutil.rmtree(target)
                else:
                    target.unlink()
            (ours_s, ours_b), (theirs_s, theirs_b) = rows
            print(
                f"| {from_kind} to {to_kind} | {total / ours_s:,.0f} | {ours_b / 1e6:,.0f} | {peer} "
                f"| {total / theirs_s:,.0f} | {theirs_b / 1e6:,.0f} "
                f"| {theirs_s / ours_s:.2f}x as fast, {ours_b / theirs_b:.2f}x the memory |"
            )


if __name__ == "__main__":
    main()
