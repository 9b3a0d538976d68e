"""Objects and parts that no row refers to are found and removed; nothing that a row refers to ever is (issue 18, 11)."""

from __future__ import annotations

import hashlib
import threading
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from layernext.errors import StackUnavailable
from layernext.stack.app import services_in
from layernext.stack.jobs import Housekeeping, JobRunner, orphans
from layernext.stack.search import ItemFilter, Search
from layernext.stack.store import FileUploadRequest, NewFile, Store
from layernext.stack.store.files.storing import store_files
from layernext.stack.store.objects.references import COMMIT_HOURS, hold_bytes
from layernext.stack.store.schema import file_upload
from layernext.wire import published
from layernext.wire.native import bundle_path
from tests.integration.files.test_files import begin, finish, open_files, picture
from tests.integration.jobs.test_housekeeping import (
    objects_below,
    put_part,
    stack,
    store_file,
    tidy,
    wait_for_jobs,
)
from tests.integration.stack.conftest import Stack
from tests.support.s3 import s3_server

__all__ = ["s3_server", "stack"]


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects are old enough as soon as they are there."""
    monkeypatch.setattr(orphans, "ORPHAN_HOURS", -1.0)
    monkeypatch.setattr(orphans, "FEW_ORPHANS", 10_000)


@pytest.mark.usefixtures("_at_once")
def test_only_orphans_go(stack: Stack) -> None:
    """Files, thumbnails, uploads that go on and objects of versions stay; the rest goes, in a folder and in a bucket."""
    upload = open_files(stack, "yard")
    store_file(stack, upload, "whole.jpg")
    file = begin(stack, upload, "picture.jpg")
    put_part(stack, file, picture())
    assert finish(stack, file).status_code == 200
    stack.json("GET", published.finish_upload_path(upload["uploadId"]))
    wait_for_jobs(stack)
    open_file = begin(stack, upload, "half.jpg")
    put_part(stack, open_file, b"half")
    kept, parts = objects_below(stack, "files"), objects_below(stack, "staging")
    assert [path.rpartition(".")[2] for path in kept].count("webp") == 1, "the thumbnail"
    assert parts
    tidy(stack)
    lost = ["yard/lost", "yard/lost.webp", "exports/none.zip", "versions/none/1-0.jpg", "plain"]
    stack.objects.put([(path, b"x") for path in lost])
    stack.objects.put([(f"many/{number}", b"x") for number in range(1_100)])
    stack.objects.open_upload("yard/never")
    tidy(stack)
    assert objects_below(stack, "files") == kept
    assert objects_below(stack, "staging") == parts
    assert stack.store.dropped.list_some() == []
    assert finish(stack, open_file).status_code == 200


def test_young_objects_stay(stack: Stack) -> None:
    """They may be about to get their rows."""
    stack.objects.put([("yard/young", b"x")])
    tidy(stack)
    assert [path.rpartition("/")[2] for path in objects_below(stack, "files")] == ["young"]


@pytest.mark.usefixtures("_at_once")
def test_writes_that_broke_off(stack: Stack) -> None:
    """What a killed process left half-written goes, too."""
    if stack.settings.objects is not None:
        stack.objects._s3.open("files/exports/broken.zip")
    else:
        (stack.settings.objects_folder / "staging" / ("0" * 32)).write_bytes(b"x")
    assert objects_below(stack, "staging")
    tidy(stack)
    assert objects_below(stack, "staging") == []


@pytest.mark.usefixtures("_at_once")
def test_objects_of_another_database(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stack that starts on a new database, or on a copy elsewhere, removes none of the files that are there."""
    upload = open_files(stack, "yard", collectionType=7)
    for name in ("a", "b", "c"):
        store_file(stack, upload, name)
    kept = objects_below(stack, "files")
    monkeypatch.setattr(orphans, "FEW_ORPHANS", 0)
    with closing(Store.open(f"sqlite:///{tmp_path / 'new.sqlite3'}")) as other:
        jobs = JobRunner(other.jobs, {})
        Housekeeping(other, services_in(stack.app).objects, jobs, None).tidy()
        assert objects_below(stack, "files") == kept, "no marker yet, and no row refers to them"
        tidy(stack)
        monkeypatch.setattr(orphans, "FEW_ORPHANS", 10_000)
        Housekeeping(other, services_in(stack.app).objects, jobs, None).tidy()
    assert objects_below(stack, "files") == kept


@pytest.mark.usefixtures("_at_once")
def test_rows_of_the_past(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a large share of the objects has no row, as after an old copy of the database came back, none goes."""
    upload = open_files(stack, "yard", collectionType=7)
    store_file(stack, upload, "a")
    tidy(stack)
    monkeypatch.setattr(orphans, "FEW_ORPHANS", 4)
    stack.objects.put([(f"yard/{number}", b"x") for number in range(5)])
    tidy(stack)
    assert len(stack.objects.sizes([f"yard/{number}" for number in range(5)])) == 5
    monkeypatch.setattr(orphans, "FEW_ORPHANS", 5)
    tidy(stack)
    assert stack.objects.sizes([f"yard/{number}" for number in range(5)]) == {}


def test_bytes_that_waited_too_long(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle whose process slept for hours is refused, and stores nothing: housekeeping may have been there."""
    search = Search(stack.store)
    upload = open_files(stack, "yard", collectionType=7)
    monkeypatch.setattr("layernext.stack.store.objects.references.COMMIT_HOURS", -1.0)
    checksum = hashlib.sha256(b"x").hexdigest()
    line = f'{{"name": "a", "size": 1, "checksum": "{checksum}"}}\n'.encode()
    path = bundle_path(upload["uploadId"])
    assert stack.ask("POST", path, content=line + b"x").status_code == 503
    assert search.items.list_after(ItemFilter(), after=0, limit=10) == []
    monkeypatch.undo()
    assert stack.ask("POST", path, content=line + b"x").status_code == 200
    assert len(search.items.list_after(ItemFilter(), after=0, limit=10)) == 1


def test_a_commit_during_the_search(store: Store) -> None:
    """Whoever comes first: a row that is being committed keeps its object, on both databases."""
    request = FileUploadRequest(name="yard", kind=7, fields={}, is_override=False, names=[])
    upload_id, _ = store.files.open_upload(request)
    database = store.database
    dropped: list[int] = []
    search = threading.Thread(target=lambda: dropped.append(store.references.drop_orphans(["p/a"])))
    new = NewFile(name="a", object_path="p/a", size=1, checksum="0" * 64, fields={})
    with database.write() as connection:
        hold_bytes(database, connection, datetime.now(timezone.utc))
        search.start()
        search.join(0.5)
        (row,) = store_files(database, connection, _collection_of(connection, upload_id), [new])
    search.join(60)
    assert row.is_new
    assert dropped == [0]
    assert store.dropped.list_some() == []
    long_ago = datetime.now(timezone.utc) - timedelta(hours=COMMIT_HOURS + 1)
    late = NewFile(name="b", object_path="p/b", size=1, checksum="0" * 64, fields={})
    with pytest.raises(StackUnavailable):
        store.files.store_bundle(upload_id, ["b"], {"b": late}, long_ago)
    assert store.references.drop_orphans(["p/b"]) == 1


def _collection_of(connection: Any, upload_id: str) -> int:
    chosen = sa.select(file_upload.c.collection_id).where(file_upload.c.public_id == upload_id)
    return int(connection.execute(chosen).scalar_one())
