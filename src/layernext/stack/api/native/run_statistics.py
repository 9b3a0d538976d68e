"""What the annotations of a run are like."""

from __future__ import annotations

from msgspec import Struct

from layernext.errors import NotFound
from layernext.model import Mode
from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.services import Services
from layernext.stack.jobs import count_now
from layernext.stack.store import Changed, Store
from layernext.wire.native import RUN_STATISTICS_PATH, StatisticsAnswer

COUNTED_AT_ONCE = 100_000
"""Annotations that are counted while the client waits: half a second. More is left to a job."""


class StatisticsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose annotations.

    Attributes:
        collection: id or name.
        run: name of the model run or ground truth.
        mode: ``machine`` or ``human``; left out, the model run goes first.
    """

    collection: str
    run: str
    mode: Mode | None = None


@operation(
    "GET",
    RUN_STATISTICS_PATH,
    Operation(
        summary="Count what a run's annotations are like",
        tag="Model runs",
        role="read",
        scope=HANDLER,
        errors=(400, 404),
        threads="ingest",
    ),
)
def get_statistics(
    query: StatisticsQuery, services: Services, permissions: Permissions
) -> StatisticsAnswer:
    """Annotations of each label, and histograms of confidence, number and size.

    Of a large run they are counted by a job; until that has ended, `statistics` are those of before, or
    null, and the same request asks how far it is.
    """
    collection_id = permissions.find_collection(query.collection).row_id
    answer = _answer(services.store, collection_id, query)
    if answer.job_id is not None:
        services.jobs.wake()
    return answer


def _answer(store: Store, collection_id: int, query: StatisticsQuery) -> StatisticsAnswer:
    statistics = store.statistics
    modes: list[Mode] = ["machine", "human"] if query.mode is None else [query.mode]
    runs = (statistics.find_run(collection_id, query.run, mode) for mode in modes)
    run = next((run for run in runs if run is not None), None)
    if run is None:
        raise NotFound(
            f"there is no model run or ground truth {query.run[:600]!r} here", status=404
        )
    earlier = statistics.get(run)
    if earlier is not None and earlier.is_current:
        return StatisticsAnswer(status="completed", job_id=None, statistics=earlier)
    if run.annotations <= COUNTED_AT_ONCE:
        try:
            counted = count_now(statistics, run)
        except Changed:
            pass  # it is being written to: left to the job
        else:
            return StatisticsAnswer(status="completed", job_id=None, statistics=counted)
    job_id = statistics.ensure_job(run)
    return StatisticsAnswer(status="in_progress", job_id=job_id, statistics=earlier)


ROUTES = [get_statistics]
