"""Groups what a file holds in any order by its image, in bounded memory.

Where annotations are separate from their images, as in COCO, the file can be read image by image only after all of it
was seen. Until then they wait in a temporary SQLite database, which stays in memory while it is small and goes to
the folder for temporary files beyond `CACHE_KIB`: it then takes about as much space as the file itself.
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
    """Images and their annotations, by the images' numbers; use it as a context manager."""

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
        """Keep an image; False if this number exists already.

        Raises:
            OverflowError: the number has more than 64 bits.
        """
        try:
            self._database.execute("INSERT INTO image VALUES (?, ?)", (image_id, raw))
        except sqlite3.IntegrityError:
            return False
        return True

    def add(self, image_id: int, raw: bytes) -> None:
        """Keep a piece that belongs to an image, before or after the image itself.

        Raises:
            OverflowError: the number has more than 64 bits.
        """
        if not -MAX_ID <= image_id < MAX_ID:
            raise OverflowError(
                image_id
            )  # the database would fail later, for one row among thousands
        self._waiting.append((image_id, raw))
        if len(self._waiting) >= ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        self._database.executemany("INSERT INTO piece VALUES (?, ?)", self._waiting)
        self._waiting.clear()

    def find_stray(self) -> tuple[int, int] | None:
        """Index (from 0) of the first piece without an image, and the image number that it names."""
        self._flush()
        row = self._database.execute(
            "SELECT rowid - 1, image FROM piece WHERE image NOT IN (SELECT id FROM image) "
            "ORDER BY rowid LIMIT 1"
        ).fetchone()
        return None if row is None else (int(row[0]), int(row[1]))

    def groups(self) -> Iterator[tuple[bytes, list[tuple[int, bytes]]]]:
        """Each image in the order of arrival, with its pieces: their indexes, from 0, and bytes."""
        self._flush()
        self._database.execute("CREATE INDEX by_image ON piece (image)")
        rows: Iterator[tuple[Any, ...]] = self._database.execute(
            "SELECT image.rowid, image.raw, piece.rowid - 1, piece.raw FROM image "
            "LEFT JOIN piece ON piece.image = image.id ORDER BY image.rowid, piece.rowid"
        )
        for _, group in groupby(rows, key=itemgetter(0)):
            pieces = list(group)
            yield pieces[0][1], [(row[2], row[3]) for row in pieces if row[3] is not None]
