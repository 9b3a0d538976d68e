"""Collections: named, found, listed."""

from __future__ import annotations

import re

import pytest

from layernext.stack.store import Store
from tests.contract.store.batches import box, names, prepared, published, upload, upload_published


@pytest.mark.parametrize("name", ["yard", "yard/", "yard///"])
def test_trailing_slashes(store: Store, name: str) -> None:
    """A name with and without trailing slashes is one collection."""
    made = store.collections.ensure(name)
    assert made.name == "yard"
    assert store.collections.ensure("yard") == made
    found = store.collections.adopt(name)
    assert found is not None
    assert found.id == made.id


@pytest.mark.parametrize("name", ["", "/", "//"])
def test_unnamed(store: Store, name: str) -> None:
    """The unnamed collection exists when asked for, and is listed once it has images."""
    other = store.collections.ensure("yard")
    made = store.collections.ensure(name)
    assert (made.name, made.image_count) == ("", 0)
    assert made.id != other.id
    found = store.collections.adopt(name)
    assert found is not None
    assert found.name == ""
    assert names(store) == {"yard": 0}
    upload(store, prepared("a", box()), collection=None)
    assert names(store) == {"yard": 0, "": 1}


def test_unnamed_first(store: Store) -> None:
    """The unnamed collection may be the first one of all."""
    assert store.collections.ensure("").name == ""


@pytest.mark.parametrize(
    "name", ["ä ö/ü?#%&+", "名前/深い", "a'b\"c\\d", "x" * 512, " ", ".", "..", "%s %(x)s :y", "🙂"]
)
def test_any_name(store: Store, name: str) -> None:
    """Any name is kept as it is and found again by name and by id."""
    made = store.collections.ensure(name)
    assert made.name == name
    assert re.fullmatch("[0-9a-f]{24}", made.id)
    for key in (name, made.id):
        found = store.collections.adopt(key)
        assert found is not None
        assert (found.id, found.name) == (made.id, name)


@pytest.mark.parametrize("name", ["\x00", "a\x00b", "\ud800"])
def test_impossible_name(store: Store, name: str) -> None:
    """A name that cannot be stored is simply not found."""
    assert store.collections.adopt(name) is None


def test_storage_paths_are_unique(store: Store) -> None:
    """Names that spell the same storage path get different ones."""
    paths = []
    for name in ("yard.cam", "yard:cam", "yard_cam", "yard_cam_1"):
        store.collections.ensure(name)
        found = store.collections.adopt(name)
        assert found is not None
        paths.append(found.storage_path)
    assert paths[0] == "yard_cam"
    assert len(set(paths)) == 4
    assert all(re.fullmatch(r"[A-Za-z0-9\-_ ]+", path) for path in paths)


def test_pages(store: Store) -> None:
    """Collections come page by page, oldest first, each once; the unnamed one does not hide."""
    upload_published(store, published("a.jpg"))
    wanted = ["", *(f"c{n}" for n in range(7))]
    for name in wanted[1:]:
        store.collections.ensure(name)
    listed, after, pages = [], None, 0
    while True:
        page = store.collections.list_page(after=after, limit=4)
        listed += [one.name for one in page.items]
        pages += 1
        after = page.next
        if after is None:
            break
    assert listed == wanted
    assert pages == 2


def test_nothing_listed(store: Store) -> None:
    """A new store lists nothing, and has no further page."""
    for listing in (store.collections.list_page, store.labels.list_page):
        page = listing(after=None, limit=10)
        assert (page.items, page.next) == ([], None)
    runs = store.runs.list_page(None, after=None, limit=10)
    assert (runs.items, runs.next) == ([], None)
    assert list(store.annotations.iter_sets(None)) == []
