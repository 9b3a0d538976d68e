"""Uploads: opened, resumed, repeated, finished; and as jobs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from layernext.errors import Conflict, NotAllowed, NotFound
from layernext.model import Mode
from layernext.stack.store import AuditFilter, NewAuditEntry, Store, clock
from layernext.wire.native import ReceivedBatch, UploadRequest
from tests.contract.store.batches import (
    box,
    content,
    counts,
    digest_of,
    open_upload,
    prepared,
    published,
    published_upload,
    read,
    row_id,
    upload,
    upload_ids,
    upload_published,
    write,
)

REQUEST = UploadRequest(
    run="run", mode="machine", collection="yard", geometry="line", normalized=True, resume=True
)


def test_repeated_batch(store: Store) -> None:
    """The same batch again changes nothing and gets the first answer, marked as repeated."""
    upload_id = open_upload(store)
    sets = prepared("a", box("cup")), prepared("b", box("fork"))
    first = write(store, upload_id, *sets)
    assert (first.images, first.annotations, first.unmatched) == (2, 2, 2)
    assert (first.new_labels, first.repeated) == (["cup", "fork"], False)
    again = write(store, upload_id, *sets)
    assert again.repeated
    assert (again.images, again.annotations, again.unmatched, again.new_labels) == (
        first.images,
        first.annotations,
        first.unmatched,
        first.new_labels,
    )
    assert content(store) == {"a": [box("cup")], "b": [box("fork")]}
    state = store.uploads.get(upload_id)
    assert (state.images, state.annotations, state.unmatched) == (2, 2, 2)


def test_repeat_after_finish(store: Store) -> None:
    """A batch whose answer was lost may be repeated even when the upload is finished."""
    upload_id = open_upload(store)
    one = prepared("a", box())
    write(store, upload_id, one)
    store.uploads.finish(upload_id, 1)
    assert write(store, upload_id, one).repeated
    with pytest.raises(Conflict, match="finished"):
        write(store, upload_id, one, sequence=1)


def test_other_content_under_a_known_number(store: Store) -> None:
    """A number that came with other content is a conflict, and the first content stays."""
    upload_id = open_upload(store)
    write(store, upload_id, prepared("a", box(x=1)))
    with pytest.raises(Conflict, match="batch 0") as refused:
        write(store, upload_id, prepared("a", box(x=2)))
    assert refused.value.status == 409
    assert content(store) == {"a": [box(x=1)]}


@pytest.mark.parametrize("sequence", [-1, 1 << 24, 1 << 70])
def test_impossible_number(store: Store, sequence: int) -> None:
    """A batch number that cannot be is refused."""
    with pytest.raises(Conflict):
        write(store, open_upload(store), prepared("a", box()), sequence=sequence)
    assert read(store) == []


def test_state(store: Store) -> None:
    """The state names every batch by number and digest, and adds up what came."""
    upload_id = open_upload(store)
    one, two = (prepared("a", box("cup")),), (prepared("b", box("cup"), box("fork")),)
    write(store, upload_id, *two, sequence=1)
    write(store, upload_id, *one, sequence=0)
    state = store.uploads.get(upload_id)
    assert state.received == [ReceivedBatch(0, digest_of(one)), ReceivedBatch(1, digest_of(two))]
    assert (state.images, state.annotations, state.finished) == (2, 3, False)
    assert sorted(state.new_labels) == ["cup", "fork"]


def test_finish(store: Store) -> None:
    """An upload ends only when no batch is missing, and may be ended again."""
    upload_id = open_upload(store)
    write(store, upload_id, prepared("a", box()), sequence=1)
    with pytest.raises(Conflict, match="missing") as refused:
        store.uploads.finish(upload_id, 2)
    assert refused.value.status == 409
    assert not store.uploads.get(upload_id).finished
    write(store, upload_id, prepared("b", box()), sequence=0)
    first = store.uploads.finish(upload_id, 2)
    assert first.finished
    assert store.uploads.finish(upload_id, 2) == first


def test_finish_with_an_absurd_count(store: Store) -> None:
    """A batch count beyond every limit is refused at once, without counting up to it."""
    upload_id = open_upload(store)
    for batches in (1 << 24, 1 << 62, 1 << 80, -1):
        with pytest.raises(Conflict):
            store.uploads.finish(upload_id, batches)


def test_unknown_upload(store: Store) -> None:
    """Asking for an upload that does not exist says so."""
    for upload_id in ("0" * 24, "", "\x00", "\ud800", "x" * 5000):
        with pytest.raises(NotFound) as refused:
            store.uploads.get(upload_id)
        assert refused.value.status == 404
        with pytest.raises(NotFound):
            store.uploads.finish(upload_id, 0)
        with pytest.raises(NotFound):
            store.uploads.get_settings(upload_id)
        assert store.progress.find(upload_id) is None


def test_settings(store: Store) -> None:
    """The stack can ask how an upload's batches are to be read."""
    request = UploadRequest(
        run="run", mode="human", geometry="line", normalized=True, key_kind="storage_path",
        bucket="b-2",
    )  # fmt: skip
    found = store.uploads.get_settings(store.uploads.open(request).id)
    assert (found.geometry, found.normalized) == ("line", True)
    assert (found.key_kind, found.bucket) == ("storage_path", "b-2")
    upload_published(store, published("yard/a", box()), session="1.5")
    with pytest.raises(NotFound):
        store.uploads.get_settings(upload_ids(store)[-1])


def test_resume(store: Store) -> None:
    """Resuming finds the unfinished upload with what it has, until it is finished."""
    first = store.uploads.open(REQUEST)
    write(store, first.id, prepared("a", box(), geometry="line", normalized=True))
    again = store.uploads.open(REQUEST)
    assert again.id == first.id
    assert [batch.sequence for batch in again.received] == [0]
    store.uploads.finish(first.id, 1)
    assert store.uploads.open(REQUEST).id != first.id


@pytest.mark.parametrize(
    "change",
    [
        {"run": "other"},
        {"mode": "human"},
        {"collection": "dock"},
        {"geometry": "polygon"},
        {"geometry": None},
        {"normalized": False},
        {"key_kind": "unique_name"},
        {"bucket": "b"},
        {"resume": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_no_resume_of_another(store: Store, change) -> None:
    """Only an upload that asks for exactly the same is resumed."""
    first = store.uploads.open(REQUEST)
    fields = {name: getattr(REQUEST, name) for name in REQUEST.__struct_fields__} | change
    assert store.uploads.open(UploadRequest(**fields)).id != first.id


def test_no_resume_of_an_overtaken_upload(store: Store) -> None:
    """An upload is not resumed once a later one of the run has replaced its sets."""
    first = store.uploads.open(REQUEST)
    upload(store, prepared("a", box()))
    assert store.uploads.open(REQUEST).id != first.id


def test_no_resume_after_removal(store: Store) -> None:
    """What was removed is not taken for received."""
    first = store.uploads.open(REQUEST)
    write(store, first.id, prepared("a", box(), geometry="line", normalized=True))
    store.annotations.remove(row_id(store, "yard"), "run", None)
    again = store.uploads.open(REQUEST)
    assert (again.id == first.id, again.received) == (False, [])


def test_published_session(store: Store) -> None:
    """Requests of one published session are one upload: images merge, repeats do nothing."""
    batches = [(published("yard/a", box(x=1)),), (published("yard/a", box(x=2)),)]
    for sets in (*batches, batches[0]):
        upload_published(store, *sets, session="1714642473.12045")
    assert content(store) == {"a": [box(x=1), box(x=2)]}
    upload_published(store, *batches[1], session="1714642999.5")
    assert content(store) == {"a": [box(x=2)]}


def test_published_without_session(store: Store) -> None:
    """Without a session (0.0.5) an image merges within a request and is replaced by the next."""
    upload_published(store, published("yard/a", box(x=1)), published("yard/a", box(x=2)))
    assert content(store) == {"a": [box(x=1), box(x=2)]}
    upload_published(store, published("yard/a", box(x=3)))
    assert content(store) == {"a": [box(x=3)]}
    assert counts(store) == {("run", "machine", "yard"): (1, 1)}


def test_sessions_of_two_runs(store: Store) -> None:
    """One session id under two names, or in two modes, is not one upload."""
    modes: list[Mode] = ["machine", "human"]
    for run in ("one", "two"):
        for mode in modes:
            for name in ("a", "b"):
                upload_published(
                    store, published(f"yard/{name}", box()), run=run, mode=mode, session="1.5"
                )
    assert len(upload_ids(store)) == 4


def test_refused_batch_opens_no_upload(store: Store) -> None:
    """A published batch that is refused leaves neither an upload nor an entry in the audit log."""
    entry = NewAuditEntry(actor="somebody", action="upload annotations")

    def refuse(collection_ids: object) -> None:
        raise NotAllowed("not in this collection", status=403)

    of_client = published_upload(session="1.5", entry=entry)
    batch = [published("yard/a", box())]
    with pytest.raises(NotAllowed):
        store.annotations.write_batch(of_client, None, digest_of(batch), batch, refuse)
    assert upload_ids(store) == []
    assert store.audit.page(AuditFilter(), before=None, limit=10)[0] == []
    assert store.annotations.write_batch(of_client, None, digest_of(batch), batch).images == 1
    assert len(store.audit.page(AuditFilter(), before=None, limit=10)[0]) == 1


def test_batches_of_one_session_at_once(store: Store) -> None:
    """They open one upload between them, however they interleave."""

    def send(number: int) -> None:
        upload_published(store, published("yard/a", box(x=number)), session="1.5")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(send, range(8)))
    assert len(upload_ids(store)) == 1
    assert len(content(store)["a"]) == 8


def test_job(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload is a job: in progress, completed when finished, failed when quiet too long."""
    upload_id = open_upload(store)
    job = store.progress.find(upload_id)
    assert job is not None
    assert (job.id, job.status, job.progress) == (upload_id, "in_progress", 0)
    other = open_upload(store)
    store.uploads.finish(other, 0)
    monkeypatch.setattr(
        "layernext.stack.store.annotations.uploads.seconds_since", lambda _: 25 * 3600.0
    )
    failed, completed = store.progress.find(upload_id), store.progress.find(other)
    assert failed is not None
    assert completed is not None
    assert failed.status == "failed"
    assert failed.message
    assert (completed.status, completed.progress) == ("completed", 100)


def test_published_job(store: Store) -> None:
    """A published upload's job completes when its images have come."""
    first = [published("yard/a", box())]
    of_client = published_upload(session="1.5", total_images=4)
    store.annotations.write_batch(of_client, None, digest_of(first), first)
    (upload_id,) = upload_ids(store)
    job = store.progress.find(upload_id)
    assert job is not None
    assert (job.status, job.progress) == ("in_progress", 25)
    more = [published(f"yard/{name}", box()) for name in "bcd"]
    write(store, upload_id, *more, sequence=None)
    job = store.progress.find(upload_id)
    assert job is not None
    assert (job.status, job.progress) == ("completed", 100)


def test_clock() -> None:
    """Times sort as text and say how long ago they were."""
    first, second = clock.now_text(), clock.now_text()
    assert first <= second
    assert 0 <= clock.seconds_since(first) < 5
    assert clock.seconds_since("2020-01-01T00:00:00.000Z") > 86400


def test_session_after_its_sets_were_removed(store: Store) -> None:
    """The same request of the same session is stored again: what it brought is gone."""
    for _ in range(2):
        result = upload_published(store, published("yard_1.jpg", box()), session="s1")
        assert (result.images, result.repeated) == (1, False)
        collection = row_id(store, "yard")
        assert store.annotations.remove(collection, "run", "machine").sets == 1
