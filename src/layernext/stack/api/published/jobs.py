"""Jobs: how far one has come, and those that a client keeps itself."""

from __future__ import annotations

from typing import get_args

from litestar import Response

from layernext.stack.api.access import Scope
from layernext.stack.api.audit import changing, note, note_nothing
from layernext.stack.api.messages import Call, answer, check_name, read_message, read_path
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.services import services_of
from layernext.stack.store import JobStatus
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
        path=(Parameter("job_id", "The job; an upload is one, too."),),
        answer=JobStatusAnswer,
        errors=(400,),
    ),
)
async def job_status(request: Call) -> Response[bytes]:
    """How far a job has come.

    A failed job, and one that does not exist, is answered with `isSuccess` false: the published
    clients take the status 4 alone for success.
    """
    services, job_id = services_of(request), read_path(request, "job_id")
    job = await services.call(services.store.progress.find, job_id)
    if job is None:
        return answer(
            JobStatusAnswer(
                is_success=False,
                status=JOB_STATUS["failed"],
                progress=0.0,
                message=f"there is no job {job_id[:600]!r}",
            )
        )
    return answer(
        JobStatusAnswer(
            is_success=job.status != "failed",
            status=JOB_STATUS[job.status],
            progress=job.progress,
            message=job.message,
            collection_name=job.about.get("collection"),
        )
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
        body=UpdateJobRequest,
        answer=UpdateJobAnswer,
        errors=(400, 413, 422),
    ),
)
async def update_job(request: Call) -> Response[bytes]:
    """Notes what a client says of work that it does itself. Any state may follow any other."""
    report, services = await read_message(request, UpdateJobRequest), services_of(request)
    check_name(report.session_id, "sessionId", "a session")
    check_name(report.job_name, "jobName", "a job")
    status = _STATUS_BY_CODE[report.status]
    note(request, subject=report.job_name)
    if status == "in_progress":  # a training run reports its progress every few seconds
        note_nothing(request)

    def work() -> str:
        return services.store.jobs.keep(
            report.session_id,
            f"client {report.job_type}",
            name=report.job_name,
            status=status,
            progress=report.progress,
            details=report.job_specific_details,
        )

    job_id = await services.call(changing(request, work))
    return answer(UpdateJobAnswer(job_id=job_id))


ROUTES = [job_status, update_job]
