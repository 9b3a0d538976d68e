"""Native listings, page by page: collections, model runs, labels; and single jobs."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from layernext import __version__
from layernext.errors import NotFound
from layernext.model import Collection, Job, Label, ModelRun
from layernext.stack.api.access import HANDLER, Permissions, Scope
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import check_name
from layernext.stack.api.operation import Operation, operation
from layernext.stack.store import IMAGES, Caller, Store, read_cursor
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
    ),
)
def describe(caller: Caller) -> StackDescription:
    """The stack's version, and what the key may do that asks."""
    return StackDescription(
        stack=__version__,
        version=VERSION,
        key_name=caller.name,
        role=caller.role,
        user=caller.user,
    )


@operation(
    "GET",
    COLLECTIONS_PATH,
    Operation(
        summary="List collections",
        tag="Collections",
        role="read",
        scope=HANDLER,
        errors=(400,),
    ),
)
def list_collections(
    query: PageQuery, store: Store, permissions: Permissions
) -> PageOf[Collection]:
    """Collections, oldest first."""
    within = permissions.readable
    return store.collections.list_page(after=query.after, limit=query.limit, within=within)


@operation(
    "POST",
    COLLECTIONS_PATH,
    Operation(
        summary="Make a collection",
        tag="Collections",
        role="write",
        scope=HANDLER,
        action="create collection",
        errors=(400, 413, 422),
    ),
)
def create_collection(
    body: CollectionRequest, store: Store, permissions: Permissions, audit: Audit
) -> Collection:
    """Makes a collection, or answers the one that has the name already."""
    check_name(body.name.rstrip("/"), "name", "a collection")
    audit.note(collection=body.name)
    return permissions.create_collection(
        body.name, IMAGES, lambda: store.collections.ensure(body.name)
    )


@operation(
    "GET",
    RUNS_PATH,
    Operation(
        summary="List model runs and ground truths",
        tag="Model runs",
        role="read",
        scope=HANDLER,
        errors=(400, 404),
    ),
)
def list_runs(query: RunsQuery, store: Store, permissions: Permissions) -> PageOf[ModelRun]:
    """Model runs and ground truths with what they hold, one record for each collection."""
    row_id = permissions.find_row_id(query.collection)
    within = permissions.readable
    return store.runs.list_page(row_id, after=query.after, limit=query.limit, within=within)


@operation(
    "GET",
    LABELS_PATH,
    Operation(
        summary="List labels",
        tag="Labels",
        role="read",
        scope=HANDLER,
        errors=(400,),
    ),
)
def list_labels(query: PageQuery, store: Store) -> PageOf[Label]:
    """Labels with their references, colors and attributes, oldest first."""
    return store.labels.list_page(after=query.after, limit=query.limit)


@operation(
    "GET",
    f"{JOBS_PATH}/{{job_id:str}}",
    Operation(
        summary="Look at a job",
        tag="Jobs",
        role="read",
        scope=Scope(path={"job_id": "job"}),
        errors=(400, 404),
    ),
)
def get_job(
    job_id: Annotated[str, Meta(description="The `id` of the job; an upload is a job, too.")],
    store: Store,
) -> Job:
    """How far a job has come."""
    job = store.progress.find(job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id[:600]!r}", status=404)
    return job


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
        errors=(400, 404, 409),
    ),
)
def cancel_job(
    job_id: Annotated[str, Meta(description="The `id` of the job.")],
    store: Store,
    caller: Caller,
    audit: Audit,
) -> Job:
    """Ends a job of which `can_cancel` is true; what was there before it stays as it was."""
    job = store.jobs.cancel(job_id, caller.name)
    if job is None:
        raise NotFound(f"there is no job {job_id[:600]!r}", status=404)
    audit.note(subject=job.name or job.id)
    return job


@operation(
    "GET",
    JOBS_PATH,
    Operation(
        summary="List jobs",
        tag="Jobs",
        role="read",
        scope=HANDLER,
        errors=(400,),
    ),
)
def list_jobs(query: JobsQuery, store: Store, permissions: Permissions) -> PageOf[Job]:
    """Work of the stack and of its clients, newest first; uploads of annotations are not in it."""
    jobs, following = store.jobs.list_page(
        after=read_cursor(query.after), limit=query.limit, statuses=query.status
    )
    within = permissions.readable
    if within is not None:
        readable = store.grants.readable_jobs([job.id for job in jobs], within)
        jobs = [job for job in jobs if job.id in readable]
    return PageOf(jobs, None if following is None else str(following))


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
