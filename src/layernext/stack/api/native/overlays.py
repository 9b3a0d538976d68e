"""What a grid of images shows: which ones in what order, and their shapes, small.

The order comes whole, in one short answer: so a query runs once, however far somebody scrolls, and every
place in it is equally near. Names, sizes and shapes come for some dozens of items at a time.
"""

from __future__ import annotations

import gzip
from heapq import nlargest
from itertools import chain
from typing import Literal

import msgspec
import zstandard
from litestar import Response
from msgspec import Struct

from layernext.errors import InvalidRequest
from layernext.model import (
    Annotation,
    ContentType,
    ImageAnnotations,
    TallyOrder,
    decode_trusted,
    kind_of,
)
from layernext.stack.api.access import HANDLER, check_thing, readable
from layernext.stack.api.error_map import JSON
from layernext.stack.api.messages import Call, find_collection, read_message, read_query
from layernext.stack.api.native.annotations import chosen_encoding
from layernext.stack.api.native.items import KINDS
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.services import services_of
from layernext.stack.search import ItemFilter, ItemRow, Search, SortField
from layernext.stack.store import CONTENT_TYPES, StoredSet
from layernext.wire.viewer import (
    ORDER_PATH,
    OVERLAYS_PATH,
    ItemOrder,
    OverlayItem,
    OverlayRequest,
    Overlays,
    OverlaySet,
    OverlayShape,
)

MAX_SHAPES = 1_000
"""Of one set: on a small picture nobody could tell more apart."""

MAX_COORDINATES = 20_000
"""Of one set."""

PACKED_BYTES = 4 << 10
"""From this size on answers are compressed."""

Sort = Literal[
    "name", "-name", "created", "-created", "modified", "-modified", "size", "-size",
    "worst", "best", "false_positives", "missed", "mislabelled", "similarity",
]  # fmt: skip


FIELDS: dict[str, SortField] = {
    "name": "name", "created": "created", "modified": "modified", "size": "size",
}  # fmt: skip
TALLIED: dict[str, TallyOrder] = {
    "worst": "worst", "best": "best", "false_positives": "false_positives", "missed": "missed",
    "mislabelled": "mislabelled", "similarity": "similarity",
}  # fmt: skip


class OrderQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which items, and in what order.

    Attributes:
        collection: id or name; left out means all.
        query: in the query language; see docs/queries.md.
        type: ``image``, ``video`` or ``other``; left out means all.
        sort: by what; with ``-`` before it the largest come first. From ``worst`` on: by the tallies of
            an evaluation; images that it does not know come last, by name.
        evaluation: its id.
    """

    collection: str | None = None
    query: str = ""
    type: ContentType | None = None
    sort: Sort = "name"
    evaluation: str | None = None


@operation(
    "GET",
    ORDER_PATH,
    Operation(
        summary="All items of a query, in order",
        tag="Pages",
        role="read",
        scope=HANDLER,
        query=OrderQuery,
        answer=ItemOrder,
        errors=(400, 404, 422),
    ),
)
async def item_order(request: Call) -> Response[bytes]:
    """The numbers of all items that a query finds, as differences. A number in hexadecimal is an `id`."""
    wanted, services = read_query(request, OrderQuery), services_of(request)
    place = None
    if wanted.collection is not None:
        place = (await find_collection(request, wanted.collection)).row_id
    if wanted.sort in TALLIED and wanted.evaluation is None:
        text = f"to sort by {wanted.sort}, the query needs an evaluation"
        raise InvalidRequest(text, status=400)
    kinds = None if wanted.type is None else (KINDS[wanted.type],)
    if wanted.evaluation is not None:
        await check_thing(request, "evaluation", wanted.evaluation)
    chosen = ItemFilter(
        query=wanted.query, collection_id=place, kinds=kinds, within=readable(request)
    )

    def work() -> bytes:
        found = _ordered(services.search, chosen, wanted)
        steps = [number - before for number, before in zip(found, chain([0], found), strict=False)]
        return msgspec.json.encode(ItemOrder(total=len(found), steps=steps))

    return _packed(request, await services.call(work))


def _ordered(search: Search, chosen: ItemFilter, wanted: OrderQuery) -> list[int]:
    sort = wanted.sort
    if sort in FIELDS:
        return search.items.list_order(chosen, sort=FIELDS[sort], descending=False)
    if sort in TALLIED and wanted.evaluation is not None:
        by_name = search.items.list_order(chosen, sort="name", descending=False)
        fitting = dict.fromkeys(by_name)
        tallied = search.tallies.list_order(wanted.evaluation, TALLIED[sort])
        first = [number for number in tallied if number in fitting]
        known = set(first)
        return first + [number for number in by_name if number not in known]
    return search.items.list_order(chosen, sort=FIELDS[sort[1:]], descending=True)


@operation(
    "POST",
    OVERLAYS_PATH,
    Operation(
        summary="Items with their shapes, small",
        tag="Pages",
        role="read",
        scope=HANDLER,
        body=OverlayRequest,
        answer=Overlays,
        errors=(400, 413, 422),
    ),
)
async def overlays(request: Call) -> Response[bytes]:
    """Some items by their numbers, with the shapes that some runs have for them. Changes nothing."""
    wanted, services = await read_message(request, OverlayRequest), services_of(request)
    within = readable(request)

    def work() -> bytes:
        store = services.store
        rows = services.search.items.list_rows(list(dict.fromkeys(wanted.items)), within)
        runs = [(run.name, run.mode) for run in wanted.runs]
        reduction = Reduction()
        places = {run: place for place, run in reversed(list(enumerate(runs)))}
        sets: dict[int, list[OverlaySet]] = {}
        for image_id, stored in store.annotations.sets_of_images(
            [row.image_id for row in rows], runs
        ):
            made = reduction.reduced(stored, places[(stored.run, stored.mode)])
            sets.setdefault(image_id, []).append(made)
        items = [_item(row, sets.get(row.image_id, [])) for row in rows]
        return msgspec.json.encode(Overlays(labels=list(reduction.labels), items=items))

    return _packed(request, await services.call(work))


class Reduction:
    """Makes sets small, and numbers their labels.

    Attributes:
        labels: those met so far; a label's place is its number.
    """

    def __init__(self) -> None:
        self.labels: dict[str, int] = {}

    def reduced(self, stored: StoredSet, run: int) -> OverlaySet:
        """A stored set as a small picture needs it."""
        decoded: ImageAnnotations = decode_trusted(stored.raw, stored.geometry)
        is_normalized = stored.normalized or decoded.normalized
        kept = list(decoded.annotations)
        if len(kept) > MAX_SHAPES:
            places = nlargest(MAX_SHAPES, range(len(kept)), key=lambda at: _score(kept[at]))
            kept = [kept[at] for at in sorted(places)]
        shapes: list[OverlayShape] = []
        room, digits = MAX_COORDINATES, 5 if is_normalized else 1
        for one in kept:
            kind = kind_of(one)
            code, numbers = kind.drawing(kind.coordinates_of(one))
            room -= len(numbers)
            if room < 0:
                break
            number = self.labels.setdefault(one.label, len(self.labels))
            coordinates = [round(value, digits) for value in numbers]
            shape = OverlayShape(number, code, one.confidence, coordinates)
            shapes.append(shape)
        return OverlaySet(run, len(decoded.annotations), is_normalized, shapes)


def _score(one: Annotation) -> float:
    return 2.0 if one.confidence is None else one.confidence


def _item(row: ItemRow, sets: list[OverlaySet]) -> OverlayItem:
    return OverlayItem(
        number=row.image_id,
        name=row.name,
        content_type=CONTENT_TYPES[row.kind],
        has_file=row.has_file,
        has_thumbnail=row.has_thumbnail,
        state=row.state,
        width=row.width,
        height=row.height,
        sets=sets,
    )


def _packed(request: Call, content: bytes) -> Response[bytes]:
    """JSON, compressed if it is large and the client takes that."""
    headers = {"Vary": "Accept-Encoding", "Cache-Control": "private, no-cache"}
    if len(content) > PACKED_BYTES:
        encoding = chosen_encoding(request.headers.get("accept-encoding", ""))
        if encoding == "zstd":
            content = zstandard.ZstdCompressor(level=1).compress(content)
        elif encoding == "gzip":
            content = gzip.compress(content, 1)
        if encoding != "identity":
            headers["Content-Encoding"] = encoding
    return Response(content, media_type=JSON, headers=headers)


ROUTES = [item_order, overlays]
