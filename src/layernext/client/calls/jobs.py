"""Calls about jobs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

from layernext.client.answers import Job, answer_of
from layernext.client.calls.base import Calls, check_text
from layernext.errors import (
    DataError,
    JobFailed,
    Problem,
    RequestTimeout,
)
from layernext.model import Job as JobRecord
from layernext.model import find_names_problem, is_number
from layernext.wire import native, published

_OWN_JOB_TYPES = {14, 15, 16, 17, -1}
_FIRST_POLL_S = 0.2
_LONGEST_POLL_S = 10.0


class JobCalls(Calls):
    """Jobs."""

    def wait_for_job_complete(self, job_id: str, *, timeout_s: float | None = None) -> Job:
        """Wait until a job has ended, asking at growing intervals of up to 10 s.

        Args:
            job_id: from an upload's report, for one.
            timeout_s: seconds to wait at most; None waits for ever.

        Returns:
            The job; ``["is_success"]`` and ``["job_status"]`` work as in the published client.

        Raises:
            DataError: no job is named; an upload by the published protocol has none.
            JobFailed: it failed, or there is no such job.
            RequestTimeout: it has not ended in time.
        """
        problem = find_names_problem(job_id, "a job")
        if problem:
            raise DataError(Problem("job_id", problem))
        started, wait_s = time.monotonic(), _FIRST_POLL_S
        words = {code: word for word, code in published.JOB_STATUS.items()}
        transport = self._connection.transport
        while True:
            answer = transport.request_json("GET", published.job_path(job_id))
            fields = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
            is_known = fields.get("isSuccess") is not False
            status = words.get(fields.get("status", 0), "failed" if not is_known else "in_progress")
            job = Job(
                id=job_id,
                status=status,
                progress=float(fields.get("progress") or 0),
                message=str(fields.get("message") or ""),
            )
            if not is_known or status == "failed":
                raise JobFailed(
                    f"job {job_id} failed: {job.message or 'no reason stated'}", job=job
                )
            if status == "completed":
                return job
            elapsed_s = time.monotonic() - started
            left_s = float("inf") if timeout_s is None else timeout_s - elapsed_s
            if left_s <= 0:
                raise RequestTimeout(
                    f"job {job_id} is at {job.progress:.0f} % after {elapsed_s:.0f} s",
                    url=transport.url,
                    attempts=1,
                    elapsed_s=elapsed_s,
                )
            time.sleep(min(wait_s, left_s))
            wait_s = min(wait_s * 1.5, _LONGEST_POLL_S)

    def list_jobs(self) -> list[Job]:
        """Work of the stack and of its clients, newest first."""
        records = self._all(native.JOBS_PATH, JobRecord, "list jobs")
        return [answer_of(Job, record) for record in records]

    def create_or_update_job(
        self,
        session_id: str,
        job_name: str,
        job_type: int,
        progress: float,
        status: int,
        job_detail: Mapping[str, Any] | None = None,
    ) -> Job:
        """Note on the stack how far work of your own is; the first word of it makes the job.

        Args:
            session_id: the same in all calls about one job.
            job_name: display name.
            job_type: 14 to 17 embeddings and analysis, -1 any other.
            progress: 0 to 100.
            status: 1 in progress, 2 completed, 3 queued, 4 failed.
            job_detail: kept with the job as it is.

        Raises:
            DataError: one of the numbers is none of these.
        """
        if job_type not in _OWN_JOB_TYPES:
            raise DataError(Problem("job_type", f"is {job_type}, must be 14, 15, 16, 17 or -1"))
        words = {code: word for word, code in published.JOB_STATUS.items()}
        if status not in words:
            raise DataError(Problem("status", f"is {status}, must be 1, 2, 3 or 4"))
        if not (is_number(progress) and 0 <= progress <= 100):  # noqa: PLR2004
            raise DataError(Problem("progress", f"is {progress}, must be 0 to 100"))
        body = {
            "jobName": check_text(job_name, "job_name", "a job"),
            "sessionId": check_text(session_id, "session_id", "a session"),
            "jobType": int(job_type),
            "progress": progress,
            "status": int(status),
            "jobSpecificDetails": dict(job_detail or {}),
        }
        answer = self._connection.transport.request_json(
            "POST", published.UPDATE_JOB_PATH, dict[str, Any], json=body
        )
        job_id = str(answer.get("jobId") or "")
        return Job(id=job_id, name=job_name, status=words[status], progress=float(progress))
