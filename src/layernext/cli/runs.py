"""`layernext runs`: the model runs and ground truths of a stack."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layernext.cli.command_groups import GROUPS, ListingGroup
from layernext.cli.connection import Connection
from layernext.cli.evaluation_options import (
    GroundTruthName,
    Intervals,
    Measures,
    Report,
    Slices,
    StackGeometry,
    Tracks,
    Worst,
)
from layernext.cli.options import (
    AnyCollection,
    AsJson,
    CollectionName,
    GroundTruthOrModelRun,
    RunName,
    Split,
    Yes,
)
from layernext.cli.output import counted, print_json, print_rows, print_table, tell, time_text
from layernext.cli.prompts import confirm
from layernext.errors import ConfigurationError, NotFound

if TYPE_CHECKING:
    from layernext.model import Mode, ModelRun, RunStatistics

KINDS = {"machine": "model run", "human": "ground truth"}

runs = ListingGroup(help=GROUPS["runs"].summary)


@runs.command("list")
def list_runs(
    collection: AnyCollection = None, as_json: AsJson = False, *, connection: Connection
) -> None:
    """List model runs and ground truths with their counts.

    Examples:

        layernext runs list

        layernext runs list path1/path2 --json
    """
    with connection.open() as client:
        rows = client.runs.list(collection)
    show_runs(rows, as_json=as_json)


@runs.command("show")
def show_run(
    collection: CollectionName,
    run: RunName,
    ground_truth: GroundTruthOrModelRun = None,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Show one run: its annotations by label.

    With --json also histograms of confidence and size.

    Examples:

        layernext runs show path1/path2 "test model v1.0.1"

        layernext runs show path1/path2 "test model v1.0.1" --json
    """
    modes: dict[bool | None, Mode | None] = {None: None, True: "human", False: "machine"}
    with connection.open() as client:
        statistics = client.runs.statistics(collection, run, mode=modes[ground_truth])
    if as_json:
        print_json(statistics.to_dict())
    else:
        _show_statistics(statistics)


@runs.command("delete")
def delete_run(
    collection: CollectionName,
    run: RunName,
    yes: Yes = False,
    missing_ok: Annotated[
        bool, typer.Option("--missing-ok", help="Exit with code 0 if there is no such run.")
    ] = False,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Delete a run's annotations from a collection.

    This deletes the model run and the ground truth of that name. If there is neither, the exit
    code is 5, or 0 with --missing-ok.

    Examples:

        layernext runs delete path1/path2 "test model v1.0.1"

        layernext runs delete path1/path2 "test model v1.0.1" --yes --json
    """
    with connection.open() as client:
        if not yes:
            confirm(
                f"Delete {run!r} from {collection!r}? This cannot be undone.", "nothing deleted"
            )
        report = client.runs.delete(collection, run)
    if report.images == 0 and not missing_ok:
        raise NotFound(f"collection {collection!r} has no run {run!r}", status=404)
    if as_json:
        print_json(report.to_dict())
    else:
        annotations = counted(report.annotations or 0, "annotation")
        tell(f"deleted {annotations} of {counted(report.images or 0, 'image')}")


@runs.command("evaluate")
def evaluate_run(
    collection: CollectionName,
    run: RunName,
    ground_truth: GroundTruthName,
    geometry: StackGeometry = "rectangle",
    is_version: Annotated[
        bool,
        typer.Option("--dataset-version", help="COLLECTION is the id of a dataset version."),
    ] = False,
    split: Split = None,
    again: Annotated[
        bool, typer.Option("--again", help="Evaluate again even if the stored result is current.")
    ] = False,
    slices: Slices = None,
    tracking: Tracks = False,
    worst: Worst = 0,
    *,
    measures: Measures,
    report: Report,
    connection: Connection,
) -> None:
    """Evaluate a model run in a stack against a ground truth.

    The images are those of the ground truth. The numbers for boxes and polygons equal those of
    pycocotools. The stack stores its evaluations, and computes one again after annotations have
    changed.

    Examples:

        layernext runs evaluate path1/path2 "test model v1.0.1" --truth "ground truth"

        layernext runs evaluate path1/path2 "test model v1.0.1" --truth "ground truth" --worst 20

        layernext runs evaluate 5f0c1e… "model 7" --truth truth --dataset-version --split test
    """
    refuse_files([collection, run])
    with connection.open() as client:
        evaluation = client.evaluate(
            run=run,
            ground_truth=ground_truth,
            collection=None if is_version else collection,
            dataset_version=collection if is_version else None,
            split=split,
            geometry=geometry,
            again=again,
            progress=False if report.quiet else None,
            slices=tuple(slices or ()),
            tracking=tracking,
            **measures.arguments(),
        )
        tallies = list(islice(client.evaluations.iter_tallies(evaluation), worst)) if worst else []
    report.give_evaluation(evaluation, tallies, worst)


@runs.command("compare")
def compare_runs(
    collection: CollectionName,
    run_a: Annotated[str, typer.Argument(help="Baseline run, by name.")],
    run_b: Annotated[str, typer.Argument(help="Run to compare with it, by name.")],
    ground_truth: GroundTruthName,
    geometry: StackGeometry = "rectangle",
    *,
    measures: Measures,
    intervals: Intervals,
    report: Report,
    connection: Connection,
) -> None:
    """Compare two model runs in a stack on a ground truth.

    Differences are RUN_B minus RUN_A. Confidence intervals come from resampling the images, with
    the same samples for both runs: if an interval excludes 0, the choice of images does not
    explain the difference.

    Examples:

        layernext runs compare path1/path2 "test model v1" "test model v2" --truth "ground truth"

        layernext runs compare kitchen old new --truth truth --resamples 0 --json
    """
    refuse_files([collection, run_a, run_b])
    with connection.open() as client:
        comparison = client.compare(
            collection=collection,
            run_a=run_a,
            run_b=run_b,
            ground_truth=ground_truth,
            geometry=geometry,
            progress=False if report.quiet else None,
            **intervals.arguments(),
            **measures.arguments(),
        )
    report.give_comparison(comparison)


def refuse_files(names: Sequence[str]) -> None:
    """With --truth everything is in the stack.

    Raises:
        ConfigurationError: all names are those of files.
    """
    if all(Path(name).is_file() for name in names):
        raise ConfigurationError(
            f"{' and '.join(names)} are files, but --truth names a ground truth in a stack",
            hint="omit --truth to evaluate the files",
        )


def show_runs(rows: list[ModelRun], *, as_json: bool = False) -> None:
    """Print model runs and ground truths."""
    print_rows(
        rows,
        ["Run", "Kind", "Collection", "Images", "Annotations", "Updated (UTC)"],
        lambda row: [
            row.name,
            KINDS[row.mode],
            row.collection or "(unnamed)",
            row.image_count,
            row.annotation_count,
            time_text(row.updated_at),
        ],
        "no model runs yet",
        as_json=as_json,
    )


def _show_statistics(statistics: RunStatistics) -> None:
    tell(
        f"{KINDS[statistics.mode]} {statistics.run} in {statistics.collection}: "
        f"{counted(statistics.annotations, 'annotation')} on {counted(statistics.images, 'image')}, "
        f"{statistics.empty_images:,} of them empty"
    )
    geometries = ", ".join(f"{count:,} {kind}" for kind, count in statistics.geometries.items())
    tell(f"geometries: {geometries or 'none'}\n")
    print_table(
        ["Label", "Annotations", "Images"],
        [
            (label, count, statistics.images_by_label[label])
            for label, count in sorted(statistics.labels.items(), key=lambda pair: -pair[1])
        ],
        "no annotations",
    )
