"""Native listings: collections, model runs, labels, jobs; page by page."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from litestar import Request, get, post
from litestar.params import FromPath, QueryParameter

from layernext import __version__
from layernext.errors import DataError, NotFound, Problem
from layernext.model import Collection, Job, Label, ModelRun, find_names_problem
from layernext.stack.api import auth, body
from layernext.stack.api.dependencies import TheStore
from layernext.stack.api.openapi import errors, json_body
from layernext.stack.store import Store
from layernext.wire.native import (
    BASE_PATH,
    COLLECTIONS_PATH,
    JOBS_PATH,
    LABELS_PATH,
    MAX_PAGE,
    RUNS_PATH,
    CollectionRequest,
    PageOf,
    StackInfo,
)

After = Annotated[str | None, QueryParameter(description="cursor from the answer's `next`")]
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_PAGE, description="records in the answer")]


@get(BASE_PATH, opt=auth.READ, tags=["stack"], responses=errors(401))
async def info(request: Request[Any, Any, Any]) -> StackInfo:
    """The stack's version, and what the caller's key may do."""
    key = request.scope["api_key"]  # type: ignore[typeddict-item]
    return StackInfo(stack=__version__, key_name=key.name, role=key.role)


@get(COLLECTIONS_PATH, opt=auth.READ, tags=["collections"], responses=errors(400, 401))
async def list_collections(
    store: TheStore, after: After = None, limit: Limit = MAX_PAGE
) -> PageOf[Collection]:
    """Collections, oldest first."""
    return await run_sync(lambda: store.list_collections(after=after, limit=limit))


@post(
    COLLECTIONS_PATH,
    status_code=200,
    opt=auth.WRITE,
    tags=["collections"],
    operation_class=json_body(CollectionRequest),
    responses=errors(401, 403, 413, 422),
)
async def create_collection(request: Request[Any, Any, Any], store: TheStore) -> Collection:
    """Make a collection, or give the one of that name."""
    message = await body.read_message(request, CollectionRequest)
    problem = find_names_problem(message.name.rstrip("/"), "a collection")
    if problem:
        raise DataError(Problem("name", problem))
    return await run_sync(store.ensure_collection, message.name)


@get(RUNS_PATH, opt=auth.READ, tags=["model runs"], responses=errors(400, 401, 404))
async def list_runs(
    store: TheStore,
    collection: Annotated[str | None, QueryParameter(description="id or name of a collection")] = None,
    after: After = None,
    limit: Limit = MAX_PAGE,
) -> PageOf[ModelRun]:
    """Model runs and ground truths, with their counts, for one collection or all."""
    row_id = None
    if collection and collection.strip("/"):
        found = await run_sync(store.find_collection, collection)
        if found is None:
            raise NotFound(f"there is no collection {collection!r}", status=404)
        row_id = found.row_id
    return await run_sync(lambda: store.list_runs(row_id, after=after, limit=limit))


@get(LABELS_PATH, opt=auth.READ, tags=["labels"], responses=errors(400, 401))
async def list_labels(store: TheStore, after: After = None, limit: Limit = MAX_PAGE) -> PageOf[Label]:
    """Labels with their references, colours and attributes."""
    return await run_sync(lambda: store.list_labels(after=after, limit=limit))


@get(JOBS_PATH + "/{job_id:str}", opt=auth.READ, tags=["jobs"], responses=errors(401, 404))
async def get_job(store: TheStore, job_id: FromPath[str]) -> Job:
    """A job's status and progress. Every upload is a job under its own id."""
    job = await run_sync(store.find_job, job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id!r}", status=404)
    return job


ROUTES = [info, list_collections, create_collection, list_runs, list_labels, get_job]
