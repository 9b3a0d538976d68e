"""Uploads: opened, filled batch by batch, finished. An upload is also a job that can be asked for."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Raw, Struct

from layernext.errors import Conflict, NotFound
from layernext.model import Geometry, Job, Mode
from layernext.stack.store.access.audit import NewAuditEntry
from layernext.stack.store.access.audit import insert as insert_audit_entry
from layernext.stack.store.clock import now_text, seconds_since
from layernext.stack.store.collections import naming
from layernext.stack.store.database import Database
from layernext.stack.store.schema import (
    BATCH_BITS,
    annotation_set,
    collection,
    operation,
    operation_collection,
    upload,
    upload_batch,
)
from layernext.stack.store.storable import is_storable
from layernext.wire.native import BatchResult, KeyKind, ReceivedBatch, UploadRequest, UploadState

QUIET_SECONDS = 24 * 3600
"""An unfinished upload that got nothing for this long counts as a failed job."""

MAX_BATCHES = 1 << BATCH_BITS


class UploadRow(Struct, frozen=True):
    """An upload as the batch writer needs it."""

    id: int
    public_id: str
    operation_id: int
    collection_id: int | None
    normalized: bool
    finished: bool


class UploadNames(Struct, frozen=True):
    """What an upload is of, by name."""

    run: str
    collection: str | None
    finished: bool


class UploadSettings(Struct, frozen=True):
    """How the batches of a native upload are to be read."""

    geometry: Geometry | None
    normalized: bool
    key_kind: KeyKind
    bucket: str | None


class PublishedUpload(Struct, frozen=True, kw_only=True):
    """The upload that a batch of a published client belongs to; opened by its first batch.

    Attributes:
        run, mode: of the model run or ground truth.
        session_id: of the client; None opens an upload for each batch.
        normalized: how its coordinates are to be read.
        total_images: as many the client says it will send.
        entry: for the audit log, if the upload is a new one.
    """

    run: str
    mode: Mode
    session_id: str | None
    normalized: bool
    total_images: int | None
    entry: NewAuditEntry | None = None


class Uploads:
    """The uploads of model runs and ground truths.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, request: UploadRequest) -> UploadState:
        """Open an upload; with ``resume`` the run's newest if it is unfinished and the same."""
        return self._database.write_again(
            lambda connection: _open_native(self._database, connection, request)
        )

    def get(self, upload_id: str) -> UploadState:
        """The upload as it stands, with its batches.

        Raises:
            NotFound: there is no such upload.
        """
        with self._database.read() as connection:
            return _get_state(connection, upload_id)

    def get_names(self, upload_id: str) -> UploadNames:
        """What an upload is of, by name, and whether it is finished.

        Raises:
            NotFound: there is no such upload.
        """
        with self._database.read() as connection:
            return _get_names(connection, upload_id)

    def get_settings(self, upload_id: str) -> UploadSettings:
        """How to read the batches of a native upload.

        Raises:
            NotFound: there is no such native upload.
        """
        with self._database.read() as connection:
            return _get_settings(connection, upload_id)

    def finish(self, upload_id: str, batches: int | None, file_keys: bytes = b"{}") -> UploadState:
        """End an upload; repeatable.

        Args:
            upload_id: which.
            batches: how many it has; None if that is not known.
            file_keys: JSON of the keys beside ``images`` in its file; those of earlier files stay.

        Raises:
            NotFound: there is no such upload.
            Conflict: one of the batches 0 to `batches` - 1 is missing.
        """
        return self._database.write_again(
            lambda connection: _finish(connection, upload_id, batches, file_keys)
        )

    def find_job(self, upload_id: str) -> Job | None:
        """The upload as a job: done when finished, failed when quiet for too long."""
        with self._database.read() as connection:
            return _find_job(connection, upload_id)


def ensure_operation(database: Database, connection: sa.Connection, name: str, mode: Mode) -> int:
    """The row id of a model run or ground truth, made if there is none."""
    query = sa.select(operation.c.id).where(operation.c.name == name, operation.c.mode == mode)
    value = connection.execute(query).scalar_one_or_none()
    if value is not None:
        return int(value)
    values = {"name": name, "mode": mode, "created_at": now_text()}
    insert = database.upsert(operation).values(**values)
    connection.execute(insert.on_conflict_do_nothing())
    return int(connection.execute(query).scalar_one())


def _open_native(
    database: Database, connection: sa.Connection, request: UploadRequest
) -> UploadState:
    """A new upload; with ``resume`` the run's newest, if it is unfinished and asks for the same."""
    operation_id = ensure_operation(database, connection, request.run, request.mode)
    name = naming.normalized_name(request.collection)
    collection_id = None
    if request.key_kind == "name" and name != naming.UNNAMED:
        naming.refuse_other_kind(connection, name)
        collection_id = naming.ensure(database, connection, name).row_id
    fingerprint = _text([request.geometry, request.normalized, request.key_kind, request.bucket])
    if request.resume:
        # Only the newest upload of the run: an older one's sets may have been replaced since.
        query = sa.select(upload).where(upload.c.operation_id == operation_id)
        newest = connection.execute(query.order_by(upload.c.id.desc()).limit(1)).one_or_none()
        if (
            newest is not None
            and not newest.finished
            and (newest.fingerprint, newest.collection_id) == (fingerprint, collection_id)
        ):
            return _get_state(connection, newest.public_id)
    public_id = _insert(
        connection,
        operation_id=operation_id,
        collection_id=collection_id,
        fingerprint=fingerprint,
        normalized=request.normalized,
    )
    return _get_state(connection, public_id)


def open_published(
    database: Database, connection: sa.Connection, published: PublishedUpload
) -> str:
    """The id of the upload of a published client's session; without a session id a new one."""
    operation_id = ensure_operation(database, connection, published.run, published.mode)
    # Batches of one session that come together must not open an upload each.
    lock_operations(connection, [operation_id])
    fingerprint = _text(["published", published.session_id, published.normalized])
    if published.session_id is not None:
        same = (upload.c.operation_id == operation_id) & (upload.c.fingerprint == fingerprint)
        # What an ended one has received was removed since; it must not pass for stored.
        same &= ~upload.c.finished
        query = sa.select(upload.c.public_id).where(same).order_by(upload.c.id.desc()).limit(1)
        value = connection.execute(query).scalar_one_or_none()
        if value is not None:
            return str(value)
    if published.entry is not None:
        insert_audit_entry(connection, published.entry)
    return _insert(
        connection,
        operation_id=operation_id,
        collection_id=None,
        fingerprint=fingerprint,
        normalized=published.normalized,
        total_images=published.total_images,
    )


def lock_operations(connection: sa.Connection, ids: Iterable[int]) -> None:
    """Hold model runs and ground truths, by row id, against other writers until the transaction ends."""
    query = sa.select(operation.c.id).where(operation.c.id.in_(sorted(ids)))
    connection.execute(query.order_by(operation.c.id).with_for_update(key_share=True))


def _insert(connection: sa.Connection, **values: Any) -> str:
    public_id, now = secrets.token_hex(12), now_text()
    zero = {"images": 0, "annotations": 0, "unmatched": 0, "finished": False}
    connection.execute(
        sa.insert(upload).values(
            public_id=public_id, created_at=now, updated_at=now, **zero, **values
        )
    )
    return public_id


def lock(connection: sa.Connection, public_id: str) -> UploadRow:
    """The upload, held against other writers until the transaction ends.

    Raises:
        NotFound: there is no such upload.
    """
    row = _find(connection, public_id, is_locked=True)
    if row is None:
        raise _unknown(public_id)
    return UploadRow(
        row.id,
        row.public_id,
        row.operation_id,
        row.collection_id,
        bool(row.normalized),
        bool(row.finished),
    )


def _get_names(connection: sa.Connection, public_id: str) -> UploadNames:
    """What the upload is of.

    Raises:
        NotFound: there is no such upload.
    """
    named = (
        sa.select(operation.c.name, collection.c.name, upload.c.finished)
        .select_from(upload)
        .join(operation, operation.c.id == upload.c.operation_id)
        .outerjoin(collection, collection.c.id == upload.c.collection_id)
        .where(upload.c.public_id == public_id)
    )
    row = connection.execute(named).one_or_none() if is_storable(public_id) else None
    if row is None:
        raise _unknown(public_id)
    return UploadNames(row[0], row[1], bool(row[2]))


def _get_settings(connection: sa.Connection, public_id: str) -> UploadSettings:
    """How to read the batches of a native upload.

    Raises:
        NotFound: there is no such native upload.
    """
    row = _find(connection, public_id)
    fields: list[Any] = msgspec.json.decode(row.fingerprint) if row else ["published"]
    if fields[0] == "published":
        raise _unknown(public_id)
    geometry, normalized, key_kind, bucket = fields
    return UploadSettings(geometry, normalized, key_kind, bucket)


def find_repeat(
    connection: sa.Connection, row: UploadRow, sequence: int | None, digest: str
) -> BatchResult | None:
    """What became of this batch if the stack has it already.

    Raises:
        Conflict: another batch has this number, or the upload is finished.
    """
    if sequence is not None and not 0 <= sequence < MAX_BATCHES:
        raise Conflict(f"batch numbers go from 0 to {MAX_BATCHES - 1}", status=409)
    condition = upload_batch.c.upload_id == row.id
    same = (
        upload_batch.c.digest == digest if sequence is None else upload_batch.c.sequence == sequence
    )
    match = connection.execute(
        sa.select(upload_batch).where(condition & same).limit(1)
    ).one_or_none()
    if match is not None:
        if match.digest != digest:
            raise Conflict(
                f"batch {sequence} of this upload was received with other content", status=409
            )
        return BatchResult(
            images=match.images,
            annotations=match.annotations,
            unmatched=match.unmatched,
            new_labels=msgspec.json.decode(match.new_labels),
            repeated=True,
        )
    if row.finished and sequence is not None:
        raise Conflict("this upload is finished; open another one", status=409)
    return None


def next_sequence(connection: sa.Connection, row: UploadRow) -> int:
    """The number for a batch that came without one."""
    highest = sa.select(sa.func.max(upload_batch.c.sequence)).where(
        upload_batch.c.upload_id == row.id
    )
    last = connection.execute(highest).scalar_one()
    return 0 if last is None else int(last) + 1


def add_batch(
    connection: sa.Connection, row: UploadRow, sequence: int, digest: str, result: BatchResult
) -> None:
    """Record a batch, in the transaction that stores its sets."""
    counts = {
        "images": result.images,
        "annotations": result.annotations,
        "unmatched": result.unmatched,
    }
    connection.execute(
        sa.insert(upload_batch).values(
            upload_id=row.id,
            sequence=sequence,
            digest=digest,
            new_labels=_text(result.new_labels),
            **counts,
        )
    )
    sums: dict[str, Any] = {name: upload.c[name] + count for name, count in counts.items()}
    changed = sa.update(upload).where(upload.c.id == row.id)
    connection.execute(changed.values(updated_at=now_text(), **sums))


def _finish(
    connection: sa.Connection, public_id: str, batches: int | None, file_keys: bytes
) -> UploadState:
    """End an upload; again and again gives the same.

    Raises:
        NotFound: there is no such upload.
        Conflict: one of the batches 0 to `batches` - 1 is missing.
    """
    row = lock(connection, public_id)
    if batches is not None and not row.finished:
        if not 0 <= batches <= MAX_BATCHES:
            raise Conflict(f"an upload has 0 to {MAX_BATCHES} batches", status=409)
        _refuse_missing(connection, row, batches)
    _keep_file_keys(connection, row, file_keys)
    changed = sa.update(upload).where(upload.c.id == row.id)
    connection.execute(changed.values(finished=True, updated_at=now_text()))
    return _get_state(connection, public_id)


def _keep_file_keys(connection: sa.Connection, row: UploadRow, file_keys: bytes) -> None:
    """Add the keys of a file to those of its run, in the collections that its images are in."""
    new = msgspec.json.decode(file_keys, type=dict[str, Raw])
    if not new:
        return
    sets, runs = annotation_set.c, operation_collection.c
    images = sa.select(sets.id).where(
        sets.operation_id == row.operation_id,
        sets.collection_id == runs.collection_id,
        sets.upload_id == row.id,
    )
    condition = (runs.operation_id == row.operation_id) & images.exists()
    query = sa.select(runs.collection_id, runs.file_keys).where(condition)
    for collection_id, text in connection.execute(query.with_for_update()).all():
        earlier = msgspec.json.decode(text or "{}", type=dict[str, Raw])
        values = {"file_keys": msgspec.json.encode({**earlier, **new}).decode()}
        same = (runs.operation_id == row.operation_id) & (runs.collection_id == collection_id)
        connection.execute(sa.update(operation_collection).where(same).values(values))


def _refuse_missing(connection: sa.Connection, row: UploadRow, batches: int) -> None:
    """Work and memory go with the batches that came, not with the number that was claimed."""
    condition = (upload_batch.c.upload_id == row.id) & (upload_batch.c.sequence < batches)
    ordered = sa.select(upload_batch.c.sequence).where(condition).order_by(upload_batch.c.sequence)
    received = list(connection.execute(ordered).scalars())
    missing = batches - len(received)
    if missing:
        first = next((n for n, number in enumerate(received) if n != number), len(received))
        raise Conflict(
            f"{missing} of {batches} batches are missing, the first is {first}", status=409
        )


def _get_state(connection: sa.Connection, public_id: str) -> UploadState:
    """The upload with its batches.

    Raises:
        NotFound: there is no such upload.
    """
    row = _find(connection, public_id)
    if row is None:
        raise _unknown(public_id)
    batches = connection.execute(
        sa.select(upload_batch)
        .where(upload_batch.c.upload_id == row.id)
        .order_by(upload_batch.c.sequence)
    ).all()
    return UploadState(
        id=row.public_id,
        finished=bool(row.finished),
        images=row.images,
        annotations=row.annotations,
        unmatched=row.unmatched,
        new_labels=_joined([msgspec.json.decode(batch.new_labels) for batch in batches]),
        received=[ReceivedBatch(batch.sequence, batch.digest) for batch in batches],
    )


def end_all(
    connection: sa.Connection, operation_ids: Sequence[int], collection_id: int | None
) -> None:
    """Finish uploads whose sets were removed, so that none is resumed as if they were there.

    Those are the operations' uploads into this collection, and those of which only the images
    say where they went; with None all of them.
    """
    condition = upload.c.operation_id.in_(operation_ids) & ~upload.c.finished
    if collection_id is not None:
        goes_there = upload.c.collection_id == collection_id
        condition &= goes_there | upload.c.collection_id.is_(None)
    connection.execute(
        sa.update(upload).where(condition).values(finished=True, updated_at=now_text())
    )


def _find_job(connection: sa.Connection, public_id: str) -> Job | None:
    """The upload as a job: done when finished, failed when quiet for too long."""
    row = _find(connection, public_id)
    if row is None:
        return None
    is_complete = row.total_images is not None and row.images >= row.total_images
    if row.finished or is_complete:
        return Job(id=public_id, status="completed", progress=100.0)
    if seconds_since(row.updated_at) > QUIET_SECONDS:
        hours = QUIET_SECONDS // 3600
        message = f"the upload stopped before its end and got nothing for {hours} hours"
        return Job(id=public_id, status="failed", progress=0.0, message=message)
    progress = 100.0 * row.images / row.total_images if row.total_images else 0.0
    return Job(id=public_id, status="in_progress", progress=progress)


def _find(
    connection: sa.Connection, public_id: str, *, is_locked: bool = False
) -> sa.Row[Any] | None:
    if not is_storable(public_id):
        return None
    query = sa.select(upload).where(upload.c.public_id == public_id)
    return connection.execute(query.with_for_update() if is_locked else query).one_or_none()


def _unknown(public_id: str) -> NotFound:
    return NotFound(f"there is no upload {public_id!r}", status=404)


def _joined(lists: Sequence[list[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in lists for name in names))


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
