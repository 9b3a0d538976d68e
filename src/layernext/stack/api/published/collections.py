"""Published routes on collections, jobs and the handshake: E01, E20, E21, E23, E37."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from anyio.to_thread import run_sync
from litestar import Request, get, post
from litestar.params import FromPath
from msgspec import Struct, field

from layernext.errors import InvalidRequest, NotFound
from layernext.stack.api import auth, body
from layernext.stack.api.dependencies import TheSettings, TheStore
from layernext.stack.api.openapi import errors, json_body
from layernext.stack.settings import Settings
from layernext.stack.store import CollectionRow, Store
from layernext.wire import published
from layernext.wire.native import NativeOffer

_VERSION = re.compile(r"(\d+\.)+\d+[0-9A-Za-z.+-]*", re.ASCII)


class CollectionIdRequest(Struct, rename="camel"):
    """E20."""

    collection_name: str
    object_type: int = published.IMAGE_COLLECTION


class CollectionDetailsRequest(Struct, rename="camel"):
    """E21: which fields are wanted beside the default ones."""

    collection_id: str
    required_meta_obj: dict[str, Any] = field(default_factory=dict)


@get(
    f"{published.CLIENT}/sdk/compatibility/{{version:str}}",
    opt=auth.READ,
    tags=["published: handshake"],
    responses=errors(400, 401),
)
async def handshake(settings: TheSettings, version: FromPath[str]) -> dict[str, Any]:
    """E01: every client version is welcome; the answer also names the native protocol."""
    if not _VERSION.fullmatch(version):
        raise InvalidRequest(f"{version!r} is no version number", status=400)
    offer = {"native": msgspec.to_builtins(NativeOffer())} if settings.native else {}
    return {"isCompatible": True, **offer}


@post(
    published.COLLECTION_ID_PATH,
    status_code=200,
    opt=auth.READ,
    tags=["published: collections"],
    operation_class=json_body(CollectionIdRequest),
    responses=errors(401, 413, 422),
)
async def collection_id(request: Request[Any, Any, Any], store: TheStore) -> dict[str, Any]:
    """E20: the id of a collection."""
    message = await body.read_message(request, CollectionIdRequest)
    found = None
    if message.object_type == published.IMAGE_COLLECTION and message.collection_name.strip("/"):
        found = await run_sync(store.find_collection, message.collection_name)
    if found is None:
        text = f"there is no such collection: {message.collection_name}"
        return {"isSuccess": False, "message": text}
    return {"isSuccess": True, "collectionId": found.id}


@post(
    published.COLLECTION_DETAILS_PATH,
    status_code=200,
    opt=auth.READ,
    tags=["published: collections"],
    operation_class=json_body(CollectionDetailsRequest),
    responses=errors(401, 413, 422),
)
async def collection_details(request: Request[Any, Any, Any], store: TheStore) -> dict[str, Any]:
    """E21: fields of a collection."""
    message = await body.read_message(request, CollectionDetailsRequest)
    found = await run_sync(store.find_collection, message.collection_id)
    if found is None:
        return {"isSuccess": False, "message": f"there is no collection {message.collection_id}"}
    return {"isSuccess": True, "itemDetails": _details(found, message.required_meta_obj)}


def _details(found: CollectionRow, wanted: dict[str, Any]) -> dict[str, Any]:
    defaults = {
        "id": found.id,
        "name": found.name,
        "contentType": published.IMAGE_COLLECTION,
    }
    others = {"storagePath": found.storage_path, "createdAt": found.created_at}
    kept = {key: value for key, value in defaults.items() if wanted.get(key) is not False}
    return kept | {key: value for key, value in others.items() if wanted.get(key)}


@get(
    f"{published.CLIENT}/{{object_id:str}}/getObjectTypeById",
    opt=auth.READ,
    tags=["published: collections"],
    responses=errors(401, 404),
)
async def object_type(store: TheStore, object_id: FromPath[str]) -> dict[str, Any]:
    """E23: the kind of an object."""
    if await run_sync(store.find_collection, object_id) is None:
        raise NotFound(f"there is no object {object_id!r}", status=404)
    return {"isSuccess": True, "objectType": published.IMAGE_COLLECTION}


@get(
    f"{published.CLIENT}/jobs/{{job_id:str}}/getStatus",
    opt=auth.READ,
    tags=["published: jobs"],
    responses=errors(401),
)
async def job_status(store: TheStore, job_id: FromPath[str]) -> dict[str, Any]:
    """E37. A failed job answers `isSuccess: false`: old clients take status 4 for success."""
    job = await run_sync(store.find_job, job_id)
    if job is None:
        return {"isSuccess": False, "message": f"there is no job {job_id}"}
    return {
        "isSuccess": job.status != "failed",
        "status": published.JOB_STATUS[job.status],
        "progress": job.progress,
        "message": job.message,
    }


ROUTES = [handshake, collection_id, collection_details, object_type, job_status]
