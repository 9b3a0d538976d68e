"""Comparison of two runs in files, without a stack: as `evaluate_files`, for both, and for the pair."""

from __future__ import annotations

from concurrent.futures import Executor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from layernext.evaluation.changes import RunPairing
from layernext.evaluation.comparison import IMAGES, LEVEL, RESAMPLES, compare_evaluations
from layernext.evaluation.evaluator import Evaluator
from layernext.evaluation.files import (
    PARTITION_IMAGES,
    Place,
    Progress,
    evaluate_sides,
    image_bytes,
    index_images,
    plain_file,
)
from layernext.evaluation.inputs import AnyPath, Given, ImageWh, Sides, open_sides
from layernext.formats import Losses, SourceOptions, matched_names
from layernext.model import Comparison, EvaluationSettings, Geometry


def compare_files(
    truth_path: AnyPath,
    run_path_a: AnyPath,
    run_path_b: AnyPath,
    settings: EvaluationSettings | None = None,
    *,
    truth_geometry: Geometry | None = None,
    geometry_a: Geometry | None = None,
    geometry_b: Geometry | None = None,
    image_wh: ImageWh | None = None,
    truth_format: str | None = None,
    run_format: str | None = None,
    images: AnyPath | None = None,
    instances: AnyPath | None = None,
    losses: Losses | None = None,
    source_options: SourceOptions | None = None,
    name_a: str | None = None,
    name_b: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
    image_limit: int = IMAGES,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare the files of two runs, against that of a ground truth and with each other.

    Args:
        truth_path: file or folder of any format that can be read (docs/formats.md). Its images are the ones
            that are compared.
        run_path_a, run_path_b: file or folder of each run, in any such format.
        settings: settings of both evaluations; missing ones are the protocol's own.
        truth_geometry, geometry_a, geometry_b: geometries of form v1 files; detected by default.
        image_wh, truth_format, images, instances, losses, source_options: as in `evaluate_files`.
        run_format: format of both runs; by default, it is detected for each run.
        name_a, name_b: names of the runs; by default those of the files.
        resamples, seed, level, image_limit: as in `compare_evaluations`.
        executor: computes partitions of the images and resamples; None for this process.
        progress: called after each partition with the number of images done and in total; each counts three
            times,
            for a, for b, and for both together.

    Raises:
        FormatError, DataError: a file is wrong; the message names the file and the location.
        ConfigurationError: the settings contradict each other, or an argument is out of range.
    """
    whole = (settings or EvaluationSettings()).complete()
    options = Given(
        truth_format=truth_format,
        run_format=run_format,
        images=images,
        instances=instances,
        losses=losses,
        source_options=source_options or SourceOptions(),
    )
    with open_sides(
        truth_path,
        [run_path_a, run_path_b],
        whole.geometry,
        options,
        truth_geometry=truth_geometry,
        run_geometries=[geometry_a, geometry_b],
        image_wh=image_wh,
    ) as sides:
        first, second, pairing = _measure(sides, sides.with_sigmas(whole), executor, progress)
    return compare_evaluations(
        first,
        second,
        pairing=pairing,
        name_a=name_a or Path(run_path_a).name,
        name_b=name_b or Path(run_path_b).name,
        resamples=resamples,
        seed=seed,
        level=level,
        image_limit=image_limit,
        executor=executor,
    )


def _measure(
    sides: Sides,
    settings: EvaluationSettings,
    executor: Executor | None,
    progress: Progress | None,
) -> tuple[Evaluator, Evaluator, RunPairing]:
    """Each run against the ground truth, and one against the other."""
    first, second = (
        evaluate_sides(
            sides,
            number,
            settings,
            executor,
            partial(_of_three, progress, number) if progress else None,
        )
        for number in (0, 1)
    )
    pairing = RunPairing(
        first.settings,
        confidence_a=first.result().confidence,
        confidence_b=second.result().confidence,
        a=sides.runs[0].source,
        b=sides.runs[1].source,
    )
    _pair_files(pairing, first.matched()[1], sides, executor, progress)
    return first, second, pairing


def _of_three(progress: Progress, number: int, done: int, total: int) -> None:
    progress(number * total + done, 3 * total)


def _pair_files(
    pairing: RunPairing,
    images: list[str],
    sides: Sides,
    executor: Executor | None,
    progress: Progress | None,
) -> None:
    with ExitStack() as stack:
        plain = [stack.enter_context(plain_file(side.path)) for side in sides.runs]
        indexes = [
            index_images(path, side.source.geometry, side.name)
            for path, side in zip(plain, sides.runs, strict=True)
        ]
        if sides.match_names:
            indexes = [
                matched_names(index, images, file=side.name)
                for index, side in zip(indexes, sides.runs, strict=True)
            ]
        chunks = [
            [
                (name, indexes[0].get(name), indexes[1].get(name), sides.size(name))
                for name in images[start : start + PARTITION_IMAGES]
            ]
            for start in range(0, len(images), PARTITION_IMAGES)
        ]
        work = partial(_pair, pairing.empty(), plain[0], plain[1])
        run = executor.map if executor else map
        done = 0
        for part, chunk in zip(run(work, chunks), chunks, strict=True):
            pairing.merge(part)
            done += len(chunk)
            if progress is not None:
                _of_three(progress, 2, done, len(images))


def _pair(
    pairing: RunPairing,
    path_a: str,
    path_b: str,
    images: list[tuple[str, Place | None, Place | None, ImageWh | None]],
) -> RunPairing:
    """Pair some images; may run in a worker, so it leaves its argument as it was."""
    part = pairing.empty()
    with (
        Path(path_a).open("rb", buffering=0) as a,
        Path(path_b).open("rb", buffering=0) as b,
    ):
        for image, in_a, in_b, image_wh in images:
            part.add(
                image,
                None if in_a is None else image_bytes(a, in_a),
                None if in_b is None else image_bytes(b, in_b),
                image_wh=image_wh,
            )
    return part
