"""The one way into the store, with a decoder for each protocol in front of it.

All of this runs in worker threads, a few batches at a time. A batch is decoded, checked and
compressed whole before the first statement; the store then writes it in one transaction.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, TypeVar, cast

import msgspec

from layernext.errors import DataError, InvalidRequest, Problem, TooLarge
from layernext.formats import iter_raw_images
from layernext.model import (
    ImageAnnotations,
    ImageDecoder,
    find_names_problem,
    refuse_repeated_keys,
)
from layernext.stack.api.body import Body, Content
from layernext.stack.api.messages import problem_of
from layernext.stack.store import (
    BatchPreparation,
    CheckCollections,
    ImageKey,
    PreparedSet,
    PublishedUpload,
    Store,
    UploadSettings,
    unique_name,
)
from layernext.wire.native import MAX_BATCH_BYTES, MAX_BATCH_IMAGES, BatchResult, batch_digest
from layernext.wire.published import (
    OperationData,
    SetEntry,
    annotations_from_shapes,
    used_references,
)

logger = logging.getLogger("layernext.stack.ingest")

PROBLEM_LIMIT = 100
GROUP_BYTES = 4 << 20
"""JSON of published entries that are turned into annotations at a time."""

STRING_STEP = 1 << 20
"""Of a JSON string within JSON, bytes unescaped at a time."""

RESERVED_FRAMES = 60
"""What is nested so deeply that it could just be decoded here must still be readable elsewhere,
where the stack of calls is a little deeper. Until Python 3.11 both count to one limit."""

Answer = TypeVar("Answer")


def with_reserve(work: Callable[[], Answer], frames: int = RESERVED_FRAMES) -> Answer:
    """Run `work` as if `frames` more calls were under way; see `RESERVED_FRAMES`.

    Raises:
        DataError: something is nested too deeply even so.
    """
    try:
        return with_reserve(work, frames - 1) if frames else work()
    except RecursionError as error:
        raise DataError("something in the batch is nested too deeply") from error


def write_native_batch(
    store: Store,
    upload_id: str,
    settings: UploadSettings,
    sequence: int,
    body: Body,
    check: CheckCollections | None = None,
) -> BatchResult:
    """Store one batch of lines, one image each; `check` as in `Annotations.write_batch`.

    Raises:
        DataError: with every problem of the batch, up to a limit; nothing is stored.
        TooLarge: too many bytes or images.
    """
    with body.content(MAX_BATCH_BYTES) as content:
        lines = bytes(content)
    return write_lines(store, upload_id, settings, sequence, lines, check)


def write_lines(
    store: Store,
    upload_id: str,
    settings: UploadSettings,
    sequence: int,
    lines: bytes,
    check: CheckCollections | None = None,
) -> BatchResult:
    """Likewise, of lines that are decompressed already."""
    digest = batch_digest(lines)
    sets = with_reserve(lambda: _prepare_lines(lines, settings))
    return store.annotations.write_batch(upload_id, sequence, digest, sets, check)


def _prepare_lines(lines: bytes, settings: UploadSettings) -> list[PreparedSet]:
    decode = ImageDecoder(settings.geometry).decode
    kind, own_bucket = settings.key_kind, settings.bucket
    batch = BatchPreparation(settings.geometry, normalized=settings.normalized)
    problems: list[Problem] = []
    for index, line in enumerate(_lines_of(lines)):
        if index >= MAX_BATCH_IMAGES:
            raise TooLarge(f"the batch has more than {MAX_BATCH_IMAGES} images", status=413)
        try:
            image = decode(line, index=index)
        except DataError as error:
            problems += error.problems
            if len(problems) >= PROBLEM_LIMIT:
                raise DataError(problems[:PROBLEM_LIMIT], more=True) from None
            continue
        bucket = None
        if kind == "storage_path":
            named = image.storage_name if isinstance(image, ImageAnnotations) else image.storageName
            bucket = named or own_bucket
        batch.add(line, image, ImageKey(kind, image.image, bucket))
    if problems:
        raise DataError(problems)
    return batch.finish()


def _lines_of(text: bytes) -> Iterator[memoryview]:
    """The lines that are not empty, uncopied. A line break within a JSON string is escaped."""
    view, start, end = memoryview(text), 0, len(text)
    while start < end:
        stop = text.find(b"\n", start)
        stop = end if stop < 0 else stop
        if stop > start:
            yield view[start:stop]
        start = stop + 1


def refuse_repeated_fields(content: Content, data: OperationData) -> None:
    """Refuse a body that has a field twice. Only what surrounds the sets is looked at.

    Raises:
        DataError: it has, with its name.
        InvalidRequest: what surrounds them is not UTF-8.
    """
    with memoryview(data.meta_updates_array) as text, memoryview(content) as whole:
        start = content.find(text)
        surroundings = bytes(whole[:start]) + b'""' + bytes(whole[start + len(text) :])
    try:
        refuse_repeated_keys(surroundings)
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not JSON: {error}", status=400) from error


def write_published_batch(
    store: Store,
    upload: PublishedUpload,
    text: memoryview,
    digest: str,
    check: CheckCollections | None = None,
) -> BatchResult:
    """Store one batch of a published client.

    Args:
        store: the store.
        upload: that it belongs to.
        text: the JSON string ``metaUpdatesArray`` as it stands in the body, quotes included.
        digest: of the body.
        check: as in `Annotations.write_batch`.

    Raises:
        DataError: with every shape and key that cannot be read, up to a limit; nothing is stored.
    """
    sets = with_reserve(lambda: _prepare_entries(store, text, normalized=upload.normalized))
    if not sets and upload.session_id is None:
        # 0.0.5 closes every multiple of 1,000 images with an empty request; nothing is to be kept.
        return BatchResult(images=0, annotations=0, unmatched=0, new_labels=[], repeated=False)
    return store.annotations.write_batch(upload, None, digest, sets, check)


def _prepare_entries(store: Store, text: memoryview, *, normalized: bool) -> list[PreparedSet]:
    batch = BatchPreparation(None, normalized=normalized)
    references, folders = _References(store), _Folders(store)
    problems: list[Problem] = []
    for first, entries in _entry_groups(text):
        references.learn(entries)
        for index, entry in enumerate(entries, first):
            where = f"metaUpdatesArray[{index}]"
            try:
                key = _image_key(entry, where, folders.of(entry.job_id))
                annotations = annotations_from_shapes(
                    entry.data.annotation_objects,
                    references.attributes,
                    references.values,
                    f"{where}.data.annotationObjects",
                )
            except DataError as error:
                problems += error.problems
                if len(problems) >= PROBLEM_LIMIT:
                    raise DataError(problems[:PROBLEM_LIMIT], more=True) from None
                continue
            image = ImageAnnotations(image=key.name, annotations=annotations)
            batch.add(msgspec.json.encode(image), image, key)
    if problems:
        raise DataError(problems)
    return batch.finish()


class _References:
    """What references stand for, asked of the store once each."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked: set[str] = set()
        self.attributes: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def learn(self, entries: Iterable[SetEntry]) -> None:
        """Look up what occurs in `entries` and is not known yet."""
        shapes = (shape for entry in entries for shape in entry.data.annotation_objects)
        attributes, values = (names - self._asked for names in used_references(shapes))
        if not attributes and not values:
            return
        self._asked |= attributes | values
        names, meanings = self._store.labels.resolve_refs(sorted(attributes), sorted(values))
        self.attributes |= names
        self.values |= {ref: meaning.value for ref, meaning in meanings.items()}


class _Folders:
    """With what the unique names of an upload's files begin, asked of the store once each."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, str | None] = {}

    def of(self, job_id: str | None) -> str | None:
        """The beginning, or None if the job is not an upload of files."""
        if job_id is None:
            return None
        if job_id not in self._known:
            self._known[job_id] = self._store.files.folder_of(job_id)
        return self._known[job_id]


def _image_key(entry: SetEntry, where: str, folder: str | None) -> ImageKey:
    """By what an entry names its image, in the order of docs/protocol.md."""
    if entry.job_id is not None and entry.file_name is not None:
        # Of an unknown job the name is what is left.
        name = entry.file_name if folder is None else unique_name(folder, entry.file_name)
        key, field = ImageKey("published", name), "fileName"
    elif entry.storage_path is not None:
        bucket = entry.bucket_name
        key, field = ImageKey("storage_path", entry.storage_path, bucket), "storagePath"
        problem = find_names_problem(bucket, "a bucket") if bucket is not None else None
        if problem:
            raise DataError(Problem(f"{where}.bucketName", problem))
    elif entry.object_key is not None:
        key, field = ImageKey("published", entry.object_key), "objectKey"
    else:
        raise DataError(Problem(where, "names no image: no objectKey, storagePath or fileName"))
    problem = find_names_problem(key.name.removeprefix("/"), "an image")
    if problem:
        raise DataError(Problem(f"{where}.{field}", problem))
    return key


def _entry_groups(text: memoryview) -> Iterator[tuple[int, list[SetEntry]]]:
    """The entries of ``metaUpdatesArray``, some megabytes at a time, with the first one's place."""
    decode = msgspec.json.Decoder(SetEntry).decode
    first, size = 0, 0
    group: list[SetEntry] = []
    for index, raw in enumerate(_raw_entries(text)):
        try:
            group.append(decode(raw))
            refuse_repeated_keys(raw, f"metaUpdatesArray[{index}]")
        except msgspec.ValidationError as error:
            raise DataError(problem_of(error, f"metaUpdatesArray[{index}]")) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            problem = Problem(f"metaUpdatesArray[{index}]", f"is not JSON: {error}")
            raise DataError(problem) from error
        size += len(raw)
        if size >= GROUP_BYTES:
            yield first, group
            first, size, group = index + 1, 0, []
    yield first, group


def _raw_entries(text: memoryview) -> Iterator[bytes]:
    if len(text) < 2 or text[0] != ord('"'):  # noqa: PLR2004 - the quotes
        raise DataError(Problem("metaUpdatesArray", "must be a string that holds a JSON array"))
    inner = _Chunks([[b'{"images":'], _unescaped(text), [b"}"]])
    try:
        # The reader of our own files cuts any list of objects without holding more than a window.
        yield from iter_raw_images(cast("BinaryIO", inner), file="metaUpdatesArray")
    except DataError as error:
        raise DataError(Problem("metaUpdatesArray", error.problems[0].message)) from error


def _unescaped(text: memoryview) -> Iterator[bytes]:
    """The content of a JSON string, UTF-8, piece by piece.

    A piece ends behind a comma or a brace: neither occurs inside an escape, nor between the two
    halves of an escaped surrogate pair.
    """
    position, end, step = 1, len(text) - 1, STRING_STEP
    while position < end:
        piece = bytes(text[position : min(position + step, end)])
        if position + len(piece) < end:
            cut = max(piece.rfind(b","), piece.rfind(b"}")) + 1
            if not cut:
                step *= 2
                continue
            piece = piece[:cut]
        position, step = position + len(piece), STRING_STEP
        try:
            yield msgspec.json.decode(b'"' + piece + b'"', type=str).encode()
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(
                Problem("metaUpdatesArray", f"is not a JSON string: {error}")
            ) from error


class _Chunks(io.RawIOBase):
    """Pieces of bytes as a stream to read from."""

    def __init__(self, pieces: Iterable[Iterable[bytes]]) -> None:
        self._pieces = (piece for piece_group in pieces for piece in piece_group if piece)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:  # noqa: ARG002 - a piece is as good as any size
        return next(self._pieces, b"")


def body_digest(content: Content) -> str:
    """The digest by which a published batch is known again."""
    digest = hashlib.blake2b(digest_size=16)
    with memoryview(content) as view:
        for start in range(0, len(view), STRING_STEP):
            digest.update(view[start : start + STRING_STEP])
    return digest.hexdigest()
