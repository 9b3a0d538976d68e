"""Many values of label attributes, registered in the order of the index that they go into.

A value's reference is as good as random. Inserted in the order that they come in, each of millions would
change another page of the index, and every transaction would write most of it again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import IO

import msgspec
from msgspec import Struct

from layernext.stack.store.database import Database
from layernext.stack.store.schema import attribute_value

FILES = 64
SPOOL_BYTES = 128 << 10
"""Of each file that stays in memory."""
TRANSACTION_BYTES = 4 << 20


class ValueRow(Struct, frozen=True, array_like=True, gc=False):
    """A row of `attribute_value`."""

    attribute_id: int
    value: str
    ref: str


class ValueFiles:
    """Rows in temporary files, one for each range of references.

    Args:
        database: where `register` puts them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._open = ExitStack()
        self._files: list[IO[bytes]] = [
            self._open.enter_context(tempfile.SpooledTemporaryFile(SPOOL_BYTES))  # noqa: SIM115
            for _ in range(FILES)
        ]

    def __enter__(self) -> ValueFiles:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def add(self, row: ValueRow) -> None:
        """Keep a row for `register`."""
        file = self._files[int(row.ref[:2], 16) * FILES >> 8]
        file.write(msgspec.json.encode(row) + b"\n")

    def register(self) -> None:
        """Insert all rows, in transactions of some megabytes; those that are there stay as they are."""
        insert = self._database.upsert(attribute_value).on_conflict_do_nothing()
        for file in self._files:
            file.seek(0)
            for rows in _portions(file):
                values = [msgspec.structs.asdict(row) for row in sorted(rows, key=lambda r: r.ref)]
                self._database.write_again(
                    lambda connection, chunk=values: self._database.execute_many(  # type: ignore[misc]
                        connection, insert, chunk
                    )
                )


def _portions(file: IO[bytes]) -> Iterator[list[ValueRow]]:
    rows: list[ValueRow] = []
    size = 0
    for line in file:
        rows.append(msgspec.json.decode(line, type=ValueRow))
        size += len(line)
        if size > TRANSACTION_BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows
