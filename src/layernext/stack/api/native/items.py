"""Images and other files: found by a query; the trash."""

from __future__ import annotations

from typing import Annotated

from litestar import Response
from msgspec import Meta, Struct

from layernext.errors import InvalidRequest, NotFound
from layernext.model import ContentType, Item
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
from layernext.stack.api.services import services_of
from layernext.stack.api.transfer import url_of_image
from layernext.stack.store import CONTENT_TYPES, ItemFilter, ItemRow
from layernext.wire.items import ITEMS_PATH, RESTORE_PATH, TRASH_PATH, Counted, RestoreRequest
from layernext.wire.native import MAX_PAGE, PageOf

KINDS: dict[ContentType, int] = {word: kind for kind, word in CONTENT_TYPES.items()}


class ItemsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which items.

    Attributes:
        collection: id or name; left out means all.
        query: in the query language; see docs/queries.md.
        type: ``image``, ``video`` or ``other``; left out means all.
        after: the ``next`` of the page before; left out for the first.
        limit: most records in the page.
    """

    collection: str | None = None
    query: str = ""
    type: ContentType | None = None
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = MAX_PAGE


@operation(
    "GET",
    ITEMS_PATH,
    Operation(
        summary="Find images and other files",
        tag="Items",
        role="read",
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
        row = await services.call(services.store.items.get, int(text, 16))
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
    chosen = ItemFilter(query=wanted.query, collection_id=place, kinds=kinds)
    items, after = services.store.items, _cursor(wanted.after)
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
    raise InvalidRequest(f"{after[:100]!r} is no cursor of an earlier answer", status=400)


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
        body=RestoreRequest,
        answer=Counted,
        errors=(400, 404, 413, 422),
    ),
)
async def restore(request: Call) -> Response[bytes]:
    """Takes out of the trash what a query finds there, with its annotations."""
    wanted, services = await read_message(request, RestoreRequest), services_of(request)
    items, store = services.store.items, services.store
    place = None
    if wanted.collection is not None:
        place = await services.call(store.find_trashed_collection, wanted.collection)
        if place is None:
            place = (await find_collection(request, wanted.collection)).row_id
    chosen = ItemFilter(query=wanted.query, collection_id=place)
    return answer(Counted(await services.call(items.restore, chosen)))


ROUTES = [list_items, get_item, list_trash, restore]
