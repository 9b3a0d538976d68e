"""A restore or a purge whose answer was lost is sent again, and says what the first one did (issue 10, 1)."""

from __future__ import annotations

import sqlalchemy as sa

from layernext.stack.store import ItemFilter
from layernext.stack.store.schema import job
from layernext.wire.items import PURGE_PATH, RESTORE_PATH, purge_path
from tests.integration.files.test_files import open_files
from tests.integration.jobs.test_housekeeping import stack, store_file, wait_for_jobs
from tests.integration.stack.conftest import Stack, assert_error
from tests.s3 import s3_server

__all__ = ["s3_server", "stack"]

FIRST, SECOND = "1" * 24, "2" * 24


def test_a_restore_again(stack: Stack) -> None:
    """The same request gets the same number, and another one finds nothing; ids of other jobs are refused."""
    upload = open_files(stack, "yard", collectionType=7)
    for name in ("a", "b"):
        store_file(stack, upload, name)
    stack.store.items.trash(stack.store.items.select(ItemFilter()))
    for _ in range(2):
        assert stack.json("POST", RESTORE_PATH, json={"id": FIRST}) == {"count": 2}
    assert stack.json("POST", RESTORE_PATH, json={"id": SECOND}) == {"count": 0}
    assert_error(stack.ask("POST", PURGE_PATH, json={"id": FIRST}), 409)
    assert stack.ask("POST", RESTORE_PATH, json={"id": "short"}).status_code in {400, 422}


def test_a_purge_again(stack: Stack) -> None:
    """The same request finds the same job; a job that begins again after a crash counts what went before it."""
    upload = open_files(stack, "yard", collectionType=7)
    for name in ("a", "b"):
        store_file(stack, upload, name)
    stack.store.items.trash(stack.store.items.select(ItemFilter()))
    begun = [stack.json("POST", PURGE_PATH, json={"id": FIRST})["job_id"] for _ in range(2)]
    assert begun == [FIRST, FIRST]
    wait_for_jobs(stack)
    assert stack.json("GET", purge_path(FIRST))["files"] == 2
    with stack.store._database.write() as connection:
        # As if it had been killed before it noted its end.
        again = sa.update(job).where(job.c.public_id == FIRST)
        connection.execute(again.values(status="queued", owner=None))
    wait_for_jobs(stack)
    after = stack.json("GET", purge_path(FIRST))
    assert (after["status"], after["files"], after["size_bytes"]) == ("completed", 2, 2)
