"""Purges the trash: rows first, then the objects that nothing refers to any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layernext.model import counted
from layernext.stack.jobs.runner import Handler, JobContext
from layernext.stack.objects import ObjectStore
from layernext.stack.search import ItemFilter, Search
from layernext.stack.store import Store

PURGE_JOB = "trash.purge"


def purge_handler(store: Store, objects: ObjectStore) -> Handler:
    """Removes for good what went to the trash before a time.

    The job's payload: ``trashed_before`` (UTC, ISO 8601), ``collection_id`` (row id or null), ``query``.
    """
    purge = Search(store).purge

    def handle(context: JobContext) -> dict[str, Any]:
        payload = context.payload
        before, collection_id = str(payload["trashed_before"]), payload.get("collection_id")
        item_filter = ItemFilter(query=str(payload.get("query", "")), collection_id=collection_id)
        job_id, after = context.job_id, 0
        while step := purge.purge_some(item_filter, before, after, job_id):
            after = step.last
            context.progress(0.0, f"{counted(_counts(store, job_id)['files'], 'file')} purged")
        if not item_filter.query:
            purge.purge_collections(before, collection_id, job_id)
        delete_dropped(
            store,
            objects,
            lambda: context.progress(50.0),
            lambda: store.jobs.note_step(job_id),
        )
        return _counts(store, job_id) | {"kept": purge.count_kept(item_filter, before)}

    return handle


def _counts(store: Store, job_id: str) -> dict[str, Any]:
    """What the job has removed, before a crash too."""
    return {"files": 0, "size_bytes": 0, "collections": 0} | (store.jobs.result(job_id) or {})


def delete_dropped(
    store: Store,
    objects: ObjectStore,
    alive: Callable[[], None],
    on_step: Callable[[], None] = lambda: None,
) -> None:
    """Delete the objects that nothing refers to.

    Args:
        store, objects: where they are noted, and where they are.
        alive: called before each; what it raises ends the work, which can be taken up again.
        on_step: called whenever some are gone for good.
    """
    while paths := store.dropped.list_some():
        for path in paths:
            alive()
            objects.delete(path)
        store.dropped.forget(paths)
        on_step()
