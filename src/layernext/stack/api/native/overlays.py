"""What a grid of images shows: which ones in what order, and their shapes, small.

The order comes whole, in one short answer: so a query runs once, however far somebody scrolls, and every
place in it is equally near. Names, sizes and shapes come for some dozens of items at a time.
"""

from __future__ import annotations

import gzip
from heapq import nlargest
from itertools import chain
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import zstandard
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
from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.messages import Encoded
from layernext.stack.api.native.annotations import chosen_encoding
from layernext.stack.api.native.items import KINDS
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.signature import Header
from layernext.stack.search import ItemFilter, ItemRow, Search, SortField
from layernext.stack.store import CONTENT_TYPES, Store, StoredSet
from layernext.wire.native import (
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


AcceptEncoding: TypeAlias = Annotated[
    str,
    Header("Accept-Encoding", "Large answers are compressed if the client takes zstd or gzip."),
]


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
        errors=(400, 404, 422),
    ),
)
def item_order(
    query: OrderQuery,
    accept_encoding: AcceptEncoding,
    search: Search,
    permissions: Permissions,
) -> Encoded[ItemOrder]:
    """The numbers of all items that a query finds, as differences. A number in hexadecimal is an `id`."""
    collection_id = permissions.find_row_id(query.collection)
    if query.sort in TALLIED and query.evaluation is None:
        text = f"to sort by {query.sort}, the query needs an evaluation"
        raise InvalidRequest(text, status=400)
    kinds = None if query.type is None else (KINDS[query.type],)
    if query.evaluation is not None:
        permissions.check_thing("evaluation", query.evaluation)
    items = ItemFilter(
        query=query.query, collection_id=collection_id, kinds=kinds, within=permissions.readable
    )
    numbers = _ordered(search, items, query)
    steps = [number - before for number, before in zip(numbers, chain([0], numbers), strict=False)]
    order = ItemOrder(total=len(numbers), steps=steps)
    return _packed(accept_encoding, msgspec.json.encode(order))


def _ordered(search: Search, items: ItemFilter, query: OrderQuery) -> list[int]:
    sort = query.sort
    if sort in FIELDS:
        return search.items.list_order(items, sort=FIELDS[sort], descending=False)
    if sort in TALLIED and query.evaluation is not None:
        by_name = search.items.list_order(items, sort="name", descending=False)
        matching = dict.fromkeys(by_name)
        tallied = search.tallies.list_order(query.evaluation, TALLIED[sort])
        first = {number: None for number in tallied if number in matching}
        return [*first, *(number for number in by_name if number not in first)]
    return search.items.list_order(items, sort=FIELDS[sort[1:]], descending=True)


@operation(
    "POST",
    OVERLAYS_PATH,
    Operation(
        summary="Items with their shapes, small",
        tag="Pages",
        role="read",
        scope=HANDLER,
        errors=(400, 413, 422),
    ),
)
def overlays(
    body: OverlayRequest,
    accept_encoding: AcceptEncoding,
    store: Store,
    search: Search,
    permissions: Permissions,
) -> Encoded[Overlays]:
    """Some items by their numbers, with the shapes that some runs have for them. Changes nothing."""
    rows = search.items.list_rows(list(dict.fromkeys(body.items)), permissions.readable)
    runs = [(run.name, run.mode) for run in body.runs]
    numbers = {run: number for number, run in reversed(list(enumerate(runs)))}
    reduction = Reduction()
    sets: dict[int, list[OverlaySet]] = {}
    for image_id, stored in store.annotations.sets_of_images([row.image_id for row in rows], runs):
        small_set = reduction.reduced(stored, numbers[(stored.run, stored.mode)])
        sets.setdefault(image_id, []).append(small_set)
    items = [_item(row, sets.get(row.image_id, [])) for row in rows]
    content = msgspec.json.encode(Overlays(labels=list(reduction.labels), items=items))
    return _packed(accept_encoding, content)


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
        annotations = list(decoded.annotations)
        if len(annotations) > MAX_SHAPES:
            indices = nlargest(
                MAX_SHAPES, range(len(annotations)), key=lambda at: _score(annotations[at])
            )
            annotations = [annotations[at] for at in sorted(indices)]
        shapes: list[OverlayShape] = []
        room, digits = MAX_COORDINATES, 5 if is_normalized else 1
        for annotation in annotations:
            kind = kind_of(annotation)
            code, numbers = kind.drawing(kind.coordinates_of(annotation))
            room -= len(numbers)
            if room < 0:
                break
            number = self.labels.setdefault(annotation.label, len(self.labels))
            coordinates = [value if value is None else round(value, digits) for value in numbers]
            shape = OverlayShape(number, code, annotation.confidence, coordinates)
            shapes.append(shape)
        return OverlaySet(run, len(decoded.annotations), is_normalized, shapes)


def _score(annotation: Annotation) -> float:
    return 2.0 if annotation.confidence is None else annotation.confidence


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


def _packed(accept_encoding: str, content: bytes) -> Encoded[Any]:
    """JSON, compressed if it is large and the client takes that."""
    headers = {"Vary": "Accept-Encoding", "Cache-Control": "private, no-cache"}
    if len(content) > PACKED_BYTES:
        encoding = chosen_encoding(accept_encoding)
        if encoding == "zstd":
            content = zstandard.ZstdCompressor(level=1).compress(content)
        elif encoding == "gzip":
            content = gzip.compress(content, 1)
        if encoding != "identity":
            headers["Content-Encoding"] = encoding
    return Encoded(content, headers=headers)


ROUTES = [item_order, overlays]
