"""Background work: who does it, and where."""

from layernext.stack.jobs.engines import engine_for, load_dask, scheduler_address
from layernext.stack.jobs.handlers import handlers_for
from layernext.stack.jobs.housekeeping import Housekeeping
from layernext.stack.jobs.purge import PURGE_JOB
from layernext.stack.jobs.runner import Handler, JobContext, JobRunner
from layernext.stack.jobs.samples import annotations_of, iter_samples, label_list, samples_of
from layernext.stack.jobs.statistics import count_now
from layernext.stack.jobs.worker import running_jobs, stop_signals
from layernext.stack.store import LOOK_JOB

__all__ = [
    "LOOK_JOB",
    "PURGE_JOB",
    "Handler",
    "Housekeeping",
    "JobContext",
    "JobRunner",
    "annotations_of",
    "count_now",
    "engine_for",
    "handlers_for",
    "iter_samples",
    "label_list",
    "load_dask",
    "running_jobs",
    "samples_of",
    "scheduler_address",
    "stop_signals",
]
