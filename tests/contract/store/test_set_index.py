"""Queries about annotations: the arrays say what the sets themselves say, and are never old."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layernext.stack.search import ItemFilter, Search, set_index
from layernext.stack.search.query.parse import All, Condition, parse_query
from layernext.stack.search.query.sets import holds
from layernext.stack.store import Store
from layernext.stack.store.annotations.summaries import confidence_codes, merged, pack, unpack
from tests.contract.store.batches import box, open_upload, prepared, upload, write


def find(store: Store, query: str) -> list[str]:
    rows = Search(store).items.list_after(ItemFilter(query=query), after=0, limit=1_000)
    return sorted(row.name for row in rows)


# Near and at the steps that codes have, and anywhere.
confidences = st.one_of(
    st.none(),
    st.sampled_from([0.0, 1.0, 0.5, 0.8, 0.80005, 0.8000000000000002, 0.7999999999999999, 5e-324]),
    st.floats(0, 1),
    st.integers(0, 10_000).map(lambda number: number / 10_000),
)
bounds = st.sampled_from(["0.8", "0.80005", "0", "1", "0.5", "0.79999", "0.7999999999999999"])
parts = st.one_of(
    st.tuples(st.sampled_from(["<", "<=", ">", ">=", "="]), bounds).map(
        lambda pair: f"annotation.confidence {pair[0]} {pair[1]}"
    ),
    st.tuples(bounds, bounds).map(lambda pair: f"annotation.confidence = {pair[0]}..{pair[1]}"),
    st.sampled_from(
        ["label = car", "label in (car, truck)", "annotation.count = 0", "annotation.count >= 2",
         "annotation.count in (1, 3)", "annotation.geometry = rectangle",
         "annotation.geometry = line", "annotation.attribute.color = red"]
    ),
)  # fmt: skip
annotations = st.lists(
    st.builds(
        lambda label, confidence, color: box(
            label, confidence=confidence, attributes={"color": [{"value": color}]}
        ),
        st.sampled_from(["car", "truck", "bus"]),
        confidences,
        st.sampled_from(["red", "blue"]),
    ),
    max_size=4,
)


def is_wanted(query: str, some: list[dict[str, Any]]) -> bool:
    """What the documentation says, annotation by annotation."""
    root = parse_query(query).root
    conditions = root.parts if isinstance(root, All) else (root,)
    assert all(isinstance(one, Condition) for one in conditions)
    of: dict[str, list[Any]] = {}
    for one in conditions:
        assert isinstance(one, Condition)
        of.setdefault(one.field.name, []).append(one)
    labelled = [
        each
        for each in some
        if all(holds(one, each["label"]) for one in of.get("annotation.label", []))
    ]
    if "annotation.label" in of and not labelled:
        return False
    number = sum(
        all(
            each["confidence"] is not None and holds(one, each["confidence"])
            for one in of.get("annotation.confidence", [])
        )
        and all("rectangle" in one.values for one in of.get("annotation.geometry", []))
        and all(
            holds(one, each["attributes"]["color"][0]["value"])
            for one in of.get("annotation.attribute.color", [])
        )
        for each in labelled
    )
    counts = of.get("annotation.count", [])
    return all(holds(one, number) for one in counts) if counts else number > 0


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=60,
    deadline=None,
)
@given(st.lists(annotations, min_size=1, max_size=6), st.lists(parts, min_size=1, max_size=3))
def test_arrays_and_sets_say_the_same(
    store: Store, some: list[list[dict[str, Any]]], conditions: list[str]
) -> None:
    """Whatever the confidences and the bounds are, near to each other or not."""
    upload(store, *(prepared(f"{number}", *each) for number, each in enumerate(some)), run="r")
    query = " and ".join(conditions)
    wanted = {f"{number}" for number, each in enumerate(some) if is_wanted(query, each)}
    known = {f"{number}" for number in range(len(some))}
    assert set(find(store, f"run = r and {query}")) & known == wanted


@settings(deadline=None)
@given(st.lists(confidences, max_size=20))
def test_codes_keep_the_order(values: list[float | None]) -> None:
    """Equal codes stand for values within one step; the codes are ordered as the values are."""
    codes = confidence_codes(values).tolist()
    pairs = sorted(
        (code, value) for code, value in zip(codes, values, strict=True) if value is not None
    )
    assert [value for _, value in pairs] == sorted(value for _, value in pairs)
    for code, value in pairs:
        low = code // 2 / 10_000
        assert value == low if code % 2 == 0 else low < value < (code // 2 + 1) / 10_000
    assert all(
        (code == 0xFFFF) == (value is None) for code, value in zip(codes, values, strict=True)
    )


def test_summaries_merge() -> None:
    """Codes stay with their label."""
    one, two = ({1: 2, 2: 1}, b"aabbcc"), ({2: 1, 3: 1}, b"ddee")
    assert unpack(merged([one, two]), 5) == ({1: 2, 2: 2, 3: 1}, b"aabbccddee")
    assert unpack(pack(one[0].items(), one[1]), 3) == one


def test_confidences_outside_of_0_to_1(store: Store) -> None:
    """As published clients send them: they compare as the numbers that they are."""
    values = {"low": -0.5, "zero": 0.0, "one": 1.0, "high": 7.5, "huge": 1e300}
    shapes = (
        prepared(name, box("car", confidence=value), is_checked=False)
        for name, value in values.items()
    )
    upload(store, *shapes)
    for query, wanted in (
        ("< 0", ["low"]), ("<= 0", ["low", "zero"]), ("> 1", ["high", "huge"]), ("= 7.5", ["high"]),
        (">= 1", ["high", "huge", "one"]), ("> 8", ["huge"]), ("= -1..0.5", ["low", "zero"]),
        ("< 8", ["high", "low", "one", "zero"]),
    ):  # fmt: skip
        assert find(store, f"annotation.confidence {query}") == wanted, query


def test_nothing_old_is_found(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads, replacements and removals are seen by the next query; also without a cache."""
    for limit in (256 << 20, 0):
        monkeypatch.setattr(set_index, "CACHE_BYTES", limit)
        monkeypatch.setattr(set_index, "SETS_AT_ONCE", 2)
        monkeypatch.setattr(set_index, "BLOCK_SETS", 2)
        sure = "run = r and label = car and annotation.confidence > 0.5"
        upload(store, *(prepared(f"{n}", box("car", confidence=0.9)) for n in range(5)), run="r")
        assert find(store, sure) == ["0", "1", "2", "3", "4"]
        assert find(store, sure) == ["0", "1", "2", "3", "4"]
        upload(store, prepared("1", box("car", confidence=0.4)), prepared("2"), run="r")
        assert find(store, sure) == ["0", "3", "4"]
        part = open_upload(store, "r")
        write(store, part, prepared("1", box("car", confidence=0.1)), sequence=0)
        write(store, part, prepared("1", box("car", confidence=0.7), box("bus")), sequence=1)
        assert find(store, sure) == ["0", "1", "3", "4"]
        assert find(store, "run = r and annotation.count = 3") == ["1"]
        store.annotations.remove(None, "r", "machine")
        assert find(store, sure) == []
