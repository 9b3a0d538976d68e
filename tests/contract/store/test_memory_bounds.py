"""What a database keeps in memory is bounded, whatever it is asked."""

from __future__ import annotations

import random

import pytest

from layernext.stack.search import ItemFilter, Search
from layernext.stack.store import Store, database

LARGEST_CACHES_MIB = 90
"""SQLite's pages of all connections that may be open at a time; docs/stack.md says so."""

ATOMS = ('name = "a"', "width > 1", "state = pending", 'run = "r"', 'label = "l"', "size < 9")


def any_query(chance: random.Random, depth: int = 2) -> str:
    if depth == 0 or chance.random() < 0.2:
        return chance.choice(ATOMS)
    parts = [any_query(chance, depth - 1) for _ in range(chance.randrange(2, 5))]
    return f"({chance.choice((' and ', ' or ')).join(parts)})"


def test_compiled_statements(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries of any number of forms leave no more of them than the limit."""
    chance = random.Random(5)
    engine = store.database.reader
    assert engine._compiled_cache is not None
    assert engine._compiled_cache.capacity == database.COMPILED_STATEMENTS
    monkeypatch.setattr(engine._compiled_cache, "capacity", 20)
    sizes = []
    for _ in range(80):
        Search(store).items.count(ItemFilter(query=any_query(chance)))
        sizes.append(len(engine._compiled_cache))
    assert max(sizes) > 20, "these queries have too few forms to show anything"
    assert max(sizes) <= 31


def test_every_engine_has_the_limit(store: Store) -> None:
    caches = [engine._compiled_cache for engine in store.database._engines]
    assert len(caches) >= 2
    assert {cache.capacity for cache in caches if cache is not None} == {
        database.COMPILED_STATEMENTS
    }


def test_pages_of_sqlite() -> None:
    """As many connections as there can be, each with as much as it may keep."""
    writer, reader = database.WRITER_CACHE_KIB, database.READER_CACHE_KIB
    readers = 2 * database.READERS + 3 * database.STREAMS
    assert (writer + readers * reader) / 1024 <= LARGEST_CACHES_MIB
