"""Jobs: work that the stack does in the background."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

from layernext.client.answers import Job, answer_of
from layernext.client.groups.group import Group
from layernext.client.polling import poll
from layernext.client.published import jobs
from layernext.client.texts import check_text
from layernext.errors import JobFailed
from layernext.model import Job as JobRecord
from layernext.wire import native


class Jobs(Group):
    """Work that the stack does in the background."""

    def wait(self, job_id: str, *, timeout_s: float | None = None) -> Job:
        """Wait until a job has ended, asking at growing intervals of up to 10 s.

        Args:
            job_id: id of the job, from an upload's report, for example.
            timeout_s: maximum time to wait in seconds; None means no limit.

        Returns:
            The job; ``["is_success"]`` and ``["job_status"]`` work as in the published client.

        Raises:
            DataError: no job is named; an upload with the published protocol has none.
            JobFailed: it failed, or there is no such job.
            RequestTimeout: it has not ended in time.
        """
        check_text(job_id, "job_id", "a job")

        def ask() -> tuple[Job, bool]:
            return jobs.job_state(self._transport, job_id)

        job, exists = poll(
            self._transport,
            ask(),
            ask,
            lambda state: state[1] and state[0].status not in {"failed", "completed"},
            describe=lambda state: f"job {job_id} is at {state[0].progress:.0f} %",
            timeout_s=timeout_s,
        )
        if not exists or job.status == "failed":
            raise JobFailed(f"job {job_id} failed: {job.message or 'no reason stated'}", job=job)
        return job

    def update(
        self,
        session_id: str,
        job_name: str,
        job_type: int,
        progress: float,
        status: int,
        job_detail: Mapping[str, Any] | None = None,
    ) -> Job:
        """Report the progress of a job of your own; the first call creates the job.

        Args:
            session_id: the same in all calls about one job.
            job_name: display name.
            job_type: 14 to 17 for embeddings and analysis, -1 for any other.
            progress: 0 to 100.
            status: 1 for in progress, 2 for completed, 3 for queued, 4 for failed.
            job_detail: stored with the job, unchanged.

        Raises:
            DataError: one of the numbers is not allowed.
        """
        return jobs.update_job(
            self._transport, session_id, job_name, job_type, progress, status, job_detail
        )

    def list(self) -> builtins.list[Job]:
        """Work of the stack and of its clients, newest first."""
        records = self._records(native.JOBS_PATH, JobRecord, "list jobs")
        return [answer_of(Job, record) for record in records]
