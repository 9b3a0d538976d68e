"""Jobs: how far one has come, and those that a client keeps itself."""

from __future__ import annotations

from typing import Annotated, get_args

from msgspec import Meta

from layernext.stack.api.access import Scope
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import check_name
from layernext.stack.api.operation import Operation, operation
from layernext.stack.store import JobStatus, Store
from layernext.wire.published import (
    JOB_STATUS,
    UPDATE_JOB_PATH,
    JobStatusAnswer,
    UpdateJobAnswer,
    UpdateJobRequest,
    job_path,
    title_of,
)


@operation(
    "GET",
    job_path.route,
    Operation(
        summary=title_of(job_path),
        tag="Published protocol",
        role="read",
        scope=Scope(path={"job_id": "job"}),
        errors=(400,),
    ),
)
def job_status(
    job_id: Annotated[str, Meta(description="The job; an upload is one, too.")], store: Store
) -> JobStatusAnswer:
    """How far a job has come.

    A failed job, and one that does not exist, is answered with `isSuccess` false: the published
    clients take the status 4 alone for success.
    """
    job = store.progress.find(job_id)
    if job is None:
        return JobStatusAnswer(
            is_success=False,
            status=JOB_STATUS["failed"],
            progress=0.0,
            message=f"there is no job {job_id[:600]!r}",
        )
    return JobStatusAnswer(
        is_success=job.status != "failed",
        status=JOB_STATUS[job.status],
        progress=job.progress,
        message=job.message,
        collection_name=job.about.get("collection"),
    )


_STATUS_BY_CODE: dict[int, JobStatus] = {
    JOB_STATUS[status]: status for status in get_args(JobStatus)
}


@operation(
    "POST",
    UPDATE_JOB_PATH,
    Operation(
        summary=title_of(UPDATE_JOB_PATH),
        tag="Published protocol",
        role="write",
        action="report job",
        errors=(400, 413, 422),
    ),
)
def update_job(body: UpdateJobRequest, store: Store, audit: Audit) -> UpdateJobAnswer:
    """Notes what a client says of work that it does itself. Any state may follow any other."""
    check_name(body.session_id, "sessionId", "a session")
    check_name(body.job_name, "jobName", "a job")
    status = _STATUS_BY_CODE[body.status]
    audit.note(subject=body.job_name)
    if status == "in_progress":  # a training run reports its progress every few seconds
        audit.note_nothing()
    job_id = store.jobs.keep(
        body.session_id,
        f"client {body.job_type}",
        name=body.job_name,
        status=status,
        progress=body.progress,
        details=body.job_specific_details,
    )
    return UpdateJobAnswer(job_id=job_id)


ROUTES = [job_status, update_job]
