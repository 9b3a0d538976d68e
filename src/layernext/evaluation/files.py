"""Evaluation of two files, without a stack.

Both files are looked through once for where each image stands; then each image's two sets are read
from their places, partition by partition, in this process or in those of an executor. So images may
stand in any order, and memory does not grow with the files. Compressed files are decompressed into a
temporary folder first: in them no place can be gone to. Other formats are converted there (`inputs`).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, as_completed
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path

import msgspec
from msgspec import Struct

from layernext.errors import DataError, FormatError, Problem
from layernext.evaluation.columns import Source
from layernext.evaluation.evaluator import Evaluator
from layernext.evaluation.inputs import Given, ImageWh, Sides, open_sides
from layernext.formats import (
    Losses,
    SourceOptions,
    Spans,
    iter_raw_images,
    matched_names,
    open_decompressed,
)
from layernext.model import Evaluation, EvaluationSettings, Geometry, find_image_problems

PARTITION_IMAGES = 2_000
"""Images that a process is given at a time: some seconds of work, so that progress is seen."""

Place = tuple[int, int]
"""First byte and length."""

Progress = Callable[[int, int], None]
"""Called with the number of images done, and of all."""

_PLAIN_STARTS = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


class _Named(Struct, gc=False):
    image: str


_decode_name = msgspec.json.Decoder(_Named).decode


class _Task(Struct, frozen=True, kw_only=True):
    """Some images of two plain files."""

    truth_path: str
    run_path: str
    settings: EvaluationSettings
    truth: Source
    run: Source
    images: list[tuple[str, Place, Place | None, ImageWh | None, int]]


def evaluate_files(
    truth_path: str | os.PathLike[str],
    run_path: str | os.PathLike[str],
    settings: EvaluationSettings | None = None,
    *,
    truth_geometry: Geometry | None = None,
    run_geometry: Geometry | None = None,
    image_wh: tuple[float, float] | None = None,
    truth_format: str | None = None,
    run_format: str | None = None,
    images: str | os.PathLike[str] | None = None,
    instances: str | os.PathLike[str] | None = None,
    losses: Losses | None = None,
    source_options: SourceOptions | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate the file of a run against that of a ground truth.

    The images are those of the ground truth: other images of the run are left out and counted, and
    an image that the run lacks counts as empty in it.

    Args:
        truth_path: file or folder of any format that can be read (docs/formats.md); LayerNext JSON is
            fastest.
        run_path: file or folder of the run, in any such format.
        settings: settings of the evaluation; missing ones are the protocol's defaults.
        truth_geometry: geometry of a form v1 file; detected by default.
        run_geometry: the same for the run.
        image_wh: width and height in pixels, if it is the same for all images: needed where coordinates are
            fractions; lines and polygons are cut off there. Sizes in the files take precedence.
        truth_format, run_format: as in `layernext.convert`; detected by default.
        images: folder with the images, if a format lacks their sizes.
        instances: for COCO results: the COCO file that defines the ids; by default the ground truth, if it is
            one.
        losses: collects the data in files of other formats that cannot be read.
        source_options: how to read annotations: label rules, the scale of scores, class names, and how names
            of images match.
        executor: evaluates partitions of the images; None for this process. Its workers must see the
            same files.
        progress: called after each partition.

    Raises:
        FormatError, DataError: a file is malformed; the message names the file and the location in it.
        ConfigurationError: the settings contradict each other.
    """
    return evaluate_files_to_evaluator(
        truth_path,
        run_path,
        settings,
        truth_geometry=truth_geometry,
        run_geometry=run_geometry,
        image_wh=image_wh,
        truth_format=truth_format,
        run_format=run_format,
        images=images,
        instances=instances,
        losses=losses,
        source_options=source_options,
        executor=executor,
        progress=progress,
    ).result()


def evaluate_files_to_evaluator(
    truth_path: str | os.PathLike[str],
    run_path: str | os.PathLike[str],
    settings: EvaluationSettings | None = None,
    *,
    truth_geometry: Geometry | None = None,
    run_geometry: Geometry | None = None,
    image_wh: tuple[float, float] | None = None,
    truth_format: str | None = None,
    run_format: str | None = None,
    images: str | os.PathLike[str] | None = None,
    instances: str | os.PathLike[str] | None = None,
    losses: Losses | None = None,
    source_options: SourceOptions | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Evaluator:
    """As `evaluate_files`, but return the evaluator, which also has the tallies of the images."""
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
        [run_path],
        whole.geometry,
        options,
        truth_geometry=truth_geometry,
        run_geometries=[run_geometry],
        image_wh=image_wh,
    ) as sides:
        return evaluate_sides(sides, 0, sides.with_sigmas(whole), executor, progress)


def evaluate_sides(
    sides: Sides,
    number: int,
    settings: EvaluationSettings,
    executor: Executor | None,
    progress: Progress | None,
) -> Evaluator:
    """Evaluate one of the runs.

    Args:
        sides: the files.
        number: of the run.
        settings: completed.
        executor, progress: as in `evaluate_files`.
    """
    both = (sides.truth, sides.runs[number])
    with ExitStack() as stack:
        plain = [stack.enter_context(plain_file(side.path)) for side in both]
        indexing = [
            _submit(executor, index_images, path, side.source.geometry, side.name)
            for path, side in zip(plain, both, strict=True)
        ]
        truths, runs = (future.result() for future in indexing)
        if sides.match_names:
            runs = matched_names(runs, truths, file=both[1].name)
        if not truths:
            raise DataError(
                Problem("", "has no images, so nothing can be evaluated"), file=both[0].name
            )
        order = both[0].order
        images = [
            (name, span, runs.get(name), sides.size(name), order.get(name, 0))
            for name, span in sorted(truths.items())
        ]
        evaluator = Evaluator(settings, truth=both[0].source, run=both[1].source)
        evaluator.count_images_without_truth(len(runs.keys() - truths.keys()))
        tasks = [
            _Task(
                truth_path=plain[0],
                run_path=plain[1],
                settings=settings,
                truth=both[0].source,
                run=both[1].source,
                images=images[start : start + PARTITION_IMAGES],
            )
            for start in range(0, len(images), PARTITION_IMAGES)
        ]
        done = 0
        for partial, count in _carry_out(tasks, executor):
            evaluator.merge(partial)
            done += count
            if progress is not None:
                progress(done, len(images))
    return evaluator


def _carry_out(tasks: list[_Task], executor: Executor | None) -> Iterator[tuple[Evaluator, int]]:
    if executor is None:
        for task in tasks:
            yield _evaluate(task), len(task.images)
        return
    futures = {executor.submit(_evaluate, task): len(task.images) for task in tasks}
    try:
        for future in as_completed(list(futures)):
            yield future.result(), futures.pop(future)
    finally:
        for future in futures:
            future.cancel()


def _submit(
    executor: Executor | None, call: Callable[..., dict[str, Place]], *arguments: object
) -> Future[dict[str, Place]]:
    if executor is not None:
        return executor.submit(call, *arguments)
    future: Future[dict[str, Place]] = Future()
    future.set_result(call(*arguments))
    return future


def index_images(path: str, geometry: Geometry | None, file: str) -> dict[str, Place]:
    """Where each image stands in a plain file."""
    spans_by_name: dict[str, Place] = {}
    spans = Spans()
    name: str | None = None

    def judge(raw: bytes) -> bool:
        nonlocal name
        name = _name_of(raw)
        return name is not None

    with open_decompressed(path) as stream:
        for number, raw in enumerate(iter_raw_images(stream, file=file, judge=judge, spans=spans)):
            image = name or _name_of(raw)
            name = None
            if image is None:
                problems = find_image_problems(raw, geometry, number)
                raise DataError(problems or Problem(f"images[{number}]", "has no name"), file=file)
            if image in spans_by_name:
                raise DataError(
                    Problem(f"images[{number}].image", f"{image!r} appears twice"), file=file
                )
            spans_by_name[image] = spans.place(number)
    return spans_by_name


def _name_of(raw: bytes) -> str | None:
    try:
        return _decode_name(raw).image
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


@contextmanager
def plain_file(path: str | os.PathLike[str]) -> Iterator[str]:
    """A path to the file's plain content: its own, or that of a temporary copy."""
    with open_decompressed(path) as stream:
        with Path(path).open("rb") as raw:
            is_plain = not raw.read(4).startswith(_PLAIN_STARTS)
        if is_plain:
            yield os.fspath(path)
            return
        with tempfile.TemporaryDirectory(prefix="layernext-") as folder:
            copy = Path(folder) / "plain.json"
            with copy.open("wb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
            yield str(copy)


def _evaluate(task: _Task) -> Evaluator:
    """Evaluate some images; runs in a worker."""
    evaluator = Evaluator(task.settings, truth=task.truth, run=task.run)
    # Unbuffered: each image is read in one piece.
    with (
        Path(task.truth_path).open("rb", buffering=0) as truths,
        Path(task.run_path).open("rb", buffering=0) as runs,
    ):
        for image, truth, run, image_wh, order in task.images:
            evaluator.add(
                image,
                image_bytes(truths, truth),
                None if run is None else image_bytes(runs, run),
                image_wh=image_wh,
                order=order,
            )
    return evaluator


def image_bytes(file: FileIO, span: Place) -> bytes:
    """One image of a plain file that is open without a buffer."""
    start, length = span
    file.seek(start)
    raw = file.read(length) or b""
    if len(raw) != length:
        raise FormatError("a file changed while it was being read")
    return raw
