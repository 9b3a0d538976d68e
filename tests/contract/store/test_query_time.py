"""The time limit of queries: it covers every statement, those of the planning included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from layernext.errors import InvalidRequest
from layernext.stack.search import ItemFilter, Search
from layernext.stack.store import Store, database
from tests.contract.store.batches import box, prepared, upload

QUERY = (
    "collection = yard and dataset = none and embedding.model = none"
    " and run = run and annotation.label = car and annotation.attribute.color = red"
)
"""Asks for all that is looked up: collections, versions, models, runs, labels, sets, and their JSON."""

Ask = Callable[[Search, str], object]

ASKS: dict[str, Ask] = {
    "count": lambda search, query: search.items.count(ItemFilter(query=query)),
    "page": lambda search, query: search.items.list_page(
        ItemFilter(query=query), sort="id", descending=False, offset=0, limit=10
    ),
    "order": lambda search, query: search.items.list_order(
        ItemFilter(query=query), sort="name", descending=False
    ),
    "next": lambda search, query: search.items.list_after(
        ItemFilter(query=query), after=0, limit=10
    ),
    "trash": lambda search, query: search.items.list_trash(
        ItemFilter(query=query), after=0, limit=10
    ),
    "select": lambda search, query: search.items.select(ItemFilter(query=query)),
    "check of a purge": lambda search, query: search.purge.check(ItemFilter(query=query)),
}


class Expiring(database.Deadline):
    """A time that is over at one of the statements, without a clock."""

    statements = 0
    limit = 0

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        type(self).statements = 0

    def check(self) -> None:
        type(self).statements += 1
        if type(self).statements > type(self).limit:
            raise self.error()


@pytest.mark.parametrize("name", ASKS)
def test_the_time_can_be_over_at_every_statement(
    store: Store, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is over, the query ends with the sentence; each statement that reads looks at it."""
    red = box("car") | {"attributes": {"color": [{"value": "red"}]}}
    upload(store, prepared("a.jpg", red, is_checked=False), prepared("b.jpg", box("car")))
    monkeypatch.setattr(database, "Deadline", Expiring)
    reads: list[str] = []

    def note(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        if text.lstrip().startswith("SELECT") and "advisory" not in text:
            reads.append(text)

    for engine in (store.database.reader, store.database.writer):
        if not sa.event.contains(engine, "before_cursor_execute", note):
            sa.event.listen(engine, "before_cursor_execute", note)
    Expiring.limit = 1_000_000
    ASKS[name](Search(store), QUERY)
    total = len(reads)
    assert total >= 5, "the query looks nothing up"
    for limit in range(total):
        Expiring.limit = limit
        reads.clear()
        with pytest.raises(InvalidRequest, match="takes longer than"):
            ASKS[name](Search(store), QUERY)
        assert len(reads) <= limit + 1
