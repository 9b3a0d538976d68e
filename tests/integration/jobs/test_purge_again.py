"""A purge that begins again after a crash counts what it removed before."""

from __future__ import annotations

import sqlalchemy as sa

from layernext.stack.search import ItemFilter, Search
from layernext.stack.store.schema import job
from layernext.wire.native import PURGE_PATH, purge_path
from tests.integration.files.test_files import open_files
from tests.integration.jobs.test_housekeeping import stack, store_file, wait_for_jobs
from tests.integration.stack.conftest import Stack
from tests.support.s3 import s3_server

__all__ = ["s3_server", "stack"]


def test_a_purge_again(stack: Stack) -> None:
    """The same request finds the same job; a job that begins again after a crash counts what went before it."""
    search = Search(stack.store)
    headers = {"Idempotency-Key": "first"}
    upload = open_files(stack, "yard", collectionType=7)
    for name in ("a", "b"):
        store_file(stack, upload, name)
    search.items.trash(search.items.select(ItemFilter()))
    begun = [stack.json("POST", PURGE_PATH, json={}, headers=headers) for _ in range(2)]
    assert begun[0] == begun[1]
    job_id = begun[0]["job_id"]
    wait_for_jobs(stack)
    assert stack.json("GET", purge_path(job_id))["files"] == 2
    with stack.store.database.write() as connection:
        # As if it had been killed before it noted its end.
        again = sa.update(job).where(job.c.public_id == job_id)
        connection.execute(again.values(status="queued", owner=None))
    wait_for_jobs(stack)
    after = stack.json("GET", purge_path(job_id))
    assert (after["status"], after["files"], after["size_bytes"]) == ("completed", 2, 2)
