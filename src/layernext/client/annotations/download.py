"""Reading annotation sets back: as typed objects, into a file, or as the published client does.

A native download is one stream. When the connection breaks it goes on behind the last set that
arrived whole, and it is complete only with its last line, which says how many sets there were.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from layernext.client.cancellation import go_on_unless_cancelled
from layernext.client.progress import ProgressChoice, show_progress
from layernext.client.reports import DownloadReport
from layernext.client.transport import Transport
from layernext.errors import (
    Conflict,
    ConnectionFailed,
    DownloadIncomplete,
    IncompatibleStack,
)
from layernext.formats import FileWriter, create_file
from layernext.model import Geometry, ImageAnnotations, Mode, Skeleton, decode_trusted
from layernext.wire.native import ANNOTATIONS_PATH, DownloadLine

logger = logging.getLogger("layernext.client.download")

MAX_BREAKS = 5
"""Breaks of one download without a single set in between before it is given up."""


class _Flag(Struct, rename="camel"):
    is_normalized: bool | msgspec.UnsetType | None = msgspec.UNSET


_line = msgspec.json.Decoder(DownloadLine).decode
_flag = msgspec.json.Decoder(_Flag).decode
_BEGINNING = msgspec.json.encode(_Flag(is_normalized=True))[:-1] + b","
"""Of a set that is normalized."""


def iter_lines(
    transport: Transport, collection: str | None, runs: Sequence[str], mode: Mode | None
) -> Iterator[DownloadLine]:
    """The sets of a native download, without its last line.

    Raises:
        NotFound: no such collection, or no such run.
        DownloadIncomplete: it broke off again and again.
    """
    params: dict[str, Any] = {"collection": collection or None, "run": list(runs), "mode": mode}
    breaks = count = 0
    after: str | None = None
    while True:
        try:
            with transport.stream(ANNOTATIONS_PATH, {**params, "after": after}) as chunks:
                received = 0
                for raw in _split_lines(chunks):
                    line = _decoded(raw)
                    if line.end == received:
                        return
                    if line.end is not None:
                        raise DownloadIncomplete(
                            f"the stack sent {line.end:,} images, but {received:,} arrived",
                            report=None,
                        )
                    yield line
                    after, breaks = line.cursor, 0
                    received, count = received + 1, count + 1
            error: Exception = EOFError("the stack ended the stream early")
        except ConnectionFailed as broken:
            error = broken
        go_on_unless_cancelled()
        breaks += 1
        if breaks > MAX_BREAKS:
            raise DownloadIncomplete(
                f"the download was interrupted after {count:,} images: {error}", report=None
            ) from error
        logger.warning("the download was interrupted after %d images, continuing: %s", count, error)


def _decoded(raw: bytes) -> DownloadLine:
    try:
        return _line(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise invalid_annotations(error) from error


def invalid_annotations(error: Exception) -> IncompatibleStack:
    """The error for an answer that holds no annotations."""
    return IncompatibleStack(f"the stack did not send valid annotations: {error}", status=200)


def _split_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest: list[bytes] = []
    for chunk in chunks:
        head, newline, tail = chunk.partition(b"\n")
        if not newline:
            rest.append(chunk)
            continue
        yield b"".join((*rest, head))
        *lines, last = tail.split(b"\n")
        yield from lines
        rest = [last]
    # What is left has no line break: it was cut off, and comes again.


def iter_annotations(
    transport: Transport, collection: str | None, run: str, mode: Mode | None
) -> Iterator[ImageAnnotations]:
    """The annotation sets of a run as typed objects, in upload order.

    Raises:
        Conflict: a model run and a ground truth have this name, and `mode` does not choose.
    """
    seen: Mode | None = mode
    for line in iter_lines(transport, collection, [run], mode):
        if seen is not None and line.mode != seen:
            raise Conflict(
                f"both a model run and a ground truth are named {run!r}",
                status=409,
                hint="pass ground_truth=True or ground_truth=False",
            )
        seen = line.mode
        yield _typed(line)


def _typed(line: DownloadLine) -> ImageAnnotations:
    try:
        image = decode_trusted(line.set, line.geometry)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise invalid_annotations(error) from error
    if line.normalized and not image.normalized:
        image = msgspec.structs.replace(image, normalized=True)
    return image


@contextmanager
def with_progress_so_far(path: Path, writer: FileWriter, started: float) -> Iterator[None]:
    """Add to a `DownloadIncomplete` how far the file came."""
    try:
        yield
    except DownloadIncomplete as error:
        error.report = DownloadReport(
            path=path, images=writer.images, seconds=time.monotonic() - started
        )
        raise


def download_to_file(
    transport: Transport,
    collection: str | None,
    runs: Sequence[str],
    mode: Mode | None,
    path: Path,
    *,
    skeletons: Mapping[str, Skeleton],
    progress: ProgressChoice,
) -> DownloadReport:
    """Write sets to a LayerNext JSON file.

    If all are of one model run or ground truth, every image is written as it was uploaded; else in form
    v2, with ``run`` and ``mode`` beside ``image``. The stream's first line says which.

    Args:
        transport: to the stack.
        collection, runs, mode: which sets.
        path: the file; compressed if it ends in ``.gz`` or ``.zst``.
        skeletons: of the labels that have keypoints, written before the images.
        progress: see `show_progress`.
    """
    started = time.monotonic()
    first: DownloadLine | None = None
    is_single = False
    with (
        create_file(path, skeletons) as writer,
        with_progress_so_far(path, writer, started),
        show_progress(progress, f"downloading to {path.name}", None) as advance,
    ):
        for line in iter_lines(transport, collection, runs, mode):
            if first is None:
                first, is_single = line, _is_single(line, runs, mode)
            writer.write(_single(line, first.geometry) if is_single else _one_of_several(line))
            advance(1)
    return DownloadReport(path=path, images=writer.images, seconds=time.monotonic() - started)


def _is_single(first: DownloadLine, runs: Sequence[str], mode: Mode | None) -> bool:
    """Whether all sets of a download are of one run. Earlier stacks do not say: then only if it is certain."""
    if first.is_only_run is None:
        return len(runs) == 1 and mode is not None
    return first.is_only_run


def _single(line: DownloadLine, form: Geometry | None) -> bytes:
    """The set as it was uploaded, unless another set of the file has another form."""
    raw = bytes(line.set)
    if line.geometry is not None and line.geometry != form:
        return msgspec.json.encode(_typed(line))
    if line.normalized:
        flag = _flag(raw).is_normalized
        if flag is msgspec.UNSET:
            return _BEGINNING + raw.lstrip()[1:]
        if not flag:
            return msgspec.json.encode(_typed(line))
    return raw


def _one_of_several(line: DownloadLine) -> bytes:
    names = msgspec.json.encode({"run": line.run, "mode": line.mode})[:-1]
    return names + b"," + _single(line, None).lstrip()[1:]
