"""Images and other files: found by a query; the trash."""

from __future__ import annotations

from typing import Annotated, Literal

from litestar import Response
from msgspec import Meta, Struct

from layernext.errors import InvalidRequest, NotFound
from layernext.model import ContentType, Item
from layernext.stack.api.access import (
    HANDLER,
    Scope,
    access_of,
    readable,
    refuse_whole_stack,
    usable,
)
from layernext.stack.api.audit import note
from layernext.stack.api.messages import (
    Call,
    answer,
    find_collection,
    is_image_id,
    read_message,
    read_path,
    read_query,
)
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.replay import change
from layernext.stack.api.services import services_of
from layernext.stack.api.transfer import url_of_image
from layernext.stack.jobs import PURGE_JOB
from layernext.stack.search import ItemFilter, ItemRow, before_days
from layernext.stack.store import CONTENT_TYPES
from layernext.wire.items import (
    ITEMS_PATH,
    PURGE_PATH,
    RESTORE_PATH,
    TRASH_PATH,
    Counted,
    PurgeAnswer,
    PurgeRequest,
    RestoreRequest,
    purge_path,
)
from layernext.wire.native import MAX_PAGE, PageOf

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
        query=ItemsQuery,
        answer=PageOf[Item],
        errors=(400, 404, 422),
    ),
)
async def list_items(request: Call) -> Response[bytes]:
    """Items in the order they came, with all that is known of each."""
    return await _listed(request, is_trash=False)


@operation(
    "GET",
    f"{ITEMS_PATH}/{{item_id:str}}",
    Operation(
        summary="Look at an image or other file",
        tag="Items",
        role="read",
        scope=Scope(path={"item_id": "image"}),
        path=(Parameter("item_id", "Its `id`."),),
        answer=Item,
        errors=(404,),
    ),
)
async def get_item(request: Call) -> Response[bytes]:
    """All that is known of one item that is not in the trash."""
    text, services = read_path(request, "item_id"), services_of(request)
    row = None
    if is_image_id(text):
        row = await services.call(services.search.items.get, int(text, 16))
    if row is None:
        raise NotFound(f"there is no item {text[:600]!r}", status=404)
    return answer(_item(request, row))


@operation(
    "GET",
    TRASH_PATH,
    Operation(
        summary="List the trash",
        tag="Items",
        role="read",
        scope=HANDLER,
        query=ItemsQuery,
        answer=PageOf[Item],
        errors=(400, 404, 422),
    ),
)
async def list_trash(request: Call) -> Response[bytes]:
    """What is in the trash. A collection that is there itself is named by its id."""
    return await _listed(request, is_trash=True)


async def _listed(request: Call, *, is_trash: bool) -> Response[bytes]:
    wanted, services = read_query(request, ItemsQuery), services_of(request)
    place = None
    if wanted.collection is not None:
        place = (await find_collection(request, wanted.collection)).row_id
    kinds = None if wanted.type is None else (KINDS[wanted.type],)
    chosen = ItemFilter(
        query=wanted.query, collection_id=place, kinds=kinds, within=readable(request)
    )
    items, after = services.search.items, _cursor(wanted.after)
    if wanted.sort is not None and not is_trash:
        column, descending = wanted.sort.rpartition("run.")[2], wanted.sort.startswith("-")
        more = wanted.limit + 1

        def sorted_rows() -> list[ItemRow]:
            return items.list_by_tally(
                chosen, column, descending=descending, offset=after, limit=more
            )

        rows = await services.call(sorted_rows)
        following = str(after + wanted.limit) if len(rows) > wanted.limit else None
        return answer(PageOf([_item(request, row) for row in rows[: wanted.limit]], following))
    find = items.list_trash if is_trash else items.list_after
    rows = await services.call(lambda: find(chosen, after=after, limit=wanted.limit + 1))
    page = rows[: wanted.limit]
    following = str(page[-1].image_id) if len(rows) > wanted.limit else None
    return answer(PageOf([_item(request, row) for row in page], following))


def _cursor(after: str | None) -> int:
    if after is None:
        return 0
    if after.isascii() and after.isdecimal() and len(after) < 19:  # noqa: PLR2004 - digits of a row id
        return int(after)
    raise InvalidRequest(f"{after[:100]!r} is not a cursor from an earlier answer", status=400)


def _item(request: Call, row: ItemRow) -> Item:
    return Item(
        id=f"{row.image_id:024x}",
        name=row.name,
        unique_name=row.unique_name,
        collection=row.collection,
        content_type=CONTENT_TYPES[row.kind],
        has_file=row.has_file,
        url=url_of_image(request, row.image_id, row.name) if row.has_file else None,
        storage_path=row.storage_path,
        size=row.size,
        checksum=row.checksum,
        media_type=row.content_type,
        state=row.state,
        failure=row.failure,
        width=row.width,
        height=row.height,
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
        body=RestoreRequest,
        answer=Counted,
        errors=(400, 404, 413, 422),
    ),
)
async def restore(request: Call) -> Response[bytes]:
    """Takes out of the trash what a query finds there, with its annotations."""
    wanted, items = await read_message(request, RestoreRequest), services_of(request).search.items
    place = await _place_in_trash(request, wanted.collection)
    chosen = ItemFilter(query=wanted.query, collection_id=place, within=usable(request))
    note(request, collection=wanted.collection, subject=wanted.query or None)

    def work() -> Response[bytes]:
        count = items.restore(chosen)
        note(request, count=count)
        return answer(Counted(count))

    return await change(request, work)


@operation(
    "POST",
    PURGE_PATH,
    Operation(
        summary="Purge the trash",
        tag="Items",
        role="admin",
        scope=HANDLER,
        action="purge trash",
        is_recorded=True,
        body=PurgeRequest,
        answer=PurgeAnswer,
        errors=(400, 404, 413, 422),
    ),
)
async def purge(request: Call) -> Response[bytes]:
    """Begins to remove for good what a query finds in the trash: rows, annotations, files. A job.

    The same request (by its `id`) again finds the same job.
    """
    wanted, services = await read_message(request, PurgeRequest), services_of(request)
    if wanted.collection is None:
        refuse_whole_stack(request)
    place = await _place_in_trash(request, wanted.collection)
    store, before = services.store, before_days(wanted.older_than_days)
    chosen = ItemFilter(query=wanted.query, collection_id=place)
    # What is wrong with the query is said now.
    await services.call(services.search.purge.check, chosen)
    payload = {"trashed_before": before, "collection_id": place, "query": wanted.query}
    note(request, collection=wanted.collection, subject=wanted.query or None)

    def work() -> Response[bytes]:
        job_id = store.jobs.create(PURGE_JOB, "Purge the trash", payload)
        return answer(PurgeAnswer(job_id=job_id, status="queued"))

    response = await change(request, work)
    services.jobs.wake()
    return response


@operation(
    "GET",
    purge_path("{job_id:str}"),
    Operation(
        summary="How far a purge is",
        tag="Items",
        role="admin",
        scope=Scope(path={"job_id": "job"}),
        path=(Parameter("job_id", "From the answer that began it."),),
        answer=PurgeAnswer,
        errors=(400, 404),
    ),
)
async def purge_state(request: Call) -> Response[bytes]:
    """A purge of the trash; counts when it has ended."""
    services, job_id = services_of(request), read_path(request, "job_id")
    job = await services.call(services.store.jobs.find, job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id[:100]!r}", status=404)
    counts = await services.call(services.store.jobs.result, job_id) or {}
    names = {"files", "size_bytes", "collections", "kept"}
    known = {name: value for name, value in counts.items() if name in names}
    return answer(PurgeAnswer(job_id=job_id, status=job.status, message=job.message, **known))


async def _place_in_trash(request: Call, collection: str | None) -> int | None:
    """The row id of a collection that is in the trash, or has something there."""
    if collection is None:
        return None
    services, access = services_of(request), access_of(request)
    place = await services.call(services.store.collections.find_trashed, collection)
    if place is None or (access is not None and not access.may_read(place)):
        return (await find_collection(request, collection)).row_id
    if access is not None:
        access.check([place])
    return place


ROUTES = [list_items, get_item, list_trash, restore, purge, purge_state]
