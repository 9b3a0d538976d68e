"""Whole files of annotations, for the pages and for programs without the SDK.

A file is received, checked from its first to its last byte by the same reader as everywhere, and only
then stored, batch by batch through the one ingest path. So nothing is stored of a file with a mistake.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, BinaryIO, NamedTuple, cast

import msgspec
from anyio.to_thread import run_sync
from msgspec import Struct

from layernext.errors import DataError, Problem
from layernext.formats import (
    FileKeys,
    FileSummary,
    Spans,
    check_file,
    detect_geometry,
    open_decompressed,
)
from layernext.model import Geometry, Mode, find_names_problem
from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.audit import Audit
from layernext.stack.api.body import too_large
from layernext.stack.api.ingest import with_reserve, write_lines
from layernext.stack.api.native.file_listing import StreamAnswer
from layernext.stack.api.native.uploads import check_upload, object_of
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.services import Services
from layernext.stack.api.signature import ByteStream, Lines
from layernext.stack.store import IMAGES, Store
from layernext.wire.native import (
    ANNOTATION_FILES_PATH,
    MAX_ANNOTATION_FILE_BYTES,
    NDJSON,
    FileProgress,
    FileResult,
    UploadRequest,
)

WRITE_BYTES = 1 << 20
BATCH_BYTES = 4 << 20
BATCH_IMAGES = 1_000

_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
_LINE_BREAKS = b"\r\n"


class AnnotationFileQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a file's annotations go.

    Attributes:
        run: name of the model run or ground truth.
        mode: ``machine`` for a model run, ``human`` for a ground truth.
        collection: name; left out if the file names its images by their unique names.
        geometry: of annotations without a ``type``; left out, the file's first annotation tells.
        normalized: whether coordinates are fractions of the image's size.
        name: of the file, for error texts.
    """

    run: str
    mode: Mode = "machine"
    collection: str | None = None
    geometry: Geometry | None = None
    normalized: bool = False
    name: str = "the file"


@operation(
    "POST",
    ANNOTATION_FILES_PATH,
    Operation(
        summary="Upload a file of annotations",
        tag="Uploads",
        role="write",
        scope=HANDLER,
        is_upload=True,
        action="upload annotations",
        errors=(400, 408, 413, 422, 503, 507),
    ),
)
async def upload_annotation_file(
    query: AnnotationFileQuery,
    body: ByteStream,
    services: Services,
    permissions: Permissions,
    audit: Audit,
) -> Lines:
    """Takes a LayerNext JSON file, plain, gzip or zstd, of at most 4 GiB, also decompressed.

    The whole file is checked first; if anything in it is wrong, nothing is stored, and the answer (422)
    has the problems with their places. Otherwise it is stored in batches, each whole or not at all.
    The answer is lines of JSON: `images` of `total` are stored, the last with `result`. Without that
    last line it was cut off; the same file again completes it.
    """
    problem = find_names_problem(query.name, "a file")
    if problem:
        raise DataError(Problem("name", problem))
    upload = UploadRequest(
        run=query.run,
        mode=query.mode,
        collection=query.collection,
        geometry=query.geometry,
        normalized=query.normalized,
    )
    check_upload(upload)
    await services.call(_check_target, permissions, upload)
    audit.note(subject=query.run, collection=query.collection)
    with ExitStack() as files:
        file = files.enter_context(tempfile.NamedTemporaryFile(prefix="layernext-"))
        await _receive(body, cast("BinaryIO", file))
        checked = await run_sync(partial(_check, files, file, query), limiter=services.imports)
        target = Target(services.store, permissions, audit)
        pieces = _stored(target, upload, checked, files.pop_all())
    return StreamAnswer(services, pieces, slots=services.imports, media_type=NDJSON)


def _check_target(permissions: Permissions, upload: UploadRequest) -> None:
    """Refuse a target that the caller may not write to, before the answer begins.

    Raises:
        NotFound, NotAllowed: the caller may not write to it.
    """
    if (upload.collection or "").rstrip("/"):
        permissions.create_collection(upload.collection, IMAGES, lambda: None)
    else:
        permissions.refuse_whole_stack()


async def _receive(body: ByteStream, file: BinaryIO) -> None:
    """Write the body to a file.

    Raises:
        TooLarge: it is larger than the limit; said before reading if the length is announced.
    """
    refusal = too_large(MAX_ANNOTATION_FILE_BYTES)
    async for gathered in body.gathered(MAX_ANNOTATION_FILE_BYTES, refusal):
        await run_sync(file.writelines, gathered)
    await run_sync(file.flush)


class Target(NamedTuple):
    """Where a file's annotations are written, on whose behalf."""

    store: Store
    permissions: Permissions
    audit: Audit


class CheckedFile(Struct):
    """A file without a mistake.

    Attributes:
        path: where it is, decompressed.
        spans: where its images are.
        summary: what it holds.
        file_keys: its keys beside ``images``.
    """

    path: str
    spans: Spans
    summary: FileSummary
    file_keys: dict[str, bytes]


def _check(files: ExitStack, file: Any, query: AnnotationFileQuery) -> CheckedFile:
    try:
        path, spans, keys = _plain(files, file), Spans(), FileKeys()
        geometry = query.geometry or detect_geometry(path)
        summary = with_reserve(lambda: check_file(path, geometry, spans=spans, file_keys=keys))
    except DataError as error:
        # Not under the name that the file has here.
        raise type(error)(
            error.problems, file=query.name, more=error.more, hint=error.hint
        ) from error
    return CheckedFile(path, spans, summary, keys.values)


def _plain(files: ExitStack, file: Any) -> str:
    """Where the decompressed file is, another one if need be: what comes of it is bounded, too."""
    file.seek(0)
    if not file.read(4).startswith(_COMPRESSED):
        return str(file.name)
    opened = tempfile.NamedTemporaryFile(prefix="layernext-")  # noqa: SIM115 - `files` closes it
    plain = files.enter_context(opened)
    size = 0
    with open_decompressed(file.name) as stream:
        while piece := stream.read(WRITE_BYTES):
            size += len(piece)
            if size > MAX_ANNOTATION_FILE_BYTES:
                raise too_large(MAX_ANNOTATION_FILE_BYTES)
            plain.write(piece)
    plain.flush()
    return plain.name


def _stored(
    target: Target, upload: UploadRequest, checked: CheckedFile, files: ExitStack
) -> Iterator[bytes]:
    """Store a file; lines of the answer. In the end `files` are closed."""
    store, permissions, audit = target
    total = checked.summary.images
    with files:
        geometry = checked.summary.geometry
        # Should the request break off, this is the entry of what was stored so far.
        audit.note(action="open upload")
        complete = msgspec.structs.replace(upload, geometry=geometry)
        opening = partial(store.uploads.open, complete)
        create = audit.recorded(permissions.create_collection)
        opened = create(upload.collection, IMAGES, opening)
        settings = store.uploads.get_settings(opened.id)
        sequence = images = 0
        for lines in _batches(checked.spans.read(checked.path)):
            images += write_lines(store, opened.id, settings, sequence, lines).images
            sequence += 1
            yield _line(FileProgress(images=images, total=total))
        audit.note(action="upload annotations", count=checked.summary.annotations)
        finish = audit.recorded(store.uploads.finish)
        state = finish(opened.id, sequence, object_of(checked.file_keys))
    collection = None
    if upload.collection is not None:
        collection = store.collections.find(upload.collection)
    result = FileResult(
        upload_id=state.id,
        run=upload.run,
        mode=upload.mode,
        collection_id=collection.id if collection else None,
        collection=collection.name if collection else None,
        geometry=geometry,
        images=state.images,
        annotations=state.annotations,
        unmatched=state.unmatched,
        new_labels=state.new_labels,
        warnings=checked.summary.warnings,
    )
    yield _line(FileProgress(images=images, total=total, result=result))


def _batches(images: Iterable[bytes]) -> Iterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    for raw in images:
        # JSON text has line breaks between its tokens only, where none is needed.
        line = raw.translate(None, _LINE_BREAKS) if b"\n" in raw or b"\r" in raw else raw
        if gathered and (size + len(line) >= BATCH_BYTES or len(gathered) >= BATCH_IMAGES):
            yield b"\n".join(gathered)
            gathered, size = [], 0
        gathered.append(line)
        size += len(line) + 1
    if gathered:
        yield b"\n".join(gathered)


def _line(progress: FileProgress) -> bytes:
    return msgspec.json.encode(progress) + b"\n"


ROUTES = [upload_annotation_file]
