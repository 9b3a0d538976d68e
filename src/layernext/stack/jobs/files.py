"""Looks into files that have come: what they are, how large, and a small picture of them."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layernext.errors import NotFound
from layernext.stack.jobs.runner import Handler, JobContext
from layernext.stack.media import look_into
from layernext.stack.objects import ObjectStore
from layernext.stack.store import FileRow, Files, LookResult

LOOK_JOB = "files.look"
FILES_AT_ONCE = 50
"""Between two writes to the database, and two looks at whether to stop."""


def look_handler(files: Files, objects: ObjectStore) -> Handler:
    """Looks into every file that nobody has looked into, whoever uploaded it."""

    def handle(context: JobContext) -> None:
        last = 0
        while pending := files.list_pending(last, FILES_AT_ONCE):
            results: dict[int, tuple[FileRow, LookResult]] = {}
            for file in pending:
                context.progress(0.0)
                results[file.image_id] = (file, _look(file, objects, context))
            files.set_look(results)
            last = pending[-1].image_id

    return handle


def _look(file: FileRow, objects: ObjectStore, context: JobContext) -> LookResult:
    try:
        with _local(file, objects) as (path, checksum):
            found = look_into(path, file.kind, lambda: context.progress(0.0))
    except NotFound:
        return LookResult(
            checksum=file.checksum or "",
            content_type="application/octet-stream",
            failure="its content is not in the store of objects",
        )
    thumbnail_path = None
    if found.thumbnail is not None:
        thumbnail_path = f"{file.object_path}.webp"
        objects.put([(thumbnail_path, found.thumbnail)])
    return LookResult(
        checksum=checksum,
        content_type=found.content_type,
        width=found.width,
        height=found.height,
        frame_count=found.frame_count,
        frame_rate=found.frame_rate,
        duration_s=found.duration_s,
        thumbnail_path=thumbnail_path,
        failure=found.failure,
    )


@contextmanager
def _local(file: FileRow, objects: ObjectStore) -> Iterator[tuple[Path, str]]:
    """The object as a local file, and its SHA-256."""
    path = objects.local_path(file.object_path)
    if path is not None and file.checksum is not None:
        if not path.exists():
            raise NotFound("the file's content is not there", status=404)
        yield path, file.checksum
        return
    digest = hashlib.sha256()
    if path is not None:
        for piece in objects.read(file.object_path):
            digest.update(piece)
        yield path, digest.hexdigest()
        return
    with tempfile.NamedTemporaryFile() as copy:
        for piece in objects.read(file.object_path):
            digest.update(piece)
            copy.write(piece)
        copy.flush()
        yield Path(copy.name), digest.hexdigest()
