"""Images, videos and other files, with their details."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from layernext.client.groups.group import Group
from layernext.client.listing import iter_records
from layernext.client.published import listings
from layernext.client.published.asking import ask
from layernext.model import Item
from layernext.wire import native, published
from layernext.wire.published import wire_fields


class Items(Group):
    """Images, videos and other files, with their details."""

    def iter(
        self,
        collection: str | None = None,
        *,
        query: str = "",
        content_type: Literal["image", "video", "other"] | None = None,
        sort: str | None = None,
    ) -> Iterator[Item]:
        """The images and other files that a query finds, with all details, streamed.

        Args:
            collection: name or id of the collection; None for all.
            query: see docs/queries.md; empty finds everything.
            content_type: only these; None for all.
            sort: ``run.f1``, ``run.false_positives``, ``run.missed``, ``run.mislabelled`` or
                ``run.true_positives`` of the run that the query names, with a leading ``-`` for the highest
                first; None for the order in which they were added.

        Raises:
            DataError: the query is wrong, with the column; or it needs an evaluation that does not exist.
            InvalidRequest: `sort` is not one of these.
            NotFound: no such collection.
        """
        self._connection.require_native("list items with all details")
        yield from iter_records(
            self._transport,
            native.ITEMS_PATH,
            Item,
            collection=collection,
            query=query,
            type=content_type,
            sort=sort,
        )

    def page(
        self,
        item_type: str,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
        page_index: int = 0,
        page_size: int = 20,
        sort_order: Mapping[str, str] | None = None,
    ) -> builtins.list[dict[str, Any]]:
        """A page of files: ``id``, ``name``, ``uniqueName`` and ``url`` of each.

        Args:
            item_type: ``image``, ``video``, ``other``, or one of the collections' types.
            query: see docs/queries.md.
            filter: ``{"annotation_types": ["human"], "from_date": "2026-01-01", "to_date": …}``.
            page_index, page_size: number of the page, from 0, and files per page, at most 1,000.
            sort_order: ``{"sort_by_field": "date_created", "sort_order": "ASC"}``.

        Returns:
            The files; an empty list after the last page.

        Raises:
            DataError: an argument or the query is wrong.
        """
        return listings.list_items(
            self._transport, item_type, query, filter, page_index, page_size, sort_order
        )

    def page_of_collection(
        self,
        collection_id: str,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
        page_index: int = 0,
        page_size: int = 20,
        sort_order: Mapping[str, str] | None = None,
    ) -> builtins.list[dict[str, Any]]:
        """A page of the files of a collection; arguments as in `page`.

        Raises:
            DataError: an argument or the query is wrong.
            NotFound: no such collection.
        """
        return listings.list_collection(
            self._transport, collection_id, query, filter, page_index, page_size, sort_order
        )

    def count(
        self,
        item_type: str,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """How many files there are, under ``count``; arguments as in `page`.

        Raises:
            DataError: an argument or the query is wrong.
        """
        return listings.count_items(self._transport, item_type, query, filter)

    def count_of_collection(
        self,
        collection_id: str,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """How many files a collection has, under ``count``; arguments as in `page`.

        Raises:
            DataError: an argument or the query is wrong.
            NotFound: no such collection.
        """
        return listings.count_collection(self._transport, collection_id, query, filter)

    def details(
        self, unique_name: str, fields_filter: Mapping[str, bool] | None = None
    ) -> dict[str, Any]:
        """``id``, ``name``, ``uniqueName`` and ``url`` of a file, and the requested fields.

        Args:
            unique_name: unique name of the file.
            fields_filter: the fields to return, as a dictionary from name to True:
                ``fileSize``, ``resolution``, ``frameCount``,
                ``frameRate``, ``storagePath``, ``bucketName``, ``Tags``, ``createdAt``, ``updatedAt``,
                ``checksum``, or a metadata field.

        Raises:
            NotFound: there is no such file.
        """
        return listings.item_details(self._transport, unique_name, fields_filter)

    @staticmethod
    def sort_fields() -> builtins.list[str]:
        """The values that ``sort_by_field`` can have."""
        return list(published.SORT_FIELDS)

    def statistics(self) -> dict[str, Any]:
        """How many images, videos and other files the stack has, and how many are annotated."""
        answer = ask(self._transport, "GET", published.SYSTEM_DETAILS_PATH, {})
        return answer | wire_fields(published.SystemAnswer, is_success=True)

    def list(
        self,
        collection: str | None = None,
        *,
        query: str = "",
        content_type: Literal["image", "video", "other"] | None = None,
        sort: str | None = None,
    ) -> builtins.list[Item]:
        """The same as `iter`, as a list.

        Args:
            collection, query, content_type, sort: as in `iter`, which also lists the errors.
        """
        return list(self.iter(collection, query=query, content_type=content_type, sort=sort))
