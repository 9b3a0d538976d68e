"""Jobs: work that the stack does in the background."""

from __future__ import annotations

import builtins
import time
from collections.abc import Mapping
from typing import Any

from layernext.client.answers import Job, answer_of
from layernext.client.groups.group import Group
from layernext.client.published import jobs
from layernext.client.texts import check_text
from layernext.errors import JobFailed, RequestTimeout
from layernext.model import Job as JobRecord
from layernext.wire import native

_FIRST_POLL_S = 0.2
_LONGEST_POLL_S = 10.0


class Jobs(Group):
    """Work that the stack does in the background."""

    def wait(self, job_id: str, *, timeout_s: float | None = None) -> Job:
        """Wait until a job has ended, asking at growing intervals of up to 10 s.

        Args:
            job_id: from an upload's report, for example.
            timeout_s: seconds to wait at most; None waits without a limit.

        Returns:
            The job; ``["is_success"]`` and ``["job_status"]`` work as in the published client.

        Raises:
            DataError: no job is named; an upload by the published protocol has none.
            JobFailed: it failed, or there is no such job.
            RequestTimeout: it has not ended in time.
        """
        check_text(job_id, "job_id", "a job")
        started, wait_s = time.monotonic(), _FIRST_POLL_S
        while True:
            job, exists = jobs.job_state(self._transport, job_id)
            if not exists or job.status == "failed":
                raise JobFailed(
                    f"job {job_id} failed: {job.message or 'no reason stated'}", job=job
                )
            if job.status == "completed":
                return job
            elapsed_s = time.monotonic() - started
            left_s = float("inf") if timeout_s is None else timeout_s - elapsed_s
            if left_s <= 0:
                raise RequestTimeout(
                    f"job {job_id} is at {job.progress:.0f} % after {elapsed_s:.0f} s",
                    url=self._transport.url,
                    attempts=1,
                    elapsed_s=elapsed_s,
                )
            time.sleep(min(wait_s, left_s))
            wait_s = min(wait_s * 1.5, _LONGEST_POLL_S)

    def update(
        self,
        session_id: str,
        job_name: str,
        job_type: int,
        progress: float,
        status: int,
        job_detail: Mapping[str, Any] | None = None,
    ) -> Job:
        """Tell the stack how far a job of your own is; the first call creates it.

        Args:
            session_id: the same in all calls about one job.
            job_name: display name.
            job_type: 14 to 17 embeddings and analysis, -1 any other.
            progress: 0 to 100.
            status: 1 in progress, 2 completed, 3 queued, 4 failed.
            job_detail: kept with the job as it is.

        Raises:
            DataError: one of the numbers is not one of these.
        """
        return jobs.update_job(
            self._transport, session_id, job_name, job_type, progress, status, job_detail
        )

    def list(self) -> builtins.list[Job]:
        """Work of the stack and of its clients, newest first."""
        records = self._records(native.JOBS_PATH, JobRecord, "list jobs")
        return [answer_of(Job, record) for record in records]
