"""Collections by name and by id: E20, E21, E23."""

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

KIND_OF_ITEM = {5: 2, 4: 1, 7: 6}
"""The object type of what a kind of collection holds."""


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
    wanted = await read_message(request, CollectionIdRequest)
    name = wanted.collection_name
    found = None
    if wanted.object_type in CONTENT_TYPES.values() and name.strip("/"):
        found = await look_up_collection(request, name, kind=wanted.object_type)
    if found is None:
        return answer(CollectionIdAnswer(is_success=False, message=_no_collection(name)))
    return answer(CollectionIdAnswer(is_success=True, collection_id=found.id))


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
    wanted = await read_message(request, CollectionDetailsRequest)
    found = await look_up_collection(request, wanted.collection_id)
    if found is None:
        text = _no_collection(wanted.collection_id)
        return answer(CollectionDetailsAnswer(is_success=False, message=text))
    services = services_of(request)
    record = await services.call(services.search.items.collection_record, found.row_id)
    details = _details(found, record, wanted.required_meta_obj)
    return answer(CollectionDetailsAnswer(is_success=True, item_details=details))


def _no_collection(name: str) -> str:
    # 2.3.4 shows this text, and of a status other than 200 the whole envelope (docs/protocol.md).
    return f"there is no collection {name[:600]!r}"


def _details(
    found: CollectionRow, record: dict[str, Any], wanted: dict[str, Any]
) -> dict[str, Any]:
    usual = {"id": found.id, "name": found.name, "contentType": found.kind}
    on_request = {
        "storagePath": found.storage_path,
        "createdAt": record["created_at"],
        "updatedAt": record["updated_at"],
        "fileSize": record["size"],
        "frameCount": record["frames"],
        "fileCount": record["count"],
        "Tags": record["fields"].get("Tags", []),
    }
    return picked(usual, on_request, record["fields"], wanted)


def picked(
    usual: dict[str, Any],
    on_request: dict[str, Any],
    fields: dict[str, Any],
    wanted: dict[str, Any],
) -> dict[str, Any]:
    """Of all that is known what E21 and E22 were asked for.

    Args:
        usual: given unless it is not wanted.
        on_request: given if it is wanted.
        fields: metadata, likewise.
        wanted: name to whether it is.
    """
    found = {key: value for key, value in usual.items() if wanted.get(key) is not False}
    for key, is_wanted in wanted.items():
        if is_wanted and key not in usual:
            if key in on_request:
                found[key] = on_request[key]
            elif key in fields:
                found[key] = fields[key]
    return found


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
            return answer(ObjectTypeAnswer(object_type=KIND_OF_ITEM[item.kind]))
    found = await find_collection(request, object_id)
    return answer(ObjectTypeAnswer(object_type=found.kind))


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
    wanted, services = await read_message(request, CreateCollectionRequest), services_of(request)
    name = wanted.collection_name.rstrip("/")
    check_name(name, "collectionName", "a collection")
    fields = check_fields(wanted.custom_meta_object or {}, "customMetaObject")
    await services.call(services.check_metadata, [fields])
    note(request, collection=name)
    store = services.store

    def work() -> str:
        made = store.collections.ensure(name, kind=wanted.object_type)
        row = store.collections.find(made.id)
        if row is not None and fields:
            services.search.items.merge_collection_fields(row.row_id, fields, with_images=False)
        return made.id

    made_id = await services.call(
        changing(request, creating(request, name, wanted.object_type, work))
    )
    return answer(CreateCollectionAnswer(collection_id=made_id, message=f"{name!r} is there"))


ROUTES = [collection_id, collection_details, object_type, create_collection]
