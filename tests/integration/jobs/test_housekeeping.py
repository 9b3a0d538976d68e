"""What a stack tidies up by itself, in a folder and in a bucket, and what a purge takes away."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import obstore
import pytest
import sqlalchemy as sa

from layernext import LayerNextClient, NotAllowed, NotFound
from layernext.model import Job
from layernext.stack.app import services_in
from layernext.stack.jobs import Housekeeping, housekeeping
from layernext.stack.objects.marker import MARKER_PATH
from layernext.stack.search import ItemFilter, Search
from layernext.stack.store import AuditFilter
from layernext.stack.store.objects.dropped import drop
from layernext.stack.store.schema import audit_entry, collection, file_upload
from layernext.wire import published
from tests.integration.files.test_files import begin, finish, open_files, urls
from tests.integration.stack.conftest import BASE_URL, Stack, running
from tests.support.s3 import S3Server, s3_server
from tests.support.stack_process import create_key, running_stack

__all__ = ["s3_server"]


@pytest.fixture(params=["folder", "bucket"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """A stack with its objects in either."""
    more = {}
    if request.param == "bucket":
        server: S3Server = request.getfixturevalue("s3_server")
        more = {"objects": server.new_bucket(), "objects_options": server.options}
    with running(tmp_path / "stack", **more) as fresh:
        yield fresh


def tidy(stack: Stack, days: float | None = None) -> None:
    services = services_in(stack.app)
    Housekeeping(stack.store, services.objects, services.jobs, days).tidy()


def put_part(stack: Stack, file: dict[str, str], content: bytes) -> None:
    """To the stack, or straight into the bucket."""
    (url,) = urls(stack, file)
    to_stack = url.startswith(BASE_URL)
    answer = (
        stack.ask("PUT", url, role=None, content=content)
        if to_stack
        else httpx.put(url, content=content)
    )
    assert answer.status_code == 200


def store_file(stack: Stack, upload: dict[str, str], name: str) -> None:
    file = begin(stack, upload, name)
    put_part(stack, file, name.encode())
    assert finish(stack, file).status_code == 200


def objects_below(stack: Stack, folder: str) -> list[str]:
    """Paths of the objects, whatever keeps them; without the marker."""
    if stack.settings.objects is None:
        root = stack.settings.objects_folder / folder
        files = [str(each.relative_to(root)) for each in root.rglob("*") if each.is_file()]
        return sorted(path for path in files if path != MARKER_PATH)
    if folder == "staging":
        s3 = stack.objects._s3
        found = s3._client.list_multipart_uploads(Bucket=s3._bucket)
        return sorted(each["Key"] for each in found.get("Uploads", ()))
    found = obstore.list(stack.objects._store, folder).collect()
    paths = [str(each["path"]).partition("/")[2] for each in found]
    return sorted(path for path in paths if path != MARKER_PATH)


def wait_for_jobs(stack: Stack) -> list[Job]:
    """Until nothing is queued or under way; all jobs."""
    until = time.monotonic() + 20
    while True:
        jobs, _ = stack.store.jobs.list_page(after=0, limit=100)
        if all(job.status in {"completed", "failed"} for job in jobs):
            return jobs
        assert time.monotonic() < until, jobs
        time.sleep(0.02)


def test_abandoned_parts_are_deleted(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """After their time; until then they can be gone on with. Finished files stay."""
    upload = open_files(stack, "yard", collectionType=7)
    store_file(stack, upload, "whole")
    file = begin(stack, upload, "half")
    put_part(stack, file, b"half")
    tidy(stack)
    assert finish(stack, file).status_code == 200
    file = begin(stack, upload, "never")
    put_part(stack, file, b"never ended")
    assert objects_below(stack, "staging") != []
    monkeypatch.setattr(housekeeping, "UPLOAD_LIFE_DAYS", -1)
    tidy(stack)
    assert finish(stack, file).status_code == 404
    assert objects_below(stack, "staging") == []
    assert len(objects_below(stack, "files")) == 2


def test_the_trash_is_purged_in_its_time(stack: Stack) -> None:
    """By the settings, never by itself; objects and thumbnails go with the rows."""
    search = Search(stack.store)
    upload = open_files(stack, "yard", collectionType=7)
    for name in ("a", "b"):
        store_file(stack, upload, name)
    stack.json("GET", published.finish_upload_path(upload["uploadId"]))
    wait_for_jobs(stack)
    search.items.trash(search.items.select_ids([1]))
    for days in (None, 30.0):
        tidy(stack, days)
        wait_for_jobs(stack)
        assert len(objects_below(stack, "files")) == 2
    tidy(stack, 0.0)
    wait_for_jobs(stack)
    assert [path.rpartition("-")[2] for path in objects_below(stack, "files")] == ["b"]
    assert stack.store.dropped.list_some() == []
    tidy(stack, 0.0)
    purges = [job for job in wait_for_jobs(stack) if job.name == "Purge the trash"]
    assert [job.status for job in purges] == ["completed"], "nothing is due, so nothing is queued"


def test_old_selections_are_forgotten(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """When their time is over they are not found, and go with the next tidying up."""
    upload = open_files(stack, "yard")
    store_file(stack, upload, "a.jpg")
    items, selections = Search(stack.store).items, stack.store.selections
    kept = items.select(ItemFilter())
    monkeypatch.setattr("layernext.stack.store.collections.selections.SELECTION_HOURS", -1)
    old = items.select(ItemFilter())
    with pytest.raises(NotFound, match="there is no selection"):
        selections.find(old.id)
    assert list(selections.iter_image_ids(old.row_id))
    tidy(stack)
    assert not list(selections.iter_image_ids(old.row_id))
    assert list(selections.iter_image_ids(selections.find(kept.id).row_id))


def test_purge_by_hand(tmp_path: Path) -> None:
    """Administrators only; what a query finds; counts are told."""
    from PIL import Image

    source = tmp_path / "images"
    source.mkdir()
    for number in range(4):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 48), (number, 9, 9)).save(buffer, "PNG")
        (source / f"{number}.png").write_bytes(buffer.getvalue())
    with running_stack(tmp_path / "stack") as stack:
        with LayerNextClient(*stack.arguments) as client:
            report = client.upload_files_to_collection(source, "image", "yard", progress=False)
            client.wait_for_job_complete(report.job_id, timeout_s=30)
            client.trash_objects_from_collection("yard")
            nothing = client.trash.purge("yard", older_than_days=1)
            assert (nothing.files, nothing.collections) == (0, 0)
            some = client.trash.purge("yard", query="name = 0.png")
            size = (source / "0.png").stat().st_size
            assert (some.files, some.size_bytes, some.collections, some.kept) == (1, size, 0, 0)
            writer = create_key(tmp_path / "stack", "write")
            with LayerNextClient(*writer, stack.url) as other, pytest.raises(NotAllowed):
                other.trash.purge()
            rest = client.trash.purge()
            assert (rest.files, rest.collections) == (3, 1)
            assert list(client.trash.iter()) == []
            assert client.trash.restore() == 0
        assert [
            each for each in (stack.folder / "objects" / "files").rglob("*") if each.is_file()
        ] == []


def test_parts_that_the_stack_does_not_see(stack: Stack) -> None:
    """Who asks for the URLs of parts works on a file, wherever its parts go."""
    file = begin(stack, open_files(stack, "yard", collectionType=7), "long")
    with stack.store.database.write() as connection:
        long_ago = sa.update(file_upload).values(updated_at="2020-01-01T00:00:00.000Z")
        connection.execute(long_ago)
    urls(stack, file)
    assert Search(stack.store).purge.list_abandoned(1) == []


def test_a_stack_that_stops_does_not_wait_for_the_tidying_up(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much there is to delete; the rest is deleted another time."""
    paths = [f"yard/{number}" for number in range(5)]
    stack.objects.put([(path, b"x") for path in paths])
    with stack.store.database.write() as connection:
        drop(stack.store.database, connection, paths)
    services = services_in(stack.app)
    tidying = Housekeeping(stack.store, services.objects, services.jobs, None)
    delete = services.objects.delete

    def last(path: str) -> None:
        delete(path)
        tidying._stop.set()

    monkeypatch.setattr(services.objects, "delete", last)
    tidying.tidy()
    assert len(objects_below(stack, "files")) == 4
    monkeypatch.undo()
    tidy(stack)
    assert objects_below(stack, "files") == []


def test_the_audit_log_is_kept_for_so_long(stack: Stack) -> None:
    """Entries older than the setting are deleted; without one none is."""
    services = services_in(stack.app)
    stack.json("POST", "/api/v1/collections", json={"name": "yard"})
    with stack.store.database.write() as connection:
        connection.execute(sa.update(audit_entry).values(at="2020-01-01T00:00:00.000Z"))
    stack.json("POST", "/api/v1/collections", json={"name": "street"})

    def collections() -> list[str | None]:
        entries, _ = stack.store.audit.page(AuditFilter(), before=None, limit=99)
        return [entry.collection for entry in entries if entry.collection]

    Housekeeping(stack.store, services.objects, services.jobs, None, None).tidy()
    assert collections() == ["street", "yard"]
    Housekeeping(stack.store, services.objects, services.jobs, None, 365).tidy()
    assert collections() == ["street"]


def test_a_purge_by_itself_is_in_the_audit_log(stack: Stack) -> None:
    """Whoever looks for what is gone finds that nobody did it."""
    stack.json("POST", "/api/v1/collections", json={"name": "yard"})
    with stack.store.database.write() as connection:
        connection.execute(sa.update(collection).values(trashed_at="2020-01-01T00:00:00.000Z"))
    tidy(stack, 30)
    entries, _ = stack.store.audit.page(AuditFilter(actor="housekeeping"), before=None, limit=9)
    assert [(entry.action, entry.subject) for entry in entries] == [
        ("purge trash", "in the trash for 30 days")
    ]
