"""`layernext demo`: the round trip of a model run, on a temporary stack."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from layernext.cli import exit_codes
from layernext.cli.collections import show_collections
from layernext.cli.demo_kinds import (
    FIGURE,
    FIGURE_LABEL,
    SHIFTS,
    TRUTH,
    draw_kinds,
    kind_scenes,
    kinds_predicted,
    kinds_truth,
)
from layernext.cli.demo_kinds import (
    KINDS as FURTHER_KINDS,
)
from layernext.cli.demo_scene import draw_scenes, predicted, scenes, truth
from layernext.cli.demo_stack import DemoStack, running_stack, sign_in_link
from layernext.cli.labels import show_labels
from layernext.cli.output import own_command, print_json, print_table, tell
from layernext.cli.runs import KINDS, show_runs
from layernext.cli.stack_extra import INSTALL, load_stack
from layernext.client import LayerNextClient
from layernext.errors import ConfigurationError, Conflict
from layernext.formats import iter_file
from layernext.model import (
    Comparison,
    EvaluatedGeometry,
    Geometry,
    Tracking,
    counted,
    decode_trusted,
)

COLLECTION = "path1/path2/"
SCENES = "demo/scenes"
KIND_SCENES = "demo/kinds"
SAMPLES: list[tuple[str, str, Geometry]] = [
    ("test model v1.0.1", "example_bbox.json", "rectangle"),
    ("test model v1.0.2", "example_polygon.json", "polygon"),
    ("test model v1.0.3", "example_line.json", "line"),
]
GENERATED = [("scenes truth", "truth.json", False), ("scenes model v1", "run.json", True)]
KIND_RUNS = [(TRUTH, "kinds-truth.json", False), *((run, f"{run}.json", True) for run in SHIFTS)]
SCORES = ("AP", "accuracy", "mIoU")
"""The number to show: the first that an evaluation has."""
RESAMPLES = 200
"""Enough for two digits of an interval."""
COMPARE_TRIES = 20
"""Each evaluates both runs, by when the stack has inspected further images."""


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the stack running until Ctrl-C.")
    ] = False,
    images: Annotated[
        int,
        typer.Option("--images", min=1, max=100_000, help="Number of images to draw."),
    ] = 500,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document at the end.")
    ] = False,
) -> None:
    """Show what a stack does, with sample data on a temporary one.

    Needs no API key, database or data. Uploads three small sample files, a generated model run and
    its ground truth, and two model runs with every further kind of annotation; lists, downloads and compares them
    value by value; evaluates the runs; and compares two of them.

    Examples:

        layernext demo

        layernext demo --keep

        layernext demo --images 50 --json
    """
    load_stack()
    if not importlib.util.find_spec("PIL"):
        raise ConfigurationError(f"the demo draws images and needs Pillow; run: {INSTALL}")
    # Ended from outside, the demo still stops its stack and removes its folder.
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _end)
    with (
        tempfile.TemporaryDirectory(prefix="layernext-demo-") as folder,
        running_stack(Path(folder) / "stack") as stack,
        LayerNextClient(stack.api_key, stack.secret, stack.url) as client,
    ):
        show = Demo(client, Path(folder), images, is_silent=as_json)
        show.upload_samples()
        show.upload_generated()
        show.upload_kinds()
        show.list_everything()
        results = show.compare()
        same = all(result["identical"] for result in results)
        show.evaluate()
        show.compare_kinds()
        if as_json:
            print_json({"identical": same, "runs": results})
        if keep:
            _stay(stack, Path(folder) / "images", is_silent=as_json)
    if not keep and not as_json:
        tell("\nThe stack of the demo and its data are deleted. Next:")
        command = own_command()
        tell(f"  {command} demo --keep    repeat the demo, and keep its stack running")
        tell(f"  {command} serve          start your own stack")
    if not same:
        raise typer.Exit(exit_codes.DIFFERENT)


class Demo:
    """What the demo shows, step by step, on one stack.

    Args:
        client: of the demo's stack.
        folder: where files and images go.
        images: of the generated run.
        is_silent: show nothing.
    """

    def __init__(
        self, client: LayerNextClient, folder: Path, images: int, *, is_silent: bool
    ) -> None:
        self._client = client
        self._folder = folder
        self._images = images
        self._is_silent = is_silent

    def _tell(self, text: str) -> None:
        if not self._is_silent:
            tell(text)

    def upload_samples(self) -> None:
        """The three sample files, by the calls that the README shows."""
        self._tell("1. The three sample files, uploaded as the README says\n")
        for run, sample, geometry in SAMPLES:
            path = self._folder / sample
            path.write_bytes((resources.files("layernext.cli") / "samples" / sample).read_bytes())
            report = self._client.upload_modelrun_from_json(COLLECTION, run, str(path), geometry)
            call = ", ".join(repr(argument) for argument in (COLLECTION, run, sample, geometry))
            self._tell(f"   client.upload_modelrun_from_json({call})")
            self._tell(f"   {report}")

    def upload_generated(self) -> None:
        """A model run of drawn scenes and its ground truth, all geometries in one file."""
        self._tell(f"\n2. A model run and its ground truth on {self._images:,} drawn images\n")
        drawn = self._folder / "images"
        drawn.mkdir()
        every_scene = scenes(self._images)
        draw_scenes(every_scene, drawn)
        quiet = False if self._is_silent else None
        files = self._client.files.upload(drawn, "image", SCENES, progress=quiet)
        self._tell(f"   {files}")
        writers = {"truth.json": truth, "run.json": predicted}
        for run, name, is_model_run in GENERATED:
            path = self._folder / name
            path.write_text(json.dumps({"images": [writers[name](scene) for scene in every_scene]}))
            report = self._client.annotations.upload_for_collection(
                SCENES, run, path, False, is_model_run, progress=quiet
            )
            self._tell(f"   {report}")
            self._tell(f"   {report.annotations_per_second:,.0f} annotations/s from file to disk")

    def upload_kinds(self) -> None:
        """Two model runs and their ground truth with the further kinds of annotations."""
        every_scene = kind_scenes()
        self._tell(f"\n3. {', '.join(FURTHER_KINDS)} on {len(every_scene)} further images\n")
        drawn = self._folder / "kinds"
        drawn.mkdir()
        draw_kinds(every_scene, drawn)
        self._tell(f"   {self._client.files.upload(drawn, 'image', KIND_SCENES, progress=False)}")
        for run, name, is_model_run in KIND_RUNS:
            images = [
                kinds_predicted(scene, run) if is_model_run else kinds_truth(scene)
                for scene in every_scene
            ]
            path = self._folder / name
            skeletons = {FIGURE_LABEL: msgspec.to_builtins(FIGURE)}
            path.write_text(json.dumps({"skeletons": skeletons, "images": images}))
            report = self._client.annotations.upload_for_collection(
                KIND_SCENES, run, path, False, is_model_run, progress=False
            )
            self._tell(f"   {report}")

    def list_everything(self) -> None:
        """Collections, runs and labels as the stack lists them."""
        if self._is_silent:
            return
        tell("\n4. What the stack contains now\n")
        show_collections(self._client.collections.list())
        tell()
        show_runs(self._client.runs.list())
        tell()
        show_labels(self._client.labels.list())

    def compare(self) -> list[dict[str, Any]]:
        """Every run downloaded and held against its file; one result for each."""
        runs: list[tuple[str, str, str, Geometry | None]] = [
            *((COLLECTION, run, name, geometry) for run, name, geometry in SAMPLES),
            *((SCENES, run, name, None) for run, name, _ in GENERATED),
            *((KIND_SCENES, run, name, None) for run, name, _ in KIND_RUNS),
        ]
        results = [self._compare(*run) for run in runs]
        if not self._is_silent:
            tell("\n5. Downloaded again and compared with the files, value by value\n")
            print_table(
                ["Run", "Kind", "Images", "Annotations", "Verdict"],
                [
                    [r["run"], r["kind"], r["images"], r["annotations"], _verdict(r)]
                    for r in results
                ],
                "nothing",
            )
        return results

    def evaluate(self) -> None:
        """The generated run measured against its ground truth, by the stack."""
        truth_name, run_name = (name for name, _, _ in GENERATED)
        evaluation = self._client.evaluate(
            collection=SCENES, run=run_name, ground_truth=truth_name, progress=False
        )
        self._tell("\n6. The boxes of that model run, evaluated against its ground truth\n")
        for name in ("AP", "AP50", "precision", "recall"):
            number = evaluation.summary[name]
            self._tell(f"   {name:10}{'-' if number is None else f'{number:.3f}'}")
        for tally in islice(self._client.evaluations.iter_tallies(evaluation), 1):
            self._tell(
                f"   worst is {tally.image}: {tally.true_positives} found, "
                f"{tally.false_positives} false, {tally.missed} missed"
            )

    def compare_kinds(self) -> None:
        """The two runs with the further kinds, compared kind by kind on their ground truth."""
        run_a, run_b = SHIFTS
        rows = []
        with ThreadPoolExecutor(len(FURTHER_KINDS)) as pool:
            comparisons = pool.map(partial(self._comparison, run_a, run_b), FURTHER_KINDS)
            for kind, comparison in zip(FURTHER_KINDS, comparisons, strict=True):
                score = next(score for score in comparison.scores if score.name in SCORES)
                numbers = [score.a, score.b, score.delta, score.low, score.high]
                a, b, delta, low, high = ("-" if n is None else f"{n:.3f}" for n in numbers)
                rows.append([kind, score.name, a, b, delta, f"{low} to {high}"])
        if not self._is_silent:
            tell("\n7. Two models on the further kinds, evaluated and compared\n")
            print_table(
                ["Kind", "Score", run_a, run_b, "Difference", "95 % of resamples"], rows, "nothing"
            )
            for run in (run_a, run_b):
                tracks = self._tracking(run).overall
                hota, switches = tracks.scores["HOTA"], tracks.counts["id_switches"]
                tell(
                    f"tracks of {run}: HOTA {hota or 0:.3f}, {counted(switches, 'id switch', 'id switches')}"
                )

    def _tracking(self, run: str) -> Tracking:
        """How well a run tells which figure is which from image to image."""
        evaluation = self._client.evaluate(
            collection=KIND_SCENES,
            run=run,
            ground_truth=TRUTH,
            geometry="keypoints",
            tracking=True,
            progress=False,
        )
        assert evaluation.tracking is not None  # noqa: S101 - the settings ask for it
        return evaluation.tracking

    def _comparison(self, run_a: str, run_b: str, kind: EvaluatedGeometry) -> Comparison:
        """Compare two runs, again if the stack has meanwhile learned the size of an image.

        Raises:
            Conflict: that was the case every time.
        """
        for _ in range(COMPARE_TRIES):
            with contextlib.suppress(Conflict):
                return self._client.compare(
                    collection=KIND_SCENES,
                    run_a=run_a,
                    run_b=run_b,
                    ground_truth=TRUTH,
                    geometry=kind,
                    resamples=RESAMPLES,
                    progress=False,
                )
        raise Conflict("the stack still inspects images", status=409)

    def _compare(
        self, collection: str, run: str, name: str, geometry: Geometry | None
    ) -> dict[str, Any]:
        path, back = self._folder / name, self._folder / f"back-{name}"
        sent = [decode_trusted(raw, geometry) for raw in iter_file(path)]
        received = list(self._client.iter_annotations(collection, run))
        self._client.download_to_file(collection, [run], back, progress=False)
        mode = "human" if (run, name, False) in [*GENERATED, *KIND_RUNS] else "machine"
        return {
            "collection": collection.rstrip("/"),
            "run": run,
            "kind": KINDS[mode],
            "images": len(sent),
            "annotations": sum(len(image.annotations) for image in sent),
            "identical": sent == received
            and is_same(json.loads(path.read_bytes()), json.loads(back.read_bytes())),
        }


def is_same(value: Any, other: Any) -> bool:
    """Whether two JSON values are equal to the last digit; 243 and 243.0 differ."""
    if type(value) is not type(other):
        return False
    if isinstance(value, dict):
        return value.keys() == other.keys() and all(
            is_same(value[key], other[key]) for key in value
        )
    if isinstance(value, list):
        return len(value) == len(other) and all(map(is_same, value, other))
    return repr(value) == repr(other)


def _verdict(result: dict[str, Any]) -> str:
    return "identical" if result["identical"] else "DIFFERENT"


def _end(*_: object) -> None:
    raise KeyboardInterrupt


def _stay(stack: DemoStack, images: Path, *, is_silent: bool) -> None:
    """Leave the stack up until Ctrl-C, and say where everything is."""
    if not is_silent:
        tell(
            "\nThe stack keeps running, in this terminal, until Ctrl-C. Look at it in a browser:\n"
        )
        tell(sign_in_link(stack))
        tell(
            "  (works once, within ten minutes; afterwards, sign in with the key and secret below)\n"
        )
        tell("Or from another terminal:\n")
        tell(f"export LAYERNEXT_API_KEY={stack.api_key}")
        tell(f"export LAYERNEXT_SECRET={stack.secret}")
        tell(f"export LAYERNEXT_URL={stack.url}\n")
        tell("layernext runs")
        tell(f'layernext download {SCENES} "{GENERATED[1][0]}" --out back.json\n')
        tell(f"The stack's pages: {stack.url}/")
        tell(f"The stack's API:   {stack.url}/api/docs")
        tell(f"Drawn images:      {images}")
        tell("Ctrl-C ends the stack and removes its data.")
    sys.stdout.flush()
    try:
        stack.process.wait()
    except KeyboardInterrupt:
        if not is_silent:
            tell("\nstopped")
    else:
        raise ConfigurationError("the demo's stack stopped unexpectedly")
