"""Collections by name and by id."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import check_name, is_image_id
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.services import Services
from layernext.stack.search import Search
from layernext.stack.store import CollectionRow, Store, check_fields
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
        errors=(400, 413, 422),
    ),
)
def collection_id(body: CollectionIdRequest, permissions: Permissions) -> CollectionIdAnswer:
    """The id behind a name; `isSuccess` is false if there is no such collection."""
    name = body.collection_name
    collection = None
    if body.object_type in CONTENT_TYPES.values() and name.strip("/"):
        collection = permissions.look_up_collection(name, kind=body.object_type)
    if collection is None:
        return CollectionIdAnswer(is_success=False, message=_no_collection(name))
    return CollectionIdAnswer(is_success=True, collection_id=collection.id)


@operation(
    "POST",
    COLLECTION_DETAILS_PATH,
    Operation(
        summary=title_of(COLLECTION_DETAILS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        errors=(400, 413, 422),
    ),
)
def collection_details(
    body: CollectionDetailsRequest, store: Store, permissions: Permissions
) -> CollectionDetailsAnswer:
    """Fields of a collection, found by its id or name; `isSuccess` is false if there is none.

    `storagePath` begins the keys of its images in uploads of 2.3.4.
    """
    collection = permissions.look_up_collection(body.collection_id)
    if collection is None:
        text = _no_collection(body.collection_id)
        return CollectionDetailsAnswer(is_success=False, message=text)
    record = store.metadata.collection_record(collection.row_id)
    details = _details(collection, record, body.required_meta_obj)
    return CollectionDetailsAnswer(is_success=True, item_details=details)


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
        errors=(400, 404),
    ),
)
def object_type(
    object_id: Annotated[str, Meta(description="Id or name of a collection.")],
    search: Search,
    permissions: Permissions,
) -> ObjectTypeAnswer:
    """What kind of thing an id belongs to: 1 video, 2 image, 4, 5 and 7 collections, 6 other file."""
    if is_image_id(object_id):
        item = search.items.get(int(object_id, 16))
        if item is not None and permissions.may_read_image(item.image_id):
            return ObjectTypeAnswer(object_type=ITEM_OF_COLLECTION[item.kind])
    return ObjectTypeAnswer(object_type=permissions.find_collection(object_id).kind)


@operation(
    "POST",
    CREATE_COLLECTION_PATH,
    Operation(
        summary=title_of(CREATE_COLLECTION_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        action="create collection",
        errors=(400, 406, 413, 422),
    ),
)
def create_collection(
    body: CreateCollectionRequest, services: Services, permissions: Permissions, audit: Audit
) -> CreateCollectionAnswer:
    """Makes a collection if there is none of this name and kind, and gives it metadata."""
    name = body.collection_name.rstrip("/")
    check_name(name, "collectionName", "a collection")
    fields = check_fields(body.custom_meta_object or {}, "customMetaObject")
    services.check_metadata([fields])
    audit.note(collection=name)
    collections = services.store.collections

    def create() -> str:
        collection = collections.ensure(name, kind=body.object_type)
        row = collections.find(collection.id)
        if row is not None and fields:
            services.store.metadata.merge_collection_fields(row.row_id, fields, with_images=False)
        return collection.id

    made_id = permissions.create_collection(name, body.object_type, create)
    return CreateCollectionAnswer(collection_id=made_id, message=f"{name!r} is there")


ROUTES = [collection_id, collection_details, object_type, create_collection]
