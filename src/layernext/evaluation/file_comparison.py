"""Comparison of two runs in files, without a stack: as `evaluate_files`, for both, and for the pair."""

from __future__ import annotations

import os
from concurrent.futures import Executor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TypeAlias

from layernext.evaluation.changes import RunPairing
from layernext.evaluation.comparison import IMAGES, LEVEL, RESAMPLES, compare_evaluations
from layernext.evaluation.files import (
    PARTITION_IMAGES,
    Place,
    Progress,
    evaluate_files_to_evaluator,
    image_bytes,
    index_images,
    plain_file,
)
from layernext.evaluation.packing import Source
from layernext.formats import detect_geometry
from layernext.model import Comparison, EvaluationSettings, Geometry

AnyPath: TypeAlias = str | os.PathLike[str]


def compare_files(
    truth_path: AnyPath,
    run_path_a: AnyPath,
    run_path_b: AnyPath,
    settings: EvaluationSettings | None = None,
    *,
    truth_geometry: Geometry | None = None,
    geometry_a: Geometry | None = None,
    geometry_b: Geometry | None = None,
    image_wh: tuple[float, float] | None = None,
    name_a: str | None = None,
    name_b: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
    image_limit: int = IMAGES,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare two runs' files, against a ground truth's and with each other.

    Args:
        truth_path: LayerNext JSON, form v1 or v2; plain, ``.gz`` or ``.zst``. Its images are those
            that are compared.
        run_path_a, run_path_b: likewise.
        settings: of both evaluations; blanks are the protocol's own.
        truth_geometry, geometry_a, geometry_b: of form v1 files; found out if left out.
        image_wh: as in `evaluate_files`.
        name_a, name_b: of the runs; the files' names if left out.
        resamples, seed, level, image_limit: as in `compare_evaluations`.
        executor: where partitions of the images and draws are worked on; None: here.
        progress: called after each partition, with images done and of all: each counts three times,
            for a, for b, and for both together.

    Raises:
        FormatError, DataError: a file is wrong; names the file and the place.
        ConfigurationError: the settings contradict each other, or an argument is out of range.
    """
    runs = (run_path_a, run_path_b)
    geometries = (geometry_a, geometry_b)
    evaluators = []
    for number, (path, geometry) in enumerate(zip(runs, geometries, strict=True)):
        evaluator = evaluate_files_to_evaluator(
            truth_path,
            path,
            settings,
            truth_geometry=truth_geometry,
            run_geometry=geometry,
            image_wh=image_wh,
            executor=executor,
            progress=partial(_of_three, progress, number) if progress else None,
        )
        evaluators.append(evaluator)
    first, second = evaluators
    images = first.matched()[1]
    pairing = RunPairing(
        first.settings,
        confidence_a=first.result().confidence,
        confidence_b=second.result().confidence,
        a=Source(geometry_a or detect_geometry(run_path_a)),
        b=Source(geometry_b or detect_geometry(run_path_b)),
    )
    _pair_files(pairing, images, runs, image_wh, executor, progress)
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


def _of_three(progress: Progress, number: int, done: int, total: int) -> None:
    progress(number * total + done, 3 * total)


def _pair_files(
    pairing: RunPairing,
    images: list[str],
    paths: tuple[AnyPath, AnyPath],
    image_wh: tuple[float, float] | None,
    executor: Executor | None,
    progress: Progress | None,
) -> None:
    with ExitStack() as stack:
        plain = [stack.enter_context(plain_file(path)) for path in paths]
        places = [
            index_images(path, source.geometry, Path(original).name)
            for path, source, original in zip(plain, pairing.sources, paths, strict=True)
        ]
        chunks = [
            [(name, places[0].get(name), places[1].get(name)) for name in images[start:end]]
            for start in range(0, len(images), PARTITION_IMAGES)
            for end in [start + PARTITION_IMAGES]
        ]
        work = partial(_pair, pairing.empty(), plain[0], plain[1], image_wh)
        run = executor.map if executor else map
        done = 0
        for found, chunk in zip(run(work, chunks), chunks, strict=True):
            pairing.merge(found)
            done += len(chunk)
            if progress is not None:
                _of_three(progress, 2, done, len(images))


def _pair(
    pairing: RunPairing,
    path_a: str,
    path_b: str,
    image_wh: tuple[float, float] | None,
    images: list[tuple[str, Place | None, Place | None]],
) -> RunPairing:
    """Pair some images; may run in a worker, so it leaves its argument as it was."""
    found = pairing.empty()
    with (
        Path(path_a).open("rb", buffering=0) as a,
        Path(path_b).open("rb", buffering=0) as b,
    ):
        for image, in_a, in_b in images:
            found.add(
                image,
                None if in_a is None else image_bytes(a, in_a),
                None if in_b is None else image_bytes(b, in_b),
                image_wh=image_wh,
            )
    return found
