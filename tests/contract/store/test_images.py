"""From the published keys to images (docs/protocol.md): resolution, guesses and claims."""

from __future__ import annotations

import pytest

from layernext.stack.store import Store
from tests.contract.store.batches import (
    box,
    content,
    counted,
    counts,
    names,
    prepared,
    published,
    read,
    upload,
    upload_published,
)


@pytest.mark.parametrize(
    ("collection", "key"),
    [
        pytest.param(None, "a.jpg", id="0.0.5-no-base"),
        pytest.param("", "/a.jpg", id="0.0.5-empty-base"),
        pytest.param("", "//a.jpg", id="0.0.5-base-of-slashes"),
        pytest.param("path1/path2", "path1/path2/a.jpg", id="0.0.5-base"),
        pytest.param("path1/path2/", "path1/path2/a.jpg", id="0.0.5-base-with-slash"),
        pytest.param("path1/path2//", "path1/path2//a.jpg", id="0.0.5-base-with-slashes"),
        pytest.param("/path1", "/path1/a.jpg", id="0.0.5-base-begins-with-slash"),
        pytest.param("yard_cam 2", "yard_cam 2_a.jpg", id="1.1.1-collection"),
        pytest.param("yard.cam", "yard.cam_a.jpg", id="1.1.1-collection-with-dot"),
        pytest.param("yard.cam", "yard_cam_a.jpg", id="2.3.4-storage-path"),
        pytest.param("a%20b/ü", "a b___a.jpg", id="2.3.4-storage-path-escaped"),
    ],
)
def test_key_of_a_known_collection(store: Store, collection: str | None, key: str) -> None:
    """Each published form finds the image that was named natively before."""
    upload(store, prepared("a.jpg", box(x=1)), collection=collection)
    upload_published(store, published(key, box(x=2)), run="other")
    assert content(store, collection or "", runs=["run"]) == {"a.jpg": [box(x=1)]}
    assert content(store, collection or "", runs=["other"]) == {"a.jpg": [box(x=2)]}
    assert sum(names(store).values()) == 1


@pytest.mark.parametrize(
    ("collection", "key"),
    [
        pytest.param("", "a.jpg", id="0.0.5-no-base"),
        pytest.param("", "/a.jpg", id="0.0.5-empty-base"),
        pytest.param("", "//a.jpg", id="0.0.5-base-of-slashes"),
        pytest.param("path1/path2", "path1/path2/a.jpg", id="0.0.5-base"),
        pytest.param("path1/path2//", "path1/path2//a.jpg", id="0.0.5-base-with-slashes"),
        pytest.param("yard_cam 2", "yard_cam 2_a.jpg", id="1.1.1-collection"),
        pytest.param("yard.cam", "yard.cam_a.jpg", id="1.1.1-collection-with-dot"),
    ],
)
def test_key_before_its_collection(store: Store, collection: str, key: str) -> None:
    """A key that nothing is known of makes an image, which is found by the collection's name."""
    upload_published(store, published(key, box(x=2)))
    assert content(store, collection) == {"a.jpg": [box(x=2)]}
    upload(store, prepared("a.jpg", box(x=1)), collection=collection, run="later")
    assert content(store, collection, runs=["later"]) == {"a.jpg": [box(x=1)]}
    assert sum(names(store).values()) == 1


def test_storage_path_key(store: Store) -> None:
    """An image named by its path is found again by path, by key, and by file name."""
    first = prepared("dir/a.jpg", box(x=1), kind="storage_path")
    upload(store, first, run="one", collection=None, key_kind="storage_path")
    slash = prepared("/dir/a.jpg", box(x=2), kind="storage_path", bucket="DEFAULT")
    upload(store, slash, run="two", collection=None, key_kind="storage_path")
    upload_published(store, published("dir/a.jpg", box(x=3)), run="three")
    assert names(store) == {"": 1}
    assert {one.image for one in read(store, None)} == {"dir/a.jpg"}
    assert [one.run for one in read(store, None)] == ["one", "two", "three"]


def test_buckets(store: Store) -> None:
    """One path in two buckets is two images, each found again, in one batch or several."""
    here, there = (
        prepared("a.jpg", box(x=x), kind="storage_path", bucket=bucket)
        for x, bucket in ((1.0, None), (2.0, "b-2"))
    )
    upload(store, here, there, run="one", collection=None, key_kind="storage_path")
    upload(store, there, run="two", collection=None, key_kind="storage_path")
    upload(store, here, run="three", collection=None, key_kind="storage_path")
    assert names(store) == {"": 2}
    assert len(read(store, None, runs=["one"])) == 2
    (two,), (three,) = read(store, None, runs=["two"]), read(store, None, runs=["three"])
    assert b"[2.0," in two.raw
    assert b"[1.0," in three.raw
    assert (two.image, three.image) == ("a.jpg", "a.jpg")
    assert counts(store) == counted(store)


def test_unique_name_key(store: Store) -> None:
    """A unique name finds the image of its collection; an unknown one is kept until claimed."""
    upload(store, prepared("a.jpg", box(x=1)))
    known = prepared("yard_a.jpg", box(x=2), kind="unique_name")
    unknown = prepared("dock_b.jpg", box(x=3), kind="unique_name")
    upload(store, known, unknown, run="two", collection=None, key_kind="unique_name")
    assert content(store, runs=["two"]) == {"a.jpg": [box(x=2)]}
    store.collections.ensure("dock")
    assert content(store, "dock") == {"b.jpg": [box(x=3)]}


def test_same_name_under_several_kinds(store: Store) -> None:
    """Keys of different kinds with one text are each resolved, in one batch."""
    sets = [
        prepared("dir/a.jpg", box(x=1), kind="storage_path", bucket="b"),
        prepared("dir/a.jpg", box(x=2), kind="published"),
        prepared("dir/a.jpg", box(x=3), kind="storage_path"),
    ]
    for run in ("one", "two"):
        upload_published(store, *sets, run=run)
        found = sorted(one.raw for one in read(store, None, runs=[run]))
        assert sum(raw.count(b'"bbox"') for raw in found) == 3
    assert counts(store) == counted(store)


def test_longest_collection(store: Store) -> None:
    """A key that fits several collections belongs to the one with the longest name."""
    for name in ("yard", "yard_cam", "yard_cam_2"):
        store.collections.ensure(name)
    upload_published(store, published("yard_cam_2_a.jpg"), published("yard_cam_x.jpg"))
    assert {n: c for n, c in names(store).items() if c} == {"yard_cam": 1, "yard_cam_2": 1}


def test_known_image_before_longest_collection(store: Store) -> None:
    """A key that is the unique name of an image is that image, even if a longer name fits."""
    upload(store, prepared("cam_a.jpg", box(x=1)), collection="yard")
    store.collections.ensure("yard_cam")
    upload_published(store, published("yard_cam_a.jpg", box(x=2)), run="two")
    assert content(store, "yard", runs=["two"]) == {"cam_a.jpg": [box(x=2)]}


def test_name_before_storage_path(store: Store) -> None:
    """A collection's name counts before another's storage path."""
    store.collections.ensure("yard.cam")
    store.collections.ensure("yard_cam")
    upload_published(store, published("yard_cam_a.jpg"))
    assert content(store, "yard_cam") == {"a.jpg": []}


def test_collection_with_underscore_file(store: Store) -> None:
    """Everything behind the collection's name is the file's name, separators included."""
    store.collections.ensure("yard")
    upload_published(store, published("yard_cam_2/dir/a_b.jpg"), published("yard/x/y_z.jpg"))
    assert content(store) == {"cam_2/dir/a_b.jpg": [], "x/y_z.jpg": []}


@pytest.mark.parametrize(
    ("keys", "collections"),
    [
        pytest.param(["a.jpg", "b.jpg"], {"": 2}, id="no-separator"),
        pytest.param(["yard/a.jpg", "dock/deep/b.jpg"], {"yard": 1, "dock/deep": 1}, id="folders"),
        pytest.param(["yard_a.jpg"], {"yard": 1}, id="single"),
        pytest.param(["yard_cam_0007.jpg", "yard_cam_0008.jpg"], {"yard_cam": 2}, id="numbers"),
        pytest.param(["yard_img_0007.jpg"], {"yard": 1}, id="single-numbered-word"),
        pytest.param(["yard_IMG_07.jpg", "yard_IMG_08.jpg"], {"yard": 2}, id="numbered-word"),
        pytest.param(["img_0007.jpg", "img_0008.jpg"], {"": 2}, id="numbered-word-only"),
        pytest.param(["yard_a_1.jpg", "yard_b_1.jpg"], {"yard": 2}, id="common-part"),
        pytest.param(["yard_a.jpg", "dock_b.jpg"], {"": 2}, id="nothing-in-common"),
        pytest.param(["yard_", "yard_a"], {"": 2}, id="nothing-left-of-a-name"),
        pytest.param(["_a.jpg"], {"": 1}, id="begins-with-separator"),
        pytest.param(["yard/", "_", "/"], {"": 3}, id="only-separators"),
    ],
)
def test_guess(store: Store, keys: list[str], collections: dict[str, int]) -> None:
    """Of unknown keys a collection is guessed: the folder, or what all have in common."""
    upload_published(store, *(published(key, box()) for key in keys))
    assert names(store) == collections
    assert len(read(store, None)) == len(keys)
    assert counts(store) == counted(store)


def test_guess_holds_for_later_requests(store: Store) -> None:
    """A second request of the same upload goes where the first went."""
    upload_published(store, published("yard_a1"), published("yard_b2"), session="1.5")
    upload_published(store, published("yard_a3"), published("yard_a4"), session="1.5")
    assert names(store) == {"yard": 4}


def test_claim(store: Store) -> None:
    """Naming a collection moves the images that begin with its name there, sets and counts too."""
    keys = ["yard_cam_1.jpg", "yard_cam_2.jpg"]
    upload_published(store, *(published(key, box(), box()) for key in keys))
    upload_published(store, published("yard_x_9.jpg", box()), published("yard_x_8.jpg"))
    upload_published(store, published("yardstick_1.jpg", box()))
    assert names(store) == {"yard_cam": 2, "yard_x": 2, "yardstick": 1}
    made = store.collections.ensure("yard")
    assert (made.name, made.image_count, made.awaiting_file_count) == ("yard", 4, 4)
    assert names(store) == {"yardstick": 1, "yard": 4}
    assert content(store) == {
        "cam_1.jpg": [box(), box()],
        "cam_2.jpg": [box(), box()],
        "x_9.jpg": [box()],
        "x_8.jpg": [],
    }
    assert (
        counts(store)
        == counted(store)
        == {
            ("run", "machine", "yard"): (4, 5),
            ("run", "machine", "yardstick"): (1, 1),
        }
    )
    upload_published(store, published("yard_cam_1.jpg", box(x=7)), run="two")
    assert content(store, runs=["two"]) == {"cam_1.jpg": [box(x=7)]}


def test_claim_by_asking(store: Store) -> None:
    """Asking for a collection by name claims too, until another name fits; ids and others do not."""
    upload_published(store, published("yard_cam_1.jpg", box()))
    guessed = store.collections.list_page(after=None, limit=10).items[0]
    by_id = store.collections.adopt(guessed.id)
    assert by_id is not None
    assert (by_id.name, by_id.is_provisional) == ("yard_cam", True)
    assert store.collections.adopt("dock") is None
    assert store.collections.adopt("yar") is None
    assert store.collections.find("yard/") is None  # who may only read moves nothing
    assert names(store) == {"yard_cam": 1}
    for name, file in (("yard", "cam_1.jpg"), ("yard_cam", "1.jpg"), ("yard", "cam_1.jpg")):
        found = store.collections.adopt(name)
        assert found is not None
        assert (found.name, found.is_provisional) == (name, True)
        assert content(store, collection=name) == {file: [box()]}
        assert names(store) == {name: 1}
    store.collections.ensure("yard")
    assert store.collections.adopt("yard_cam") is None  # named outright, it stays


def test_claim_of_the_guessed_name(store: Store) -> None:
    """Naming the guessed collection itself makes it a real one, with the same id."""
    upload_published(store, published("yard_1.jpg", box()))
    (guessed,) = store.collections.list_page(after=None, limit=10).items
    assert store.collections.ensure("yard").id == guessed.id
    store.collections.ensure("yar")
    store.collections.ensure("yard_1")
    assert content(store) == {"1.jpg": [box()]}


def test_claim_from_the_unnamed(store: Store) -> None:
    """Images that were named without a collection are claimed as well."""
    upload_published(store, published("yard_a.jpg", box(x=1)), published("dock_b.jpg", box(x=2)))
    assert names(store) == {"": 2}
    store.collections.ensure("dock")
    assert names(store) == {"": 1, "dock": 1}
    store.collections.ensure("yard")
    assert names(store) == {"dock": 1, "yard": 1}
    assert content(store, "yard") == {"a.jpg": [box(x=1)]}


def test_claim_with_clash(store: Store) -> None:
    """Where a claimed image is there already, the newer set of each run stays."""
    upload_published(store, published("yard_cam_1.jpg", box(x=1)), run="both")
    upload_published(store, published("yard_cam_1.jpg", box(x=1)), run="old only")
    upload_published(store, published("yard_x/cam_1.jpg", box(x=2)), run="both")
    # `yard_cam_1.jpg` lies in `yard_cam`, `yard_x/cam_1.jpg` in `yard_x`; both are `cam_1.jpg`
    # only once the second is claimed under `yard_x` and the first under nothing longer.
    store.collections.ensure("yard")
    assert content(store, runs=["old only"]) == {"cam_1.jpg": [box(x=1)]}
    assert counts(store) == counted(store)


@pytest.mark.parametrize("newer", ["slash", "underscore"])
def test_claim_of_two_spellings(store: Store, newer: str) -> None:
    """`yard/a` and `yard_a` become one image; the newer set wins, whichever it is."""
    spellings = {"slash": "yard/a", "underscore": "yard_a"}
    # Each in a request that hides the collection from the other.
    upload_published(store, published("yard_a", box(x=0)), published("zoo_b"), run="hide")
    order = sorted(spellings, key=lambda name: name == newer)
    for x, spelling in enumerate(order):
        upload_published(
            store, published(spellings[spelling], box(x=float(x))), published("zoo_b"), run="run"
        )
    store.collections.ensure("yard")
    assert content(store, runs=["run"]) == {"a": [box(x=1.0)]}
    assert content(store, runs=["hide"]) == {"a": [box(x=0)]}
    assert counts(store) == counted(store)


def test_explicit_is_never_claimed(store: Store) -> None:
    """A collection that was named outright keeps its images when a shorter name is used."""
    upload(store, prepared("1.jpg", box()), collection="yard_cam")
    upload_published(store, published("yard_cam_2.jpg", box()))
    store.collections.ensure("yard")
    assert {n: c for n, c in names(store).items() if c} == {"yard_cam": 2}


def test_renamed_in_reading(store: Store) -> None:
    """The JSON of a set names the image as its collection does, values untouched."""
    raw = b'{"image":"yard/a \\"1\\".jpg", "annotations": [ {"type":"line","label":"x","line":[[1.50,2]]} ]}'
    upload_published(store, prepared('yard/a "1".jpg', raw=raw, kind="published"))
    (stored,) = read(store)
    assert stored.image == 'a "1".jpg'
    assert stored.raw.startswith(b'{"image":"a \\"1\\".jpg"')
    assert b"[[1.50,2]]" in stored.raw


def test_unmatched(store: Store) -> None:
    """Every image without a file is reported as unmatched, once a batch."""
    result = upload(store, prepared("a", box()), prepared("a", box()), prepared("b"))
    assert (result.images, result.unmatched) == (3, 2)
    (listed,) = store.collections.list_page(after=None, limit=10).items
    assert (listed.image_count, listed.awaiting_file_count) == (2, 2)
