"""Calls that find images and other files, look at them, and put them into the trash."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast

from layernext.client.answers import Job
from layernext.client.calls.base import Calls, check_text
from layernext.client.reports import PurgeReport, TrashReport
from layernext.errors import DataError, JobFailed, NotFound, Problem
from layernext.model import Item, is_number
from layernext.wire import items as wire
from layernext.wire import native, published

_FIRST_POLL_S = 0.1
_LONGEST_POLL_S = 10.0
_FILTER_KEYS = {"annotation_types", "from_date", "to_date"}
_SORT_KEYS = {"sort_by_field", "sort_order"}
_COLLECTION_TO_ITEM = {4: 1, 5: 2, 7: 6, 3: 2}


class ItemCalls(Calls):
    """Images, videos and other files."""

    def iter_items(
        self,
        collection: str | None = None,
        *,
        query: str = "",
        content_type: Literal["image", "video", "other"] | None = None,
        sort: str | None = None,
    ) -> Iterator[Item]:
        """All that is known of the images and other files that a query finds, streamed.

        Args:
            collection: by name or id; None for all.
            query: see docs/queries.md; empty finds everything.
            content_type: only these; None for all.
            sort: ``run.f1``, ``run.false_positives``, ``run.missed``, ``run.mislabelled`` or
                ``run.true_positives`` of the run that the query names, with ``-`` before it for the
                highest first; None for the order they came.

        Raises:
            DataError: the query is wrong, with the column; or it needs an evaluation that is not there.
            InvalidRequest: `sort` is none of these.
            NotFound: no such collection.
        """
        return self._iter_items(wire.ITEMS_PATH, collection, query, content_type, sort)

    def iter_trash(self, collection: str | None = None, *, query: str = "") -> Iterator[Item]:
        """What is in the trash, streamed; arguments and errors as in `iter_items`."""
        return self._iter_items(wire.TRASH_PATH, collection, query, None)

    def _iter_items(
        self,
        path: str,
        collection: str | None,
        query: str,
        content_type: str | None,
        sort: str | None = None,
    ) -> Iterator[Item]:
        self._connection.require_native("list items with all that is known of them")
        after: str | None = None
        while True:
            page = self._connection.transport.request_json(
                "GET",
                path,
                native.PageOf[Item],
                params={
                    "collection": collection,
                    "query": query,
                    "type": content_type,
                    "sort": sort,
                    "after": after,
                },
            )
            yield from page.items
            if page.next is None:
                return
            after = page.next

    def get_item_list_from_datalake(
        self,
        item_type: str,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
        page_index: int = 0,
        page_size: int = 20,
        sort_order: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """A page of files: ``id``, ``name``, ``uniqueName`` and ``url`` of each.

        Args:
            item_type: ``image``, ``video``, ``other``, or one of the collections' types.
            query: see docs/queries.md.
            filter: ``{"annotation_types": ["human"], "from_date": "2026-01-01", "to_date": …}``.
            page_index, page_size: which page, from 0, of at most 1,000 files.
            sort_order: ``{"sort_by_field": "date_created", "sort_order": "ASC"}``.

        Returns:
            The files; none behind the last page.

        Raises:
            DataError: an argument or the query is wrong.
        """
        body = _list_body(query, filter, item_type=item_type)
        body |= _page(page_index, page_size, sort_order)
        return self._list(published.LIST_PATH, body)

    def get_item_list_from_collection(
        self,
        collection_id: str,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
        page_index: int = 0,
        page_size: int = 20,
        sort_order: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """A page of the files of a collection; arguments as in `get_item_list_from_datalake`.

        Raises:
            DataError: an argument or the query is wrong.
            NotFound: no such collection.
        """
        body = _list_body(query, filter, code=self._item_code(collection_id))
        body |= _page(page_index, page_size, sort_order)
        return self._list(published.collection_list_path(collection_id, "list"), body)

    def _list(self, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self._connection.transport.request_json("POST", path, json=body)
        if isinstance(answer, list):
            return cast("list[dict[str, Any]]", answer)
        message = answer.get("message") if isinstance(answer, dict) else None
        raise NotFound(str(message or "the stack gave no list"), status=200)

    def get_item_count_from_metalake(
        self,
        item_type: str,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """How many files there are, under ``count``; see `get_item_list_from_datalake`.

        Raises:
            DataError: an argument or the query is wrong.
        """
        body = _list_body(query, filter, item_type=item_type) | {"sortBy": {}}
        return self._object("POST", published.COUNT_PATH, body)

    def get_item_count_from_collection(
        self,
        collection_id: str,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """How many files of a collection there are, under ``count``.

        Raises:
            DataError: an argument or the query is wrong.
            NotFound: no such collection.
        """
        body = _list_body(query, filter, code=self._item_code(collection_id)) | {"sortBy": {}}
        return self._object("POST", published.collection_list_path(collection_id, "count"), body)

    def _item_code(self, collection_id: str) -> int:
        return _COLLECTION_TO_ITEM.get(self._object_type(collection_id), 2)

    def _object_type(self, object_id: str) -> int:
        """E23."""
        path = published.object_type_path(check_text(object_id, "collection_id", "a collection"))
        return int(self._object("GET", path, {})["objectType"])

    def _object(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._connection.transport.request_json(
            method, path, dict[str, Any], json=body
        )
        return answer

    @staticmethod
    def get_valid_sort_fields() -> list[str]:
        """What `sort_by_field` can be."""
        return list(published.SORT_FIELDS)

    def get_system_stat_count(self) -> dict[str, Any]:
        """How many images, videos and other files the stack has, and how many are annotated."""
        answer = self._object("GET", published.SYSTEM_DETAILS_PATH, {})
        return {**answer, "isSuccess": True}

    def get_file_details(
        self, unique_name: str, fields_filter: Mapping[str, bool] | None = None
    ) -> dict[str, Any]:
        """``id``, ``name``, ``uniqueName`` and ``url`` of a file, and what else is asked for.

        Args:
            unique_name: of the file.
            fields_filter: name to whether it is wanted: ``fileSize``, ``resolution``, ``frameCount``,
                ``frameRate``, ``storagePath``, ``bucketName``, ``Tags``, ``createdAt``, ``updatedAt``,
                ``checksum``, or a metadata field.

        Raises:
            NotFound: there is no such file.
        """
        body = {
            "uniqueFileName": check_text(unique_name, "unique_name", "a file"),
            "requiredMetaObj": dict(fields_filter or {}),
        }
        return self._details(published.ITEM_DETAILS_PATH, body)

    def get_collection_details(
        self, collection_id: str, fields_filter: Mapping[str, bool] | None = None
    ) -> dict[str, Any]:
        """``id``, ``name`` and ``contentType`` of a collection, and what else is asked for.

        Args:
            collection_id: id or name.
            fields_filter: name to whether it is wanted: ``fileSize``, ``fileCount``, ``frameCount``,
                ``storagePath``, ``Tags``, ``createdAt``, ``updatedAt``, or a metadata field.

        Raises:
            NotFound: there is no such collection.
        """
        body = {
            "collectionId": check_text(collection_id, "collection_id", "a collection"),
            "requiredMetaObj": dict(fields_filter or {}),
        }
        return self._details(published.COLLECTION_DETAILS_PATH, body)

    def _details(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._object("POST", path, body)
        if not answer.get("isSuccess"):
            raise NotFound(str(answer.get("message") or "there is no such thing"), status=200)
        return cast("dict[str, Any]", answer["itemDetails"])

    def get_collection_id_by_name(self, collection_name: str, content_type: str = "image") -> str:
        """The id of a collection.

        Args:
            collection_name: its name.
            content_type: ``image``, ``video`` or ``other``: each kind has names of its own.

        Raises:
            DataError: the content type is none.
            NotFound: there is no such collection.
        """
        body = {
            "collectionName": check_text(collection_name, "collection_name", "a collection"),
            "objectType": collection_code(content_type),
        }
        answer = self._object("POST", published.COLLECTION_ID_PATH, body)
        if answer.get("isSuccess") is False or not answer.get("collectionId"):
            raise NotFound(str(answer.get("message") or "there is no such collection"), status=200)
        return str(answer["collectionId"])

    # -- selections and trash -----------------------------------------------------------------

    def _select(
        self,
        query: str | None,
        filter_: Mapping[str, Any] | None,
        *,
        collection_id: str | None = "",
        content_type: int = 0,
        object_ids: list[str] | None = None,
    ) -> str:
        """Freeze a selection (E26); its tag.

        Raises:
            DataError: nothing fits, or query or filter are wrong.
        """
        body = {
            "isAllSelected": object_ids is None,
            "objectIdList": object_ids or [],
            "query": query or "",
            "collectionId": collection_id,
            "contentType": content_type,
            "filterData": _filter_data(filter_),
        }
        answer = self._object("POST", published.SELECTION_PATH, body)
        if answer.get("isSuccess") is False or not answer.get("selectionTag"):
            reason = answer.get("warningMsg") or answer.get("message") or "nothing fits"
            raise DataError(Problem("the selection", str(reason)))
        return str(answer["selectionTag"])

    def trash_objects_from_datalake(
        self,
        datalake_query: str,
        datalake_filter: Mapping[str, Any] | None = None,
        content_type: str = "image",
    ) -> TrashReport:
        """Put what a query or a filter finds into the trash; it can be restored.

        Args:
            datalake_query: see docs/queries.md.
            datalake_filter: as in `get_item_list_from_datalake`.
            content_type: ``image`` or ``video``.

        Raises:
            DataError: neither query nor filter is given, one of them is wrong, or nothing fits.
        """
        if not (datalake_query or "").strip() and not datalake_filter:
            raise DataError(
                Problem("datalake_query", "give a query or a filter; nothing was trashed")
            )
        if content_type not in {"image", "video"}:
            message = f"is {content_type!r}, must be 'image' or 'video'"
            raise DataError(Problem("content_type", message))
        code = published.ITEM_TYPES[content_type]
        return self._trash(self._select(datalake_query, datalake_filter, content_type=code))

    def trash_objects_from_collection(
        self,
        collection_id: str,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
    ) -> TrashReport:
        """Put files of a collection into the trash, or without query and filter all of it.

        Args:
            collection_id: id or name.
            query, filter: as in `get_item_list_from_datalake`.

        Raises:
            DataError: no collection is named, query or filter is wrong, or nothing fits.
            NotFound: no such collection.
        """
        code = self._object_type(collection_id)
        if (query or "").strip() or filter:
            return self._trash(self._select(query, filter, collection_id=collection_id))
        tag = self._select("", None, content_type=code, object_ids=[collection_id])
        return self._trash(tag)

    def _trash(self, tag: str) -> TrashReport:
        body = {"selectionId": tag, "userId": published.USER_NAME}
        answer = self._object("POST", published.TRASH_PATH, body)
        count = answer.get("trashedCount")
        return TrashReport(
            files=None if count is None else int(count), message=str(answer.get("message") or "")
        )

    def restore(self, collection: str | None = None, *, query: str = "") -> int:
        """Take files out of the trash, with their annotations; how many.

        Args:
            collection: of this one only, by name or id; it comes back itself, too.
            query: what of it; empty means all.

        Raises:
            DataError: the query is wrong.
            NotFound: no such collection.
        """
        self._connection.require_native("restore from the trash")
        body = {"collection": collection, "query": query}
        answer: wire.Counted = self._connection.transport.request_json(
            "POST", wire.RESTORE_PATH, wire.Counted, json=body
        )
        return answer.count

    def purge(
        self, collection: str | None = None, *, query: str = "", older_than_days: float = 0.0
    ) -> PurgeReport:
        """Remove for good what is in the trash: files, their annotations and metadata. Nothing brings them back.

        Waits until it is done. Images that versions of datasets have stay in the trash, and so do those that
        were annotated after they went there. Needs an administrator's key.

        Args:
            collection: of this one only, by name or id; it goes itself, too, if it is in the trash.
            query: what of it; empty means all.
            older_than_days: only what went to the trash so long ago.

        Returns:
            What is gone, and what stays.

        Raises:
            DataError: the query or the number is wrong.
            NotFound: no such collection.
            NotAllowed: the key does not have the role admin.
            JobFailed: it did not come to its end; again it goes on.
        """
        self._connection.require_native("purge the trash")
        if not (is_number(older_than_days) and 0 <= older_than_days <= wire.MAX_DAYS):
            message = f"is {older_than_days}, must be 0 to {wire.MAX_DAYS:.0f}"
            raise DataError(Problem("older_than_days", message))
        body = {"collection": collection, "query": query, "older_than_days": older_than_days}
        transport = self._connection.transport
        begun = transport.request_json("POST", wire.PURGE_PATH, wire.PurgeAnswer, json=body)
        path, wait_s = wire.purge_path(begun.job_id), _FIRST_POLL_S
        while True:
            state: wire.PurgeAnswer = transport.request_json("GET", path, wire.PurgeAnswer)
            if state.status == "failed":
                job = Job(id=state.job_id, status="failed", progress=0.0, message=state.message)
                raise JobFailed(f"the purge failed: {state.message or 'no reason given'}", job=job)
            if state.status == "completed":
                return PurgeReport(
                    files=state.files,
                    size_bytes=state.size_bytes,
                    collections=state.collections,
                    kept=state.kept,
                )
            time.sleep(wait_s)
            wait_s = min(wait_s * 1.5, _LONGEST_POLL_S)


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


def _list_body(
    query: str, filter_: Mapping[str, Any] | None, *, item_type: str = "", code: int | None = None
) -> dict[str, Any]:
    if code is None:
        found = published.OBJECT_TYPES.get(item_type)
        if found is None:
            words = ", ".join(published.OBJECT_TYPES)
            raise DataError(Problem("item_type", f"is {item_type!r}, must be one of {words}"))
        code = found
    return {"query": query or "", "contentType": code, "filterData": _filter_data(filter_)}


def _filter_data(filter_: Mapping[str, Any] | None) -> dict[str, Any]:
    """The user's filter as it is sent; what is not known in it is refused."""
    given: Any = filter_ or {}
    if not isinstance(given, Mapping):
        raise DataError(Problem("filter", "must be a dictionary"))
    unknown = sorted(set(given) - _FILTER_KEYS)
    if unknown:
        known = ", ".join(sorted(_FILTER_KEYS))
        raise DataError(Problem(f"filter[{unknown[0]!r}]", f"is unknown; there are {known}"))
    codes = []
    words = given.get("annotation_types") or []
    for number, word in enumerate([words] if isinstance(words, str) else words):
        if word not in published.ANNOTATION_TYPES:
            where = f"filter['annotation_types'][{number}]"
            raise DataError(Problem(where, f"is {word!r}, must be 'raw', 'machine' or 'human'"))
        codes.append(published.ANNOTATION_TYPES[word])
    date = {
        wanted: str(given[key])
        for key, wanted in (("from_date", "fromDate"), ("to_date", "toDate"))
        if given.get(key)
    }
    empty: dict[str, Any] = {"tags": [], "labels": [], "metadata": {}}
    return {"annotationTypes": codes, "date": date, **empty}


def _page(page_index: int, page_size: int, sort_order: Mapping[str, str] | None) -> dict[str, Any]:
    if not 1 <= page_size <= published.MAX_LISTED:
        message = f"is {page_size}, must be 1 to {published.MAX_LISTED}"
        raise DataError(Problem("page_size", message))
    if page_index < 0:
        raise DataError(Problem("page_index", f"is {page_index}, must be 0 or more"))
    given = dict(sort_order or {})
    unknown = sorted(set(given) - _SORT_KEYS)
    if unknown:
        raise DataError(Problem(f"sort_order[{unknown[0]!r}]", "is unknown"))
    sort: dict[str, Any] = {}
    if "sort_by_field" in given:
        if given["sort_by_field"] not in published.SORT_FIELDS:
            words = ", ".join(published.SORT_FIELDS)
            raise DataError(Problem("sort_order['sort_by_field']", f"must be one of {words}"))
        sort["sortByField"] = published.SORT_FIELDS[given["sort_by_field"]]
    if "sort_order" in given:
        if given["sort_order"] not in {"ASC", "DESC"}:
            raise DataError(Problem("sort_order['sort_order']", "must be 'ASC' or 'DESC'"))
        sort["sortOrder"] = given["sort_order"]
    return {"pageIndex": page_index, "pageSize": page_size, "sortBy": sort}
