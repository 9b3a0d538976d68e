"""Calls about jobs."""

from __future__ import annotations

import time
from typing import Any, cast

from layernext.client.calls.base import Calls
from layernext.errors import (
    DataError,
    JobFailed,
    Problem,
    RequestTimeout,
)
from layernext.model import (
    Job,
    find_names_problem,
)
from layernext.wire import published

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
                raise JobFailed(f"job {job_id} failed: {job.message or 'no reason given'}", job=job)
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
