"""E37: how far a job has come."""

from __future__ import annotations

from litestar import Response
from msgspec import Struct

from layernext.stack.api.messages import Call, answer, read_path
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.services import services_of
from layernext.wire.published import CLIENT, JOB_STATUS


class JobStatusAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E37. Status: 1 in progress, 2 completed, 3 queued, 4 failed."""

    is_success: bool
    status: int
    progress: float
    message: str


@operation(
    "GET",
    f"{CLIENT}/jobs/{{job_id:str}}/getStatus",
    Operation(
        summary="E37: status of a job",
        tag="Published protocol",
        role="read",
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
    job = await services.call(services.store.find_job, job_id)
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
        )
    )


ROUTES = [job_status]
