"""The trash: files that were removed, until they are restored or purged."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping
from typing import Any

from layernext.client.answers import Job
from layernext.client.groups.group import Group
from layernext.client.listing import iter_records
from layernext.client.polling import poll
from layernext.client.published import listings
from layernext.client.reports import PurgeReport, TrashReport
from layernext.errors import DataError, JobFailed, Problem
from layernext.model import Item, is_number
from layernext.wire import native
from layernext.wire.published import Received, TrashAnswer


class Trash(Group):
    """Files that were removed, until they are restored or purged."""

    def iter(self, collection: str | None = None, *, query: str = "") -> Iterator[Item]:
        """What is in the trash, streamed.

        Args:
            collection, query: as in `client.items.iter`, which also lists the errors.
        """
        self._connection.require_native("list items with all details")
        yield from iter_records(
            self._transport, native.TRASH_PATH, Item, collection=collection, query=query
        )

    def add(
        self,
        datalake_query: str,
        datalake_filter: Mapping[str, Any] | None = None,
        content_type: str = "image",
    ) -> TrashReport:
        """Move files that match a query or a filter to the trash; they can be restored.

        Args:
            datalake_query: see docs/queries.md.
            datalake_filter: as in `client.items.page`.
            content_type: ``image`` or ``video``.

        Raises:
            DataError: there is neither query nor filter, one of them is wrong, or nothing matches.
        """
        if not (datalake_query or "").strip() and not datalake_filter:
            message = "pass a query or a filter; nothing was moved to the trash"
            raise DataError(Problem("datalake_query", message))
        code = listings.item_code(content_type)
        tag = listings.select(self._transport, datalake_query, datalake_filter, content_type=code)
        return self._move(tag)

    def add_from_collection(
        self,
        collection_id: str,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
    ) -> TrashReport:
        """Move files of a collection to the trash; without query and filter, the whole collection.

        Args:
            collection_id: id or name.
            query, filter: as in `client.items.page`.

        Raises:
            DataError: no collection is named, query or filter is wrong, or nothing matches.
            NotFound: no such collection.
        """
        transport = self._transport
        code = listings.object_type(transport, collection_id)
        if (query or "").strip() or filter:
            tag = listings.select(transport, query, filter, collection_id=collection_id)
        else:
            tag = listings.select(
                transport, "", None, content_type=code, object_ids=[collection_id]
            )
        return self._move(tag)

    def _move(self, tag: str) -> TrashReport:
        answer = listings.trash_selection(self._transport, tag)
        count = Received(TrashAnswer, answer).trashed_count
        return TrashReport(
            files=None if count is None else int(count), message=str(answer.get("message") or "")
        )

    def restore(self, collection: str | None = None, *, query: str = "") -> int:
        """Restore files from the trash, with their annotations; returns how many.

        Args:
            collection: only files of this collection, by name or id; the collection is restored, too.
            query: only files that match this query; empty means all.

        Raises:
            DataError: the query is wrong.
            NotFound: no such collection.
        """
        self._connection.require_native("restore from the trash")
        body = {"collection": collection, "query": query}
        answer: native.Counted = self._transport.request_json(
            "POST", native.RESTORE_PATH, native.Counted, json=body
        )
        return answer.count

    def purge(
        self, collection: str | None = None, *, query: str = "", older_than_days: float = 0.0
    ) -> PurgeReport:
        """Permanently delete the files in the trash, with their annotations and metadata.

        Waits until it is done. Images that belong to dataset versions stay in the trash, and so do images
        that were annotated after they were moved there. Needs an admin key.

        Args:
            collection: only files of this collection, by name or id; a collection that is in the trash is
                purged, too.
            query: only files that match this query; empty means all.
            older_than_days: only files that have been in the trash for this many days.

        Returns:
            What was removed, and what stays.

        Raises:
            DataError: the query or the number is wrong.
            NotFound: no such collection.
            NotAllowed: the key does not have the role admin.
            JobFailed: the purge did not finish; call again to continue it.
        """
        self._connection.require_native("purge the trash")
        if not (is_number(older_than_days) and 0 <= older_than_days <= native.MAX_DAYS):
            message = f"is {older_than_days}, must be 0 to {native.MAX_DAYS:.0f}"
            raise DataError(Problem("older_than_days", message))
        body = {"collection": collection, "query": query, "older_than_days": older_than_days}
        begun = self._transport.request_json(
            "POST", native.PURGE_PATH, native.PurgeAnswer, json=body
        )
        path = native.purge_path(begun.job_id)

        def ask() -> native.PurgeAnswer:
            answer: native.PurgeAnswer = self._transport.request_json(
                "GET", path, native.PurgeAnswer
            )
            return answer

        state = poll(
            self._transport,
            ask(),
            ask,
            lambda state: state.status not in {"failed", "completed"},
            describe=lambda state: f"the purge is {state.status}",
        )
        if state.status == "failed":
            job = Job(id=state.job_id, status="failed", progress=0.0, message=state.message)
            raise JobFailed(f"the purge failed: {state.message or 'no reason stated'}", job=job)
        return PurgeReport(
            files=state.files,
            size_bytes=state.size_bytes,
            collections=state.collections,
            kept=state.kept,
        )

    def list(self, collection: str | None = None, *, query: str = "") -> builtins.list[Item]:
        """The same as `iter`, as a list.

        Args:
            collection, query: as in `iter`, which also lists the errors.
        """
        return list(self.iter(collection, query=query))
