"""Evaluations: asked for, looked at, removed.

`evaluation_data` reads what they compare and stores what comes of it; the computing itself is a job.

There is one evaluation for the same target, run, ground truth and settings. Computing it again keeps
its id, and the earlier result until the new one is whole.
"""

from __future__ import annotations

import hashlib
import secrets
from difflib import get_close_matches
from typing import Any

import msgspec
import sqlalchemy as sa

from layernext.errors import Conflict, NotFound
from layernext.model import EvaluationInfo, EvaluationSettings, Mode, with_sigmas
from layernext.stack.store.access.grants import readable_versions
from layernext.stack.store.access.records import Within
from layernext.stack.store.annotations import content
from layernext.stack.store.clock import now_text
from layernext.stack.store.collections.classes import collections_of_version, skeletons_of
from layernext.stack.store.database import Database
from layernext.stack.store.datasets.splits import SPLITS
from layernext.stack.store.evaluations.data import EvaluationData
from layernext.stack.store.evaluations.rows import EvaluationNotes, EvaluationRequest
from layernext.stack.store.evaluations.states import difference, evaluation_state
from layernext.stack.store.jobs.jobs import Jobs
from layernext.stack.store.removal.evaluations import delete_rows
from layernext.stack.store.schema import (
    collection,
    dataset,
    dataset_version,
    evaluation,
    job,
    operation,
    operation_collection,
    version_set,
)
from layernext.stack.store.storable import is_storable

EVALUATION_JOB = "evaluation"
SHOWN_NAMES = 8

_settings = msgspec.json.Decoder(EvaluationSettings).decode
_notes = msgspec.json.Decoder(EvaluationNotes).decode

_COLUMNS = [column for column in evaluation.c if column.name != "result"]


class Evaluations:
    """The evaluations of a database.

    Args:
        database: where they are.

    Attributes:
        data: what they compare, and what came of it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.data = EvaluationData(database)

    # -- asking -----------------------------------------------------------------------------

    def request(self, evaluation_request: EvaluationRequest) -> EvaluationInfo:
        """The evaluation, with a job that computes it unless its result holds.

        Raises:
            NotFound: no such dataset version, or the target has no such run or ground truth; says
                which it has.
            Conflict: the dataset version is not ready, or run and ground truth are the same.
        """

        def work(connection: sa.Connection) -> str:
            version_id = _version(connection, evaluation_request.version_id)
            operations = _operations(connection, evaluation_request.collection_id, version_id)
            run, run_mode = _chosen(
                operations, evaluation_request.run, evaluation_request.run_mode, "machine"
            )
            truth, truth_mode = _chosen(
                operations, evaluation_request.truth, evaluation_request.truth_mode, "human"
            )
            if (run, run_mode) == (truth, truth_mode):
                raise Conflict("run and ground truth are the same", status=409)
            settings = _with_sigmas(
                connection,
                evaluation_request.settings,
                evaluation_request.collection_id,
                version_id,
            )
            target: dict[str, Any] = {
                "collection_id": evaluation_request.collection_id,
                "version_id": version_id,
                "split": evaluation_request.split,
                "run": run,
                "run_mode": run_mode,
                "truth": truth,
                "truth_mode": truth_mode,
                "settings": msgspec.json.encode(settings).decode(),
            }
            key = hashlib.blake2b(msgspec.json.encode(target), digest_size=16).hexdigest()
            query = sa.select(*_COLUMNS).where(evaluation.c.key == key).with_for_update()
            row = connection.execute(query).one_or_none()
            if row is None:
                public_id = secrets.token_hex(12)
                values = {
                    "public_id": public_id,
                    "key": key,
                    "is_default": int(evaluation_request.is_default),
                    "job_id": _queue(connection, public_id),
                    "created_at": now_text(),
                }
                connection.execute(sa.insert(evaluation).values(target | values))
                return public_id
            is_open = _job(connection, row.job_id).status in {"queued", "in_progress"}
            if not is_open and (
                evaluation_request.again or _why_stale(connection, row) is not None
            ):
                statement = sa.update(evaluation).where(evaluation.c.id == row.id)
                connection.execute(statement.values(job_id=_queue(connection, row.public_id)))
            return str(row.public_id)

        return self.get(self._database.write_again(work))

    # -- looking ----------------------------------------------------------------------------

    def get(self, evaluation_id: str) -> EvaluationInfo:
        """An evaluation.

        Raises:
            NotFound: there is none of this id.
        """
        with self._database.read() as connection:
            info = _info(connection, find_row(connection, evaluation_id))
            if info.status != "completed":
                return info
            # On PostgreSQL the job may have ended after the row was read: read the numbers it left.
            return _info(connection, find_row(connection, evaluation_id))

    def list_page(
        self,
        *,
        collection_id: int | None,
        version_id: str | None,
        run: str | None,
        truth: str | None,
        after: int,
        limit: int,
        within: Within = None,
    ) -> tuple[list[EvaluationInfo], int | None]:
        """Evaluations, newest first, and what to go on behind."""
        if not all(is_storable(text) for text in (version_id, run, truth) if text is not None):
            return [], None
        query = sa.select(*_COLUMNS).where(_is_there()).order_by(evaluation.c.id.desc())
        if after:
            query = query.where(evaluation.c.id < after)
        if collection_id is not None:
            query = query.where(evaluation.c.collection_id == collection_id)
        if version_id is not None:
            select = sa.select(dataset_version.c.id).where(
                dataset_version.c.public_id == version_id
            )
            query = query.where(evaluation.c.version_id.in_(select))
        if within is not None:
            versions = evaluation.c.version_id.in_(readable_versions(within))
            query = query.where(evaluation.c.collection_id.in_(within) | versions)
        if run is not None:
            query = query.where(evaluation.c.run == run)
        if truth is not None:
            query = query.where(evaluation.c.truth == truth)
        with self._database.read() as connection:
            rows = connection.execute(query.limit(limit + 1)).all()
            results = [_info(connection, row) for row in rows[:limit]]
        return results, rows[limit - 1].id if len(rows) > limit else None

    def result(self, evaluation_id: str) -> tuple[EvaluationInfo, bytes]:
        """An evaluation and the JSON of its result.

        Raises:
            NotFound: there is none of this id.
            Conflict: it has not been computed yet; says how far that is.
        """
        with self._database.read() as connection:
            row = find_row(connection, evaluation_id)
            query = sa.select(evaluation.c.result).where(evaluation.c.id == row.id)
            packed = connection.execute(query).scalar_one()
            info = _info(connection, row)
        if packed is None:
            raise not_computed(info)
        return info, content.unpack(packed)

    def delete(self, evaluation_id: str) -> bool:
        """Delete an evaluation and end its job; False if there is none."""

        def work(connection: sa.Connection) -> bool:
            query = sa.select(evaluation.c.id).where(evaluation.c.public_id == evaluation_id)
            ids = list(connection.execute(query).scalars())
            delete_rows(connection, ids)
            return bool(ids)

        return self._database.write_again(work) if is_storable(evaluation_id) else False


def find_row(connection: sa.Connection, evaluation_id: str) -> sa.Row[Any]:
    """An evaluation without its result.

    Raises:
        NotFound: there is none of this id.
    """
    row = None
    if is_storable(evaluation_id):
        condition = evaluation.c.public_id == evaluation_id
        row = connection.execute(sa.select(*_COLUMNS).where(condition, _is_there())).one_or_none()
    if row is None:
        raise NotFound(f"there is no evaluation {evaluation_id[:100]!r}", status=404)
    return row


def not_computed(info: EvaluationInfo) -> Conflict:
    """The error for a result that is not there."""
    reason = info.message if info.status == "failed" else f"its job is at {info.progress:.0f} %"
    return Conflict(f"evaluation {info.id} has no result: {reason}", status=409)


def is_current(connection: sa.Connection, row: Any) -> bool:
    """Whether an evaluation has a result, and that is what would come out now."""
    return _why_stale(connection, row) is None


def _is_there() -> sa.ColumnElement[bool]:
    """Not of a collection in the trash."""
    hidden = sa.select(collection.c.id).where(
        collection.c.id == evaluation.c.collection_id, collection.c.trashed_at.is_not(None)
    )
    return ~hidden.correlate(evaluation).exists()


def _queue(connection: sa.Connection, public_id: str) -> str:
    return Jobs.create_in(connection, EVALUATION_JOB, "Evaluate a run", {"evaluation": public_id})


def _job(connection: sa.Connection, job_id: str) -> sa.Row[Any]:
    return connection.execute(sa.select(job).where(job.c.public_id == job_id)).one()


def _why_stale(connection: sa.Connection, row: Any) -> str | None:
    if row.fingerprint is None:
        return "it has not been computed yet"
    notes, settings = _notes(row.notes), _settings(row.settings)
    now = evaluation_state(connection, row, settings.slices, uses_sizes=notes.uses_sizes)
    return difference(row.fingerprint, now)


def _info(connection: sa.Connection, row: sa.Row[Any]) -> EvaluationInfo:
    collection_row = version = None
    if row.collection_id is not None:
        query = sa.select(collection.c.name, collection.c.public_id)
        collection_row = connection.execute(query.where(collection.c.id == row.collection_id)).one()
    else:
        columns = (dataset_version.c.public_id, dataset_version.c.number, dataset.c.name)
        joined = sa.select(*columns).join(dataset, dataset.c.id == dataset_version.c.dataset_id)
        version = connection.execute(joined.where(dataset_version.c.id == row.version_id)).one()
    notes = _notes(row.notes or "{}")
    why, its_job = _why_stale(connection, row), _job(connection, row.job_id)
    return EvaluationInfo(
        id=row.public_id,
        collection=None if collection_row is None else collection_row.name,
        collection_id=None if collection_row is None else collection_row.public_id,
        dataset_version=None if version is None else version.public_id,
        dataset=None if version is None else f"{version.name} 1.0.{version.number}",
        split=SPLITS[row.split] if row.split >= 0 else None,
        run=row.run,
        run_mode=row.run_mode,
        ground_truth=row.truth,
        truth_mode=row.truth_mode,
        settings=_settings(row.settings),
        status=its_job.status,
        progress=its_job.progress,
        message=its_job.message,
        job_id=row.job_id,
        is_current=why is None,
        stale_because=why,
        created_at=row.created_at,
        computed_at=row.computed_at,
        image_count=notes.image_count,
        confidence=notes.confidence,
        unsized_images=notes.unsized,
        unsized_names=notes.unsized_names,
        summary=msgspec.json.decode(row.summary) if row.summary else {},
    )


def _version(connection: sa.Connection, version_id: str | None) -> int | None:
    if version_id is None:
        return None
    row = None
    if is_storable(version_id):
        columns = (dataset_version.c.id, dataset_version.c.status)
        condition = dataset_version.c.public_id == version_id
        row = connection.execute(sa.select(*columns).where(condition)).one_or_none()
    if row is None:
        raise NotFound(f"there is no dataset version {version_id[:100]!r}", status=404)
    if row.status != "ready":
        raise Conflict(f"the dataset version is not ready but {row.status}", status=409)
    return int(row.id)


def _with_sigmas(
    connection: sa.Connection,
    settings: EvaluationSettings,
    collection_id: int | None,
    version_id: int | None,
) -> EvaluationSettings:
    """The settings with the sigmas of the skeletons that the target's collections have now, for keypoints."""
    if settings.geometry != "keypoints":
        return settings
    collection_ids = [] if collection_id is None else [collection_id]
    if version_id is not None:
        collection_ids = collections_of_version(connection, version_id)
    return with_sigmas(settings, skeletons_of(connection, collection_ids))


def _operations(
    connection: sa.Connection, collection_id: int | None, version_id: int | None
) -> list[tuple[str, Mode]]:
    """What has sets in the target, by name and mode."""
    if version_id is not None:
        query = sa.select(version_set.c.run, version_set.c.mode).distinct()
        query = query.where(version_set.c.version_id == version_id)
    else:
        counted = operation_collection.c
        query = (
            sa.select(operation.c.name, operation.c.mode)
            .join(operation_collection, counted.operation_id == operation.c.id)
            .where(counted.collection_id == collection_id, counted.image_count > 0)
        )
    return [(row[0], row[1]) for row in connection.execute(query)]


def _chosen(
    operations: list[tuple[str, Mode]], name: str, mode: Mode | None, defaults: Mode
) -> tuple[str, Mode]:
    """The operation of this name; of two the one of the usual mode, unless one is asked for.

    Raises:
        NotFound: there is none; names those that are like it, or those that there are.
    """
    modes: list[Mode] = [
        its for called, its in operations if called == name and mode in {None, its}
    ]
    if modes:
        return name, defaults if defaults in modes else modes[0]
    what = "ground truth" if (mode or defaults) == "human" else "model run"
    names = sorted({called for called, its in operations if mode in {None, its}})
    near = get_close_matches(name, names, SHOWN_NAMES, 0.5)
    shown_names = ", ".join(map(repr, (near or names)[:SHOWN_NAMES]))
    hint = (
        "there is none"
        if not names
        else f"did you mean {shown_names}?"
        if near
        else f"there is {shown_names}"
    )
    raise NotFound(f"there is no {what} {name[:600]!r} here; {hint}", status=404)
