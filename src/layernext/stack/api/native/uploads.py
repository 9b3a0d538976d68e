"""Native uploads: opened, sent as numbered batches, finished."""

from __future__ import annotations

import msgspec
from litestar import Response

from layernext.errors import DataError, NotFound, Problem
from layernext.model import find_names_problem
from layernext.stack.api import ingest
from layernext.stack.api.access import (
    HANDLER,
    Scope,
    collection_check,
    creating,
    refuse_without_grant,
    usable,
)
from layernext.stack.api.audit import changing, note, note_nothing
from layernext.stack.api.body import received
from layernext.stack.api.messages import Call, answer, read_message, read_path
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.replay import change
from layernext.stack.api.services import services_of
from layernext.stack.store import Store, Within
from layernext.wire.native import (
    BASE_PATH,
    MAX_BATCH_BYTES,
    BatchResult,
    FinishRequest,
    UploadRequest,
    UploadState,
)
from layernext.wire.published import IMAGE_COLLECTION

MAX_BATCHES = 1 << 20
"""Of one upload; a thousand images each make a thousand million."""

_UPLOAD = Parameter("upload_id", "The `id` of the upload.")
_SEQUENCE = Parameter(
    "sequence",
    "The batch's number; batches count from 0 and may come in any order.",
    {"type": "integer", "minimum": 0, "exclusiveMaximum": MAX_BATCHES},
)
_ENCODING = Parameter(
    "Content-Encoding",
    "How the lines are compressed.",
    {"type": "string", "enum": ["identity", "gzip", "zstd"]},
    "header",
)


@operation(
    "POST",
    f"{BASE_PATH}/uploads",
    Operation(
        summary="Open an upload",
        tag="Uploads",
        role="write",
        scope=HANDLER,
        action="open upload",
        is_recorded=True,
        body=UploadRequest,
        answer=UploadState,
        errors=(400, 413, 422),
    ),
)
async def open_upload(request: Call) -> Response[bytes]:
    """Opens an upload of annotation sets of one model run or ground truth.

    With `resume` it answers the newest unfinished upload with equal fields if there is one; its
    `received` then says which batches need not be sent again.
    """
    wanted = await read_message(request, UploadRequest)
    check_upload(wanted)
    store = services_of(request).store
    note(request, subject=wanted.run, collection=wanted.collection)
    if not (wanted.collection or "").rstrip("/"):
        refuse_without_grant(request)
    work = creating(
        request,
        made_collection(wanted),
        IMAGE_COLLECTION,
        lambda: answer(_opened(store, wanted, usable(request))),
    )
    return await change(request, work)


def _opened(store: Store, wanted: UploadRequest, within: Within) -> UploadState:
    """An upload, resumed only if all that it has is in collections of `within`."""
    state = store.open_upload(wanted)
    if within is None or (store.grants.collections_of("upload", state.id) or set()) <= within:
        return state
    return store.open_upload(msgspec.structs.replace(wanted, resume=False))


def made_collection(wanted: UploadRequest) -> str | None:
    """The collection that an upload makes if it is missing."""
    return wanted.collection if wanted.key_kind == "name" else None


def check_upload(wanted: UploadRequest) -> None:
    """Refuse an upload whose names cannot be names.

    Raises:
        DataError: with the place of each.
    """
    named = [("run", wanted.run, "a model run")]
    if wanted.collection is not None and wanted.collection.rstrip("/"):
        named.append(("collection", wanted.collection, "a collection"))
    if wanted.bucket is not None:
        named.append(("bucket", wanted.bucket, "a bucket"))
    problems = [
        Problem(field, problem)
        for field, name, what in named
        if (problem := find_names_problem(name, what))
    ]
    if problems:
        raise DataError(problems)


@operation(
    "GET",
    f"{BASE_PATH}/uploads/{{upload_id:str}}",
    Operation(
        summary="Look at an upload",
        tag="Uploads",
        role="read",
        scope=Scope(path={"upload_id": "upload"}),
        path=(_UPLOAD,),
        answer=UploadState,
        errors=(400, 404),
    ),
)
async def get_upload(request: Call) -> Response[bytes]:
    """What the stack has of an upload, batch by batch."""
    services = services_of(request)
    return answer(await services.call(services.store.get_upload, read_path(request, "upload_id")))


@operation(
    "PUT",
    f"{BASE_PATH}/uploads/{{upload_id:str}}/batches/{{sequence:str}}",
    Operation(
        summary="Send a batch",
        tag="Uploads",
        role="write",
        scope=Scope(path={"upload_id": "upload"}),
        is_upload=True,
        path=(_UPLOAD, _SEQUENCE, _ENCODING),
        body=bytes,
        answer=BatchResult,
        errors=(400, 404, 408, 409, 413, 415, 422),
    ),
)
async def put_batch(request: Call) -> Response[bytes]:
    """Stores a batch: lines of JSON, one image a line, in the form of the LayerNext JSON file.

    The batch is stored whole, durably and in one transaction, or not at all. The same batch a
    second time changes nothing and is answered with `repeated`; another batch under the same
    number is a conflict.
    """
    services = services_of(request)
    upload_id = read_path(request, "upload_id")
    sequence = _read_sequence(read_path(request, "sequence"))
    settings = await services.call(services.store.get_upload_settings, upload_id)
    async with received(request, MAX_BATCH_BYTES) as body:
        result = await services.ingest(
            ingest.write_native_batch,
            services.store,
            upload_id,
            settings,
            sequence,
            body,
            collection_check(request),
        )
    return answer(result)


@operation(
    "POST",
    f"{BASE_PATH}/uploads/{{upload_id:str}}/finish",
    Operation(
        summary="Finish an upload",
        tag="Uploads",
        role="write",
        scope=Scope(path={"upload_id": "upload"}),
        action="upload annotations",
        path=(_UPLOAD,),
        body=FinishRequest,
        answer=UploadState,
        errors=(400, 404, 409, 413, 422),
    ),
)
async def finish_upload(request: Call) -> Response[bytes]:
    """Ends an upload of `batches` batches; a conflict while one of them is missing. Repeatable."""
    upload_id = read_path(request, "upload_id")
    wanted = await read_message(request, FinishRequest)
    if not 0 <= wanted.batches <= MAX_BATCHES:
        raise DataError(Problem("batches", f"is {wanted.batches}, must be from 0 to {MAX_BATCHES}"))
    services = services_of(request)

    def work() -> UploadState:
        note_upload(request, services.store, upload_id)
        state = services.store.finish_upload(upload_id, wanted.batches)
        note(request, count=state.annotations)
        return state

    return answer(await services.call(changing(request, work)))


def note_upload(request: Call, store: Store, upload_id: str) -> None:
    """Note what an upload is of, for the audit log; nothing if it was finished before.

    Raises:
        NotFound: there is no such upload.
    """
    upload = store.name_upload(upload_id)
    note(request, subject=upload.run, collection=upload.collection)
    if upload.finished:
        note_nothing(request)


def _read_sequence(text: str) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_BATCHES))
    if not is_number or int(text) >= MAX_BATCHES:
        raise NotFound(f"batches are numbered from 0 to {MAX_BATCHES - 1}", status=404)
    return int(text)


ROUTES = [open_upload, get_upload, put_batch, finish_upload]
