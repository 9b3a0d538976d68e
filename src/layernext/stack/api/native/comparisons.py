"""Comparisons of two runs, made by a job."""

from __future__ import annotations

from litestar import Response
from msgspec import convert
from msgspec.structs import asdict

from layernext.model import Comparison
from layernext.stack.api.messages import Call, answer, read_message, read_path
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.services import services_of
from layernext.stack.store import Store
from layernext.wire.evaluations import COMPARISONS_PATH, CompareRequest, ComparisonAnswer


@operation(
    "POST",
    COMPARISONS_PATH,
    Operation(
        summary="Compare two runs",
        tag="Evaluations",
        role="write",
        body=CompareRequest,
        answer=ComparisonAnswer,
        errors=(400, 404, 409, 413, 422),
    ),
)
async def compare(request: Call) -> Response[bytes]:
    """Starts a job that compares two current evaluations of one target, ground truth and settings."""
    wanted, services = await read_message(request, CompareRequest), services_of(request)
    options = asdict(wanted)
    a, b = options.pop("a"), options.pop("b")
    evaluations = services.store.evaluations
    job_id = await services.call(evaluations.request_comparison, a, b, options)
    services.jobs.wake()
    return answer(ComparisonAnswer(job_id=job_id, status="queued"))


@operation(
    "GET",
    f"{COMPARISONS_PATH}/{{job_id:str}}",
    Operation(
        summary="Read a comparison",
        tag="Evaluations",
        role="read",
        path=(Parameter("job_id", "The comparison's id, which is that of its job."),),
        answer=ComparisonAnswer,
        errors=(400, 404),
    ),
)
async def get_comparison(request: Call) -> Response[bytes]:
    """How far it is; once it is completed what differs, and whether that is still so."""
    services, job_id = services_of(request), read_path(request, "job_id")
    return answer(await services.call(_read, services.store, job_id))


def _read(store: Store, job_id: str) -> ComparisonAnswer:
    status, found, is_current = store.evaluations.comparison(job_id)
    if status == "completed":
        comparison = convert(found["comparison"], Comparison)
        return ComparisonAnswer(
            job_id=job_id,
            status=status,
            progress=100.0,
            is_current=is_current,
            comparison=comparison,
        )
    return ComparisonAnswer(
        job_id=job_id, status=status, progress=found["progress"], message=found["message"]
    )


ROUTES = [compare, get_comparison]
