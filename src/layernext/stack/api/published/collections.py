"""Collections by name and by id: E20, E21, E23."""

from __future__ import annotations

from typing import Any

from litestar import Response
from msgspec import Struct, field

from layernext.stack.api.messages import (
    Call,
    answer,
    find_collection,
    look_up_collection,
    read_message,
    read_path,
)
from layernext.stack.api.operation import Operation, Parameter, operation
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


class CollectionIdAnswer(Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """The answer to E20: an id, or why there is none."""

    is_success: bool
    collection_id: str | None = None
    message: str | None = None


class CollectionDetailsRequest(Struct, frozen=True, rename="camel"):
    """E21: which fields are wanted beside, or not wanted of, the usual ones."""

    collection_id: str
    required_meta_obj: dict[str, Any] = field(default_factory=dict)


class CollectionDetailsAnswer(
    Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True
):
    """The answer to E21: the fields, or why there are none."""

    is_success: bool
    item_details: dict[str, Any] | None = None
    message: str | None = None


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
        errors=(400, 413, 422),
    ),
)
async def collection_id(request: Call) -> Response[bytes]:
    """The id behind a name; `isSuccess` is false if there is no such collection."""
    wanted = await read_message(request, CollectionIdRequest)
    name = wanted.collection_name
    found = None
    if wanted.object_type == IMAGE_COLLECTION and name.strip("/"):
        found = await look_up_collection(request, name)
    if found is None:
        return answer(CollectionIdAnswer(is_success=False, message=_no_collection(name)))
    return answer(CollectionIdAnswer(is_success=True, collection_id=found.id))


@operation(
    "POST",
    COLLECTION_DETAILS_PATH,
    Operation(
        summary="E21: fields of a collection",
        tag=_TAG,
        role="read",
        body=CollectionDetailsRequest,
        answer=CollectionDetailsAnswer,
        errors=(400, 413, 422),
    ),
)
async def collection_details(request: Call) -> Response[bytes]:
    """Fields of a collection, found by its id or name; `isSuccess` is false if there is none.

    `storagePath` begins the keys of its images in uploads of 2.3.4.
    """
    wanted = await read_message(request, CollectionDetailsRequest)
    found = await look_up_collection(request, wanted.collection_id)
    if found is None:
        text = _no_collection(wanted.collection_id)
        return answer(CollectionDetailsAnswer(is_success=False, message=text))
    details = _details(found, wanted.required_meta_obj)
    return answer(CollectionDetailsAnswer(is_success=True, item_details=details))


def _no_collection(name: str) -> str:
    # 2.3.4 shows this text, and of a status other than 200 the whole envelope (docs/protocol.md).
    return f"there is no image collection {name[:600]!r}"


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
