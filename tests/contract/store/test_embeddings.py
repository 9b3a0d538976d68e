"""Embeddings: stored, replaced, returned, searched, on both databases."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layernext.errors import DataError, NotFound
from layernext.stack.search import ItemFilter, Search
from layernext.stack.search import vectors as embeddings
from layernext.stack.search.vectors import _best, _Block, _scores
from layernext.stack.store import Store
from tests.contract.store.batches import box, prepared, upload


def images(store: Store, count: int) -> list[str]:
    upload(store, *(prepared(f"{n}.jpg", box()) for n in range(count)))
    return [f"yard_{n}.jpg" for n in range(count)]


def test_vectors_come_back(store: Store) -> None:
    """As 32-bit floats; a second time they are replaced; unknown images are named."""
    search = Search(store)
    names = images(store, 3)
    vectors = [(name, [n + 0.5, -n]) for n, name in enumerate(names)]
    assert search.embeddings.insert("m", 2, [*vectors, ("no.jpg", [1, 2])]) == (
        3,
        ["no.jpg"],
    )
    assert search.embeddings.insert("m", 2, [(names[0], [7, 8])]) == (1, [])
    assert search.embeddings.get("m", [*names, "no.jpg"]) == [
        (names[0], [7.0, 8.0]), (names[1], [1.5, -1.0]), (names[2], [2.5, -2.0]),
    ]  # fmt: skip
    with pytest.raises(NotFound):
        search.embeddings.get("other", names)


@pytest.mark.parametrize("vector", [[1.0], [1.0, 2.0, 3.0], [1.0, math.nan], [1.0, 1e39]])
def test_bad_vectors_store_nothing(store: Store, vector: list[float]) -> None:
    """One wrong vector, and none of its request is stored."""
    search = Search(store)
    names = images(store, 2)
    search.embeddings.insert("m", 2, [(names[0], [1, 1])])
    with pytest.raises(DataError, match=r"data\[1\]"):
        search.embeddings.insert("m", 2, [(names[0], [2, 2]), (names[1], vector)])
    assert search.embeddings.get("m", names) == [(names[0], [1.0, 1.0])]
    with pytest.raises(DataError, match="embeddingDimension"):
        search.embeddings.insert("m", 3, [(names[0], [2, 2, 2])])


def test_search(store: Store) -> None:
    """Nearest first, in one collection or all; what changes is seen at once."""
    search = Search(store)
    names = images(store, 4)
    rows = [[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.0, 0.0]]
    search.embeddings.insert("m", 2, list(zip(names, rows, strict=True)))
    found = search.embeddings.search("m", name=names[0], count=2)
    assert [each.unique_name for each in found] == [names[1], names[2]]
    near = search.embeddings.search("m", vector=[0, 2], count=9, metric="l2")
    assert next(each.unique_name for each in near) == names[2]
    assert near[0].score == -1.0
    search.embeddings.insert("m", 2, [(names[3], [0, 2])])
    assert search.embeddings.search("m", vector=[0, 2], count=1)[0].unique_name in names[2:]
    assert search.embeddings.search("m", vector=[0, 2], count=1, metric="l2")[0].score == 0
    other = store.collections.ensure("other")
    row = store.collections.find(other.id)
    assert row is not None
    assert search.embeddings.search("m", vector=[0, 2], collection_id=row.row_id) == []
    for wrong in ({"vector": [1.0]}, {"vector": [1.0, math.inf]}):
        with pytest.raises(DataError):
            search.embeddings.search("m", **wrong)
    with pytest.raises(NotFound):
        search.embeddings.search("m", name="no.jpg")


def test_memory_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is larger than the cache is searched block by block, with the same answer."""
    search = Search(store)
    names = images(store, 7)
    rows = [[float(n % 3), 1.0] for n in range(7)]
    search.embeddings.insert("m", 2, list(zip(names, rows, strict=True)))
    usual = search.embeddings.search("m", vector=[2, 1], count=4)
    monkeypatch.setattr(embeddings, "BLOCK_ROWS", 2)
    monkeypatch.setattr(embeddings, "CACHE_BYTES", 50)
    search.embeddings.insert("m", 2, [(names[0], rows[0])])
    for _ in range(2):
        assert search.embeddings.search("m", vector=[2, 1], count=4) == usual
    assert [each.unique_name for each in usual] == [names[2], names[5], names[1], names[4]]


def test_trashed_images_take_no_place(store: Store) -> None:
    """A search gives as many images as were asked for, whatever is in the trash."""
    search = Search(store)
    names = images(store, 5)
    search.embeddings.insert("m", 1, [(name, [n + 1.0]) for n, name in enumerate(names)])
    search.items.trash(search.items.select(ItemFilter(query="name in (4.jpg, 3.jpg)")))
    found = search.embeddings.search("m", vector=[9], count=2, metric="dot")
    assert [each.unique_name for each in found] == [names[2], names[1]]


numbers = st.floats(-100, 100, width=32)


@settings(deadline=None)
@given(
    st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=1, max_size=12),
    st.lists(numbers, min_size=3, max_size=3),
    st.sampled_from(["cosine", "dot", "l2"]),
    st.integers(1, 15),
)
def test_search_is_exact(
    rows: list[list[float]], wanted: list[float], metric: Literal["cosine", "dot", "l2"], count: int
) -> None:
    """The same as comparing one by one in plain Python."""

    def score(row: list[float]) -> float:
        product = sum(a * b for a, b in zip(row, wanted, strict=True))
        if metric == "dot":
            return product
        if metric == "l2":
            return -math.dist(row, wanted)
        lengths = math.hypot(*row) * math.hypot(*wanted)
        return product / lengths if lengths else 0.0

    vectors = np.array(rows, np.float32)
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    block = _Block(np.arange(len(rows)), vectors, squares)
    scores = _scores(block, np.array(wanted, np.float32), metric)
    expected = [score(row) for row in rows]
    assert scores.tolist() == pytest.approx(expected, rel=1e-3, abs=0.5)
    best = _best(scores, count).tolist()
    assert best == sorted(range(len(rows)), key=lambda i: (-scores[i], i))[:count]
