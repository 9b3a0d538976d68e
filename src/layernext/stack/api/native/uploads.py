"""Native uploads: opened, sent as numbered batches, finished."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from layernext.errors import DataError, NotFound, Problem
from layernext.model import find_names_problem
from layernext.stack.api import ingest
from layernext.stack.api.access import HANDLER, Permissions, Scope
from layernext.stack.api.audit import Audit
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.services import Services
from layernext.stack.api.signature import LineStream
from layernext.stack.store import IMAGES, Store, Within
from layernext.wire.native import (
    BASE_PATH,
    MAX_BATCH_BYTES,
    MAX_FILE_KEYS_BYTES,
    BatchResult,
    FinishRequest,
    UploadRequest,
    UploadState,
)

MAX_BATCHES = 1 << 20
"""Of one upload; a thousand images each make a thousand million."""

UploadId: TypeAlias = Annotated[str, Meta(description="The `id` of the upload.")]
Sequence: TypeAlias = Annotated[
    str,
    Meta(
        description="The batch's number; batches count from 0 and may come in any order.",
        extra_json_schema={"type": "integer", "minimum": 0, "exclusiveMaximum": MAX_BATCHES},
    ),
]
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
        errors=(400, 413, 422),
    ),
)
def open_upload(
    body: UploadRequest, store: Store, permissions: Permissions, audit: Audit
) -> UploadState:
    """Opens an upload of annotation sets of one model run or ground truth.

    With `resume` it answers the newest unfinished upload with equal fields if there is one; its
    `received` then says which batches need not be sent again.
    """
    check_upload(body)
    audit.note(subject=body.run, collection=body.collection)
    if not (body.collection or "").rstrip("/"):
        permissions.refuse_without_grant()
    within = permissions.usable
    return permissions.create_collection(
        made_collection(body), IMAGES, lambda: _opened(store, body, within)
    )


def _opened(store: Store, upload: UploadRequest, within: Within) -> UploadState:
    """An upload, resumed only if all that it has is in collections of `within`."""
    state = store.uploads.open(upload)
    if within is None or (store.grants.collections_of("upload", state.id) or set()) <= within:
        return state
    return store.uploads.open(msgspec.structs.replace(upload, resume=False))


def made_collection(upload: UploadRequest) -> str | None:
    """The collection that an upload makes if it is missing."""
    return upload.collection if upload.key_kind == "name" else None


def check_upload(upload: UploadRequest) -> None:
    """Refuse an upload whose names cannot be names.

    Raises:
        DataError: with the place of each.
    """
    named = [("run", upload.run, "a model run")]
    if upload.collection is not None and upload.collection.rstrip("/"):
        named.append(("collection", upload.collection, "a collection"))
    if upload.bucket is not None:
        named.append(("bucket", upload.bucket, "a bucket"))
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
        errors=(400, 404),
    ),
)
def get_upload(upload_id: UploadId, store: Store) -> UploadState:
    """What the stack has of an upload, batch by batch."""
    return store.uploads.get(upload_id)


@operation(
    "PUT",
    f"{BASE_PATH}/uploads/{{upload_id:str}}/batches/{{sequence:str}}",
    Operation(
        summary="Send a batch",
        tag="Uploads",
        role="write",
        scope=Scope(path={"upload_id": "upload"}),
        is_upload=True,
        path=(_ENCODING,),
        errors=(400, 404, 408, 409, 413, 415, 422),
    ),
)
async def put_batch(
    upload_id: UploadId,
    sequence: Sequence,
    body: LineStream,
    services: Services,
    permissions: Permissions,
) -> BatchResult:
    """Stores a batch: lines of JSON, one image a line, in the form of the LayerNext JSON file.

    The batch is stored whole, durably and in one transaction, or not at all. The same batch a
    second time changes nothing and is answered with `repeated`; another batch under the same
    number is a conflict.
    """
    number = _read_sequence(sequence)
    settings = await services.call(services.store.uploads.get_settings, upload_id)
    async with body.received(MAX_BATCH_BYTES) as content:
        return await services.ingest(
            ingest.write_native_batch,
            services.store,
            upload_id,
            settings,
            number,
            content,
            permissions.collection_check,
        )


@operation(
    "POST",
    f"{BASE_PATH}/uploads/{{upload_id:str}}/finish",
    Operation(
        summary="Finish an upload",
        tag="Uploads",
        role="write",
        scope=Scope(path={"upload_id": "upload"}),
        action="upload annotations",
        errors=(400, 404, 409, 413, 422),
    ),
)
def finish_upload(
    upload_id: UploadId, body: FinishRequest, store: Store, audit: Audit
) -> UploadState:
    """Ends an upload of `batches` batches; a conflict while one of them is missing. Repeatable."""
    if not 0 <= body.batches <= MAX_BATCHES:
        raise DataError(Problem("batches", f"is {body.batches}, must be from 0 to {MAX_BATCHES}"))
    file_keys = object_of({key: bytes(raw) for key, raw in body.file_keys.items()})
    if len(file_keys) > MAX_FILE_KEYS_BYTES:
        what = f"have {len(file_keys):,} bytes, must have at most {MAX_FILE_KEYS_BYTES:,}"
        raise DataError(Problem("file_keys", what))
    note_upload(audit, store, upload_id)
    state = store.uploads.finish(upload_id, body.batches, file_keys)
    audit.note(count=state.annotations)
    return state


def object_of(keys: Mapping[str, bytes]) -> bytes:
    """The JSON of an object, of its keys and the JSON of their values."""
    members = (msgspec.json.encode(key) + b":" + raw for key, raw in keys.items())
    return b"{" + b",".join(members) + b"}"


def note_upload(audit: Audit, store: Store, upload_id: str) -> None:
    """Note what an upload is of, for the audit log; nothing if it was finished before.

    Raises:
        NotFound: there is no such upload.
    """
    upload = store.uploads.get_names(upload_id)
    audit.note(subject=upload.run, collection=upload.collection)
    if upload.finished:
        audit.note_nothing()


def _read_sequence(text: str) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_BATCHES))
    if not is_number or int(text) >= MAX_BATCHES:
        raise NotFound(f"batches are numbered from 0 to {MAX_BATCHES - 1}", status=404)
    return int(text)


ROUTES = [open_upload, get_upload, put_batch, finish_upload]
