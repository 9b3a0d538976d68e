"""What queries need of annotation sets, as arrays: labels, counts and confidences.

The sets of a run in a collection are read from their summaries, some thousands at a time, and stay in
memory, up to `CACHE_BYTES` together, while nothing changes them; beyond that they are read again for
each query. So a query costs one pass over the arrays of the collections that it is about, and never decodes
the sets themselves.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from layernext.stack.store.annotations.summaries import CODE_BYTES
from layernext.stack.store.database import Database
from layernext.stack.store.schema import annotation_set

CACHE_BYTES = 256 << 20
SETS_AT_ONCE = 5_000
BLOCK_SETS = 50_000
BLOCK_ANNOTATIONS = 20_000_000
"""Whichever comes first ends a block; a run of one block or of many is the same to a query."""

ENTRY_BYTES = 2_048
"""What an entry takes beside its arrays, so that many small ones stay within bounds, too."""

_PAIR_BYTES = 8

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]


@dataclass(frozen=True)
class SetBlock:
    """Some sets of one operation in one collection.

    Attributes:
        image_ids: (N,) row ids of the sets' images, in the order of the upload.
        set_ends: (N,) where each set's annotations end in `codes`; they begin where the last one's end.
        pair_sets: (M,) for each label of each set: which of the sets.
        pair_labels: (M,) row id of the label.
        pair_ends: (M,) where its annotations, one at least, end in `codes`.
        codes: (A,) the confidence of each annotation (`summaries`).
    """

    image_ids: Int64s
    set_ends: Int32s
    pair_sets: Int32s
    pair_labels: Int32s
    pair_ends: Int32s
    codes: NDArray[np.uint16]

    @property
    def nbytes(self) -> int:
        """Its size in memory."""
        pairs = self.pair_sets.nbytes + self.pair_labels.nbytes + self.pair_ends.nbytes
        return self.image_ids.nbytes + self.set_ends.nbytes + pairs + self.codes.nbytes


@dataclass(frozen=True)
class SetRange:
    """The sets of an operation in a collection, as they were at one moment.

    Attributes:
        operation_id, collection_id: row ids.
        revision: of the operation.
        state: of these sets; None if they are not counted, and cannot be kept in memory.
    """

    operation_id: int
    collection_id: int
    revision: int
    state: str | None


@dataclass(frozen=True)
class _Kept:
    part: SetRange
    blocks: list[SetBlock]
    nbytes: int


class SetIndex:
    """The sets of a database, as arrays.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, int], _Kept] = OrderedDict()
        self._nbytes = 0

    def iter_blocks(self, connection: sa.Connection, part: SetRange) -> Iterator[SetBlock]:
        """The sets of an operation in a collection: from memory if nothing has changed them.

        Args:
            connection: what is asked if they are not in memory.
            part: read before the sets, on the same connection: should they be newer than it says, they are
                read again the next time.
        """
        key = (part.operation_id, part.collection_id)
        with self._lock:
            entry = self._kept.get(key)
            if entry is not None and entry.part == part and part.state is not None:
                self._kept.move_to_end(key)
            else:
                entry = None
        if entry is not None:
            yield from entry.blocks
            return
        blocks: list[SetBlock] = []
        nbytes = ENTRY_BYTES
        for block in _read(connection, part):
            nbytes += block.nbytes
            if nbytes <= CACHE_BYTES:
                blocks.append(block)
            yield block
        if nbytes <= CACHE_BYTES and part.state is not None:
            self._keep(key, _Kept(part, blocks, nbytes))

    def _keep(self, key: tuple[int, int], fresh: _Kept) -> None:
        with self._lock:
            old = self._kept.pop(key, None)
            self._kept[key] = fresh
            self._nbytes += fresh.nbytes - (old.nbytes if old else 0)
            while self._nbytes > CACHE_BYTES:
                self._nbytes -= self._kept.popitem(last=False)[1].nbytes


def _read(connection: sa.Connection, part: SetRange) -> Iterator[SetBlock]:
    columns = annotation_set.c
    gathered: list[Any] = []
    annotations, last = 0, -1
    query = (
        sa.select(
            columns.image_id, columns.annotation_count, columns.label_summary, columns.position
        )
        .where(
            columns.operation_id == part.operation_id, columns.collection_id == part.collection_id
        )
        .order_by(columns.position)
        .limit(SETS_AT_ONCE)
    )
    while True:
        rows = connection.execute(query.where(columns.position > last)).all()
        gathered += rows
        annotations += sum(row.annotation_count for row in rows)
        is_end = len(rows) < SETS_AT_ONCE
        is_full = len(gathered) >= BLOCK_SETS or annotations >= BLOCK_ANNOTATIONS
        if gathered and (is_full or is_end):
            image_ids, counts, packed, _ = zip(*gathered, strict=True)
            yield _block(image_ids, counts, packed)
            gathered, annotations = [], 0
        if is_end:
            return
        last = rows[-1].position


def _block(
    image_ids: Sequence[int], annotation_counts: Sequence[int], packed: Sequence[bytes]
) -> SetBlock:
    # Everything in a summary is a multiple of 16 bits long, so it is taken apart in these.
    halves = np.frombuffer(b"".join(packed), "<u2")
    codes_of = np.array(annotation_counts, np.int64)
    lengths = np.array([len(item) for item in packed], np.int64) // CODE_BYTES
    starts = np.cumsum(lengths) - lengths
    pairs_of = (lengths - codes_of) // (_PAIR_BYTES // CODE_BYTES)
    pairs = np.ascontiguousarray(halves[ranges(starts, lengths - codes_of)].reshape(-1, 4)).view(
        "<u4"
    )
    return SetBlock(
        image_ids=np.array(image_ids, np.int64),
        set_ends=np.cumsum(codes_of, dtype=np.int32),
        pair_sets=np.repeat(np.arange(len(packed), dtype=np.int32), pairs_of),
        pair_labels=pairs[:, 0].astype(np.int32),
        pair_ends=np.cumsum(pairs[:, 1], dtype=np.int32),
        codes=halves[ranges(starts + lengths - codes_of, codes_of)],
    )


def ranges(starts: Int64s, lengths: Int64s) -> Int64s:
    """Every place of the ranges that begin at `starts`, range by range."""
    ends = np.cumsum(lengths)
    shifts = np.repeat(starts - (ends - lengths), lengths)
    positions: Int64s = np.arange(len(shifts), dtype=np.int64) + shifts
    return positions
