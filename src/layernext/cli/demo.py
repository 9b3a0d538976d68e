"""`layernext demo`: the whole way of a model run, on a stack that lives as long as the demo."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer

from layernext.cli import exit_codes
from layernext.cli.demo_scene import draw_scenes, predicted, scenes, truth
from layernext.cli.output import print_json, print_table, say
from layernext.cli.stack_extra import load_stack
from layernext.client import LayerNextClient, UploadReport
from layernext.errors import ConfigurationError
from layernext.formats import iter_file
from layernext.model import Geometry, ImageAnnotations, decode_trusted

COLLECTION = "path1/path2/"
SCENES = "demo/scenes"
SAMPLES: list[tuple[str, str, Geometry]] = [
    ("test model v1.0.1", "example_bbox.json", "rectangle"),
    ("test model v1.0.2", "example_polygon.json", "polygon"),
    ("test model v1.0.3", "example_line.json", "line"),
]
START_SECONDS = 30


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the stack running until Ctrl-C.")
    ] = False,
    images: Annotated[
        int, typer.Option("--images", min=1, max=100_000, help="Images of the generated run.")
    ] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """See it work: a temporary stack, model runs up and down again, compared value by value.

    Needs nothing: no key, no database, no data. Uploads three small sample files, a generated model
    run and its ground truth; lists what is stored; downloads and compares.

    Examples:

        layernext demo

        layernext demo --keep
    """
    load_stack()
    with tempfile.TemporaryDirectory(prefix="layernext-demo-") as name:
        folder = Path(name)
        with _running_stack(folder / "stack") as (stack, process):
            client = LayerNextClient(stack["api_key"], stack["secret"], stack["url"])
            with client:
                results = _run(client, folder, images, is_silent=as_json)
            same = all(result["identical"] for result in results)
            if as_json:
                print_json({"identical": same, "runs": results})
            elif not keep:
                say("\nThe demo's stack and data are gone now. To keep them: layernext demo --keep")
                say("To start a stack of your own: layernext serve")
            if keep:
                _stay(stack, folder, process)
    if not same:
        raise typer.Exit(exit_codes.DIFFERENT)


def _run(
    client: LayerNextClient, folder: Path, images: int, *, is_silent: bool
) -> list[dict[str, Any]]:
    """Everything that the demo shows; what was compared, run by run."""
    tell = (lambda _text: None) if is_silent else say
    results = []
    tell("1. The three sample files\n")
    for run, sample, geometry in SAMPLES:
        path = folder / sample
        path.write_bytes((resources.files("layernext.cli") / "samples" / sample).read_bytes())
        report = client.upload_modelrun_from_json(COLLECTION, run, os.fspath(path), geometry)
        tell(f"   {report}")
        results.append(_compare(client, COLLECTION, run, path, geometry, folder))

    tell(f"\n2. A generated model run and its ground truth, {images:,} images\n")
    drawn = folder / "images"
    drawn.mkdir()
    truth_file, run_file = folder / "truth.json", folder / "run.json"
    every_scene = scenes(images)
    draw_scenes(every_scene, drawn)
    truth_file.write_text(json.dumps({"images": [truth(scene) for scene in every_scene]}))
    run_file.write_text(json.dumps({"images": [predicted(scene) for scene in every_scene]}))
    uploads: list[tuple[str, Path, bool]] = [
        ("truth", truth_file, False),
        ("shapes model v1", run_file, True),
    ]
    for run, path, is_model_run in uploads:
        report = _upload(client, run, path, is_model_run=is_model_run, is_silent=is_silent)
        tell(f"   {report}")
        results.append(_compare(client, SCENES, run, path, None, folder))
    tell(f"   {len(every_scene):,} images were drawn to {drawn}")

    if not is_silent:
        _show(client, results)
    return results


def _upload(
    client: LayerNextClient, run: str, path: Path, *, is_model_run: bool, is_silent: bool
) -> UploadReport:
    progress = False if is_silent else None
    return client.upload_annotations_for_collection(
        SCENES, run, path, False, is_model_run, progress=progress
    )


def _compare(
    client: LayerNextClient,
    collection: str,
    run: str,
    path: Path,
    geometry: Geometry | None,
    folder: Path,
) -> dict[str, Any]:
    """Download a run, as typed objects and as a file, and hold both against what was uploaded."""
    sent = [decode_trusted(raw, geometry) for raw in iter_file(path)]
    received: list[ImageAnnotations] = list(client.iter_annotations(collection, run))
    back = folder / "back.json"
    client.download_to_file(collection, [run], back, progress=False)
    same_file = json.loads(path.read_bytes()) == json.loads(back.read_bytes())
    return {
        "collection": collection.rstrip("/"),
        "run": run,
        "images": len(sent),
        "annotations": sum(len(image.annotations) for image in sent),
        "identical": sent == received and same_file,
    }


def _show(client: LayerNextClient, results: list[dict[str, Any]]) -> None:
    say("\n3. What the stack has\n")
    sys.stderr.flush()
    print_table(
        ["Collection", "Images"],
        [[row.name, row.image_count] for row in client.list_collections()],
        "nothing",
    )
    typer.echo("")
    print_table(
        ["Run", "Kind", "Collection", "Images", "Annotations"],
        [
            [
                row.name,
                "model run" if row.mode == "machine" else "ground truth",
                row.collection,
                row.image_count,
                row.annotation_count,
            ]
            for row in client.list_model_runs()
        ],
        "nothing",
    )
    labels = ", ".join(f"{label.name} {label.color}" for label in client.get_all_labels())
    typer.echo(f"\nLabels: {labels}")
    say("\n4. Downloaded again and compared with what was uploaded, value by value\n")
    for result in results:
        verdict = "identical" if result["identical"] else "DIFFERENT"
        numbers = f"{result['annotations']:,} annotations on {result['images']:,} images"
        typer.echo(f"   {result['run']}: {numbers}: {verdict}")


@contextmanager
def _running_stack(folder: Path) -> Iterator[tuple[dict[str, str], subprocess.Popen[bytes]]]:
    """A stack as a process of its own, on a free port, with its first key."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir()
    key_file, log_file = folder / "key.json", folder / "stack.log"
    command = [sys.executable, "-m", "layernext.cli", "serve", "--data", str(folder), "--json"]
    with key_file.open("wb") as out, log_file.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - this very program
            [*command, "--host", "127.0.0.1", "--port", str(port)], stdout=out, stderr=log
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(process, url, log_file)
        yield json.loads(key_file.read_bytes()), process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/ready", timeout=1).close()  # noqa: S310 - loopback
        except OSError:
            time.sleep(0.05)
        else:
            return
    last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
    raise ConfigurationError(f"the demo's stack did not start: {last[0]}")


def _stay(stack: dict[str, str], folder: Path, process: subprocess.Popen[bytes]) -> None:
    say("\nThe stack keeps running. In another terminal:\n")
    typer.echo(f"export LAYERNEXT_API_KEY={stack['api_key']}")
    typer.echo(f"export LAYERNEXT_SECRET={stack['secret']}")
    typer.echo(f"export LAYERNEXT_URL={stack['url']}")
    say("\n   layernext runs")
    say(f'   layernext download {SCENES} "shapes model v1" --out back.json')
    say(f"\nAPI description: {stack['url']}/api/docs")
    say(f"Drawn images:    {folder / 'images'}")
    say("\nCtrl-C ends it and removes its data.")
    sys.stdout.flush()
    try:
        process.wait()
    except KeyboardInterrupt:
        say("\nstopping")
