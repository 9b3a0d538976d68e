"""Exports: asked for, looked at, and deleted when their time has come."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from layernext.errors import NotFound
from layernext.model import Mode
from layernext.stack.store.access.grants import readable_versions
from layernext.stack.store.access.records import Within
from layernext.stack.store.clock import now_text, text_of
from layernext.stack.store.database import Database
from layernext.stack.store.jobs.jobs import Jobs
from layernext.stack.store.objects.dropped import drop
from layernext.stack.store.schema import (
    collection,
    dataset_version,
    export,
    job,
    operation,
    operation_collection,
)
from layernext.stack.store.storable import is_storable
from layernext.wire.native import ExportLabels

EXPORT_JOB = "export"
LIFE_DAYS = 7.0
"""Of an export, from when it was asked for."""


class ExportSettings(Struct, frozen=True, kw_only=True):
    """What an export is of.

    Attributes:
        format: its name.
        collection_id: row id of a collection, with its name, run and mode; or else
        version_id: public id of a dataset version, and perhaps a split of it.
        strict: fail at what the format cannot hold.
        label_rules: what becomes of labels.
    """

    format: str
    collection_id: int | None = None
    collection: str | None = None
    run: str | None = None
    mode: Mode | None = None
    version_id: str | None = None
    split: str | None = None
    strict: bool = False
    label_rules: ExportLabels | None = None


class ExportOutcome(Struct, frozen=True, kw_only=True):
    """What came of an export: counts, and what the format cannot hold."""

    images: int
    annotations: int
    losses: dict[str, tuple[int, str]]


class ExportRow(Struct, frozen=True, kw_only=True):
    """An export; see `layernext.model.Export`."""

    id: str
    job_id: str
    status: str
    message: str
    settings: ExportSettings
    file_name: str
    object_path: str
    size: int | None
    checksum: str | None
    outcome: ExportOutcome | None
    created_at: str
    expires_at: str


class Exports:
    """The exports of a database.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, settings: ExportSettings, file_name: str, ending: str) -> ExportRow:
        """Ask for an export: a job is queued."""
        public_id, now = secrets.token_hex(12), datetime.now(timezone.utc)

        def work(connection: sa.Connection) -> None:
            name = f"Export as {settings.format}"
            values = {
                "public_id": public_id,
                "job_id": Jobs.create_in(connection, EXPORT_JOB, name, {"export": public_id}),
                "settings": msgspec.json.encode(settings).decode(),
                "file_name": file_name,
                "object_path": f"exports/{public_id}{ending}",
                "created_at": now_text(),
                "expires_at": text_of(now + timedelta(days=LIFE_DAYS)),
            }
            connection.execute(sa.insert(export).values(values))

        self._database.write_again(work)
        return self.get(public_id)

    def modes_of(self, collection_id: int, run: str) -> list[Mode]:
        """Whether a collection has a model run, a ground truth, or both of a name."""
        query = (
            sa.select(operation.c.mode)
            .join(operation_collection, operation_collection.c.operation_id == operation.c.id)
            .where(
                operation.c.name == run,
                operation_collection.c.collection_id == collection_id,
                operation_collection.c.image_count > 0,
            )
            .order_by(operation.c.mode)
        )
        if not is_storable(run):
            return []
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def finish(self, export_id: str, size: int, checksum: str, outcome: ExportOutcome) -> bool:
        """Note that an export is there; False if it was deleted meanwhile, and its object is dropped."""

        def work(connection: sa.Connection) -> bool:
            condition = export.c.public_id == export_id
            values = {
                "size": size,
                "checksum": checksum,
                "report": msgspec.json.encode(outcome).decode(),
            }
            return (
                connection.execute(sa.update(export).where(condition).values(values)).rowcount == 1
            )

        return self._database.write_again(work)

    def drop_object(self, path: str) -> None:
        """Note that an object is of no export."""
        self._database.write_again(lambda connection: drop(self._database, connection, [path]))

    def get(self, export_id: str) -> ExportRow:
        """An export.

        Raises:
            NotFound: there is none of this id, it has expired, or is of a collection in the trash.
        """
        rows = self._rows(export.c.public_id == export_id) if is_storable(export_id) else []
        if not rows:
            raise NotFound(f"there is no export {export_id[:100]!r}", status=404)
        return rows[0]

    def list_all(self, within: Within = None) -> list[ExportRow]:
        """Every export that has not expired, newest first; with `within` only of these collections."""
        rows = self._rows(sa.true())
        if within is None:
            return rows
        versions = sa.select(dataset_version.c.public_id).where(
            dataset_version.c.id.in_(readable_versions(within))
        )
        with self._database.read() as connection:
            readable = set(connection.execute(versions).scalars())
        return [
            row
            for row in rows
            if row.settings.collection_id in within or row.settings.version_id in readable
        ]

    def _rows(self, where: sa.ColumnElement[bool]) -> list[ExportRow]:
        query = (
            sa.select(export, job.c.status, job.c.message)
            .join(job, job.c.public_id == export.c.job_id)
            .where(where, export.c.expires_at > now_text())
            .order_by(export.c.id.desc())
        )
        hidden = sa.select(collection.c.id).where(collection.c.trashed_at.is_not(None))
        with self._database.read() as connection:
            results = [_row(row) for row in connection.execute(query)]
            trashed = set(connection.execute(hidden).scalars()) if results else set()
        return [row for row in results if row.settings.collection_id not in trashed]

    def delete(self, export_id: str) -> bool:
        """Delete an export; False if there is none. A job that makes it ends with nothing."""
        result = is_storable(export_id)
        return result and self._delete(export.c.public_id == export_id) > 0

    def expire(self) -> int:
        """Delete what has expired; how many there were."""
        return self._delete(export.c.expires_at <= now_text())

    def _delete(self, where: sa.ColumnElement[bool]) -> int:
        columns = (export.c.id, export.c.job_id, export.c.object_path)

        def work(connection: sa.Connection) -> int:
            rows = connection.execute(sa.select(*columns).where(where)).all()
            _remove(self._database, connection, rows)
            return len(rows)

        return self._database.write_again(work)


def remove_of_collections(
    database: Database, connection: sa.Connection, collection_ids: Collection[int]
) -> None:
    """Delete what was made of collections, by their row ids."""
    rows = connection.execute(sa.select(export)).all()
    results = [row for row in rows if _settings(row).collection_id in collection_ids]
    _remove(database, connection, results)


def _remove(database: Database, connection: sa.Connection, rows: Sequence[Any]) -> None:
    Jobs.cancel_in(connection, [row.job_id for row in rows], "the export was deleted")
    drop(database, connection, [row.object_path for row in rows])
    ids = [row.id for row in rows]
    connection.execute(sa.delete(export).where(export.c.id.in_(ids)))


def _settings(row: sa.Row[Any]) -> ExportSettings:
    return msgspec.json.decode(row.settings, type=ExportSettings)


def _row(row: sa.Row[Any]) -> ExportRow:
    report = row.report
    return ExportRow(
        id=row.public_id,
        job_id=row.job_id,
        status=row.status,
        message=row.message,
        settings=_settings(row),
        file_name=row.file_name,
        object_path=row.object_path,
        size=row.size,
        checksum=row.checksum,
        outcome=None if report is None else msgspec.json.decode(report, type=ExportOutcome),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
