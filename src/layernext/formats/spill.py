"""Puts what a file has in any order behind its image, in bounded memory.

A file whose annotations stand apart from their images, as COCO's do, can be read image by image only when all
annotations are at hand. They wait in a temporary SQLite database, which stays in memory while it is small and goes to
the folder for temporary files beyond `CACHE_KIB`: there it takes about as much room as the file itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

CACHE_KIB = 32 << 10
ROWS_AT_ONCE = 5_000
MAX_ID = 1 << 63


class Spill:
    """Images and what belongs to them, by the images' numbers; use it as a context manager."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            f"PRAGMA cache_size = -{CACHE_KIB}",
            "CREATE TABLE image (id INTEGER UNIQUE NOT NULL, raw BLOB NOT NULL)",
            "CREATE TABLE piece (image INTEGER NOT NULL, raw BLOB NOT NULL)",
        ):
            self._database.execute(statement)
        self._waiting: list[tuple[int, bytes]] = []

    def __enter__(self) -> Spill:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add_image(self, image_id: int, raw: bytes) -> bool:
        """Keep an image; False if there is one of this number already.

        Raises:
            OverflowError: the number has more than 64 bits.
        """
        try:
            self._database.execute("INSERT INTO image VALUES (?, ?)", (image_id, raw))
        except sqlite3.IntegrityError:
            return False
        return True

    def add(self, image_id: int, raw: bytes) -> None:
        """Keep something of an image, before or after the image itself.

        Raises:
            OverflowError: the number has more than 64 bits.
        """
        if not -MAX_ID <= image_id < MAX_ID:
            raise OverflowError(image_id)  # the database would say so later, of one of thousands
        self._waiting.append((image_id, raw))
        if len(self._waiting) >= ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        self._database.executemany("INSERT INTO piece VALUES (?, ?)", self._waiting)
        self._waiting.clear()

    def find_stray(self) -> tuple[int, int] | None:
        """The place of the first thing that belongs to no image, from 0, and the number that it names."""
        self._flush()
        found = self._database.execute(
            "SELECT rowid - 1, image FROM piece WHERE image NOT IN (SELECT id FROM image) "
            "ORDER BY rowid LIMIT 1"
        ).fetchone()
        return None if found is None else (int(found[0]), int(found[1]))

    def groups(self) -> Iterator[tuple[bytes, list[tuple[int, bytes]]]]:
        """Each image in the order of coming, with its things: their places, from 0, and bytes."""
        self._flush()
        self._database.execute("CREATE INDEX by_image ON piece (image)")
        rows: Iterator[tuple[Any, ...]] = self._database.execute(
            "SELECT image.rowid, image.raw, piece.rowid - 1, piece.raw FROM image "
            "LEFT JOIN piece ON piece.image = image.id ORDER BY image.rowid, piece.rowid"
        )
        for _, group in groupby(rows, key=itemgetter(0)):
            found = list(group)
            yield found[0][1], [(row[2], row[3]) for row in found if row[3] is not None]
