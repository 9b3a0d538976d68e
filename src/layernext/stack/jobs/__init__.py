"""Background work: who does it, and where."""

from layernext.stack.jobs.files import LOOK_JOB
from layernext.stack.jobs.handlers import handlers_for
from layernext.stack.jobs.runner import Handler, JobContext, JobRunner

__all__ = ["LOOK_JOB", "Handler", "JobContext", "JobRunner", "handlers_for"]
