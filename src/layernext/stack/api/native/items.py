"""Images and other files: found by a query; the trash."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from layernext.errors import NotFound
from layernext.model import ContentType, Item
from layernext.stack.api.access import HANDLER, Permissions, Scope
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import Encoded, is_image_id
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.signature import Change
from layernext.stack.api.signed import Links
from layernext.stack.jobs import PURGE_JOB
from layernext.stack.search import ItemFilter, ItemRow, Search, before_days
from layernext.stack.store import CONTENT_TYPES, Store, read_cursor
from layernext.wire.native import (
    ITEMS_PATH,
    MAX_PAGE,
    PURGE_PATH,
    RESTORE_PATH,
    TRASH_PATH,
    Counted,
    PageOf,
    PurgeAnswer,
    PurgeRequest,
    RestoreRequest,
    purge_path,
)

TallySort = Literal[
    "run.true_positives", "-run.true_positives", "run.false_positives", "-run.false_positives",
    "run.missed", "-run.missed", "run.mislabelled", "-run.mislabelled", "run.f1", "-run.f1",
]  # fmt: skip

KINDS: dict[ContentType, int] = {word: kind for kind, word in CONTENT_TYPES.items()}


class ItemsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which items.

    Attributes:
        collection: id or name; left out means all.
        query: in the query language; see docs/queries.md.
        type: ``image``, ``video`` or ``other``; left out means all.
        after: the ``next`` of the page before; left out for the first.
        limit: most records in the page.
        sort: by what an evaluation has counted; with ``-`` before it the highest come first. Left
            out: in the order they came, as in the trash.
    """

    collection: str | None = None
    query: str = ""
    type: ContentType | None = None
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = MAX_PAGE
    sort: TallySort | None = None


@operation(
    "GET",
    ITEMS_PATH,
    Operation(
        summary="Find images and other files",
        tag="Items",
        role="read",
        scope=HANDLER,
        errors=(400, 404, 422),
    ),
)
def list_items(
    query: ItemsQuery, search: Search, permissions: Permissions, links: Links
) -> PageOf[Item]:
    """Items in the order they came, with all that is known of each."""
    items, after = _items_of(query, permissions), read_cursor(query.after)
    if query.sort is None:
        rows = search.items.list_after(items, after=after, limit=query.limit + 1)
        return _page(rows, query.limit, links)
    column, descending = query.sort.rpartition("run.")[2], query.sort.startswith("-")
    rows = search.items.list_by_tally(
        items, column, descending=descending, offset=after, limit=query.limit + 1
    )
    following = str(after + query.limit) if len(rows) > query.limit else None
    return PageOf([_item(links, row) for row in rows[: query.limit]], following)


@operation(
    "GET",
    f"{ITEMS_PATH}/{{item_id:str}}",
    Operation(
        summary="Look at an image or other file",
        tag="Items",
        role="read",
        scope=Scope(path={"item_id": "image"}),
        errors=(404,),
    ),
)
def get_item(
    item_id: Annotated[str, Meta(description="Its `id`.")], search: Search, links: Links
) -> Item:
    """All that is known of one item that is not in the trash."""
    row = search.items.get(int(item_id, 16)) if is_image_id(item_id) else None
    if row is None:
        raise NotFound(f"there is no item {item_id[:600]!r}", status=404)
    return _item(links, row)


@operation(
    "GET",
    TRASH_PATH,
    Operation(
        summary="List the trash",
        tag="Items",
        role="read",
        scope=HANDLER,
        errors=(400, 404, 422),
    ),
)
def list_trash(
    query: ItemsQuery, search: Search, permissions: Permissions, links: Links
) -> PageOf[Item]:
    """What is in the trash. A collection that is there itself is named by its id."""
    items, after = _items_of(query, permissions), read_cursor(query.after)
    rows = search.items.list_trash(items, after=after, limit=query.limit + 1)
    return _page(rows, query.limit, links)


def _items_of(query: ItemsQuery, permissions: Permissions) -> ItemFilter:
    collection_id = permissions.find_row_id(query.collection)
    kinds = None if query.type is None else (KINDS[query.type],)
    return ItemFilter(
        query=query.query, collection_id=collection_id, kinds=kinds, within=permissions.readable
    )


def _page(rows: list[ItemRow], limit: int, links: Links) -> PageOf[Item]:
    """A page of rows, of which there is one more than fits if another page follows."""
    following = str(rows[limit - 1].image_id) if len(rows) > limit else None
    return PageOf([_item(links, row) for row in rows[:limit]], following)


def _item(links: Links, row: ItemRow) -> Item:
    return Item(
        id=f"{row.image_id:024x}",
        name=row.name,
        unique_name=row.unique_name,
        collection=row.collection,
        content_type=CONTENT_TYPES[row.kind],
        has_file=row.has_file,
        url=links.image(row.image_id, row.name) if row.has_file else None,
        storage_path=row.storage_path,
        size=row.size,
        checksum=row.checksum,
        media_type=row.content_type,
        state=row.state,
        failure=row.failure,
        width=row.width,
        height=row.height,
        declared_width=row.declared_width,
        declared_height=row.declared_height,
        frame_count=row.frame_count,
        frame_rate=row.frame_rate,
        duration_s=row.duration_s,
        metadata=row.fields,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


@operation(
    "POST",
    RESTORE_PATH,
    Operation(
        summary="Restore from the trash",
        tag="Items",
        role="write",
        scope=HANDLER,
        action="restore from trash",
        is_recorded=True,
        errors=(400, 404, 413, 422),
    ),
)
def restore(
    body: RestoreRequest, store: Store, search: Search, permissions: Permissions, audit: Audit
) -> Counted:
    """Takes out of the trash what a query finds there, with its annotations."""
    collection_id = _row_id_in_trash(body.collection, store, permissions)
    items = ItemFilter(query=body.query, collection_id=collection_id, within=permissions.usable)
    count = search.items.restore(items)
    audit.note(collection=body.collection, subject=body.query or None, count=count)
    return Counted(count)


@operation(
    "POST",
    PURGE_PATH,
    Operation(
        summary="Purge the trash",
        tag="Items",
        role="admin",
        scope=HANDLER,
        action="purge trash",
        wakes_jobs=True,
        is_recorded=True,
        errors=(400, 404, 413, 422),
    ),
)
def purge(
    body: PurgeRequest,
    store: Store,
    search: Search,
    permissions: Permissions,
    audit: Audit,
    change: Change,
) -> Encoded[PurgeAnswer]:
    """Begins to remove for good what a query finds in the trash: rows, annotations, files. A job.

    The same request (by its `id`) again finds the same job.
    """
    if body.collection is None:
        permissions.refuse_whole_stack()
    collection_id = _row_id_in_trash(body.collection, store, permissions)
    before = before_days(body.older_than_days)
    # What is wrong with the query is said now.
    search.purge.check(ItemFilter(query=body.query, collection_id=collection_id))
    payload = {"trashed_before": before, "collection_id": collection_id, "query": body.query}
    audit.note(collection=body.collection, subject=body.query or None)

    def work() -> PurgeAnswer:
        job_id = store.jobs.create(PURGE_JOB, "Purge the trash", payload)
        return PurgeAnswer(job_id=job_id, status="queued")

    return change(work)


@operation(
    "GET",
    purge_path("{job_id:str}"),
    Operation(
        summary="How far a purge is",
        tag="Items",
        role="admin",
        scope=Scope(path={"job_id": "job"}),
        errors=(400, 404),
    ),
)
def purge_state(
    job_id: Annotated[str, Meta(description="From the answer that began it.")], store: Store
) -> PurgeAnswer:
    """A purge of the trash; counts when it has ended."""
    job = store.jobs.find(job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id[:100]!r}", status=404)
    result = store.jobs.result(job_id) or {}
    names = {"files", "size_bytes", "collections", "kept"}
    counts = {name: value for name, value in result.items() if name in names}
    return PurgeAnswer(job_id=job_id, status=job.status, message=job.message, **counts)


def _row_id_in_trash(collection: str | None, store: Store, permissions: Permissions) -> int | None:
    """The row id of a collection that is in the trash, or has something there."""
    if collection is None:
        return None
    row_id = store.collections.find_trashed(collection)
    if row_id is None or not permissions.may_read(row_id):
        return permissions.find_collection(collection).row_id
    permissions.check_collections([row_id])
    return row_id


ROUTES = [list_items, get_item, list_trash, restore, purge, purge_state]
