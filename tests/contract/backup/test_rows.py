"""Rows on their way into a backup and out of it: old texts, large values, hostile files."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Iterator
from itertools import islice

import pytest
import sqlalchemy as sa
import zstandard

from layernext.errors import DataError
from layernext.stack.backup import Target, restore
from layernext.stack.backup.records import Packing, unpack
from layernext.stack.store import Store, loading, open_snapshot
from layernext.stack.store.schema import label, setting
from tests.contract.backup.stacks import NewParts, rows_of, show_nothing, taken

LARGE = 1 << 20
ROWS = 64
BOUND = 32 << 20
"""Half of what all the rows take."""


@pytest.mark.parametrize("goal", ["sqlite", "postgresql"])
def test_old_texts_with_nul(goal: str, new_parts: NewParts, target: Target) -> None:
    """U+0000 from before it was refused comes back on SQLite; on PostgreSQL it is replaced and reported."""
    parts, restored = new_parts(), new_parts(goal, migrates=False)
    Store(parts.database)
    path = parts.database.url.removeprefix("sqlite:///")
    connection = sqlite3.connect(path)
    values = [("a\0b\0", "r1", "\0"), ("plain", "r2", "")]
    connection.executemany(
        "INSERT INTO label (name, ref, color, description, created_at) VALUES (?, ?, '', ?, '')",
        values,
    )
    connection.commit()
    connection.close()
    report = restore(
        target, taken(parts, target), restored.database, restored.objects, show_nothing
    )
    with restored.database.read() as rows:
        names = set(rows.execute(sa.select(label.c.name)).scalars())
    if goal == "sqlite":
        assert report.replaced == {}
        assert rows_of(restored.database) == rows_of(parts.database)
    else:
        assert report.replaced == {"label.name": 1, "label.description": 1}
        assert names == {"a\ufffdb\ufffd", "plain"}
    with pytest.raises(DataError, match=r"U\+0000"), restored.database.write() as rows:
        rows.execute(sa.update(label).values(name="\0"))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_large_rows_are_streamed(kind: str, new_parts: NewParts) -> None:
    """Memory is bounded by bytes and not by rows, out of a database and into one."""
    parts, restored = new_parts(kind), new_parts(kind, migrates=False)

    def large_rows() -> Iterator[dict[str, str]]:
        for number in range(ROWS):
            yield {"name": f"test {number:03}", "value": chr(97 + number % 26) * LARGE}

    with parts.database.write() as connection:
        for row in large_rows():
            connection.execute(sa.insert(setting).values(row))
    with open_snapshot(parts.database) as snapshot:
        revision, columns = snapshot.revision, snapshot.columns("setting")
        tracemalloc.start()
        try:
            count = sum(row[0].startswith("test") for row in snapshot.rows("setting"))
            read_peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert count == ROWS
    assert read_peak < BOUND
    with loading(restored.database, revision) as loader:
        rows = ([row[column] for column in columns] for row in large_rows())
        tracemalloc.start()
        try:
            assert loader.load("setting", columns, rows) == ROWS
            written_peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert written_peak < BOUND


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_rows_of_all_sizes(kind: str, new_parts: NewParts) -> None:
    """Between small rows and large ones none is left out."""
    parts = new_parts(kind)
    lengths = [1] * 450 + [LARGE * 5, 1, LARGE * 5, LARGE * 5] + [LARGE] * 6 + [0] * 3
    with parts.database.write() as connection:
        for number, length in enumerate(lengths):
            row = {"name": f"test {number:03}", "value": "x" * length}
            connection.execute(sa.insert(setting).values(row))
    with open_snapshot(parts.database) as snapshot:
        rows = [row for row in snapshot.rows("setting") if row[0].startswith("test")]
    assert [len(row[1]) for row in rows] == lengths


def test_a_compressed_bomb(new_parts: NewParts) -> None:
    """A small file that unpacks to gigabytes is read in bounded memory."""
    del new_parts
    record = b"".join(Packing([b"\0" * 100]).pieces())
    raw = zstandard.ZstdDecompressor().decompressobj().decompress(record)
    packed = zstandard.ZstdCompressor(level=19).compress(raw * 2_000_000)
    assert len(packed) < 1 << 20
    tracemalloc.start()
    try:
        assert len(list(islice(unpack([packed], bytes, "x"), 1000))) == 1000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 << 20


def test_a_record_that_claims_to_be_huge() -> None:
    """Its length alone is refused, before anything of it is held."""
    packed = zstandard.ZstdCompressor().compress(b"\xff\xff\xff\xff" + b"x" * 100)
    with pytest.raises(DataError, match=r"a record of 4,294,967,295 bytes"):
        list(unpack([packed], bytes, "x"))
