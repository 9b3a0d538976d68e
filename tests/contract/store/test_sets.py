"""Annotation sets: what is written comes back, replaced or merged whole, counted right."""

from __future__ import annotations

import gc
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layernext.errors import LayerNextError, NotFound, TooLarge
from layernext.model import ImageAnnotations, decode_trusted
from layernext.stack.store import Store
from layernext.stack.store.annotations import content as content_module
from layernext.wire.native import RemoveResult
from tests.contract.store.batches import (
    box,
    content,
    counted,
    counts,
    open_upload,
    prepared,
    read,
    row_id,
    upload,
    write,
)
from tests.support.strategies import annotation_sets, v1_images


def test_raw_bytes_round_trip(store: Store) -> None:
    """A set comes back byte for byte: spaces, number spelling, key order and escapes included."""
    raw = (
        b'{ "image":"a \\u00e4/\\u2028.jpg",  "annotations" : [ {"label":"x","bbox":'
        b'[1.0, 298.28999999999996,243,1e2], "metadata":{"b":1,"a":[null,{"c":1E-7}]}} ] }'
    )
    upload(store, prepared("a ä/\u2028.jpg", raw=raw, geometry="rectangle"), geometry="rectangle")
    (stored,) = read(store)
    assert stored.raw == raw
    assert (stored.run, stored.mode, stored.image) == ("run", "machine", "a ä/\u2028.jpg")
    assert (stored.geometry, stored.normalized) == ("rectangle", False)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.lists(annotation_sets(), min_size=1, max_size=3))
def test_any_set_round_trip(store: Store, data: list[ImageAnnotations]) -> None:
    """Any set comes back equal; equal images of one upload come back as one."""
    sets = [prepared(one.image, raw=msgspec.json.encode(one)) for one in data]
    expected: dict[str, list[Any]] = {}
    for one in data:
        expected.setdefault(one.image, []).extend(one.annotations)
    run = f"run {uuid.uuid4()}"
    upload(store, *sets, run=run, collection="any")
    stored = read(store, "any", runs=[run])
    found = {one.image: decode_trusted(one.raw, one.geometry).annotations for one in stored}
    assert found == expected
    assert len(stored) == len(expected)
    assert counts(store)[run, "machine", "any"] == (
        len(expected),
        sum(map(len, expected.values())),
    )


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(image=v1_images())
def test_any_v1_set_round_trip(store: Store, image: tuple[Any, dict[str, Any]]) -> None:
    """A set of form v1 keeps its geometry and its bytes."""
    geometry, data = image
    raw = msgspec.json.encode(data)
    run = f"run {uuid.uuid4()}"
    upload(store, prepared(data["image"], raw=raw, geometry=geometry), run=run, geometry=geometry)
    (stored,) = read(store, runs=[run], image=data["image"])
    assert (stored.raw, stored.geometry) == (raw, geometry)


def test_replace_whole(store: Store) -> None:
    """A later upload replaces an image's set whole and leaves the other images alone."""
    upload(store, prepared("a", box(x=1), box(x=2)), prepared("b", box(x=3)))
    upload(store, prepared("a", box(x=9)))
    assert content(store) == {"a": [box(x=9)], "b": [box(x=3)]}
    assert counts(store) == {("run", "machine", "yard"): (2, 2)}


def test_empty_set(store: Store) -> None:
    """An empty set is a result: it is stored, counted as an image, and empties an older one."""
    upload(store, prepared("a", box()), prepared("b", box()))
    upload(store, prepared("a"), prepared("c"))
    assert content(store) == {"a": [], "b": [box()], "c": []}
    assert counts(store) == {("run", "machine", "yard"): (3, 1)}


def test_empty_batch(store: Store) -> None:
    """A batch of nothing is accepted and changes no set."""
    upload_id = open_upload(store)
    result = write(store, upload_id)
    assert (result.images, result.annotations, result.repeated) == (0, 0, False)
    assert read(store) == []
    assert store.uploads.finish(upload_id, 1).finished


def test_merge_within_batch(store: Store) -> None:
    """One image several times in a batch: its annotations follow one another in order."""
    upload(
        store,
        prepared("a", box(x=1), box("fork", x=2)),
        prepared("b", box(x=3)),
        prepared("a"),
        prepared("a", box(x=4)),
    )
    assert content(store) == {"a": [box(x=1), box("fork", x=2), box(x=4)], "b": [box(x=3)]}
    assert counts(store) == {("run", "machine", "yard"): (2, 4)}


def test_merge_across_batches(store: Store) -> None:
    """One image in several batches of an upload is merged by batch number, not by arrival."""
    upload_id = open_upload(store)
    write(store, upload_id, prepared("a", box(x=1)), sequence=0)
    write(store, upload_id, prepared("a", box(x=3)), sequence=2)
    write(store, upload_id, prepared("b", box(x=9)), prepared("a", box(x=2)), sequence=1)
    state = store.uploads.finish(upload_id, 3)
    found = content(store)
    assert found["b"] == [box(x=9)]
    assert found["a"] == [box(x=1), box(x=2), box(x=3)]
    assert counts(store) == counted(store) == {("run", "machine", "yard"): (2, 4)}
    assert (state.images, state.annotations) == (4, 4)


def test_merge_of_many_is_quick(store: Store) -> None:
    """A file with one entry per annotation costs time in proportion to its size."""
    sets = [prepared("a", box(x=float(x))) for x in range(5_000)]
    upload(store, *sets)
    (merged,) = content(store).values()
    assert [one["bbox"][0] for one in merged] == [float(x) for x in range(5_000)]


def test_merge_keeps_what_normalized_means(store: Store) -> None:
    """Pixels and fractions of one image cannot become one set: refused, nothing is stored."""
    upload_id = open_upload(store)
    pixels, fractions = prepared("a", box()), prepared("a", box(x=0.5), normalized=True)
    with pytest.raises(LayerNextError, match="normalized"):
        write(store, upload_id, pixels, fractions)
    assert read(store) == []
    write(store, upload_id, pixels)
    with pytest.raises(LayerNextError, match="normalized"):
        write(store, upload_id, fractions, sequence=1)
    assert content(store) == {"a": [box()]}


def test_merge_of_normalized_says_so(store: Store) -> None:
    """Merged sets keep the mark that their coordinates are fractions, in the row."""
    raw = b'{"image":"a","annotations":[{"type":"rectangle","label":"x","bbox":[0,0,1,1]}],"isNormalized":true}'
    upload(store, prepared("a", raw=raw), prepared("a", raw=raw))
    (stored,) = read(store)
    assert stored.normalized
    assert len(decode_trusted(stored.raw, None).annotations) == 2


def test_storage_name_survives_merge_and_rename(store: Store) -> None:
    """The image's own bucket stays in the JSON."""
    raw = b'{"image":"a","storageName":"bucket \\" 2","annotations":[]}'
    merged = content_module.unpack(
        content_module.merged("a", [content_module.parts_of(prepared("a", raw=raw).content)] * 2)
    )
    assert msgspec.json.decode(merged) == msgspec.json.decode(raw)
    assert msgspec.json.decode(content_module.renamed(raw, "b")) == {
        **msgspec.json.decode(raw),
        "image": "b",
    }


def test_run_and_truth_are_separate(store: Store) -> None:
    """A model run and a ground truth of one name do not touch one another."""
    upload(store, prepared("a", box(x=1)))
    upload(store, prepared("a", box(x=2)), mode="human")
    assert content(store, mode="machine") == {"a": [box(x=1)]}
    assert content(store, mode="human") == {"a": [box(x=2)]}
    assert counts(store) == {
        ("run", "machine", "yard"): (1, 1),
        ("run", "human", "yard"): (1, 1),
    }


def test_filters(store: Store) -> None:
    """Runs, mode, image and collection each narrow what is read; unknown ones give nothing."""
    for run in ("one", "two", "three"):
        upload(store, prepared("a", box(run)), prepared("b", box(run)), run=run)
    upload(store, prepared("a", box("other")), run="one", collection="dock")
    assert [s.run for s in read(store)] == ["one"] * 2 + ["two"] * 2 + ["three"] * 2
    assert {s.run for s in read(store, runs=["three", "one"])} == {"one", "three"}
    assert [(s.run, s.image) for s in read(store, runs=["two"], image="b")] == [("two", "b")]
    assert len(read(store, None, image="a")) == 4
    assert len(read(store, None)) == 7
    assert read(store, runs=["nobody"]) == read(store, image="nobody") == []
    assert read(store, mode="human") == []


def test_upload_order(store: Store) -> None:
    """Sets are read in the order of their upload, however its batches arrived."""
    upload_id = open_upload(store)
    order = [f"{number}" for number in (7, 3, 9, 1, 8, 2)]
    for sequence in (2, 0, 1):
        part = order[2 * sequence : 2 * sequence + 2]
        write(store, upload_id, *(prepared(n, box()) for n in part), sequence=sequence)
    assert [one.image for one in read(store)] == order


@pytest.mark.parametrize("collection", ["yard", None])
def test_cursor_goes_on_behind(store: Store, collection: str | None) -> None:
    """Reading on from any set's cursor gives exactly the sets behind it."""
    for run in ("one", "two"):
        upload(store, *(prepared(f"{n}", box()) for n in range(5)), run=run)
        upload(store, *(prepared(f"{n}", box()) for n in range(5)), run=run, collection="dock")
    whole = read(store, collection)
    assert len(whole) == (10 if collection else 20)
    assert len({one.cursor for one in whole}) == len(whole)
    for place, one in enumerate(whole):
        assert read(store, collection, after=one.cursor) == whole[place + 1 :]


def test_the_first_set_says_whether_there_is_one_run(store: Store) -> None:
    """Runs without a set in the selection do not count; only the first set of a whole stream says so."""
    for run, collection in (("one", "yard"), ("one", "dock"), ("two", "dock")):
        upload(store, prepared("a", box()), prepared("b", box()), run=run, collection=collection)
    assert [stored.is_only_run for stored in read(store)] == [True, None]
    assert [stored.is_only_run for stored in read(store, "dock")] == [False, None, None, None]
    assert [stored.is_only_run for stored in read(store, "dock", runs=["two"])] == [True, None]
    first = read(store, "dock")[0]
    assert {stored.is_only_run for stored in read(store, "dock", after=first.cursor)} == {None}
    store.annotations.remove(row_id(store, "dock"), "two", None)
    assert [stored.is_only_run for stored in read(store, "dock")] == [True, None]


@pytest.mark.parametrize(
    "cursor", ["", "x", "1", "-", "1-", "-1", "1-x", "1--1", "9" * 30 + "-1", "٣-٣", "1-2-3"]
)
def test_bad_cursor(store: Store, cursor: str) -> None:
    """What is not a cursor is refused, by every listing."""
    with pytest.raises(LayerNextError, match="cursor"):
        store.annotations.iter_sets(None, after=cursor)
    with pytest.raises(LayerNextError, match="cursor"):
        store.runs.list_page(None, after=cursor, limit=1)
    if cursor != "1":
        for listing in (store.collections.list_page, store.labels.list_page):
            with pytest.raises(LayerNextError, match="cursor"):
                listing(after=cursor, limit=1)


def test_remove(store: Store) -> None:
    """Removing takes a run out of one collection, and a second time removes nothing."""
    for collection in ("yard", "dock"):
        for mode in ("machine", "human"):
            upload(
                store, prepared("a", box(), box()), prepared("b"), collection=collection, mode=mode
            )
    upload(store, prepared("a", box()), run="other")
    assert store.annotations.remove(row_id(store, "yard"), "run", "machine") == RemoveResult(
        sets=2, annotations=2
    )
    assert (
        counts(store)
        == counted(store)
        == {
            ("run", "human", "yard"): (2, 2),
            ("run", "machine", "dock"): (2, 2),
            ("run", "human", "dock"): (2, 2),
            ("other", "machine", "yard"): (1, 1),
        }
    )
    nothing = RemoveResult(sets=0, annotations=0)
    assert store.annotations.remove(row_id(store, "yard"), "run", "machine") == nothing
    assert store.annotations.remove(row_id(store, "yard"), "nobody", None) == nothing
    assert store.annotations.remove(row_id(store, "yard"), "run", None).sets == 2
    assert store.annotations.remove(None, "run", None) == RemoveResult(sets=4, annotations=4)
    assert counts(store) == counted(store) == {("other", "machine", "yard"): (1, 1)}


def test_upload_after_remove(store: Store) -> None:
    """A removed run can be uploaded again."""
    upload(store, prepared("a", box()))
    store.annotations.remove(row_id(store, "yard"), "run", None)
    upload(store, prepared("a", box(x=2)))
    assert content(store) == {"a": [box(x=2)]}
    assert counts(store) == {("run", "machine", "yard"): (1, 1)}


def test_remove_spares_uploads_elsewhere(store: Store) -> None:
    """Removing a run from one collection does not end its upload into another."""
    dock = open_upload(store, collection="dock")
    upload(store, prepared("a", box()))
    store.annotations.remove(row_id(store, "yard"), "run", None)
    write(store, dock, prepared("a", box()))
    assert store.uploads.finish(dock, 1).finished
    assert counts(store) == {("run", "machine", "dock"): (1, 1)}


def test_list_runs(store: Store) -> None:
    """Runs are listed per collection, page by page, each once, with times that make sense."""
    for number in range(5):
        for collection in ("yard", "dock"):
            upload(store, prepared("a", box()), run=f"run {number}", collection=collection)
    upload(store, prepared("a", box(), box()), run="run 3")
    listed, after = [], None
    while True:
        page = store.runs.list_page(None, after=after, limit=3)
        listed += page.items
        after = page.next
        if after is None:
            break
        assert len(page.items) == 3
    assert len({(r.name, r.collection) for r in listed}) == len(listed) == 10
    (third,) = (r for r in listed if (r.name, r.collection) == ("run 3", "yard"))
    assert (third.image_count, third.annotation_count) == (1, 2)
    assert third.created_at <= third.updated_at
    assert all(r.created_at.endswith("Z") for r in listed)
    yard = store.runs.list_page(row_id(store, "yard"), after=None, limit=100).items
    assert [r.name for r in yard] == [f"run {n}" for n in range(5)]


def test_unknown_upload(store: Store) -> None:
    """A batch for an upload that does not exist is refused."""
    with pytest.raises(NotFound):
        write(store, "0" * 24, prepared("a", box()))


def test_too_many_images_in_a_batch(store: Store) -> None:
    """A batch with more images than a position can number is refused whole."""
    one = prepared("a", box())
    with pytest.raises(TooLarge):
        upload(store, *[one] * ((1 << 14) + 1))
    assert read(store) == []


def test_full_batch(store: Store) -> None:
    """The largest batch that the protocol allows is stored in order."""
    order = [f"{number:05d}" for number in range(10_000)]
    result = upload(store, *(prepared(name) for name in order))
    assert result.images == result.unmatched == 10_000
    assert [one.image for one in read(store)] == order


def test_image_pages(store: Store) -> None:
    """Pages of images (E42) hold each once, in upload order, with its sets of the asked runs."""
    order = ["3", "1", "0", "6", "5", "2", "4"]
    for run in ("one", "two"):
        upload(store, *(prepared(name, box(run)) for name in order), run=run)
    upload(store, prepared("only", box()), run="two")
    upload(store, prepared("0", box("truth")), run="truth", mode="human")
    seen, after, more = [], 0, True
    while more:
        images, more = store.annotations.image_page(
            row_id(store, "yard"), runs=["one", "two"], mode=None, after_image=after, limit=3
        )
        assert len(images) == 3 or not more
        seen += images
        after = images[-1].id
    assert [each.name for each in seen] == [*order, "only"]
    assert [[s.run for s in each.sets] for each in seen] == [["one", "two"]] * 7 + [["two"]]
    images, more = store.annotations.image_page(
        row_id(store, "yard"), runs=[], mode="human", after_image=0, limit=3
    )
    assert [(each.name, len(each.sets)) for each in images] == [("0", 1)]
    assert not more


def test_unfinished_reader_gives_back_its_connection(store: Store) -> None:
    """A hundred readers that stop after the first set leave the store usable."""
    upload(store, *(prepared(f"{n}", box()) for n in range(500)))
    for _ in range(100):
        rows = store.annotations.iter_sets(None)
        next(rows)
        rows.close()
        del rows
    gc.collect()
    assert len(read(store, None)) == 500


def test_failed_batch_changes_nothing(store: Store) -> None:
    """A batch that is refused leaves no set, image, label or record behind."""
    upload_id = open_upload(store)
    write(store, upload_id, prepared("a", box("cup")))
    broken = [prepared("b", box("new label")), prepared("a", box(), normalized=True)]
    with pytest.raises(LayerNextError):
        write(store, upload_id, *broken, sequence=1)
    assert content(store) == {"a": [box("cup")]}
    assert [label.name for label in store.labels.list_page(after=None, limit=10).items] == ["cup"]
    assert store.uploads.get(upload_id).images == 1
    write(store, upload_id, broken[0], sequence=1)
    assert [label.name for label in store.labels.list_page(after=None, limit=10).items] == [
        "cup",
        "new label",
    ]
