"""What the annotations of a run in a collection are like: counted once for each state of its sets."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from layernext.model import Mode, RunStatistics
from layernext.stack.store.annotations import content
from layernext.stack.store.clock import now_text
from layernext.stack.store.database import Database
from layernext.stack.store.evaluations.data import FETCHED_PAIRS, Changed
from layernext.stack.store.evaluations.rows import SideSet, Span
from layernext.stack.store.evaluations.states import set_state
from layernext.stack.store.jobs.jobs import Jobs
from layernext.stack.store.schema import (
    GEOMETRIES_BY_CODE,
    annotation_set,
    collection,
    image,
    job,
    operation,
    operation_collection,
    run_statistics,
)

STATISTICS_JOB = "run.statistics"

REMEMBERED_RUNS = 200
"""Whose counts a process keeps in memory: some kilobytes each."""


class CountedRun(Struct, frozen=True, kw_only=True):
    """Which sets are counted.

    Attributes:
        operation_id, collection_id: row ids.
        run, mode, collection: their names.
        state: of the sets.
        images, annotations: how many there are.
    """

    operation_id: int
    collection_id: int
    run: str
    mode: Mode
    collection: str
    state: str
    images: int
    annotations: int


class Statistics:
    """The statistics of a database's runs.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._remembered: OrderedDict[tuple[int, int], tuple[str, RunStatistics]] = OrderedDict()

    def find_run(self, collection_id: int, run: str, mode: Mode) -> CountedRun | None:
        """What there is of an operation in a collection; None if nothing."""
        counted = operation_collection.c
        query = (
            sa.select(operation_collection, collection.c.name.label("place"))
            .join(operation, operation.c.id == counted.operation_id)
            .join(collection, collection.c.id == counted.collection_id)
            .where(operation.c.name == run, operation.c.mode == mode)
            .where(counted.collection_id == collection_id, counted.image_count > 0)
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            return CountedRun(
                operation_id=row.operation_id,
                collection_id=row.collection_id,
                run=run,
                mode=mode,
                collection=row.place,
                state=set_state(connection, row.collection_id, run, mode) or "",
                images=row.image_count,
                annotations=row.annotation_count,
            )

    def get(self, run: CountedRun) -> RunStatistics | None:
        """What was counted last; it says whether it still holds. None if nothing was."""
        with self._lock:
            state, remembered = self._remembered.get(_key(run), ("", None))
        if remembered is not None and state == run.state:
            return remembered
        query = sa.select(run_statistics).where(_mine(run))
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None or row.result is None:
            return None
        result = msgspec.json.decode(content.unpack(row.result), type=RunStatistics)
        return msgspec.structs.replace(
            result, is_current=row.state == run.state, computed_at=row.computed_at
        )

    def remember(self, run: CountedRun, counted: RunStatistics) -> RunStatistics:
        """Keep what was counted in this process, as `get` gives it: a request that reads stores nothing."""
        current = msgspec.structs.replace(counted, is_current=True, computed_at=now_text())
        with self._lock:
            self._remembered[_key(run)] = (run.state, current)
            self._remembered.move_to_end(_key(run))
            while len(self._remembered) > REMEMBERED_RUNS:
                self._remembered.popitem(last=False)
        return current

    def ensure_job(self, run: CountedRun) -> str:
        """The job that counts the run: one that is open, or a new one."""

        def work(connection: sa.Connection) -> str:
            query = sa.select(job.c.public_id).join(
                run_statistics, run_statistics.c.job_id == job.c.public_id
            )
            is_open = job.c.status.in_(["queued", "in_progress"])
            value = connection.execute(query.where(_mine(run), is_open)).scalar_one_or_none()
            if value is not None:
                return str(value)
            payload = {"collection": run.collection_id, "run": run.run, "mode": run.mode}
            job_id = Jobs.create_in(connection, STATISTICS_JOB, "Count a run", payload)
            self._put(connection, run, job_id=job_id)
            return job_id

        return self._database.write_again(work)

    def spans(self, run: CountedRun, annotations_per_span: int) -> list[Span]:
        """The run's images, divided."""
        columns = annotation_set.c
        query = (
            sa.select(columns.image_id, columns.annotation_count)
            .where(columns.operation_id == run.operation_id)
            .where(columns.collection_id == run.collection_id)
            # Plus 0: the index in this order has the images of all collections.
            .order_by(columns.image_id + 0)
        )
        spans: list[Span] = []
        first = last = images = total = 0
        with self._database.read() as connection:
            for row in connection.execute(query):
                first = first if images else row.image_id
                last, images, total = row.image_id, images + 1, total + row.annotation_count
                if total >= annotations_per_span:
                    spans.append(Span(first, last, images))
                    images = total = 0
        return [*spans, Span(first, last, images)] if images else spans

    def iter_sets(
        self, run: CountedRun, span: Span
    ) -> Iterator[tuple[SideSet, tuple[int, int] | None]]:
        """The sets of a span with the sizes of their images, where known.

        Raises:
            Changed: the sets are not those of `run` any more.
        """
        columns = annotation_set.c
        query = (
            sa.select(
                columns.content, columns.geometry, columns.normalized, image.c.width, image.c.height
            )
            .join(image, image.c.id == columns.image_id)
            .where(
                columns.operation_id == run.operation_id, columns.collection_id == run.collection_id
            )
            .where(columns.image_id.between(span.first, span.last), image.c.trashed_at.is_(None))
        )
        with self._database.stream() as connection:
            if set_state(connection, run.collection_id, run.run, run.mode) != run.state:
                raise Changed
            with connection.execute(query.execution_options(yield_per=FETCHED_PAIRS)) as rows:
                for row in rows:
                    geometry = GEOMETRIES_BY_CODE[row.geometry]
                    side = SideSet(content.unpack(row.content), geometry, bool(row.normalized))
                    is_sized = row.width is not None and row.height is not None
                    yield side, (row.width, row.height) if is_sized else None

    def store(self, run: CountedRun, result: RunStatistics) -> None:
        """Keep what was counted."""
        packed = content.compressor().compress(msgspec.json.encode(result))
        values = {"state": run.state, "computed_at": now_text(), "result": packed}
        self._database.write_again(lambda connection: self._put(connection, run, **values))

    def _put(self, connection: sa.Connection, run: CountedRun, **values: Any) -> None:
        ids = {"operation_id": run.operation_id, "collection_id": run.collection_id}
        insert = self._database.upsert(run_statistics).values(ids | values)
        connection.execute(insert.on_conflict_do_update(index_elements=[*ids], set_=values))


def _key(run: CountedRun) -> tuple[int, int]:
    return run.operation_id, run.collection_id


def _mine(run: CountedRun) -> sa.ColumnElement[bool]:
    return sa.and_(
        run_statistics.c.operation_id == run.operation_id,
        run_statistics.c.collection_id == run.collection_id,
    )
