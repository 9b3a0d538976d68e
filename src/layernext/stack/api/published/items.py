"""Images and other files: details, selections, trash, lists and counts."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta
from msgspec.structs import replace

from layernext.errors import DataError, NotFound, Problem
from layernext.model import counted
from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import MAX_QUESTION_BYTES, Encoded, encoded, is_image_id
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.published.collections import picked
from layernext.stack.api.signature import Change, Limit
from layernext.stack.api.signed import Links
from layernext.stack.search import ItemFilter, ItemRow, Search, SortField
from layernext.stack.store import Selection, Store, Within
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
        errors=(400, 404, 413, 422),
    ),
)
def select(
    body: SelectionRequest,
    store: Store,
    search: Search,
    permissions: Permissions,
    change: Change,
) -> Encoded[SelectionAnswer]:
    """A snapshot of what fits, for a day. An empty one is not a selection, and the answer says so."""
    items = search.items
    try:
        if body.is_all_selected:
            item_filter = _filter(
                body.filter_data,
                body.query,
                permissions.find_row_id(body.collection_id or None),
                body.content_type,
                permissions.usable,
            )
            return change(lambda: _selected(items.select(item_filter)))
        ids, collection_ids, versions = _listed(body.object_id_list, store, permissions)
        permissions.check_images(ids)
        return change(lambda: _selected(items.select_ids(ids, collection_ids, versions)))
    except (DataError, NotFound) as error:
        # Published clients show the text of this answer; of another status they say nothing.
        text = "; ".join(error.lines()) if isinstance(error, DataError) else str(error)
        return encoded(SelectionAnswer(is_success=False, warning_msg=text, message=text))


def _selected(selection: Selection) -> SelectionAnswer:
    if not selection.count and not selection.collection_ids:
        text = "nothing fits the selection"
        return SelectionAnswer(is_success=False, warning_msg=text, message=text)
    return SelectionAnswer(is_success=True, selection_tag=selection.id, item_count=selection.count)


def _listed(
    object_ids: list[str], store: Store, permissions: Permissions
) -> tuple[list[int], list[int], list[int]]:
    """Row ids of images, of collections, and of dataset versions."""
    if not object_ids:
        raise DataError(Problem("objectIdList", "is empty, and isAllSelected is false"))
    ids: list[int] = []
    collection_ids: list[int] = []
    versions: list[int] = []
    for number, object_id in enumerate(object_ids):
        if is_image_id(object_id):
            ids.append(int(object_id, 16))
            continue
        collection = permissions.look_up_collection(object_id)
        if collection is not None:
            collection_ids.append(collection.row_id)
            continue
        try:
            permissions.check_thing("dataset version", object_id)
            version = store.datasets.get(object_id)
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
        errors=(400, 404, 413, 422),
    ),
)
def trash(
    body: TrashRequest, store: Store, search: Search, permissions: Permissions, audit: Audit
) -> TrashAnswer:
    """Hides images, and collections that were selected as wholes. They can be restored."""
    permissions.check_thing("selection", body.selection_id)
    selection = store.selections.find(body.selection_id)
    permissions.check_collections(selection.collection_ids, role="admin")
    count = search.items.trash(selection)
    audit.note(count=count)
    message = f"{counted(count, 'file')} moved to the trash, 0 failed"
    return TrashAnswer(message=message, trashed_count=count)


@operation(
    "POST",
    ITEM_DETAILS_PATH,
    Operation(
        summary=title_of(ITEM_DETAILS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        errors=(400, 413, 422),
    ),
)
def item_details(
    body: Annotated[ItemDetailsRequest, Limit(MAX_QUESTION_BYTES)],
    search: Search,
    permissions: Permissions,
    links: Links,
) -> ItemDetailsAnswer:
    """Fields of a file, found by its unique name; `isSuccess` is false if there is none."""
    item = search.items.find(body.unique_file_name)
    if item is None or not permissions.may_read_image(item.image_id):
        text = f"there is no file {body.unique_file_name[:600]!r}"
        return ItemDetailsAnswer(is_success=False, message=text)
    default = {
        "id": f"{item.image_id:024x}",
        "name": item.name,
        "uniqueName": item.unique_name,
        "url": _url(links, item),
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
    details = picked(default, on_request, item.fields, body.required_meta_obj)
    return ItemDetailsAnswer(is_success=True, item_details=details)


def _url(links: Links, item: ItemRow) -> str:
    return links.image(item.image_id, item.name) if item.has_file else ""


def _listed_item(links: Links, item: ItemRow) -> ListedItem:
    return ListedItem(
        id=f"{item.image_id:024x}",
        name=item.name,
        unique_name=item.unique_name,
        url=_url(links, item),
        size=item.size,
        checksum=item.checksum,
    )


_LIST = {"role": "read", "scope": HANDLER, "errors": (400, 404, 413, 422)}
CollectionId: TypeAlias = Annotated[str, Meta(description="Id or name of the collection.")]
ListBody: TypeAlias = Annotated[ListRequest, Limit(MAX_QUESTION_BYTES)]


@operation(
    "POST",
    LIST_PATH,
    Operation(
        summary=title_of(LIST_PATH),
        tag=_TAG,
        **_LIST,  # type: ignore[arg-type]
    ),
)
def list_files(
    body: ListBody, search: Search, permissions: Permissions, links: Links
) -> list[ListedItem]:
    """A page of files; behind the last one it is empty. Images that await their file are left out."""
    return _list(body, _items_of(body, None, permissions), search, links)


@operation(
    "POST",
    list_of_collection_path.route,
    Operation(
        summary=title_of(list_of_collection_path),
        tag=_TAG,
        **_LIST,  # type: ignore[arg-type]
    ),
)
def list_collection_files(
    collection_id: CollectionId,
    body: ListBody,
    search: Search,
    permissions: Permissions,
    links: Links,
) -> list[ListedItem]:
    """A page of files; behind the last one it is empty. Images that await their file are left out."""
    row_id = permissions.find_collection(collection_id).row_id
    return _list(body, _items_of(body, row_id, permissions), search, links)


@operation(
    "POST",
    COUNT_PATH,
    Operation(
        summary=title_of(COUNT_PATH),
        tag=_TAG,
        **_LIST,  # type: ignore[arg-type]
    ),
)
def count_files(body: ListBody, search: Search, permissions: Permissions) -> CountAnswer:
    """How many files fit. Images that await their file are left out."""
    return CountAnswer(count=search.items.count(_items_of(body, None, permissions)))


@operation(
    "POST",
    count_of_collection_path.route,
    Operation(
        summary=title_of(count_of_collection_path),
        tag=_TAG,
        **_LIST,  # type: ignore[arg-type]
    ),
)
def count_collection_files(
    collection_id: CollectionId, body: ListBody, search: Search, permissions: Permissions
) -> CountAnswer:
    """How many files fit. Images that await their file are left out."""
    row_id = permissions.find_collection(collection_id).row_id
    return CountAnswer(count=search.items.count(_items_of(body, row_id, permissions)))


def _items_of(body: ListRequest, row_id: int | None, permissions: Permissions) -> ItemFilter:
    item_filter = _filter(
        body.filter_data, body.query, row_id, body.content_type, permissions.readable
    )
    return replace(item_filter, has_file=True)


def _list(body: ListRequest, items: ItemFilter, search: Search, links: Links) -> list[ListedItem]:
    rows = search.items.list_page(
        items,
        sort=_SORT[body.sort_by.sort_by_field],
        descending=body.sort_by.sort_order == "DESC",
        offset=body.page_index * body.page_size,
        limit=body.page_size,
    )
    return [_listed_item(links, row) for row in rows]


@operation(
    "GET",
    SYSTEM_DETAILS_PATH,
    Operation(
        summary=title_of(SYSTEM_DETAILS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
    ),
)
def system_details(search: Search, permissions: Permissions) -> SystemAnswer:
    """How many images, videos and other files there are, and how many images are annotated."""
    items, within = search.items, permissions.readable
    totals = items.totals(within)
    counts = {}
    for content_type, word in _TOTALS.items():
        count, size, frames = totals.get(CONTENT_TYPES[content_type], (0, 0, 0))
        counts[word] = {"count": count, "size": size, "frames": frames}
    counts["total"] = {
        name: sum(row[name] for row in counts.values()) for name in ("count", "size", "frames")
    }
    annotated = items.annotated_totals(within)
    frames_by_state = {
        "total": counts["images"]["count"],
        "raw": annotated["raw"],
        "machineAnnotated": annotated["machine"],
        "verified": annotated["human"],
    }
    return SystemAnswer(object_counts=counts, frame_counts=frames_by_state)


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
