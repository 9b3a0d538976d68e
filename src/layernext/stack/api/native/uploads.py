"""Native uploads: open, send batches, look, finish."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from anyio.to_thread import run_sync
from litestar import Request, get, post, put
from litestar.params import FromPath, PathParameter

from layernext.errors import DataError, Problem
from layernext.model import find_names_problem
from layernext.stack.api import auth, body, ingest
from layernext.stack.api.dependencies import TheStore
from layernext.stack.api.openapi import errors, json_body, ndjson_body
from layernext.stack.store import Store
from layernext.wire.native import (
    BASE_PATH,
    MAX_BATCH_BYTES,
    BatchResult,
    FinishRequest,
    UploadRequest,
    UploadState,
)

UPLOADS = f"{BASE_PATH}/uploads"
Sequence = Annotated[int, PathParameter(ge=0, lt=1 << 24, description="the batch's number, from 0")]


@post(
    UPLOADS,
    status_code=200,
    opt=auth.WRITE,
    tags=["uploads"],
    operation_class=json_body(UploadRequest),
    responses=errors(401, 403, 413, 422),
)
async def open_upload(request: Request[Any, Any, Any], store: TheStore) -> UploadState:
    """Open an upload of annotation sets.

    With `resume` the run's newest upload is given if it is unfinished and asks for the same;
    `received` then lists the batches that the stack has.
    """
    message = await body.read_message(request, UploadRequest)
    _check_names(message)
    return await run_sync(store.open_upload, message)


@get(
    UPLOADS + "/{upload_id:str}",
    opt=auth.READ,
    tags=["uploads"],
    responses=errors(401, 404),
)
async def get_upload(store: TheStore, upload_id: FromPath[str]) -> UploadState:
    """An upload as the stack has it."""
    return await run_sync(store.get_upload, upload_id.replace("\x00", ""))


@put(
    UPLOADS + "/{upload_id:str}/batches/{sequence:int}",
    opt=auth.WRITE,
    tags=["uploads"],
    operation_class=ndjson_body(),
    responses=errors(400, 401, 403, 404, 409, 413, 415, 422),
)
async def put_batch(
    request: Request[Any, Any, Any], store: TheStore, upload_id: FromPath[str], sequence: Sequence
) -> BatchResult:
    """Store a batch: one image a line, the whole batch or nothing of it.

    Sending the same batch again changes nothing and answers `repeated: true`; another content
    under the same number is a conflict. `Content-Encoding` may be `zstd` or `gzip`.
    """
    content = await body.read_body(request, MAX_BATCH_BYTES)
    encoding = request.headers.get("content-encoding", "").strip().lower()
    upload_id = upload_id.replace("\x00", "")
    return await ingest.in_slot(
        partial(ingest.write_native_batch, store, upload_id, sequence, content, encoding)
    )


@post(
    UPLOADS + "/{upload_id:str}/finish",
    status_code=200,
    opt=auth.WRITE,
    tags=["uploads"],
    operation_class=json_body(FinishRequest),
    responses=errors(401, 403, 404, 409, 422),
)
async def finish_upload(
    request: Request[Any, Any, Any], store: TheStore, upload_id: FromPath[str]
) -> UploadState:
    """End an upload. Refused while one of its batches is missing; repeatable."""
    message = await body.read_message(request, FinishRequest)
    if not 0 <= message.batches <= 1 << 24:
        raise DataError(Problem("batches", f"is {message.batches}, must be from 0 to {1 << 24}"))
    return await run_sync(store.finish_upload, upload_id.replace("\x00", ""), message.batches)


def _check_names(request: UploadRequest) -> None:
    wanted = [("run", request.run, "a model run")]
    if request.collection and request.collection.strip("/"):
        wanted.append(("collection", request.collection, "a collection"))
    if request.bucket is not None:
        wanted.append(("bucket", request.bucket, "a bucket"))
    problems = [
        Problem(field, problem)
        for field, value, what in wanted
        if (problem := find_names_problem(value, what))
    ]
    if problems:
        raise DataError(problems)


ROUTES = [open_upload, get_upload, put_batch, finish_upload]
