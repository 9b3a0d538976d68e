"""Jobs: work that the stack does in the background, and work that a client says it does.

A job waits as ``queued`` until a worker claims it. The worker says every few seconds that it is
alive; a job whose worker is known to be dead, or was not heard of for `LEASE_SECONDS`, is claimed
again, `MAX_ATTEMPTS` times at most. So a job is done again from its start after a crash, and must be written to bear that.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import sqlalchemy as sa

from layernext.errors import Conflict
from layernext.model import Job
from layernext.stack.store.clock import now_text, seconds_since, text_of
from layernext.stack.store.database import Database
from layernext.stack.store.jobs.records import JobCount, JobRow, JobStatus
from layernext.stack.store.schema import job
from layernext.stack.store.storable import is_storable

LEASE_SECONDS = 30
"""Six heartbeats. Clocks of machines that share a database may differ by less."""
MAX_ATTEMPTS = 3

LOOK_JOB = "files.look"
"""Inspects new files, in a process of its own: if the stack dies meanwhile, something else killed it."""
MAX_LOOK_ATTEMPTS = 20

LINK_JOB = "files.link"

COMPARISON_JOB = "comparison"
"""Its result is the comparison; there is nothing else to keep."""

CANCELLABLE = ("evaluation", COMPARISON_JOB)
"""Kinds of jobs whose end before time leaves everything as it was. No client's own job has such a kind."""

SUBJECTS = ("evaluation", "version")
"""Fields of a payload that say what a job works on."""


_SHOWN = [column for column in job.c if column.name != "result"]
"""Of a job in a list: what came of a comparison can have megabytes."""


class Jobs:
    """The jobs of a database.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, kind: str, name: str, payload: Mapping[str, Any]) -> str:
        """Queue a job; its id."""
        return self._database.write_again(
            lambda connection: self.create_in(connection, kind, name, payload)
        )

    @staticmethod
    def add_counts_in(connection: sa.Connection, public_id: str, counts: Mapping[str, int]) -> None:
        """Add to what a job has counted, in the transaction of the step that did it.

        So a job that is done again after a crash knows what it did before. Attempts before this step
        count no more: the limit is for jobs that die again and again without getting anywhere.
        """
        condition = job.c.public_id == public_id
        text = connection.execute(
            sa.select(job.c.result).where(condition).with_for_update()
        ).scalar_one_or_none()
        if text is None:
            return
        so_far = msgspec.json.decode(text)
        total = {name: so_far.get(name, 0) + count for name, count in counts.items()}
        result = msgspec.json.encode(so_far | total).decode()
        connection.execute(sa.update(job).where(condition).values(result=result, attempts=1))

    def note_step(self, public_id: str) -> None:
        """Note that a job has done something that lasts: attempts before this count no more."""
        condition = job.c.public_id == public_id
        with self._database.write() as connection:
            connection.execute(sa.update(job).where(condition).values(attempts=1))

    @staticmethod
    def create_in(
        connection: sa.Connection,
        kind: str,
        name: str,
        payload: Mapping[str, Any],
        *,
        status: JobStatus = "queued",
    ) -> str:
        """Like `create`, as a part of a transaction that does more."""
        public_id, now = secrets.token_hex(12), now_text()
        values = {
            "public_id": public_id,
            "kind": kind,
            "name": name,
            "status": status,
            "progress": 0.0,
            "message": "",
            "payload": msgspec.json.encode(payload).decode(),
            "result": "{}",
            "attempts": 0,
            "created_at": now,
            "updated_at": now,
        }
        connection.execute(sa.insert(job).values(values))
        return public_id

    def ensure(self, kind: str, name: str, payload: Mapping[str, Any]) -> Job:
        """The newest job of this kind and payload that has not failed, queued if there is none."""
        text = msgspec.json.encode(payload).decode()
        same = sa.select(job).where(
            job.c.kind == kind, job.c.payload == text, job.c.status != "failed"
        )

        def work(connection: sa.Connection) -> Job:
            row = connection.execute(same.order_by(job.c.id.desc()).limit(1)).one_or_none()
            if row is None:
                job_id = self.create_in(connection, kind, name, payload)
                row = connection.execute(sa.select(job).where(job.c.public_id == job_id)).one()
            return _job(row)

        return self._database.write_again(work)

    def ensure_queued(self, kind: str, name: str) -> None:
        """Queue a job that has no payload, unless one like it waits already."""
        waiting = sa.select(job.c.id).where(job.c.kind == kind, job.c.status == "queued")

        def work(connection: sa.Connection) -> None:
            if connection.execute(waiting.limit(1)).first() is None:
                self.create_in(connection, kind, name, {})

        self._database.write_again(work)

    def claim(
        self, kinds: Sequence[str], owner: str, is_dead: Callable[[str], bool] = lambda _: False
    ) -> JobRow | None:
        """The oldest job of these kinds that nobody works at; from now on `owner` does.

        Args:
            kinds: of jobs.
            owner: who claims.
            is_dead: whether another owner is known to be dead. Its jobs are claimed at once, those of
                others when their lease has ended.
        """
        limit = text_of(datetime.now(timezone.utc) - timedelta(seconds=LEASE_SECONDS))
        of_kinds = job.c.kind.in_(list(kinds))
        is_running = job.c.status == "in_progress"
        owners = sa.select(job.c.owner).where(of_kinds, is_running).distinct()
        with self._database.read() as connection:
            dead = [row.owner for row in connection.execute(owners) if is_dead(row.owner)]
            is_abandoned = is_running & ((job.c.heartbeat_at < limit) | job.c.owner.in_(dead))
            query = (
                sa.select(job)
                .where(of_kinds, (job.c.status == "queued") | is_abandoned)
                .order_by(job.c.id)
                .limit(1)
            )
            if connection.execute(query).first() is None:
                return None

        def work(connection: sa.Connection) -> JobRow | None:
            while True:
                row = connection.execute(query.with_for_update(skip_locked=True)).first()
                if row is None:
                    return None
                statement = sa.update(job).where(job.c.id == row.id)
                now = now_text()
                most = MAX_LOOK_ATTEMPTS if row.kind == LOOK_JOB else MAX_ATTEMPTS
                if row.attempts < most:
                    claimed = {
                        "status": "in_progress",
                        "owner": owner,
                        "heartbeat_at": now,
                        "attempts": row.attempts + 1,
                        "updated_at": now,
                    }
                    connection.execute(statement.values(claimed))
                    payload = msgspec.json.decode(row.payload)
                    return JobRow(row.id, row.public_id, row.kind, row.name, payload)
                why = f"it was begun {most} times and never came to an end"
                connection.execute(statement.values(status="failed", message=why, updated_at=now))

        return self._database.write_again(work)

    def keep(
        self,
        session: str,
        kind: str,
        *,
        name: str,
        status: JobStatus,
        progress: float,
        details: Mapping[str, Any],
    ) -> str:
        """Note what a client says of a job of its own, made at the first word of it; its id.

        Any state may follow any other: the client alone knows.
        """

        def work(connection: sa.Connection) -> str:
            now = now_text()
            fields = {
                "name": name,
                "status": status,
                "progress": progress,
                "result": msgspec.json.encode(details).decode(),
                "updated_at": now,
            }
            fixed = {
                "public_id": secrets.token_hex(12),
                "kind": kind,
                "session": session,
                "message": "",
                "payload": "{}",
                "attempts": 0,
                "created_at": now,
            }
            insert = self._database.upsert(job).values(fixed | fields)
            upsert = insert.on_conflict_do_update(index_elements=["session", "kind"], set_=fields)
            connection.execute(upsert)
            condition = (job.c.session == session) & (job.c.kind == kind)
            return str(connection.execute(sa.select(job.c.public_id).where(condition)).scalar_one())

        return self._database.write_again(work)

    def count(self) -> list[JobCount]:
        """The stack's own jobs by kind and status; clients name the kinds of theirs as they like."""
        groups = (
            sa.select(
                job.c.kind,
                job.c.status,
                sa.func.count().label("count"),
                sa.func.min(job.c.created_at).label("oldest"),
            )
            .where(job.c.session.is_(None))
            .group_by(job.c.kind, job.c.status)
        )
        with self._database.read() as connection:
            rows = connection.execute(groups).all()
        return [
            JobCount(
                kind=row.kind,
                status=row.status,
                count=row[2],
                oldest_age_s=max(0.0, seconds_since(row.oldest)),
            )
            for row in rows
        ]

    def list_page(
        self, *, after: int, limit: int, statuses: Sequence[JobStatus] = ()
    ) -> tuple[list[Job], int | None]:
        """Jobs, newest first, and what to go on behind; with `statuses` only those that have one."""
        query = sa.select(*_SHOWN).order_by(job.c.id.desc()).limit(limit + 1)
        if after:
            query = query.where(job.c.id < after)
        if statuses:
            query = query.where(job.c.status.in_(list(statuses)))
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        following = rows[limit - 1].id if len(rows) > limit else None
        return [_job(row) for row in rows[:limit]], following

    def report(self, row_id: int, owner: str, progress: float, message: str = "") -> bool:
        """Say that a job is alive and how far it is; False if it is no longer `owner`'s."""
        now = now_text()
        return self._change(
            row_id, owner, progress=progress, message=message, heartbeat_at=now, updated_at=now
        )

    def end(
        self,
        row_id: int,
        owner: str,
        status: JobStatus,
        *,
        message: str = "",
        result: Mapping[str, Any] | None = None,
    ) -> bool:
        """End a job; False if it is no longer `owner`'s."""
        fields: dict[str, Any] = {"status": status, "message": message, "updated_at": now_text()}
        if status == "completed":
            fields["progress"] = 100.0
        if result is not None:
            fields["result"] = msgspec.json.encode(result).decode()
        return self._change(row_id, owner, **fields)

    @staticmethod
    def cancel_in(connection: sa.Connection, public_ids: Sequence[str], why: str) -> None:
        """End jobs that have not ended, as a part of a transaction; their workers stop soon."""
        condition = job.c.public_id.in_(list(public_ids)) & job.c.status.in_(
            ["queued", "in_progress"]
        )
        ended = {"status": "failed", "message": why, "updated_at": now_text()}
        connection.execute(sa.update(job).where(condition).values(ended))

    @staticmethod
    def forget_comparisons(connection: sa.Connection, evaluation_ids: Sequence[str]) -> None:
        """End comparisons of evaluations, and empty those that were made: they name images."""
        failure = {"status": "failed", "message": "what was compared is gone", "result": "{}"}
        statement = sa.update(job).where(
            job.c.kind == COMPARISON_JOB, job.c.payload.contains(sa.bindparam("which"))
        )
        values = [{"which": evaluation_id} for evaluation_id in evaluation_ids]
        connection.execute(statement.values(failure | {"updated_at": now_text()}), values)

    def cancel(self, public_id: str, who: str) -> Job | None:
        """End a job that can be cancelled; None if there is no such job.

        Raises:
            Conflict: it has ended, or it is of a kind that others rely on.
        """
        current = self.find(public_id)
        if current is None:
            return None
        if not current.can_cancel:
            has_ended = current.status in {"completed", "failed"}
            why = "the job has ended" if has_ended else "a job of this kind cannot be cancelled"
            raise Conflict(why, status=409)
        self._database.write_again(
            lambda connection: self.cancel_in(connection, [public_id], f"cancelled by {who}")
        )
        return self.find(public_id)

    def give_back(self, owner: str) -> None:
        """Queue again what `owner` works at: it stops before the end."""
        condition = (job.c.owner == owner) & (job.c.status == "in_progress")
        queued = {"status": "queued", "owner": None, "attempts": job.c.attempts - 1}
        with self._database.write() as connection:
            connection.execute(sa.update(job).where(condition).values(queued))

    def queue_again(self, row_id: int, owner: str) -> bool:
        """Queue a job that could not be done; False if it is no longer `owner`'s.

        It counts as an attempt: a job that brings the database down must not do so for ever.
        """
        return self._change(row_id, owner, status="queued", owner=None, updated_at=now_text())

    def _change(self, row_id: int, of: str, **values: Any) -> bool:
        condition = (job.c.id == row_id) & (job.c.owner == of) & (job.c.status == "in_progress")
        with self._database.write() as connection:
            return connection.execute(sa.update(job).where(condition).values(values)).rowcount == 1

    def find(self, public_id: str) -> Job | None:
        """The job with this id."""
        row = self._find(public_id, *_SHOWN)
        return None if row is None else _job(row)

    def result(self, public_id: str) -> dict[str, Any] | None:
        """What came of a job; None if there is no such job."""
        row = self._find(public_id, job.c.result)
        decoded: dict[str, Any] | None = None if row is None else msgspec.json.decode(row.result)
        return decoded

    def payload(self, public_id: str) -> dict[str, Any] | None:
        """What a job was asked to do; None if there is no such job."""
        row = self._find(public_id, job.c.payload)
        decoded: dict[str, Any] | None = None if row is None else msgspec.json.decode(row.payload)
        return decoded

    def _find(self, public_id: str, *columns: sa.Column[Any]) -> sa.Row[Any] | None:
        if not is_storable(public_id):
            return None
        with self._database.read() as connection:
            query = sa.select(*columns).where(job.c.public_id == public_id)
            return connection.execute(query).one_or_none()


def _job(row: sa.Row[Any]) -> Job:
    payload = msgspec.json.decode(row.payload)
    return Job(
        id=row.public_id,
        name=row.name,
        status=row.status,
        progress=row.progress,
        message=row.message,
        created_at=row.created_at,
        updated_at=row.updated_at,
        kind=row.kind,
        can_cancel=row.kind in CANCELLABLE and row.status in {"queued", "in_progress"},
        about={name: payload[name] for name in SUBJECTS if isinstance(payload.get(name), str)},
    )
