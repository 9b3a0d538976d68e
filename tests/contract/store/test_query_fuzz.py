"""Any text is a query that both databases answer, or is refused with its place: never anything else."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layernext.errors import DataError, InvalidRequest
from layernext.stack.search import ItemFilter, Search, items
from layernext.stack.search.query.fields import FIELDS
from layernext.stack.store import Store, database
from tests.contract.store.batches import box, prepared, upload

fields = st.sampled_from(
    [*FIELDS, "label", "Tags", "metadata.a", "metadata.a.b", 'metadata."x y"', "metadata.a-b",
     "annotation.attribute.c", 'annotation.attribute."d e"', "analytics.embeddingModel", "nothing"]
)  # fmt: skip
operators = st.sampled_from(["=", "!=", "~", "!~", "<", "<=", ">", ">=", "in", "not in"])
values = st.one_of(
    st.sampled_from(
        ["1", "-1", "0.5", "1e308", "1e999", "-1e308", "9223372036854775808", "nan", "5 MB", "1..2",
         "2..1", "0.1..0.9", "2026-01-31", "2026-01-31..2026-02-01", "9999-12-31", "0001-01-01",
         "0001-01-01T00:00+14:00", "2026-01-31T25:00", "car", "*", "?*?", "%_\\", "true", "raw",
         "rectangle", "'; DROP TABLE image; --", '"a\\" OR 1=1"', "(a, b)", "('x', \"y\")", "()", "(",
         "\x00", "\ud800", "é*", "[a-z]*", "a" * 600, "*a" * 100, "\\", '"', "''", ":name", "%(x)s", "$1"]
    ),
    st.text(max_size=10),
)  # fmt: skip
conditions = st.tuples(fields, operators, values).map(" ".join)
queries = st.recursive(
    conditions,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(" and ".join),
        st.lists(inner, min_size=2, max_size=3).map(" or ".join),
        inner.map(lambda text: f"not ({text})"),
        inner.map(lambda text: f"({text})"),
    ),
    max_leaves=6,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=60,
    deadline=None,
)
@given(st.one_of(queries, conditions, st.text(max_size=60)))
def test_any_text_is_answered_or_refused(store: Store, query: str) -> None:
    """What is answered counts as it lists, and with its opposite makes up everything."""
    search = Search(store)
    if not store.collections.list_page(after=None, limit=1).items:
        upload(
            store,
            prepared("a", box("car", confidence=0.5, attributes={"c": [{"value": 1}]})),
            prepared("b"),
        )
    place = "query"
    try:
        rows = search.items.list_after(ItemFilter(query=query), after=0, limit=10)
        assert search.items.count(ItemFilter(query=query)) == len(rows)
        if query.strip():
            assert search.items.count(ItemFilter(query=f"not ({query})")) == 2 - len(rows)
    except DataError as error:
        place = error.problems[0].where
    assert place.startswith("query")


def test_many_conditions_are_one_statement(store: Store) -> None:
    """The longest query that is taken is one that the databases take, too."""
    search = Search(store)
    upload(store, prepared("a", box("car")))
    longest = " or ".join([f"metadata.f{n} ~ x*" for n in range(199)] + ["name = a"])
    assert search.items.count(ItemFilter(query=longest)) == 1
    names = ", ".join(f"n{n}" for n in range(990))
    assert search.items.count(ItemFilter(query=f"name in (a, {names})")) == 1
    deep = "not " * 48 + "name = a"
    assert search.items.count(ItemFilter(query=deep)) == 1


def test_a_query_ends_in_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes too long is refused, and the connection serves the next one."""
    search = Search(store)
    upload(store, *(prepared(f"{number}") for number in range(200)))
    monkeypatch.setattr(items, "QUERY_SECONDS", 0.001)
    monkeypatch.setattr(database, "STEPS_BETWEEN_LOOKS", 1)
    slow = " or ".join(f"metadata.f{n} ~ x*" for n in range(199))
    wanted = ItemFilter(query=slow)
    for ask in (
        lambda: search.items.count(wanted),
        lambda: search.items.list_order(wanted, sort="name", descending=False),
        lambda: search.items.select(wanted),
        lambda: search.items.restore(wanted),
    ):
        with pytest.raises(InvalidRequest, match="takes longer than"):
            ask()
    monkeypatch.setattr(items, "QUERY_SECONDS", 30.0)
    assert search.items.count(ItemFilter(query=slow)) == 0
