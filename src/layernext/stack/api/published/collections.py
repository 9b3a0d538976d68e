"""Collections by name and by id."""

from __future__ import annotations

from typing import Any

from litestar import Response

from layernext.stack.api.access import HANDLER, creating, may_read_image
from layernext.stack.api.audit import changing, note
from layernext.stack.api.messages import (
    Call,
    answer,
    check_name,
    find_collection,
    is_image_id,
    look_up_collection,
    read_message,
    read_path,
)
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.services import services_of
from layernext.stack.store import CollectionRow, check_fields
from layernext.wire.published import (
    COLLECTION_DETAILS_PATH,
    COLLECTION_ID_PATH,
    CONTENT_TYPES,
    CREATE_COLLECTION_PATH,
    ITEM_OF_COLLECTION,
    CollectionDetailsAnswer,
    CollectionDetailsRequest,
    CollectionIdAnswer,
    CollectionIdRequest,
    CreateCollectionAnswer,
    CreateCollectionRequest,
    ObjectTypeAnswer,
    object_type_path,
    title_of,
)

_TAG = "Published protocol"


@operation(
    "POST",
    COLLECTION_ID_PATH,
    Operation(
        summary=title_of(COLLECTION_ID_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        body=CollectionIdRequest,
        answer=CollectionIdAnswer,
        errors=(400, 413, 422),
    ),
)
async def collection_id(request: Call) -> Response[bytes]:
    """The id behind a name; `isSuccess` is false if there is no such collection."""
    message = await read_message(request, CollectionIdRequest)
    name = message.collection_name
    collection = None
    if message.object_type in CONTENT_TYPES.values() and name.strip("/"):
        collection = await look_up_collection(request, name, kind=message.object_type)
    if collection is None:
        return answer(CollectionIdAnswer(is_success=False, message=_no_collection(name)))
    return answer(CollectionIdAnswer(is_success=True, collection_id=collection.id))


@operation(
    "POST",
    COLLECTION_DETAILS_PATH,
    Operation(
        summary=title_of(COLLECTION_DETAILS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        body=CollectionDetailsRequest,
        answer=CollectionDetailsAnswer,
        errors=(400, 413, 422),
    ),
)
async def collection_details(request: Call) -> Response[bytes]:
    """Fields of a collection, found by its id or name; `isSuccess` is false if there is none.

    `storagePath` begins the keys of its images in uploads of 2.3.4.
    """
    message = await read_message(request, CollectionDetailsRequest)
    collection = await look_up_collection(request, message.collection_id)
    if collection is None:
        text = _no_collection(message.collection_id)
        return answer(CollectionDetailsAnswer(is_success=False, message=text))
    services = services_of(request)
    record = await services.call(services.store.metadata.collection_record, collection.row_id)
    details = _details(collection, record, message.required_meta_obj)
    return answer(CollectionDetailsAnswer(is_success=True, item_details=details))


def _no_collection(name: str) -> str:
    # 2.3.4 shows this text, and of a status other than 200 the whole envelope (docs/protocol.md).
    return f"there is no collection {name[:600]!r}"


def _details(
    collection: CollectionRow, record: dict[str, Any], requested: dict[str, Any]
) -> dict[str, Any]:
    default = {"id": collection.id, "name": collection.name, "contentType": collection.kind}
    on_request = {
        "storagePath": collection.storage_path,
        "createdAt": record["created_at"],
        "updatedAt": record["updated_at"],
        "fileSize": record["size"],
        "frameCount": record["frames"],
        "fileCount": record["count"],
        "Tags": record["fields"].get("Tags", []),
    }
    return picked(default, on_request, record["fields"], requested)


def picked(
    default: dict[str, Any],
    on_request: dict[str, Any],
    fields: dict[str, Any],
    requested: dict[str, Any],
) -> dict[str, Any]:
    """The requested fields of a collection or an item.

    Args:
        default: given unless it is not wanted.
        on_request: given if it is wanted.
        fields: metadata, likewise.
        requested: name to whether it is.
    """
    picked_fields = {
        key: value for key, value in default.items() if requested.get(key) is not False
    }
    for key, is_wanted in requested.items():
        if is_wanted and key not in default:
            if key in on_request:
                picked_fields[key] = on_request[key]
            elif key in fields:
                picked_fields[key] = fields[key]
    return picked_fields


@operation(
    "GET",
    object_type_path.route,
    Operation(
        summary=title_of(object_type_path),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        path=(Parameter("object_id", "Id or name of a collection."),),
        answer=ObjectTypeAnswer,
        errors=(400, 404),
    ),
)
async def object_type(request: Call) -> Response[bytes]:
    """What kind of thing an id belongs to: 1 video, 2 image, 4, 5 and 7 collections, 6 other file."""
    object_id, services = read_path(request, "object_id"), services_of(request)
    if is_image_id(object_id):
        item = await services.call(services.search.items.get, int(object_id, 16))
        if item is not None and await may_read_image(request, item.image_id):
            return answer(ObjectTypeAnswer(object_type=ITEM_OF_COLLECTION[item.kind]))
    collection = await find_collection(request, object_id)
    return answer(ObjectTypeAnswer(object_type=collection.kind))


@operation(
    "POST",
    CREATE_COLLECTION_PATH,
    Operation(
        summary=title_of(CREATE_COLLECTION_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        action="create collection",
        body=CreateCollectionRequest,
        answer=CreateCollectionAnswer,
        errors=(400, 406, 413, 422),
    ),
)
async def create_collection(request: Call) -> Response[bytes]:
    """Makes a collection if there is none of this name and kind, and gives it metadata."""
    message, services = await read_message(request, CreateCollectionRequest), services_of(request)
    name = message.collection_name.rstrip("/")
    check_name(name, "collectionName", "a collection")
    fields = check_fields(message.custom_meta_object or {}, "customMetaObject")
    await services.call(services.check_metadata, [fields])
    note(request, collection=name)
    store = services.store

    def work() -> str:
        collection = store.collections.ensure(name, kind=message.object_type)
        row = store.collections.find(collection.id)
        if row is not None and fields:
            services.store.metadata.merge_collection_fields(row.row_id, fields, with_images=False)
        return collection.id

    made_id = await services.call(
        changing(request, creating(request, name, message.object_type, work))
    )
    return answer(CreateCollectionAnswer(collection_id=made_id, message=f"{name!r} is there"))


ROUTES = [collection_id, collection_details, object_type, create_collection]
