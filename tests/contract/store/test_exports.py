"""Exports in the database, and versions that go while they are read, on both databases."""

from __future__ import annotations

import pytest

from layernext.errors import NotFound
from layernext.stack.search import ItemFilter, Search
from layernext.stack.store import EXPORT_JOB, ExportSettings, Store, VersionSettings
from tests.contract.store.batches import box, prepared, upload


def test_what_is_read_of_a_deleted_version_is_not_all_of_it(store: Store) -> None:
    """An export or download that is under way fails: it would be short of images without a word."""
    upload(store, *(prepared(f"{number}.jpg", box()) for number in range(3)))
    chosen = Search(store).items.select(ItemFilter())
    version = store.datasets.create("set", chosen, VersionSettings(split={"train": 100.0}))
    store.datasets.build(version.id, lambda _: None, lambda _version, _image: [])
    assert len(list(store.datasets.iter_files(version))) == 3
    reading = store.datasets.iter_files(version)
    next(reading)
    store.datasets.delete(version.id)
    for read in (
        lambda: list(reading),
        lambda: store.datasets.page_behind(version, 0, 0, 9),
        lambda: store.datasets.page_at(version, offset=0, limit=9),
    ):
        with pytest.raises(NotFound, match="no dataset version"):
            read()


def test_a_deleted_export_ends_its_job(store: Store) -> None:
    """Nobody can want what it makes; one that was made is completed, and stays so."""
    settings = ExportSettings(format="coco", collection_id=1, collection="yard", run="run")
    for is_done in (False, True):
        made = store.exports.create(settings, "yard-run.json", ".json")
        claimed = store.jobs.claim([EXPORT_JOB], "me")
        assert claimed is not None
        if is_done:
            store.jobs.end(claimed.row_id, "me", "completed")
        assert store.exports.delete(made.id)
        job = store.jobs.find(made.job_id)
        assert job is not None
        assert job.status == ("completed" if is_done else "failed")
        assert store.jobs.report(claimed.row_id, "me", 50.0) is False
        assert store.dropped.list_some() == [made.object_path]
        store.dropped.forget([made.object_path])


def test_exports_of_a_collection_go_with_it(store: Store) -> None:
    """They are hidden with it in the trash, come back with it, and are purged with it."""
    search = Search(store)
    upload(store, prepared("a.jpg", box()))
    place = store.collections.find("yard")
    assert place is not None
    settings = ExportSettings(format="coco", collection_id=place.row_id, collection="yard")
    mine = store.exports.create(settings, "yard.json", ".json")
    other = store.exports.create(ExportSettings(format="coco", version_id="v"), "v.json", ".json")
    search.items.trash(search.items.select_ids([], [place.row_id]))
    assert [each.id for each in store.exports.list_all()] == [other.id]
    with pytest.raises(NotFound, match="no export"):
        store.exports.get(mine.id)
    search.items.restore(ItemFilter(collection_id=place.row_id))
    assert store.exports.get(mine.id) == mine
    search.items.trash(search.items.select_ids([], [place.row_id]))
    assert search.purge.purge_some(ItemFilter(), "2100", 0) is not None
    assert search.purge.purge_collections("2100") == 1
    assert store.dropped.list_some() == [mine.object_path]
    assert [each.id for each in store.exports.list_all()] == [other.id]
