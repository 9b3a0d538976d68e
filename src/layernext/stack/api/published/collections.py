"""Collections by name and by id: E20, E21, E23."""

from __future__ import annotations

from typing import Any

from litestar import Response
from msgspec import Struct, field

from layernext.errors import DataError, NotFound, Problem
from layernext.stack.api.auth import RANKS
from layernext.stack.api.messages import (
    Call,
    answer,
    check_name,
    find_collection,
    read_message,
    read_path,
)
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.services import services_of
from layernext.stack.store import CollectionRow
from layernext.wire.published import (
    CLIENT,
    COLLECTION_DETAILS_PATH,
    COLLECTION_ID_PATH,
    IMAGE_COLLECTION,
)

_TAG = "Published protocol"


class CollectionIdRequest(Struct, frozen=True, rename="camel"):
    """E20."""

    collection_name: str
    object_type: int = IMAGE_COLLECTION


class CollectionIdAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E20."""

    is_success: bool = True
    collection_id: str


class CollectionDetailsRequest(Struct, frozen=True, rename="camel"):
    """E21: which fields are wanted beside, or not wanted of, the usual ones."""

    collection_id: str
    required_meta_obj: dict[str, Any] = field(default_factory=dict)


class CollectionDetailsAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E21."""

    is_success: bool = True
    item_details: dict[str, Any]


class ObjectTypeAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E23; 5 is a collection of images."""

    is_success: bool = True
    object_type: int


@operation(
    "POST",
    COLLECTION_ID_PATH,
    Operation(
        summary="E20: id of a collection",
        tag=_TAG,
        role="read",
        body=CollectionIdRequest,
        answer=CollectionIdAnswer,
        errors=(400, 404, 413, 422),
    ),
)
async def collection_id(request: Call) -> Response[bytes]:
    """The id behind a name.

    A key that may write makes a collection that does not exist yet: an upload of 2.3.4 begins with
    this call and needs the id.
    """
    wanted, services = await read_message(request, CollectionIdRequest), services_of(request)
    name = wanted.collection_name
    if wanted.object_type != IMAGE_COLLECTION:
        text = f"is {wanted.object_type}, must be {IMAGE_COLLECTION}: this stack keeps images only"
        raise DataError(Problem("objectType", text))
    if name.rstrip("/"):
        check_name(name.rstrip("/"), "collectionName", "a collection")
    found = await services.call(services.store.find_collection, name)
    if found is not None:
        return answer(CollectionIdAnswer(collection_id=found.id))
    if RANKS[request.auth.role] < RANKS["write"] or not name.rstrip("/"):
        raise NotFound(f"there is no collection {name!r}", status=404)
    made = await services.call(services.store.ensure_collection, name)
    return answer(CollectionIdAnswer(collection_id=made.id))


@operation(
    "POST",
    COLLECTION_DETAILS_PATH,
    Operation(
        summary="E21: fields of a collection",
        tag=_TAG,
        role="read",
        body=CollectionDetailsRequest,
        answer=CollectionDetailsAnswer,
        errors=(400, 404, 413, 422),
    ),
)
async def collection_details(request: Call) -> Response[bytes]:
    """Fields of a collection, found by its id or name.

    `storagePath` begins the keys of its images in uploads of 2.3.4.
    """
    wanted = await read_message(request, CollectionDetailsRequest)
    found = await find_collection(request, wanted.collection_id)
    return answer(CollectionDetailsAnswer(item_details=_details(found, wanted.required_meta_obj)))


def _details(found: CollectionRow, wanted: dict[str, Any]) -> dict[str, Any]:
    usual = {"id": found.id, "name": found.name, "contentType": IMAGE_COLLECTION}
    on_request = {"storagePath": found.storage_path, "createdAt": found.created_at}
    return {key: value for key, value in usual.items() if wanted.get(key) is not False} | {
        key: value for key, value in on_request.items() if wanted.get(key)
    }


@operation(
    "GET",
    f"{CLIENT}/{{object_id:str}}/getObjectTypeById",
    Operation(
        summary="E23: kind of an object",
        tag=_TAG,
        role="read",
        path=(Parameter("object_id", "Id or name of a collection."),),
        answer=ObjectTypeAnswer,
        errors=(400, 404),
    ),
)
async def object_type(request: Call) -> Response[bytes]:
    """What kind of thing an id belongs to."""
    await find_collection(request, read_path(request, "object_id"))
    return answer(ObjectTypeAnswer(object_type=IMAGE_COLLECTION))


ROUTES = [collection_id, collection_details, object_type]
