"""Everything that a client can wait for, by one kind of id."""

from __future__ import annotations

from layernext.model import Job
from layernext.stack.store.annotations.uploads import Uploads
from layernext.stack.store.files.files import Files
from layernext.stack.store.jobs.jobs import Jobs
from layernext.stack.store.storable import is_storable


class Progress:
    """How far uploads and jobs are.

    Args:
        uploads, files, jobs: of one database.
    """

    def __init__(self, uploads: Uploads, files: Files, jobs: Jobs) -> None:
        self._uploads, self._files, self._jobs = uploads, files, jobs

    def find(self, job_id: str) -> Job | None:
        """The job with this id; every upload is one."""
        if not is_storable(job_id):
            return None
        return (
            self._uploads.find_job(job_id)
            or self._files.find_job(job_id)
            or self._jobs.find(job_id)
        )
