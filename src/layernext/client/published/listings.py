"""Listings and selections of items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from layernext.client.collection_ids import ask_collection_id, find_collection_id
from layernext.client.files import remote
from layernext.client.files.remote import RemoteFile
from layernext.client.published.asking import ask
from layernext.client.texts import check_text
from layernext.client.transport import Transport
from layernext.errors import DataError, IncompatibleStack, NotFound, Problem
from layernext.wire import published
from layernext.wire.published import Received, wire_fields

IMAGE_COLLECTION = published.OBJECT_TYPES["image_collection"]
COLLECTION_CONTENTS = {published.CONTENT_TYPES[word]: word for word in ("video", "image")}
"""What the collections of a type contain, where projects can be made of it."""

_FILTER_KEYS = {"annotation_types", "from_date", "to_date"}
_SORT_KEYS = {"sort_by_field", "sort_order"}
_IMAGE = published.ITEM_TYPES["image"]
_UNSORTED = wire_fields(published.ListRequest, sort_by={})
_DATASET_SOURCES = ("image", "dataset", "image_collection")


def object_type(transport: Transport, object_id: str) -> int:
    """The type of an object, given by id or name.

    Raises:
        IncompatibleStack: the stack returned none.
    """
    path = published.object_type_path(check_text(object_id, "collection_id", "a collection"))
    answer = ask(transport, "GET", path, {})
    code = Received(published.ObjectTypeAnswer, answer).object_type
    if not isinstance(code, int):
        raise IncompatibleStack(f"the stack returned no type of {object_id!r}", status=200)
    return code


def collection_code(content_type: object) -> int:
    """The published protocol's number of a kind of collection.

    Raises:
        DataError: there is no such kind.
    """
    code = published.CONTENT_TYPES.get(str(content_type).lower())
    if code is None:
        message = f"is {content_type!r}, must be 'image', 'video' or 'other'"
        raise DataError(Problem("content_type", message))
    return code


def item_code(content_type: str) -> int:
    """The number of ``image`` or ``video``.

    Raises:
        DataError: it is neither.
    """
    if content_type not in {"image", "video"}:
        message = f"is {content_type!r}, must be 'image' or 'video'"
        raise DataError(Problem("content_type", message))
    return published.ITEM_TYPES[content_type]


def dataset_code(item_type: str) -> int:
    """The number of what a dataset can be made of.

    Raises:
        DataError: a dataset cannot be made of it.
    """
    if item_type not in _DATASET_SOURCES:
        message = f"is {item_type!r}, must be 'image', 'image_collection' or 'dataset'"
        raise DataError(Problem("item_type", message))
    return published.OBJECT_TYPES[item_type]


# -- listings -------------------------------------------------------------------------------------


def list_items(
    transport: Transport,
    item_type: str,
    query: str,
    filter_: Mapping[str, Any] | None,
    page_index: int,
    page_size: int,
    sort_order: Mapping[str, str] | None,
) -> list[dict[str, Any]]:
    """A page of the stack's items."""
    body = _list_body(_object_code(item_type), query, filter_)
    body |= _page_fields(page_index, page_size, sort_order)
    return _rows(transport, published.LIST_PATH, body)


def list_collection(
    transport: Transport,
    collection_id: str,
    query: str,
    filter_: Mapping[str, Any] | None,
    page_index: int,
    page_size: int,
    sort_order: Mapping[str, str] | None,
) -> list[dict[str, Any]]:
    """A page of the items of a collection."""
    body = _list_body(_code_in_collection(transport, collection_id), query, filter_)
    body |= _page_fields(page_index, page_size, sort_order)
    return _rows(transport, published.list_of_collection_path(collection_id), body)


def count_items(
    transport: Transport, item_type: str, query: str, filter_: Mapping[str, Any] | None
) -> dict[str, Any]:
    """How many items the stack has."""
    body = _list_body(_object_code(item_type), query, filter_) | _UNSORTED
    return ask(transport, "POST", published.COUNT_PATH, body)


def count_collection(
    transport: Transport, collection_id: str, query: str, filter_: Mapping[str, Any] | None
) -> dict[str, Any]:
    """How many items a collection has."""
    code = _code_in_collection(transport, collection_id)
    body = _list_body(code, query, filter_) | _UNSORTED
    return ask(transport, "POST", published.count_of_collection_path(collection_id), body)


def iter_files(
    transport: Transport, collection: str, kind: int | None, query: str, *, in_bundles: bool
) -> Iterator[RemoteFile]:
    """Every file of a collection that a query finds, page after page, in the order of upload.

    Raises:
        NotFound: no such collection.
    """
    kinds = published.CONTENT_TYPES.values() if kind is None else [kind]
    collection_id = find_collection_id(transport, collection, kinds)
    return _iter_pages(transport, collection_id, query, in_bundles=in_bundles)


def _iter_pages(
    transport: Transport, collection_id: str, query: str, *, in_bundles: bool
) -> Iterator[RemoteFile]:
    order = {"sort_by_field": "date_created", "sort_order": "ASC"}
    page = 0
    while rows := list_collection(
        transport, collection_id, query, None, page, published.MAX_LISTED, order
    ):
        for row in rows:
            file = remote.remote_of(row, by_unique_name=False, in_bundles=in_bundles)
            if file is not None:
                yield file
        page += 1


def item_details(
    transport: Transport, unique_name: str, fields: Mapping[str, bool] | None
) -> dict[str, Any]:
    """What the stack says of a file."""
    body = published.ItemDetailsRequest(
        unique_file_name=check_text(unique_name, "unique_name", "a file"),
        required_meta_obj=dict(fields or {}),
    )
    return _details(transport, published.ITEM_DETAILS_PATH, body)


def collection_details(
    transport: Transport, collection_id: str, fields: Mapping[str, bool] | None
) -> dict[str, Any]:
    """What the stack says of a collection."""
    body = published.CollectionDetailsRequest(
        collection_id=check_text(collection_id, "collection_id", "a collection"),
        required_meta_obj=dict(fields or {}),
    )
    return _details(transport, published.COLLECTION_DETAILS_PATH, body)


def collection_id(transport: Transport, name: str, content_type: str) -> str:
    """The id of a collection.

    Raises:
        NotFound: there is no such collection.
    """
    check_text(name, "collection_name", "a collection")
    id_in_stack, message = ask_collection_id(transport, name, collection_code(content_type))
    if id_in_stack is None:
        raise NotFound(message or "there is no such collection", status=200)
    return id_in_stack


# -- selections -----------------------------------------------------------------------------------


def select(
    transport: Transport,
    query: str | None,
    filter_: Mapping[str, Any] | None,
    *,
    collection_id: str | None = "",
    content_type: int = 0,
    object_ids: list[str] | None = None,
) -> str:
    """Freeze a selection; its tag.

    Raises:
        DataError: nothing fits, or query or filter are wrong.
    """
    body = wire_fields(
        published.SelectionRequest,
        is_all_selected=object_ids is None,
        object_id_list=object_ids or [],
        query=query or "",
        collection_id=collection_id,
        content_type=content_type,
        filter_data=_filter_data(filter_),
    )
    answer = Received(
        published.SelectionAnswer, ask(transport, "POST", published.SELECTION_PATH, body)
    )
    if answer.is_success is False or not answer.selection_tag:
        reason = answer.warning_msg or answer.message or "nothing fits"
        raise DataError(Problem("the selection", str(reason)))
    return str(answer.selection_tag)


def trash_selection(transport: Transport, tag: str) -> dict[str, Any]:
    """Move a selection to the trash."""
    body = published.TrashRequest(selection_id=tag, user_id=published.USER_NAME)
    return ask(transport, "POST", published.TRASH_PATH, body)


# -- messages -------------------------------------------------------------------------------------


def _rows(transport: Transport, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    answer = transport.request_json("POST", path, json=body)
    if isinstance(answer, list):
        return cast("list[dict[str, Any]]", answer)
    message = answer.get("message") if isinstance(answer, dict) else None
    raise NotFound(str(message or "the stack returned no list"), status=200)


def _details(transport: Transport, path: str, body: object) -> dict[str, Any]:
    answer = Received(published.ItemDetailsAnswer, ask(transport, "POST", path, body))
    if not answer.is_success:
        raise NotFound(str(answer.message or "no such item"), status=200)
    return cast("dict[str, Any]", answer.item_details)


def _code_in_collection(transport: Transport, collection_id: str) -> int:
    return published.ITEM_OF_COLLECTION.get(object_type(transport, collection_id), _IMAGE)


def _object_code(item_type: str) -> int:
    code = published.OBJECT_TYPES.get(item_type)
    if code is None:
        words = ", ".join(published.OBJECT_TYPES)
        raise DataError(Problem("item_type", f"is {item_type!r}, must be one of {words}"))
    return code


def _list_body(code: int, query: str, filter_: Mapping[str, Any] | None) -> dict[str, Any]:
    return wire_fields(
        published.ListRequest,
        query=query or "",
        content_type=code,
        filter_data=_filter_data(filter_),
    )


def _filter_data(filter_: Mapping[str, Any] | None) -> dict[str, Any]:
    """The user's filter as it is sent; unknown keys are refused."""
    fields: Any = filter_ or {}
    if not isinstance(fields, Mapping):
        raise DataError(Problem("filter", "must be a dictionary"))
    unknown = sorted(set(fields) - _FILTER_KEYS)
    if unknown:
        names = ", ".join(sorted(_FILTER_KEYS))
        raise DataError(Problem(f"filter[{unknown[0]!r}]", f"is unknown; there are {names}"))
    codes = []
    words = fields.get("annotation_types") or []
    for number, word in enumerate([words] if isinstance(words, str) else words):
        if word not in published.ANNOTATION_TYPES:
            where = f"filter['annotation_types'][{number}]"
            raise DataError(Problem(where, f"is {word!r}, must be 'raw', 'machine' or 'human'"))
        codes.append(published.ANNOTATION_TYPES[word])
    days = {key: str(fields[key]) for key in ("from_date", "to_date") if fields.get(key)}
    return wire_fields(
        published.FilterData,
        annotation_types=codes,
        date=wire_fields(published.Dates, **days),
        tags=[],
        labels=[],
        metadata={},
    )


def _page_fields(
    page_index: int, page_size: int, sort_order: Mapping[str, str] | None
) -> dict[str, Any]:
    if not 1 <= page_size <= published.MAX_LISTED:
        message = f"is {page_size}, must be 1 to {published.MAX_LISTED}"
        raise DataError(Problem("page_size", message))
    if page_index < 0:
        raise DataError(Problem("page_index", f"is {page_index}, must be 0 or more"))
    order = dict(sort_order or {})
    unknown = sorted(set(order) - _SORT_KEYS)
    if unknown:
        raise DataError(Problem(f"sort_order[{unknown[0]!r}]", "is unknown"))
    sort: dict[str, Any] = {}
    if "sort_by_field" in order:
        if order["sort_by_field"] not in published.SORT_FIELDS:
            words = ", ".join(published.SORT_FIELDS)
            raise DataError(Problem("sort_order['sort_by_field']", f"must be one of {words}"))
        sort["sort_by_field"] = published.SORT_FIELDS[order["sort_by_field"]]
    if "sort_order" in order:
        if order["sort_order"] not in {"ASC", "DESC"}:
            raise DataError(Problem("sort_order['sort_order']", "must be 'ASC' or 'DESC'"))
        sort["sort_order"] = order["sort_order"]
    return wire_fields(
        published.ListRequest,
        page_index=page_index,
        page_size=page_size,
        sort_by=wire_fields(published.SortBy, **sort),
    )
