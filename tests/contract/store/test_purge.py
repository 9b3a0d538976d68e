"""What goes for good, and what must not, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from layernext.errors import Conflict, NotFound
from layernext.stack.search import ItemFilter, Search
from layernext.stack.store import FileUploadRequest, NewFile, Store, VersionSettings
from layernext.stack.store.files.records import ItemPart
from layernext.stack.store.schema import dataset_version, file_item, image, metadata, version_item
from tests.contract.store.batches import box, prepared, upload

NAMES = ["a.bin", "b.bin", "c.bin"]
FAR = "2100-01-01T00:00:00.000Z"
ALL = ItemFilter()


def fill(store: Store, names: list[str] = NAMES) -> tuple[int, str]:
    """Files with annotations, metadata and an embedding; the collection's row id, and the upload."""
    search = Search(store)
    request = FileUploadRequest(
        name="yard", kind=5, fields={"Tags": ["x"]}, is_override=False, names=names
    )
    upload_id, _ = store.files.open_upload(request)
    store_files(store, upload_id, names, "1")
    upload(store, *(prepared(name, box()) for name in names), run="run")
    place = store.collections.find("yard")
    assert place is not None
    rows = store.metadata.find_rows(names, collection_id=place.row_id)
    vectors = [(f"yard_{name}", [1.0, 0.0]) for name in rows]
    search.embeddings.insert("model", 2, vectors)
    return place.row_id, upload_id


def store_files(store: Store, upload_id: str, names: list[str], content: str) -> None:
    new = {
        name: NewFile(
            name=name,
            object_path=f"objects/{content}-{name}",
            size=10,
            checksum=content * 64,
            fields={"Tags": ["x"]},
        )
        for name in names
    }
    store.files.store_bundle(upload_id, names, new)


def trash(store: Store, query: str = "") -> None:
    search = Search(store)
    search.items.trash(search.items.select(ItemFilter(query=query)))


def purge(store: Store, before: str = FAR) -> int:
    gone, after = 0, 0
    while step := Search(store).purge.purge_some(ALL, before, after):
        gone, after = gone + step.images, step.last
    return gone


def references(store: Store) -> dict[str, int]:
    """Rows that refer to images, by table."""
    found = {}
    with store.database.read() as connection:
        for table in metadata.sorted_tables:
            for column in table.columns:
                if any(key.column is image.c.id for key in column.foreign_keys):
                    query = sa.select(sa.func.count()).where(column.is_not(None))
                    found[table.name] = connection.execute(query).scalar_one()
        found["image"] = connection.execute(sa.select(sa.func.count(image.c.id))).scalar_one()
    return {name: count for name, count in found.items() if count}


def test_everything_of_an_image_goes(store: Store) -> None:
    """Rows of every table, and nothing of the other images; objects are noted for deletion."""
    fill(store)
    before = references(store)
    assert set(before) >= {"image", "annotation_set", "image_field", "file_item", "embedding"}
    trash(store, "name = a.bin")
    assert purge(store, "2020-01-01T00:00:00.000Z") == 0, "it has not been there for so long"
    assert purge(store) == 1
    after = references(store)
    after.pop("selection_item", None)
    assert after == {name: count * 2 // 3 for name, count in before.items()}
    assert store.dropped.list_some() == ["objects/1-a.bin"]
    store.dropped.forget(["objects/1-a.bin"])
    assert store.dropped.list_some() == []
    assert purge(store) == 0


def test_a_collection_goes_when_it_is_empty(store: Store) -> None:
    """With its uploads; its name is free, and a new one begins with nothing."""
    search = Search(store)
    place, upload_id = fill(store)
    search.items.trash(search.items.select_ids([], [place]))
    assert search.purge.is_due(FAR)
    assert search.purge.purge_collections(FAR) == 0
    assert purge(store) == 3
    assert search.purge.purge_collections(FAR) == 1
    assert not search.purge.is_due(FAR)
    assert store.collections.find_trashed("yard") is None
    assert store.collections.list_page(after=None, limit=9).items == []
    assert store.files.folder_of(upload_id) is None
    fill(store)
    assert search.items.count(ALL) == 3


def test_versions_keep_their_images(store: Store) -> None:
    """They stay in the trash, and their content stays what it was, until the version is deleted."""
    search = Search(store)
    _, upload_id = fill(store)
    settings = VersionSettings(split={"train": 100.0})
    chosen = search.items.select(ItemFilter(query="name = a.bin"))
    version = store.datasets.create("set", chosen, settings)
    store.datasets.build(version.id, lambda _: None, lambda _version, _image: [])
    trash(store)
    assert purge(store) == 2
    assert search.purge.count_kept(ALL, FAR) == 1
    assert not search.purge.is_due(FAR)
    (one,) = store.datasets.iter_images(version)
    assert store.files.find(one.image_id) is None
    assert store.files.find(one.image_id, with_frozen=True) is not None
    store_files(store, upload_id, ["a.bin"], "2")
    assert search.items.count(ALL) == 0, "other content does not take its place"
    item = store.files.begin_file(upload_id, "a.bin", size=10, checksum="2" * 64).item
    assert item is not None
    placed = store.files.set_place(item, "objects/2-a.bin", "handle")
    with pytest.raises(Conflict, match="dataset version"):
        store.files.finish_file(placed, 10, "2" * 64)
    assert store.datasets.delete(version.id)
    assert purge(store) == 1


def test_what_is_worked_with_stays(store: Store) -> None:
    """Annotations that were acknowledged after the image went to the trash are not lost."""
    search = Search(store)
    fill(store)
    trash(store)
    upload(store, prepared("a.bin", box()), run="later")
    assert purge(store) == 2
    search.items.restore(ALL)
    assert [row.name for row in search.items.list_after(ALL, after=0, limit=9)] == ["a.bin"]


def test_a_file_in_the_place_of_a_trashed_one(store: Store) -> None:
    """The image comes back with its new file, and the old one's object goes."""
    _, upload_id = fill(store)
    trash(store, "name = b.bin")
    store_files(store, upload_id, ["b.bin"], "2")
    assert Search(store).items.count(ALL) == 3
    assert store.dropped.list_some() == ["objects/1-b.bin"]


def test_abandoned_uploads(store: Store) -> None:
    """Files that nobody ended are forgotten after their time, and no others."""
    search = Search(store)
    _, upload_id = fill(store)
    item = store.files.begin_file(upload_id, "new.bin", size=1, checksum=None).item
    assert item is not None
    placed = store.files.set_place(item, "objects/new.bin", "handle")
    store.files.add_part(placed, ItemPart(1, 1, "0" * 64))
    assert search.purge.list_abandoned(7) == []
    ((row_id, path, handle),) = search.purge.list_abandoned(0)
    assert (path, handle) == ("objects/new.bin", "handle")
    search.purge.forget_abandoned([row_id])
    assert search.purge.list_abandoned(0) == []
    assert store.files.begin_file(upload_id, "new.bin", size=1, checksum=None).item is not None
    assert search.items.count(ALL) == 3


@contextmanager
def meanwhile(store: Store, work: Callable[[], object]) -> Iterator[sa.Connection]:
    """A transaction that is open while `work` begins in another thread, and has ended before that ends."""
    with ThreadPoolExecutor(1) as other:
        with store.database.write() as connection:
            yield connection
            begun = other.submit(work)
            # Long enough for PostgreSQL to come to the lock; SQLite has one writer in any case.
            assert not wait([begun], 0.5).done, "it did not wait"
        begun.result(180)


def test_a_version_that_comes_meanwhile_keeps_its_image(store: Store) -> None:
    """A purge that waits for the transaction that adds an image to a version sees it then."""
    search = Search(store)
    fill(store)
    chosen = search.items.select(ItemFilter(query="name = b.bin"))
    version = store.datasets.create("set", chosen, VersionSettings(split={"train": 100.0}))
    image_id = store.metadata.find_rows(["yard_a.bin"])["yard_a.bin"]
    trash(store)
    with meanwhile(store, lambda: purge(store)) as connection:
        row_id = connection.execute(sa.select(dataset_version.c.id)).scalar_one()
        values = {"version_id": row_id, "image_id": image_id, "split": 0}
        connection.execute(sa.insert(version_item).values(values))
    assert {one.name for one in store.datasets.page(version, after=0, limit=9)} == {
        "a.bin",
        "b.bin",
    }
    assert "objects/1-a.bin" not in store.dropped.list_some()


def test_a_file_that_is_finished_twice_at_a_time(store: Store) -> None:
    """Both finish the same object: neither is told that it belongs to somebody else."""
    _, upload_id = fill(store)
    item = store.files.begin_file(upload_id, "new.bin", size=5, checksum=None).item
    assert item is not None
    placed = store.files.set_place(item, "objects/new.bin", "handle")
    found: list[bool] = []
    with meanwhile(
        store, lambda: found.append(store.files.finish_file(placed, 5, None))
    ) as connection:
        # As the first of the two has it, just before it commits.
        mine = sa.update(file_item).where(file_item.c.id == placed.row_id)
        connection.execute(mine.values(is_stored=True))
        place = store.collections.find("yard")
        assert place is not None
        values = {
            "collection_id": place.row_id, "name": "new.bin", "bucket": "", "has_file": True,
            "object_path": "objects/new.bin", "size": 5, "state": "pending",
            "created_at": "2026-01-01T00:00:00.000Z",
        }  # fmt: skip
        made = connection.execute(sa.insert(image).values(values)).inserted_primary_key
        assert made is not None
        mine = sa.update(file_item).where(file_item.c.id == placed.row_id)
        connection.execute(mine.values(image_id=made[0]))
    assert found == [True]


def test_a_forgotten_file_is_not_finished(store: Store) -> None:
    """Its object is to be deleted, whether a crash left one or not; no image may refer to it."""
    search = Search(store)
    _, upload_id = fill(store)
    item = store.files.begin_file(upload_id, "new.bin", size=1, checksum=None).item
    assert item is not None
    placed = store.files.set_place(item, "objects/new.bin", "handle")
    search.purge.forget_abandoned([placed.row_id])
    assert store.dropped.list_some() == ["objects/new.bin"]
    with pytest.raises(NotFound, match="on its way"):
        store.files.finish_file(placed, 1, None)
    assert search.items.count(ALL) == 3


def test_a_file_comes_while_its_image_is_purged(store: Store) -> None:
    """The image is created again."""
    search = Search(store)
    _, upload_id = fill(store)
    trash(store, "name = a.bin")
    with meanwhile(store, lambda: store_files(store, upload_id, ["a.bin"], "2")) as connection:
        row = sa.select(image.c.id).where(image.c.name == "a.bin")
        search.purge._remove(connection, [connection.execute(row).scalar_one()])
    assert search.items.count(ALL) == 3
    assert store.dropped.list_some() == []
