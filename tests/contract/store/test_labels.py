"""Labels, attributes and values: made once, with references that never change."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest

from layernext.stack.store import Store, value_text
from tests.contract.store.batches import box, prepared, upload

MIXED: list[Any] = [
    "red",
    "",
    " red ",
    "1",
    1,
    1.0,
    1.5,
    True,
    None,
    [1, {"b": 2, "a": 1}],
    {"x": "\x00"},
]


def value(name: str, *values: Any) -> dict[str, Any]:
    return {"attributes": {name: [{"value": one} for one in values]}}


def listed(store: Store) -> dict[str, Any]:
    return {one.name: one for one in store.labels.list_page(after=None, limit=1000).items}


def test_table(store: Store) -> None:
    """References of everything asked for are given, by the text that was sent."""
    table = store.labels.ensure_table(
        {"forklift": {"color": ["red", "blue"], "load": []}, "pallet": {}}
    )
    assert list(table) == ["forklift", "pallet"]
    forklift = table["forklift"]
    refs = [forklift.ref, table["pallet"].ref, *(ref for ref, _ in forklift.attributes.values())]
    refs += forklift.attributes["color"][1].values()
    assert len({uuid.UUID(ref) for ref in refs}) == len(refs) == 6
    assert list(forklift.attributes["color"][1]) == ["red", "blue"]
    assert forklift.attributes["load"][1] == {}
    assert all(re.fullmatch("#[0-9a-f]{6}", one.color) for one in table.values())
    assert store.labels.ensure_table({}) == {}


def test_refs_are_stable(database_url: str) -> None:
    """The same question gets the same answer: again, after more labels, and after a restart."""
    wanted = {"forklift": {"color": MIXED}, "Forklift ": {"color": ["red"]}}
    store = Store.open(database_url)
    first = store.labels.ensure_table(wanted)
    store.labels.ensure_table({"pallet": {"color": ["red"]}})
    assert store.labels.ensure_table(wanted) == first
    store.close()
    store = Store.open(database_url)
    try:
        assert store.labels.ensure_table(wanted) == first
        assert first["forklift"].ref != first["Forklift "].ref
        assert len(listed(store)) == 3
    finally:
        store.close()


def test_stacks_differ(tmp_path) -> None:
    """Two stacks give the same label different references, and the same color."""
    stores = [Store.open(f"sqlite:///{tmp_path / name}") for name in ("one", "two")]
    one, two = (store.labels.ensure_table({"cup": {}})["cup"] for store in stores)
    assert one.ref != two.ref
    assert one.color == two.color
    for store in stores:
        store.close()


def test_resolve(store: Store) -> None:
    """References lead back to names and to values of any JSON type; unknown ones are left out."""
    table = store.labels.ensure_table({"forklift": {"color": MIXED}})["forklift"]
    attribute_ref, values = table.attributes["color"]
    unknown = ["nobody", "\x00", "\ud800", str(uuid.uuid4())]
    names, found = store.labels.resolve_refs(
        [attribute_ref, *unknown], [*values.values(), *unknown]
    )
    assert names == {attribute_ref: "color"}
    assert set(found) == set(values.values())
    for text, ref in values.items():
        again = found[ref].value
        assert (again if isinstance(again, str) else value_text(again)) == text
        assert found[ref].attribute == "color"
    assert store.labels.resolve_refs([], []) == ({}, {})


def test_references_are_version_5_uuids(store: Store) -> None:
    """A value's reference derives from that of its attribute, as RFC 4122 says."""
    texts = ["", "grün", *(f"{number}" for number in range(200))]
    ref, values = store.labels.ensure_table({"cup": {"id": texts}})["cup"].attributes["id"]
    assert values == {text: str(uuid.uuid5(uuid.UUID(ref), value_text(text))) for text in texts}


def test_resolve_many(store: Store) -> None:
    """More references than a statement has room for are resolved all the same."""
    table = store.labels.ensure_table({"cup": {"id": [f"{n}" for n in range(70_000)]}})["cup"]
    refs = table.attributes["id"][1]
    assert len(refs) == 70_000
    _, found = store.labels.resolve_refs([], list(refs.values()))
    assert {text: found[ref].value for text, ref in refs.items()} == {text: text for text in refs}


def test_values_from_uploads(store: Store) -> None:
    """Labels, attributes and values of uploaded sets are listed; form v1 metadata counts as such."""
    v1 = b'{"image":"b","annotations":[{"label":"cup","bbox":[0,0,1,1],"metadata":{"size":3}}]}'
    upload(store, prepared("a", box("cup", **value("size", "big", 3, 3.0)), box("fork")))
    upload(store, prepared("b", raw=v1, geometry="rectangle"), geometry="rectangle")
    labels = listed(store)
    assert list(labels) == ["cup", "fork"]
    (size,) = labels["cup"].attributes
    assert (size.name, size.value_count) == ("size", 3)
    assert sorted(repr(one["value"]) for one in size.values) == ["'big'", "3", "3.0"]
    table = store.labels.ensure_table({"cup": {"size": ["big", 3]}})["cup"]
    by_value = {repr(one["value"]): one["ref"] for one in size.values}
    assert (labels["cup"].ref, size.ref) == (table.ref, table.attributes["size"][0])
    assert table.attributes["size"][1] == {"big": by_value["'big'"], "3": by_value["3"]}
    assert labels["fork"].attributes == []


def test_new_labels_are_named_once(store: Store) -> None:
    """A batch's answer names the labels that the stack had not seen, and only then."""
    assert upload(store, prepared("a", box("b"), box("a"), box("b"))).new_labels == ["a", "b"]
    assert upload(store, prepared("a", box("b"), box("c"))).new_labels == ["c"]
    store.labels.ensure_table({"d": {}})
    assert upload(store, prepared("a", box("d"))).new_labels == []


@pytest.mark.parametrize("is_reopened", [False, True])
def test_value_limit(database_url: str, is_reopened: bool) -> None:
    """Uploads register at most 1,000 values of an attribute, over batches and restarts."""
    store = Store.open(database_url)
    for part in range(3):
        boxes = [box("cup", **value("track", 700 * part + n)) for n in range(700)]
        upload(store, prepared(f"{part}", *boxes))
        if is_reopened:
            store.close()
            store = Store.open(database_url)
    (track,) = listed(store)["cup"].attributes
    assert track.value_count == 1000
    assert len(track.values) <= 100
    store.labels.ensure_table({"cup": {"track": [f"{n}" for n in range(500)]}})
    (track,) = listed(store)["cup"].attributes
    assert track.value_count == 1500
    store.close()


def test_huge_values_are_not_registered(store: Store) -> None:
    """A value of a megabyte stays in its set and out of the list of labels."""
    upload(store, prepared("a", box("cup", **value("mask", "x" * (1 << 20), "small"))))
    (mask,) = listed(store)["cup"].attributes
    assert [one["value"] for one in mask.values] == ["small"]


def test_create(store: Store) -> None:
    """A label can be made by hand, with attributes that have no value yet."""
    made, is_new = store.labels.create("Vehicle", "moves", {"kind": ["car", "bus"], "plate": []})
    assert is_new
    assert (made.name, made.description) == ("Vehicle", "moves")
    assert {a.name: a.value_count for a in made.attributes} == {"kind": 2, "plate": 0}
    again, is_new = store.labels.create("Vehicle", "", {"kind": ["tram"]})
    assert not is_new
    assert (again.ref, again.description) == (made.ref, "moves")
    assert {a.name: a.value_count for a in again.attributes} == {"kind": 3, "plate": 0}
    assert listed(store)["Vehicle"] == again


def test_attribute_without_values(store: Store) -> None:
    """An attribute that was asked for without values has a reference that can be resolved."""
    ref, _ = store.labels.ensure_table({"cup": {"size": []}})["cup"].attributes["size"]
    assert store.labels.resolve_refs([ref], [])[0] == {ref: "size"}


def test_groups(store: Store) -> None:
    """Groups hold labels by reference; an unknown reference makes no group."""
    table = store.labels.ensure_table({"a": {}, "b": {}, "c": {}})
    refs = [table[name].ref for name in "abc"]
    group = store.labels.create_group("most", refs[:2])
    assert group is not None
    assert (group.name, group.label_refs) == ("most", refs[:2])
    assert store.labels.create_group("bad", ["nobody", refs[0]]) is None
    assert store.labels.create_group("worse", ["\x00"]) is None
    assert store.labels.create_group("worst", ["\ud800"]) is None
    more = store.labels.create_group("most", [refs[2], refs[0]])
    assert more is not None
    assert (more.id, more.label_refs) == (group.id, refs)
    empty = store.labels.create_group("empty", [])
    assert empty is not None
    assert store.labels.list_groups() == [more, empty]
    in_group = store.labels.list_page(after=None, limit=10, group_id=group.id).items
    assert [one.name for one in in_group] == ["a", "b", "c"]
    assert store.labels.list_page(after=None, limit=10, group_id=empty.id).items == []
    for group_id in ("nobody", "\x00", "\ud800"):
        assert store.labels.list_page(after=None, limit=10, group_id=group_id).items == []


def test_pages(store: Store) -> None:
    """Labels come page by page, oldest first, each once."""
    store.labels.ensure_table({f"label {n}": {"x": [1]} for n in range(10)})
    wanted = [one.name for one in store.labels.list_page(after=None, limit=1000).items]
    names, after = [], None
    while True:
        page = store.labels.list_page(after=after, limit=3)
        names += [one.name for one in page.items]
        after = page.next
        if after is None:
            break
    assert names == wanted
    assert len(wanted) == 10


def test_memory_is_bounded(store: Store) -> None:
    """What the process remembers of values does not grow with every value ever seen."""
    for part in range(6):
        store.labels.ensure_table({"cup": {"id": [f"{part}-{n}" for n in range(20_000)]}})
    assert len(store.labels._values) <= 50_000
