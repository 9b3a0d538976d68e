"""Which kinds of jobs there are, and who does them."""

from __future__ import annotations

from layernext.stack.jobs.comparisons import comparison_handler
from layernext.stack.jobs.datasets import build_handler
from layernext.stack.jobs.engines import Engine, LocalProcesses
from layernext.stack.jobs.evaluations import evaluation_handler
from layernext.stack.jobs.exports import export_handler
from layernext.stack.jobs.files import look_handler
from layernext.stack.jobs.purge import PURGE_JOB, purge_handler
from layernext.stack.jobs.runner import Handler
from layernext.stack.jobs.statistics import statistics_handler
from layernext.stack.objects import ObjectStore
from layernext.stack.store import (
    BUILD_JOB,
    COMPARISON_JOB,
    EVALUATION_JOB,
    EXPORT_JOB,
    LOOK_JOB,
    STATISTICS_JOB,
    Store,
)


def handlers_for(
    store: Store, objects: ObjectStore, engine: Engine | None = None
) -> dict[str, Handler]:
    """The handlers of every kind of job, by kind.

    Args:
        store, objects: what they work on.
        engine: where the parts of large jobs are worked on; None for processes of this machine.
    """
    engine = engine or LocalProcesses(store.database_url)
    look = look_handler(store.file_states, objects)
    return {
        LOOK_JOB: look,
        BUILD_JOB: build_handler(store, objects, look),
        EVALUATION_JOB: evaluation_handler(store, engine),
        EXPORT_JOB: export_handler(store, objects),
        COMPARISON_JOB: comparison_handler(store, engine),
        STATISTICS_JOB: statistics_handler(store, engine),
        PURGE_JOB: purge_handler(store, objects),
    }
