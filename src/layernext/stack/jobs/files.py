"""Inspects files that have come: what they are, how large, and a small picture of them."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layernext.errors import LayerNextError, NotFound
from layernext.stack.jobs.runner import Handler, JobContext, Stopped
from layernext.stack.media import Decoder, Look
from layernext.stack.objects import ObjectStore, describe_loss, linked_location
from layernext.stack.store import Announced, FileRow, FileStates, LookResult

log = logging.getLogger(__name__)

FILES_AT_ONCE = 50
"""Between two writes to the database. An attempt begins with one file and doubles, so that a stack that is
killed again and again gets on all the same."""


def look_handler(states: FileStates, objects: ObjectStore) -> Handler:
    """Reads every file that has not been read yet, whoever uploaded it."""

    def handle(context: JobContext) -> None:
        last, count = 0, 1
        storage_error: LayerNextError | None = None
        with Decoder() as decoder:
            while pending := states.list_pending(last, count):
                results: dict[int, tuple[FileRow, LookResult]] = {}
                missing: list[FileRow] = []
                announced = states.list_announced(pending)
                for file in pending:
                    context.progress(0.0)
                    said = announced.get(file.image_id, Announced())
                    try:
                        look = _look(file, said, objects, context, decoder)
                    except LayerNextError as error:
                        # The store of objects failed, not the file: it stays pending, and the rest goes on.
                        storage_error = error
                        continue
                    if look is None:
                        missing.append(file)
                    else:
                        results[file.image_id] = (file, look)
                states.set_look(results)
                losses = {file.image_id: describe_loss(file.object_path) for file in missing}
                states.set_missing(missing, is_missing=True, failures=losses)
                if results:
                    context.note_step()
                last, count = pending[-1].image_id, min(2 * count, FILES_AT_ONCE)
        if storage_error is not None:
            raise storage_error

    return handle


def _read(
    path: Path, kind: int, context: JobContext, decoder: Decoder, *, only_size: bool = False
) -> Look:
    """What a file is. Whatever fails at one file is that file's failure, so that the others are read."""
    try:
        return decoder.look_into(path, kind, lambda: context.progress(0.0), only_size=only_size)
    except Stopped:
        raise
    except Exception:
        log.exception("a file cannot be read")
        return Look(
            content_type="application/octet-stream",
            failure="the stack failed to read it; its log says why",
        )


def _look(
    file: FileRow, said: Announced, objects: ObjectStore, context: JobContext, decoder: Decoder
) -> LookResult | None:
    """What is in a file; None if its object was lost."""
    try:
        if linked_location(file.object_path) is not None:
            return _look_at_linked(file, objects, context, decoder)
        with _local(file, said, objects) as (path, checksum, damage):
            contents = _read(path, file.kind, context, decoder)
    except NotFound:
        return None
    thumbnail_path = None
    if contents.thumbnail is not None:
        thumbnail_path = f"{file.object_path}.webp"
        objects.put([(thumbnail_path, contents.thumbnail)])
    return LookResult(
        checksum=checksum,
        content_type=contents.content_type,
        width=contents.width,
        height=contents.height,
        frame_count=contents.frame_count,
        frame_rate=contents.frame_rate,
        duration_s=contents.duration_s,
        thumbnail_path=thumbnail_path,
        failure=damage or contents.failure,
    )


HEAD_BYTES = (64 << 10, 1 << 20)
"""Of a linked file in a bucket, read until its size in pixels is known; else it is read as a whole."""


def _look_at_linked(
    file: FileRow, objects: ObjectStore, context: JobContext, decoder: Decoder
) -> LookResult:
    """What a linked file is, from its first bytes; its small picture is made when somebody wants it.

    Raises:
        NotFound: it is gone, or has changed.
    """
    local = objects.local_path(file.object_path)
    if local is not None:
        look = _read(local, file.kind, context, decoder, only_size=True)
    else:
        for stop in (*(count for count in HEAD_BYTES if count < file.size), file.size):
            with tempfile.NamedTemporaryFile() as head:
                for piece in objects.read(file.object_path, 0, stop):
                    context.progress(0.0)
                    head.write(piece)
                head.flush()
                look = _read(Path(head.name), file.kind, context, decoder, only_size=True)
            if look.failure is None:
                break
    return LookResult(
        checksum=None,
        content_type=look.content_type,
        width=look.width,
        height=look.height,
        failure=look.failure,
    )


@contextmanager
def _local(
    file: FileRow, said: Announced, objects: ObjectStore
) -> Iterator[tuple[Path, str, str | None]]:
    """The object as a local file, its SHA-256, and how it differs from what was sent."""
    path = objects.local_path(file.object_path)
    if path is not None and file.checksum is not None:
        info = objects.find(file.object_path)
        if info is None or info.size != file.size:
            raise NotFound("the file's content is missing", status=404)
        yield path, file.checksum, None  # the stack took its bytes, and compared them then
        return
    digest = _Digest(file, said)
    if path is not None:
        for piece in objects.read(file.object_path, size=file.size):
            digest.update(piece)
        yield path, digest.checksum, digest.damage()
        return
    with tempfile.NamedTemporaryFile() as copy:
        for piece in objects.read(file.object_path, size=file.size):
            digest.update(piece)
            copy.write(piece)
        copy.flush()
        yield Path(copy.name), digest.checksum, digest.damage()


class _Digest:
    """SHA-256 of an object as it is read, whole and of the parts that a client gave one of."""

    def __init__(self, file: FileRow, said: Announced) -> None:
        self._wanted = {checksum for checksum in (file.checksum, said.checksum) if checksum}
        self._parts = deque(said.parts)
        self._whole, self._part = hashlib.sha256(), hashlib.sha256()
        self._taken = 0
        self._damaged: list[int] = []

    def update(self, piece: bytes) -> None:
        """Take the bytes that come next."""
        self._whole.update(piece)
        rest = memoryview(piece)
        while self._parts and rest:
            left = self._parts[0].size - self._taken
            self._part.update(rest[:left])
            self._taken += min(left, len(rest))
            rest = rest[left:]
            if self._taken == self._parts[0].size:
                self._end_part()

    def _end_part(self) -> None:
        part = self._parts.popleft()
        if part.checksum != self._part.hexdigest():
            self._damaged.append(part.number)
        self._part, self._taken = hashlib.sha256(), 0

    @property
    def checksum(self) -> str:
        """Of all bytes."""
        return self._whole.hexdigest()

    def damage(self) -> str | None:
        """In what the bytes differ from those that the client sent; asked once, at the end."""
        while self._parts:
            self._end_part()
        if self._damaged:
            numbers = ", ".join(map(str, self._damaged[:5]))
            return f"its bytes in the store of objects are not those that were sent: part {numbers}"
        if self._wanted - {self.checksum}:
            return "its bytes in the store of objects are not those that were sent: other checksum"
        return None
