"""Reading annotation sets back: as typed objects, into a file, or as the published client does.

A native download is one stream. When the connection breaks it goes on behind the last set that
arrived whole, and it is complete only with its last line, which says how many sets there were.
"""

from __future__ import annotations

import itertools
import logging
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from layernext.client.cancellation import go_on_unless_cancelled
from layernext.client.connection import Connection
from layernext.client.file_remote import RemoteFile, is_web_url
from layernext.client.progress import ProgressChoice, show_progress
from layernext.client.reports import DownloadReport
from layernext.errors import (
    Conflict,
    ConnectionFailed,
    DownloadIncomplete,
    IncompatibleStack,
    NotFound,
)
from layernext.formats import FileWriter, create_file
from layernext.model import Geometry, ImageAnnotations, Mode, convert_trusted, decode_trusted
from layernext.wire import published
from layernext.wire.native import ANNOTATIONS_PATH, DownloadLine

logger = logging.getLogger("layernext.client.download")

MAX_BREAKS = 5
"""Breaks of one download without a single set in between before it is given up."""

_OBJECT_ID = re.compile(r"[0-9a-f]{24}")


class _Flag(Struct):
    isNormalized: bool | msgspec.UnsetType | None = msgspec.UNSET  # noqa: N815 - the file's name


_line = msgspec.json.Decoder(DownloadLine).decode
_flag = msgspec.json.Decoder(_Flag).decode


def iter_lines(
    connection: Connection, collection: str | None, runs: Sequence[str], mode: Mode | None
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
            with connection.transport.stream(
                ANNOTATIONS_PATH, {**params, "after": after}
            ) as chunks:
                here = 0
                for raw in _split_lines(chunks):
                    line = _decoded(raw)
                    if line.end == here:
                        return
                    if line.end is not None:
                        raise DownloadIncomplete(
                            f"the stack sent {line.end:,} images, but {here:,} arrived", report=None
                        )
                    yield line
                    after, breaks = line.cursor, 0
                    here, count = here + 1, count + 1
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
        raise _not_annotations(error) from error


def _not_annotations(error: Exception) -> IncompatibleStack:
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
    connection: Connection, collection: str | None, run: str, mode: Mode | None
) -> Iterator[ImageAnnotations]:
    """The annotation sets of a run as typed objects, in upload order.

    Raises:
        Conflict: a model run and a ground truth have this name, and `mode` does not choose.
    """
    if connection.native is None:
        yield from _iter_published(connection, collection, run, mode)
        return
    seen: Mode | None = mode
    for line in iter_lines(connection, collection, [run], mode):
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
        raise _not_annotations(error) from error
    if line.normalized and not image.normalized:
        image = msgspec.structs.replace(image, normalized=True)
    return image


def _iter_published(
    connection: Connection, collection: str | None, run: str, mode: Mode | None
) -> Iterator[ImageAnnotations]:
    for page in iter_pages(connection, find_collection_id(connection, collection), [run], mode):
        try:
            yield from [convert_trusted(fields) for fields in _sets_of(page)]
        except msgspec.ValidationError as error:  # noqa: PERF203 - once a page
            raise _not_annotations(error) from error


def _sets_of(page: dict[str, Any]) -> Iterator[Any]:
    """The annotation sets in a page; a resource without one is a file."""
    for row in page["resourceArray"]:
        if isinstance(row, dict) and "rawAnnotations" in row:
            yield row["rawAnnotations"]


def find_collection_id(connection: Connection, collection: str | None) -> str:
    """The id of a collection given by id or name, asked for with published requests (E20).

    Raises:
        NotFound: no such collection.
    """
    name = (collection or "").rstrip("/")
    if not name:
        raise IncompatibleStack(
            "this stack speaks only the published protocol, which reads by collection", status=501
        )
    if _OBJECT_ID.fullmatch(name):
        return name
    body = {"collectionName": name, "objectType": published.IMAGE_COLLECTION}
    answer = connection.transport.request_json("POST", published.COLLECTION_ID_PATH, json=body)
    if not isinstance(answer, dict) or not answer.get("collectionId"):
        raise NotFound(f"there is no collection {name!r}", status=404)
    return str(answer["collectionId"])


def iter_pages(
    connection: Connection, collection_id: str, runs: Sequence[str], mode: Mode | None
) -> Iterator[dict[str, Any]]:
    """The pages of a published download (E42)."""
    number = 0
    while True:
        query = urlencode(
            {
                "pageNo": number,
                "pageSize": published.PAGE_SIZE,
                "statusList": "[]",
                "projectIdList": "null",
                "operationIdList": msgspec.json.encode(list(runs)).decode(),
                "annotationType": mode or "all",
                # With a list of runs `annotationType` does not count; our own stacks know this.
                **({"operationMode": published.OPERATION_MODES[mode]} if runs and mode else {}),
            }
        )
        path = f"{published.annotations_path(collection_id)}?{query}"
        answer = connection.transport.request_json("GET", path)
        page = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(page, dict) or not isinstance(page.get("resourceArray"), list):
            raise DownloadIncomplete(f"the stack returned no page {number}", report=None)
        yield page
        if not page.get("nextPage"):
            return
        number += 1


def download_collection(
    connection: Connection,
    collection: str,
    runs: Sequence[str],
    mode: Mode | None,
    folder: Path,
    media: list[RemoteFile] | None = None,
) -> DownloadReport:
    """Write ``<folder>/<collection>/annotations.json``, as the published client does.

    One entry an image, form v2, the annotations of all wanted runs one after another. Names that
    the stack sends never lead out of `folder`. The files that the pages name are put into `media`.
    """
    pages = iter_pages(connection, find_collection_id(connection, collection), runs, mode)
    if media is not None:
        pages = _noting(pages, media)
    first = next(pages)
    target = folder / _safe_name(first.get("groupUniqueName"), "collection")
    path = target / _safe_name(first.get("rawFileName"), "annotations.json")
    return _write_pages(itertools.chain([first], pages), path, progress=False)


def _noting(pages: Iterator[dict[str, Any]], media: list[RemoteFile]) -> Iterator[dict[str, Any]]:
    """The pages; the files that they name are put into `media`, each once."""
    seen: set[str] = set()
    for page in pages:
        for row in page["resourceArray"]:
            if not isinstance(row, dict) or not is_web_url(row.get("fileUrl")):
                continue
            folder = str(row.get("fileDownloadFolderLocation") or "").split("/")
            parts = [part for part in folder if part not in {"", "."}]
            name = "/".join([*parts, str(row.get("fileName") or "_")])
            if name not in seen:
                seen.add(name)
                media.append(RemoteFile(name, row["fileUrl"]))
        yield page


def _write_pages(
    pages: Iterable[dict[str, Any]], path: Path, *, progress: ProgressChoice
) -> DownloadReport:
    started = time.monotonic()
    with (
        create_file(path) as writer,
        _reported(path, writer, started),
        show_progress(progress, f"downloading to {path.name}", None) as advance,
    ):
        for annotation_set in (one for page in pages for one in _sets_of(page)):
            writer.write(msgspec.json.encode(annotation_set))
            advance(1)
    return DownloadReport(path=path, images=writer.images, seconds=time.monotonic() - started)


@contextmanager
def _reported(path: Path, writer: FileWriter, started: float) -> Iterator[None]:
    """Add to a `DownloadIncomplete` how far the file came."""
    try:
        yield
    except DownloadIncomplete as error:
        error.report = DownloadReport(
            path=path, images=writer.images, seconds=time.monotonic() - started
        )
        raise


def _safe_name(name: Any, default: str) -> str:
    """The last part of a name from elsewhere, if it can be a file's name here."""
    plain = PurePosixPath(str(name or "").replace("\\", "/")).name
    return plain if plain not in {"", ".", ".."} and "\x00" not in plain else default


def download_published(
    connection: Connection,
    collection: str | None,
    run: str,
    mode: Mode | None,
    path: Path,
    *,
    progress: ProgressChoice,
) -> DownloadReport:
    """Write a run to a LayerNext JSON file, form v2, by the published protocol."""
    pages = iter_pages(connection, find_collection_id(connection, collection), [run], mode)
    return _write_pages(pages, path, progress=progress)


def download_to_file(
    connection: Connection,
    collection: str | None,
    runs: Sequence[str],
    mode: Mode | None,
    path: Path,
    *,
    is_single: bool,
    progress: ProgressChoice,
) -> DownloadReport:
    """Write sets to a LayerNext JSON file.

    Args:
        connection: the stack.
        collection, runs, mode: which sets.
        path: the file; compressed if it ends in ``.gz`` or ``.zst``.
        is_single: whether they belong to one operation. Then every image is written as it was
            uploaded; else in form v2, with ``run`` and ``mode`` beside ``image``.
        progress: see `show_progress`.
    """
    started = time.monotonic()
    form: list[Geometry | None] = []
    with (
        create_file(path) as writer,
        _reported(path, writer, started),
        show_progress(progress, f"downloading to {path.name}", None) as advance,
    ):
        for line in iter_lines(connection, collection, runs, mode):
            form = form or [line.geometry]
            writer.write(_single(line, form[0]) if is_single else _one_of_several(line))
            advance(1)
    return DownloadReport(path=path, images=writer.images, seconds=time.monotonic() - started)


def _single(line: DownloadLine, form: Geometry | None) -> bytes:
    """The set as it was uploaded, unless another set of the file has another form."""
    raw = bytes(line.set)
    if line.geometry is not None and line.geometry != form:
        return msgspec.json.encode(_typed(line))
    if line.normalized:
        own = _flag(raw).isNormalized
        if own is msgspec.UNSET:
            return b'{"isNormalized":true,' + raw.lstrip()[1:]
        if not own:
            return msgspec.json.encode(_typed(line))
    return raw


def _one_of_several(line: DownloadLine) -> bytes:
    names = msgspec.json.encode({"run": line.run, "mode": line.mode})[:-1]
    return names + b"," + _single(line, None).lstrip()[1:]
