"""Native listings, page by page: collections, model runs, labels; and single jobs."""

from __future__ import annotations

from typing import Annotated, Literal

from litestar import Response
from msgspec import Meta, Struct

from layernext import __version__
from layernext.errors import InvalidRequest, NotFound
from layernext.model import Collection, Job, Label, ModelRun
from layernext.stack.api.access import HANDLER, Scope, creating, readable
from layernext.stack.api.audit import changing, note
from layernext.stack.api.messages import (
    Call,
    answer,
    check_name,
    find_collection,
    read_message,
    read_path,
    read_query,
)
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.replay import change
from layernext.stack.api.services import services_of
from layernext.wire.native import (
    BASE_PATH,
    COLLECTIONS_PATH,
    JOBS_PATH,
    LABELS_PATH,
    MAX_PAGE,
    RUNS_PATH,
    VERSION,
    CollectionRequest,
    PageOf,
)
from layernext.wire.published import IMAGE_COLLECTION


class StackDescription(Struct, frozen=True, kw_only=True):
    """What the stack is, and who asks."""

    stack: str
    version: int
    key_name: str
    role: str
    user: str


class PageQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page.

    Attributes:
        after: the ``next`` of the page before; left out for the first.
        limit: most records in the page.
    """

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = MAX_PAGE


class JobsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which jobs.

    Attributes:
        status: one or several; left out means all.
    """

    status: list[Literal["queued", "in_progress", "completed", "failed"]] = []


class RunsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which runs.

    Attributes:
        collection: id or name; empty is the unnamed collection; left out means all.
    """

    collection: str | None = None


@operation(
    "GET",
    BASE_PATH,
    Operation(
        summary="Describe the stack",
        tag="Stack",
        role="read",
        scope=HANDLER,
        answer=StackDescription,
    ),
)
async def describe(request: Call) -> Response[bytes]:
    """The stack's version, and what the key may do that asks."""
    key = request.auth
    return answer(
        StackDescription(
            stack=__version__, version=VERSION, key_name=key.name, role=key.role, user=key.user
        )
    )


@operation(
    "GET",
    COLLECTIONS_PATH,
    Operation(
        summary="List collections",
        tag="Collections",
        role="read",
        scope=HANDLER,
        query=PageQuery,
        answer=PageOf[Collection],
        errors=(400,),
    ),
)
async def list_collections(request: Call) -> Response[bytes]:
    """Collections, oldest first."""
    page, services = read_query(request, PageQuery), services_of(request)
    store = services.store
    within = readable(request)
    return answer(
        await services.call(
            lambda: store.collections.list_page(after=page.after, limit=page.limit, within=within)
        )
    )


@operation(
    "POST",
    COLLECTIONS_PATH,
    Operation(
        summary="Make a collection",
        tag="Collections",
        role="write",
        scope=HANDLER,
        action="create collection",
        body=CollectionRequest,
        answer=Collection,
        errors=(400, 413, 422),
    ),
)
async def create_collection(request: Call) -> Response[bytes]:
    """Makes a collection, or answers the one that has the name already."""
    wanted = await read_message(request, CollectionRequest)
    check_name(wanted.name.rstrip("/"), "name", "a collection")
    services = services_of(request)
    note(request, collection=wanted.name)
    work = creating(
        request,
        wanted.name,
        IMAGE_COLLECTION,
        lambda: services.store.collections.ensure(wanted.name),
    )
    return answer(await services.call(changing(request, work)))


@operation(
    "GET",
    RUNS_PATH,
    Operation(
        summary="List model runs and ground truths",
        tag="Model runs",
        role="read",
        scope=HANDLER,
        query=RunsQuery,
        answer=PageOf[ModelRun],
        errors=(400, 404),
    ),
)
async def list_runs(request: Call) -> Response[bytes]:
    """Model runs and ground truths with what they hold, one record for each collection."""
    wanted, services = read_query(request, RunsQuery), services_of(request)
    store, row_id = services.store, None
    if wanted.collection is not None:
        row_id = (await find_collection(request, wanted.collection)).row_id
    within = readable(request)
    return answer(
        await services.call(
            lambda: store.runs.list_page(
                row_id, after=wanted.after, limit=wanted.limit, within=within
            )
        )
    )


@operation(
    "GET",
    LABELS_PATH,
    Operation(
        summary="List labels",
        tag="Labels",
        role="read",
        scope=HANDLER,
        query=PageQuery,
        answer=PageOf[Label],
        errors=(400,),
    ),
)
async def list_labels(request: Call) -> Response[bytes]:
    """Labels with their references, colors and attributes, oldest first."""
    page, services = read_query(request, PageQuery), services_of(request)
    store = services.store
    return answer(
        await services.call(lambda: store.labels.list_page(after=page.after, limit=page.limit))
    )


@operation(
    "GET",
    f"{JOBS_PATH}/{{job_id:str}}",
    Operation(
        summary="Look at a job",
        tag="Jobs",
        role="read",
        scope=Scope(path={"job_id": "job"}),
        path=(Parameter("job_id", "The `id` of the job; an upload is a job, too."),),
        answer=Job,
        errors=(400, 404),
    ),
)
async def get_job(request: Call) -> Response[bytes]:
    """How far a job has come."""
    services, job_id = services_of(request), read_path(request, "job_id")
    job = await services.call(services.store.progress.find, job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id[:600]!r}", status=404)
    return answer(job)


@operation(
    "POST",
    f"{JOBS_PATH}/{{job_id:str}}/cancel",
    Operation(
        summary="Cancel a job",
        tag="Jobs",
        role="write",
        scope=Scope(path={"job_id": "job"}),
        action="cancel job",
        is_recorded=True,
        path=(Parameter("job_id", "The `id` of the job."),),
        answer=Job,
        errors=(400, 404, 409),
    ),
)
async def cancel_job(request: Call) -> Response[bytes]:
    """Ends a job of which `can_cancel` is true; what was there before it stays as it was."""
    services, job_id = services_of(request), read_path(request, "job_id")

    def work() -> Response[bytes]:
        job = services.store.jobs.cancel(job_id, request.auth.name)
        if job is None:
            raise NotFound(f"there is no job {job_id[:600]!r}", status=404)
        note(request, subject=job.name or job.id)
        return answer(job)

    return await change(request, work)


@operation(
    "GET",
    JOBS_PATH,
    Operation(
        summary="List jobs",
        tag="Jobs",
        role="read",
        scope=HANDLER,
        query=JobsQuery,
        answer=PageOf[Job],
        errors=(400,),
    ),
)
async def list_jobs(request: Call) -> Response[bytes]:
    """Work of the stack and of its clients, newest first; uploads of annotations are not in it."""
    page, services = read_query(request, JobsQuery), services_of(request)
    after = page.after or "0"
    if not (after.isascii() and after.isdecimal() and len(after) < 19):  # noqa: PLR2004
        raise InvalidRequest(f"{after[:100]!r} is not a cursor from an earlier answer", status=400)
    jobs = services.store.jobs
    items, following = await services.call(
        lambda: jobs.list_page(after=int(after), limit=page.limit, statuses=page.status)
    )
    within = readable(request)
    if within is not None:
        ids = [job.id for job in items]
        shown = await services.call(services.store.grants.readable_jobs, ids, within)
        items = [job for job in items if job.id in shown]
    return answer(PageOf(items, None if following is None else str(following)))


ROUTES = [
    list_jobs,
    describe,
    list_collections,
    create_collection,
    list_runs,
    list_labels,
    get_job,
    cancel_job,
]
