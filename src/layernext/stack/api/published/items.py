"""Images and other files: details, selections, trash, lists and counts."""

from __future__ import annotations

from litestar import Response
from msgspec.structs import replace

from layernext.errors import DataError, NotFound, Problem
from layernext.stack.api.access import (
    HANDLER,
    access_of,
    check_images,
    check_thing,
    may_read_image,
    readable,
    usable,
)
from layernext.stack.api.audit import note
from layernext.stack.api.messages import (
    MAX_QUESTION_BYTES,
    Call,
    answer,
    find_collection,
    is_image_id,
    look_up_collection,
    read_message,
    read_path,
)
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.published.collections import picked
from layernext.stack.api.replay import change
from layernext.stack.api.services import services_of
from layernext.stack.api.transfer import url_of_image
from layernext.stack.search import ItemFilter, ItemRow, SortField
from layernext.stack.store import Selection, Within
from layernext.wire.published import (
    ANNOTATION_TYPES,
    COLLECTION_OF_OBJECT,
    CONTENT_TYPES,
    COUNT_PATH,
    ITEM_DETAILS_PATH,
    ITEM_OF_COLLECTION,
    LIST_PATH,
    OBJECT_TYPES,
    SELECTION_PATH,
    SORT_FIELDS,
    SYSTEM_DETAILS_PATH,
    TRASH_PATH,
    CountAnswer,
    Dates,
    FilterData,
    ItemDetailsAnswer,
    ItemDetailsRequest,
    ListedItem,
    ListRequest,
    SelectionAnswer,
    SelectionRequest,
    SystemAnswer,
    TrashAnswer,
    TrashRequest,
    count_of_collection_path,
    list_of_collection_path,
    title_of,
)

_TAG = "Published protocol"

_WORDS = {code: word for word, code in ANNOTATION_TYPES.items()}

_SORT_WORDS: dict[str, SortField] = {
    "date_modified": "modified", "date_created": "created", "name": "name", "size": "size",
    "video_index": "id",
}  # fmt: skip
_SORT = {SORT_FIELDS[name]: word for name, word in _SORT_WORDS.items()}

_TOTALS = {"image": "images", "video": "videos", "other": "other"}
"""What a collection holds to the name of its totals."""


def _filter(
    filter_data: FilterData,
    query: str | None,
    collection_id: int | None,
    content_type: int | None,
    within: Within,
) -> ItemFilter:
    code = content_type if content_type is not None else filter_data.content_type
    kinds = None
    if code and collection_id is None:
        if code not in COLLECTION_OF_OBJECT:
            raise DataError(Problem("contentType", f"is {code}, must be 1 to 7"))
        kinds = (COLLECTION_OF_OBJECT[code],)
    for name in ("tags", "labels", "metadata", "keywords", "categories"):
        if getattr(filter_data, name):
            raise DataError(Problem(f"filterData.{name}", "must be empty; use the query"))
    date = filter_data.date or Dates()
    words = {_WORDS[code] for code in (*filter_data.filter_by, *filter_data.annotation_types)}
    return ItemFilter(
        query=query or "",
        collection_id=collection_id,
        within=within,
        kinds=kinds,
        annotated=tuple(sorted(words)),
        from_date=date.from_date,
        to_date=date.to_date,
        is_in_dataset=code == OBJECT_TYPES["dataset"] and collection_id is None,
    )


@operation(
    "POST",
    SELECTION_PATH,
    Operation(
        summary=title_of(SELECTION_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        is_recorded=True,
        body=SelectionRequest,
        answer=SelectionAnswer,
        errors=(400, 404, 413, 422),
    ),
)
async def select(request: Call) -> Response[bytes]:
    """A snapshot of what fits, for a day. An empty one is not a selection, and the answer says so."""
    message, services = await read_message(request, SelectionRequest), services_of(request)
    items = services.search.items
    try:
        if message.is_all_selected:
            collection_id = None
            if message.collection_id:
                collection_id = (await find_collection(request, message.collection_id)).row_id
            within = usable(request)
            item_filter = _filter(
                message.filter_data, message.query, collection_id, message.content_type, within
            )
            return await change(request, lambda: _selected(items.select(item_filter)))
        ids, collection_ids, versions = await _listed(request, message.object_id_list)
        await check_images(request, ids)
        return await change(
            request, lambda: _selected(items.select_ids(ids, collection_ids, versions))
        )
    except (DataError, NotFound) as error:
        # Published clients show the text of this answer; of another status they say nothing.
        text = "; ".join(error.lines()) if isinstance(error, DataError) else str(error)
        return answer(SelectionAnswer(is_success=False, warning_msg=text, message=text))


def _selected(selection: Selection) -> Response[bytes]:
    if not selection.count and not selection.collection_ids:
        text = "nothing fits the selection"
        return answer(SelectionAnswer(is_success=False, warning_msg=text, message=text))
    return answer(
        SelectionAnswer(is_success=True, selection_tag=selection.id, item_count=selection.count)
    )


async def _listed(request: Call, object_ids: list[str]) -> tuple[list[int], list[int], list[int]]:
    """Row ids of images, of collections, and of dataset versions."""
    if not object_ids:
        raise DataError(Problem("objectIdList", "is empty, and isAllSelected is false"))
    ids: list[int] = []
    collection_ids: list[int] = []
    versions: list[int] = []
    services = services_of(request)
    for number, object_id in enumerate(object_ids):
        if is_image_id(object_id):
            ids.append(int(object_id, 16))
            continue
        collection = await look_up_collection(request, object_id)
        if collection is not None:
            collection_ids.append(collection.row_id)
            continue
        try:
            await check_thing(request, "dataset version", object_id)
            version = await services.call(services.store.datasets.get, object_id)
        except NotFound as error:
            problem = Problem(f"objectIdList[{number}]", f"there is no {object_id[:100]!r}")
            raise DataError(problem) from error
        versions.append(version.row_id)
    return ids, collection_ids, versions


@operation(
    "POST",
    TRASH_PATH,
    Operation(
        summary=title_of(TRASH_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        action="trash files",
        is_recorded=True,
        body=TrashRequest,
        answer=TrashAnswer,
        errors=(400, 404, 413, 422),
    ),
)
async def trash(request: Call) -> Response[bytes]:
    """Hides images, and collections that were selected as wholes. They can be restored."""
    body, services = await read_message(request, TrashRequest), services_of(request)
    await check_thing(request, "selection", body.selection_id)
    access = access_of(request)
    if access is not None:
        selection = await services.call(services.store.selections.find, body.selection_id)
        access.check(selection.collection_ids, role="admin")

    def work() -> Response[bytes]:
        selection = services.store.selections.find(body.selection_id)
        count = services.search.items.trash(selection)
        note(request, count=count)
        message = f"{count} files are in the trash now, 0 failed"
        return answer(TrashAnswer(message=message, trashed_count=count))

    return await change(request, work)


@operation(
    "POST",
    ITEM_DETAILS_PATH,
    Operation(
        summary=title_of(ITEM_DETAILS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        body=ItemDetailsRequest,
        answer=ItemDetailsAnswer,
        errors=(400, 413, 422),
    ),
)
async def item_details(request: Call) -> Response[bytes]:
    """Fields of a file, found by its unique name; `isSuccess` is false if there is none."""
    message = await read_message(request, ItemDetailsRequest, limit=MAX_QUESTION_BYTES)
    services = services_of(request)
    item = await services.call(services.search.items.find, message.unique_file_name)
    if item is None or not await may_read_image(request, item.image_id):
        text = f"there is no file {message.unique_file_name[:600]!r}"
        return answer(ItemDetailsAnswer(is_success=False, message=text))
    default = {
        "id": f"{item.image_id:024x}",
        "name": item.name,
        "uniqueName": item.unique_name,
        "url": _url(request, item),
    }
    resolution = None if item.width is None else {"width": item.width, "height": item.height}
    on_request = {
        "fileSize": item.size,
        "frameCount": item.frame_count,
        "frameRate": item.frame_rate,
        "resolution": resolution,
        "storagePath": item.storage_path,
        "bucketName": item.bucket or "DEFAULT",
        "Tags": item.fields.get("Tags", []),
        "createdAt": item.created_at,
        "updatedAt": item.updated_at,
        "contentType": ITEM_OF_COLLECTION[item.kind],
        "checksum": item.checksum,
        "state": item.state,
    }
    details = picked(default, on_request, item.fields, message.required_meta_obj)
    return answer(ItemDetailsAnswer(is_success=True, item_details=details))


def _url(request: Call, item: ItemRow) -> str:
    return url_of_image(request, item.image_id, item.name) if item.has_file else ""


def _listed_item(request: Call, item: ItemRow) -> ListedItem:
    return ListedItem(
        id=f"{item.image_id:024x}",
        name=item.name,
        unique_name=item.unique_name,
        url=_url(request, item),
        size=item.size,
        checksum=item.checksum,
    )


_LIST = {"role": "read", "scope": HANDLER, "errors": (400, 404, 413, 422)}
_PLACE = (Parameter("collection_id", "Id or name of the collection."),)


@operation(
    "POST",
    LIST_PATH,
    Operation(
        summary=title_of(LIST_PATH),
        tag=_TAG,
        body=ListRequest,
        answer=list[ListedItem],
        **_LIST,  # type: ignore[arg-type]
    ),
)
async def list_files(request: Call) -> Response[bytes]:
    """A page of files; behind the last one it is empty. Images that await their file are left out."""
    return await _list(request, None)


@operation(
    "POST",
    list_of_collection_path.route,
    Operation(
        summary=title_of(list_of_collection_path),
        tag=_TAG,
        path=_PLACE,
        body=ListRequest,
        answer=list[ListedItem],
        **_LIST,  # type: ignore[arg-type]
    ),
)
async def list_collection_files(request: Call) -> Response[bytes]:
    """A page of files; behind the last one it is empty. Images that await their file are left out."""
    return await _list(request, await _collection_row_id(request))


@operation(
    "POST",
    COUNT_PATH,
    Operation(
        summary=title_of(COUNT_PATH),
        tag=_TAG,
        body=ListRequest,
        answer=CountAnswer,
        **_LIST,  # type: ignore[arg-type]
    ),
)
async def count_files(request: Call) -> Response[bytes]:
    """How many files fit. Images that await their file are left out."""
    return await _count(request, None)


@operation(
    "POST",
    count_of_collection_path.route,
    Operation(
        summary=title_of(count_of_collection_path),
        tag=_TAG,
        path=_PLACE,
        body=ListRequest,
        answer=CountAnswer,
        **_LIST,  # type: ignore[arg-type]
    ),
)
async def count_collection_files(request: Call) -> Response[bytes]:
    """How many files fit. Images that await their file are left out."""
    return await _count(request, await _collection_row_id(request))


async def _collection_row_id(request: Call) -> int:
    return (await find_collection(request, read_path(request, "collection_id"))).row_id


async def _list_query(request: Call, collection_id: int | None) -> tuple[ListRequest, ItemFilter]:
    message = await read_message(request, ListRequest, limit=MAX_QUESTION_BYTES)
    within = readable(request)
    item_filter = _filter(
        message.filter_data, message.query, collection_id, message.content_type, within
    )
    return message, replace(item_filter, has_file=True)


async def _list(request: Call, collection_id: int | None) -> Response[bytes]:
    message, item_filter = await _list_query(request, collection_id)
    services = services_of(request)
    rows = await services.call(
        lambda: services.search.items.list_page(
            item_filter,
            sort=_SORT[message.sort_by.sort_by_field],
            descending=message.sort_by.sort_order == "DESC",
            offset=message.page_index * message.page_size,
            limit=message.page_size,
        )
    )
    return answer([_listed_item(request, row) for row in rows])


async def _count(request: Call, collection_id: int | None) -> Response[bytes]:
    (_, item_filter), services = await _list_query(request, collection_id), services_of(request)
    return answer(CountAnswer(count=await services.call(services.search.items.count, item_filter)))


@operation(
    "GET",
    SYSTEM_DETAILS_PATH,
    Operation(
        summary=title_of(SYSTEM_DETAILS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        answer=SystemAnswer,
    ),
)
async def system_details(request: Call) -> Response[bytes]:
    """How many images, videos and other files there are, and how many images are annotated."""
    services = services_of(request)
    items = services.search.items
    within = readable(request)
    totals = await services.call(items.totals, within)
    counts = {}
    for content_type, word in _TOTALS.items():
        count, size, frames = totals.get(CONTENT_TYPES[content_type], (0, 0, 0))
        counts[word] = {"count": count, "size": size, "frames": frames}
    counts["total"] = {
        name: sum(row[name] for row in counts.values()) for name in ("count", "size", "frames")
    }
    annotated = await services.call(items.annotated_totals, within)
    frames_by_state = {
        "total": counts["images"]["count"],
        "raw": annotated["raw"],
        "machineAnnotated": annotated["machine"],
        "verified": annotated["human"],
    }
    return answer(SystemAnswer(object_counts=counts, frame_counts=frames_by_state))


ROUTES = [
    select,
    trash,
    item_details,
    list_files,
    list_collection_files,
    count_files,
    count_collection_files,
    system_details,
]
