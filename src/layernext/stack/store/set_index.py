"""What queries need of annotation sets, as arrays: labels, counts and confidences, run by run.

A run's arrays are read from the summaries of its sets, some thousands at a time, and stay in memory up
to `CACHE_BYTES` for all runs together while nothing changes the run; beyond that they are read anew for
each query. So a query costs one pass over arrays, and never decodes the sets themselves.
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

from layernext.stack.store.database import Database
from layernext.stack.store.schema import annotation_set, operation
from layernext.stack.store.summaries import CODE_BYTES

CACHE_BYTES = 256 << 20
SETS_AT_ONCE = 5_000
BLOCK_SETS = 50_000
BLOCK_ANNOTATIONS = 20_000_000
"""Whichever comes first ends a block; a run of one block or of many is the same to a query."""

_PAIR_BYTES = 8

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]


@dataclass(frozen=True)
class SetBlock:
    """Some sets of one operation.

    Attributes:
        image_ids: (N,) row ids of the sets' images, ascending.
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
class _Kept:
    revision: int
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
        self._kept: OrderedDict[int, _Kept] = OrderedDict()

    def iter_blocks(self, connection: sa.Connection, operation_id: int) -> Iterator[SetBlock]:
        """The sets of an operation as they are now: from memory if nothing has changed them."""
        mine = sa.select(operation.c.revision).where(operation.c.id == operation_id)
        # Read before the sets: should they be newer, they are read again the next time.
        revision = connection.execute(mine).scalar_one()
        with self._lock:
            kept = self._kept.get(operation_id)
            if kept is not None and kept.revision == revision:
                self._kept.move_to_end(operation_id)
            else:
                kept = None
        if kept is not None:
            yield from kept.blocks
            return
        blocks: list[SetBlock] = []
        nbytes = 0
        for block in _read(connection, operation_id):
            nbytes += block.nbytes
            if nbytes <= CACHE_BYTES:
                blocks.append(block)
            yield block
        if nbytes <= CACHE_BYTES:
            self._keep(operation_id, _Kept(revision, blocks, nbytes))

    def _keep(self, operation_id: int, fresh: _Kept) -> None:
        with self._lock:
            self._kept[operation_id] = fresh
            self._kept.move_to_end(operation_id)
            while sum(each.nbytes for each in self._kept.values()) > CACHE_BYTES:
                self._kept.popitem(last=False)


def _read(connection: sa.Connection, operation_id: int) -> Iterator[SetBlock]:
    own = annotation_set.c
    gathered: list[Any] = []
    annotations = last = 0
    while True:
        rows = connection.execute(
            sa.select(own.image_id, own.annotation_count, own.label_summary)
            .where(own.operation_id == operation_id, own.image_id > last)
            .order_by(own.image_id)
            .limit(SETS_AT_ONCE)
        ).all()
        gathered += rows
        annotations += sum(row.annotation_count for row in rows)
        is_full = len(gathered) >= BLOCK_SETS or annotations >= BLOCK_ANNOTATIONS
        if gathered and (is_full or not rows):
            yield _block(*zip(*gathered, strict=True))
            gathered, annotations = [], 0
        if not rows:
            return
        last = rows[-1].image_id


def _block(
    image_ids: Sequence[int], annotation_counts: Sequence[int], packed: Sequence[bytes]
) -> SetBlock:
    # Everything in a summary is a multiple of 16 bits long, so it is taken apart in these.
    halves = np.frombuffer(b"".join(packed), "<u2")
    codes_of = np.array(annotation_counts, np.int64)
    lengths = np.array([len(each) for each in packed], np.int64) // CODE_BYTES
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
    places: Int64s = np.arange(len(shifts), dtype=np.int64) + shifts
    return places
