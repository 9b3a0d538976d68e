"""Jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layernext.client.answers import Job
from layernext.client.published.asking import ask
from layernext.client.texts import check_text
from layernext.client.transport import Transport
from layernext.errors import DataError, NotFound, Problem
from layernext.model import is_number
from layernext.wire import published
from layernext.wire.published import Received, wire_fields

_CLIENT_JOB_TYPES = {14, 15, 16, 17, -1}
_STATUS = {code: word for word, code in published.JOB_STATUS.items()}


def job_state(transport: Transport, job_id: str) -> tuple[Job, bool]:
    """A job as it is, and whether the stack knows it."""
    answer = transport.request_json("GET", published.job_path(job_id))
    state = Received(published.JobStatusAnswer, answer)
    exists = state.is_success is not False
    job = Job(
        id=job_id,
        status=_STATUS.get(state.status, "in_progress" if exists else "failed"),
        progress=float(state.progress or 0),
        message=str(state.message or ""),
    )
    return job, exists


def collection_of_upload(transport: Transport, job_id: str, *, is_native: bool) -> str | None:
    """The collection that an upload of files went to; None if the stack does not say.

    Raises:
        NotFound: there is no such upload.
    """
    answer = transport.request_json("GET", published.job_path(job_id))
    state = Received(published.JobStatusAnswer, answer)
    collection: str | None = state.collection_name
    is_unknown = state.is_success is False
    if not collection and (is_unknown or is_native):
        raise NotFound(f"there is no upload of files with the job id {job_id!r}", status=200)
    return collection


def update_job(
    transport: Transport,
    session_id: str,
    job_name: str,
    job_type: int,
    progress: float,
    status: int,
    job_detail: Mapping[str, Any] | None,
) -> Job:
    """Note how far the caller's work is."""
    if job_type not in _CLIENT_JOB_TYPES:
        raise DataError(Problem("job_type", f"is {job_type}, must be 14, 15, 16, 17 or -1"))
    if status not in _STATUS:
        raise DataError(Problem("status", f"is {status}, must be 1, 2, 3 or 4"))
    if not (is_number(progress) and 0 <= progress <= 100):  # noqa: PLR2004
        raise DataError(Problem("progress", f"is {progress}, must be 0 to 100"))
    body = wire_fields(
        published.UpdateJobRequest,
        job_name=check_text(job_name, "job_name", "a job"),
        session_id=check_text(session_id, "session_id", "a session"),
        job_type=int(job_type),
        progress=progress,
        status=int(status),
        job_specific_details=dict(job_detail or {}),
    )
    answer = Received(
        published.UpdateJobAnswer, ask(transport, "POST", published.UPDATE_JOB_PATH, body)
    )
    job_id = str(answer.job_id or "")
    return Job(id=job_id, name=job_name, status=_STATUS[status], progress=float(progress))
