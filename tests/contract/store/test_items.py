"""Items by query and filter, selections, trash and metadata, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layernext.errors import DataError, NotFound
from layernext.stack.search import ItemFilter, Search
from layernext.stack.search.query.parse import Condition, parse_query
from layernext.stack.search.query.sets import holds
from layernext.stack.store import Store
from tests.contract.store.batches import box, prepared, upload
from tests.support.stores import new_store

NAMES = ["a.jpg", "B.jpg", "c_1.jpg", "100%.jpg", "d.jpg"]


def fill(store: Store) -> dict[str, int]:
    """Five images: two runs and a ground truth on some of them, metadata on some."""
    upload(
        store,
        prepared(NAMES[0], box("car", confidence=0.9), box("car", confidence=0.2)),
        prepared(NAMES[1], box("truck", confidence=0.5)),
        prepared(NAMES[2]),
        run="one",
    )
    upload(store, prepared(NAMES[0], box("truck", confidence=0.1)), run="two")
    upload(store, prepared(NAMES[3], box("car")), run="truth", mode="human")
    upload(store, prepared(NAMES[4]), run="gone")
    rows = store.metadata.find_rows(NAMES, collection_id=place(store))
    store.metadata.merge_fields(
        {
            rows[NAMES[0]]: {
                "shift": "night",
                "Tags": ["rain", "dock"],
                "speed": 12,
                "a": {"b": 1},
            },
            rows[NAMES[1]]: {"shift": "day", "Tags": ["dock"], "speed": "7.5"},
            rows[NAMES[3]]: {"shift": "late; DROP TABLE image", "empty": None},
        }
    )
    return rows


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A store with the five images, for tests that only read."""
    with new_store(request, tmp_path_factory.mktemp("filled")) as store:
        fill(store)
        yield store


def place(store: Store) -> int:
    found = store.collections.find("yard")
    assert found is not None
    return found.row_id


def find(store: Store, query: str, **more: Any) -> list[str]:
    """Names that a query finds, in the order of `NAMES`."""
    search = Search(store)
    rows = search.items.list_after(ItemFilter(query=query, **more), after=0, limit=100)
    assert search.items.count(ItemFilter(query=query, **more)) == len(rows)
    return [row.name for row in rows]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("name = a.jpg", [0]),
        ("name = A.jpg", []),
        ("name ~ b", [1]),
        ("name ~ *.jpg", [0, 1, 2, 3, 4]),
        ("name ~ ?.jpg", [0, 1, 4]),
        ("name ~ c_1", [2]),
        ("name ~ %", [3]),
        ("name in (a.jpg, d.jpg)", [0, 4]),
        ("not name in (a.jpg, d.jpg)", [1, 2, 3]),
        ("unique_name = yard_a.jpg", [0]),
        ("collection = yard", [0, 1, 2, 3, 4]),
        ("collection != yard", []),
        ("has_file = true", []),
        ("width > 0", []),
        ("not width > 0", [0, 1, 2, 3, 4]),
        ("created > 2020-01-01 and created < 2100-01-01", [0, 1, 2, 3, 4]),
        ("created = 2020-01-01..2021-01-01", []),
        ("Tags = dock", [0, 1]),
        ("Tags = rain and Tags = dock", [0]),
        ("Tags ~ ra", [0]),
        ("metadata.shift = night", [0]),
        ("metadata.shift != night", [1, 2, 3, 4]),
        ("metadata.speed > 7", [0, 1]),
        ("metadata.speed = 7.5", [1]),
        ("metadata.speed = 7..9", [1]),
        ("metadata.a.b = 1", [0]),
        ("metadata.empty = null", [3]),
        ('metadata.shift = "late; DROP TABLE image"', [3]),
        ("metadata.shift = 'x'' OR 1=1'", None),
        ("annotated = raw", []),
        ("annotated = machine", [0, 1, 2, 4]),
        ("annotated = human", [3]),
        ("run = one", [0, 1, 2]),
        ("run ~ o", [0, 1, 2, 4]),
        ("ground_truth = truth", [3]),
        ("run = truth", []),
        ("not run = one", [3, 4]),
        ("annotation.label = car", [0, 3]),
        ("label = truck", [0, 1]),
        ("label != truck", [2, 3, 4]),
        ("label in (car, truck)", [0, 1, 3]),
        ("label = nothing", []),
        ("run = one and label = truck", [1]),
        ("(run = one) and (label = truck)", [0, 1]),
        ("run = one and annotation.count = 0", [2]),
        ("annotation.count >= 2", [0]),
        ("label = car and annotation.count > 1", [0]),
        ("annotation.confidence > 0.8", [0]),
        ("annotation.confidence = 0.1..0.3", [0]),
        ("label = truck and annotation.confidence > 0.3", [1]),
        ("run = one and label = car and annotation.confidence < 0.1", []),
        ("annotation.geometry = rectangle and run = one", [0, 1]),
        ("annotation.geometry = line", []),
        ("embedding.model = m", []),
        ("label = car or Tags = dock", [0, 1, 3]),
    ],
)  # fmt: skip
def test_queries(filled: Store, query: str, wanted: list[int] | None) -> None:
    """Each field and operator finds what it says, on both databases."""
    if wanted is None:
        with pytest.raises(DataError):
            find(filled, query)
    else:
        assert find(filled, query) == [NAMES[number] for number in wanted]


def test_filters(store: Store) -> None:
    """Query and filter both hold; of several annotation types one is enough."""
    fill(store)
    assert find(store, "", annotated=("human", "raw")) == [NAMES[3]]
    assert find(store, "label = car", annotated=("machine",)) == [NAMES[0]]
    assert find(store, "", from_date="2020-01-01", to_date="2100-01-01") == NAMES
    assert find(store, "", to_date="2020-01-01") == []
    assert find(store, "", kinds=(4, 7)) == []
    with pytest.raises(DataError, match="fromDate"):
        find(store, "", from_date="soon")


def test_pages_and_orders(store: Store) -> None:
    """Every order, both ways, page by page."""
    fill(store)
    for sort, wanted in (("name", sorted(NAMES)), ("id", NAMES)):
        for descending in (False, True):
            pages = [
                Search(store).items.list_page(
                    ItemFilter(), sort=sort, descending=descending, offset=at, limit=2
                )
                for at in range(0, 7, 2)
            ]
            found = [row.name for page in pages for row in page]
            assert found == (wanted[::-1] if descending else wanted)


def test_selections_are_snapshots(store: Store) -> None:
    """What comes later is not in a selection; what fits no more stays in it."""
    search = Search(store)
    rows = fill(store)
    made = search.items.select(ItemFilter(query="Tags = dock"))
    assert made.count == 2
    store.metadata.merge_fields({rows[NAMES[4]]: {"Tags": ["dock"]}, rows[NAMES[0]]: {"Tags": []}})
    again = store.selections.find(made.id)
    ids = [one for some in store.selections.iter_image_ids(again.row_id) for one in some]
    assert ids == [rows[NAMES[0]], rows[NAMES[1]]]
    with pytest.raises(NotFound):
        store.selections.find("nothing")


def test_trash_hides_and_restores(store: Store) -> None:
    """Trashed images are nowhere, with their annotations; restored ones are as before."""
    search = Search(store)
    fill(store)
    before = {(run.name, run.image_count, run.annotation_count) for run in runs(store)}
    made = search.items.select(ItemFilter(query="run = one"))
    assert search.items.trash(made) == 3
    assert search.items.trash(made) == 0
    assert find(store, "") == NAMES[3:]
    assert {run.name for run in runs(store)} == {"truth", "gone"}
    assert {each.image for each in store.annotations.iter_sets(None)} == set(NAMES[3:])
    assert [each.name for each in page(store)] == NAMES[3:]
    (listed,) = store.collections.list_page(after=None, limit=9).items
    assert listed.image_count == 2
    trashed = search.items.list_trash(ItemFilter(query="label = truck"), after=0, limit=9)
    assert [row.name for row in trashed] == NAMES[:2]
    assert search.items.restore(ItemFilter()) == 3
    assert {(run.name, run.image_count, run.annotation_count) for run in runs(store)} == before
    assert find(store, "") == NAMES


def runs(store: Store) -> list[Any]:
    return list(store.runs.list_page(None, after=None, limit=99).items)


def page(store: Store) -> list[Any]:
    return store.annotations.image_page(place(store), runs=[], mode=None, after_image=0, limit=9)[0]


def test_a_trashed_collection(store: Store) -> None:
    """Goes as a whole; who uploads to its name finds it empty; restoring brings all back."""
    search = Search(store)
    fill(store)
    row_id = place(store)
    made = search.items.select_ids([], [row_id])
    assert made.count == 5
    assert search.items.trash(made) == 5
    assert store.collections.adopt("yard") is None
    assert store.collections.list_page(after=None, limit=9).items == []
    upload(store, prepared("new.jpg", box("car")), run="one")
    assert find(store, "") == ["new.jpg"]
    assert search.items.restore(ItemFilter(collection_id=row_id)) == 5
    assert len(find(store, "")) == 6


def test_metadata_is_kept_exactly(store: Store) -> None:
    """Any JSON value, merged by field; of a collection with or without its images."""
    search = Search(store)
    rows = fill(store)
    value = {"deep": [{"x": [1.5, None, True, "é"]}], "big": 10**30}
    store.metadata.merge_fields({rows["a.jpg"]: {"own": value}})
    item = search.items.get(rows["a.jpg"])
    assert item is not None
    assert item.fields["own"] == value
    assert item.fields["shift"] == "night"
    assert store.metadata.merge_collection_fields(place(store), {"x": 1}, with_images=True) == 5
    assert find(store, "metadata.x = 1") == NAMES
    assert store.metadata.collection_record(place(store))["fields"] == {"x": 1}


texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=8)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=40,
    deadline=None,
)
@given(st.lists(texts.filter(bool), min_size=1, max_size=4, unique=True), texts)
def test_patterns_mean_the_same_everywhere(store: Store, values: list[str], pattern: str) -> None:
    """In SQL and in memory: for ASCII, which both databases compare in any case."""
    search = Search(store)
    values = [value for value in values if value.isascii() and value.strip()]
    pattern = "".join(c for c in pattern if c.isascii() and c not in "\"'\\").strip() or "*"
    if not values:
        return
    name = "yard2"
    upload(store, *(prepared(f"{n}", box()) for n in range(len(values))), collection=name)
    found = store.collections.find(name)
    assert found is not None
    rows = store.metadata.find_rows(
        [str(n) for n in range(len(values))], collection_id=found.row_id
    )
    store.metadata.merge_fields({rows[str(n)]: {"v": value} for n, value in enumerate(values)})
    condition = parse_query(f'metadata.v ~ "{pattern}"').root
    assert isinstance(condition, Condition)
    wanted = [str(n) for n, value in enumerate(values) if holds(condition, value)]
    query = f'metadata.v ~ "{pattern}"'
    rows_found = search.items.list_after(
        ItemFilter(query=query, collection_id=found.row_id), after=0, limit=99
    )
    kept = {row.name for row in rows_found} & {str(n) for n in range(len(values))}
    assert sorted(kept) == sorted(wanted)
