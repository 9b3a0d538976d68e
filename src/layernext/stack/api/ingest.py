"""The one way into the store, with a decoder for each protocol in front of it.

Runs in worker threads. Everything is decoded, checked and compressed before the first statement;
the store then writes the batch in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import anyio
import anyio.to_thread
import msgspec
from anyio.lowlevel import RunVar

from layernext.errors import DataError, Problem, TooLarge
from layernext.model import ImageAnnotations, ImageDecoder, Mode, find_names_problem
from layernext.stack.api import body
from layernext.stack.store import BatchPreparation, ImageKey, SetKeyKind, Store
from layernext.wire.native import MAX_BATCH_BYTES, MAX_BATCH_IMAGES, BatchResult, batch_digest
from layernext.wire.shapes import SetEntry, annotation_from_shape, used_refs

PROBLEM_LIMIT = 100
INGEST_SLOTS = 3
"""Batches worked on at a time: enough to overlap decoding, compression and the disk."""

_slots: RunVar[anyio.CapacityLimiter] = RunVar("ingest_slots")


async def in_slot(work: Callable[[], BatchResult]) -> BatchResult:
    """Run heavy work in a thread, a few at a time, so that memory stays bounded."""
    try:
        limiter = _slots.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(INGEST_SLOTS)
        _slots.set(limiter)
    return await anyio.to_thread.run_sync(work, limiter=limiter)


def write_native_batch(
    store: Store, upload_id: str, sequence: int, content: bytes, encoding: str
) -> BatchResult:
    """Store one native batch.

    Raises:
        DataError: with every problem of the batch, up to a limit; nothing is stored.
        TooLarge: too many bytes or images.
    """
    settings = store.get_upload_settings(upload_id)
    lines = body.decompressed(content, encoding, MAX_BATCH_BYTES)
    digest = batch_digest(lines)
    decoder = ImageDecoder(settings.geometry)
    batch = BatchPreparation(settings.geometry, normalized=settings.normalized)
    problems: list[Problem] = []
    for index, line in enumerate(_lines_of(lines)):
        if index >= MAX_BATCH_IMAGES:
            raise TooLarge(f"a batch has at most {MAX_BATCH_IMAGES} images", status=413)
        try:
            image = decoder.decode(line, index=index)
        except DataError as error:
            problems += error.problems
            if len(problems) >= PROBLEM_LIMIT:
                break
            continue
        bucket = image.storage_name if isinstance(image, ImageAnnotations) else image.storageName
        batch.add(line, image, ImageKey(settings.key_kind, image.image, bucket or settings.bucket))
    if problems:
        raise DataError(problems[:PROBLEM_LIMIT], more=len(problems) >= PROBLEM_LIMIT)
    return store.write_batch(upload_id, sequence, digest, batch.finish())


def _lines_of(text: bytes) -> Iterator[memoryview]:
    """The lines of a batch, without copying them; the last line break may be missing."""
    view, start = memoryview(text), 0
    while start < len(text):
        end = text.find(b"\n", start)
        end = len(text) if end < 0 else end
        yield view[start:end]
        start = end + 1


def write_published_batch(
    store: Store,
    run: str,
    mode: Mode,
    entries: list[SetEntry],
    digest: str,
    *,
    session_id: str | None,
    total_images: int | None,
    normalized: bool,
) -> BatchResult:
    """Store one batch of E03 or E04.

    Raises:
        DataError: a shape or a key that cannot be read; nothing of the batch is stored.
    """
    names, values = store.resolve_refs(*(sorted(refs) for refs in used_refs(entries)))
    value_of = {ref: value.value for ref, value in values.items()}
    batch = BatchPreparation(None, normalized=normalized)
    for index, entry in enumerate(entries):
        where = f"metaUpdatesArray[{index}]"
        key = _published_key(entry, where)
        annotations = [
            annotation_from_shape(
                shape, names, value_of, f"{where}.data.annotationObjects[{place}]"
            )
            for place, shape in enumerate(entry.data.annotation_objects)
        ]
        image = ImageAnnotations(image=key.name, annotations=annotations)
        batch.add(msgspec.json.encode(image), image, key)
    upload_id = store.open_published_upload(
        run, mode, session_id, normalized=normalized, total_images=total_images
    )
    return store.write_batch(upload_id, None, digest, batch.finish())


def _published_key(entry: SetEntry, where: str) -> ImageKey:
    """By what the entry names its image; source of the order: wire-contract 4.4."""
    kind: SetKeyKind
    bucket: str | None
    if entry.job_id is not None and entry.file_name is not None:
        kind, name, bucket = "unique_name", entry.file_name, None
    elif entry.storage_path is not None:
        kind, name, bucket = "storage_path", entry.storage_path, entry.bucket_name
    elif entry.object_key is not None:
        kind, name, bucket = "published", entry.object_key, None
    else:
        raise DataError(Problem(where, "names no image: no objectKey, storagePath or fileName"))
    problem = find_names_problem(name, "an image")
    if problem:
        raise DataError(Problem(f"{where}.objectKey", problem))
    return ImageKey(kind, name, bucket)
