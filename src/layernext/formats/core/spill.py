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
from typing import Any, TypeAlias

CACHE_KIB = 32 << 10
ROWS_AT_ONCE = 5_000
MAX_ID = 1 << 63

Id: TypeAlias = int | str
"""Of an image. A string that is a whole number counts as that number."""


def id_of(value: float | str) -> Id:
    """An id as it is compared: tools write the same one as 1, 1.0 or "1"."""
    if type(value) is int:
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else str(value)
    text = str(value)
    is_number = text.isascii() and text.isdecimal() and str(int(text[:20])) == text
    return int(text) if is_number and int(text) < MAX_ID else text


class RepeatedImage(Exception):
    """An image whose id or name an earlier one has.

    Attributes:
        index: of the earlier image, from 0.
        is_name: whether it is the name that both have.
    """

    def __init__(self, index: int, *, is_name: bool) -> None:
        super().__init__(index)
        self.index, self.is_name = index, is_name


class Spill:
    """Images and their annotations, by the images' ids; use it as a context manager."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            f"PRAGMA cache_size = -{CACHE_KIB}",
            # Without a type: an id is a number or a string, and stays what it is.
            "CREATE TABLE image (id UNIQUE NOT NULL, name TEXT UNIQUE, raw BLOB NOT NULL)",
            "CREATE TABLE piece (image NOT NULL, raw BLOB NOT NULL)",
        ):
            self._database.execute(statement)
        self._waiting: list[tuple[Id, bytes]] = []
        self.count = 0  # of the pieces

    def __enter__(self) -> Spill:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add_image(self, image_id: Id, raw: bytes, name: str | None = None) -> None:
        """Keep an image.

        Args:
            image_id: of the image.
            raw: the image.
            name: of the image; None if it may be that of another one.

        Raises:
            OverflowError: the id has more than 64 bits.
            RepeatedImage: the id or the name exists already.
        """
        try:
            self._database.execute("INSERT INTO image VALUES (?, ?, ?)", (image_id, name, raw))
        except sqlite3.IntegrityError as error:
            row = self._database.execute(
                "SELECT rowid - 1 FROM image WHERE id = ?", (image_id,)
            ).fetchone()
            if row is not None:
                raise RepeatedImage(int(row[0]), is_name=False) from error
            row = self._database.execute(
                "SELECT rowid - 1 FROM image WHERE name = ?", (name,)
            ).fetchone()
            raise RepeatedImage(int(row[0]), is_name=True) from error

    def add(self, image_id: Id, raw: bytes) -> None:
        """Keep a piece that belongs to an image, before or after the image itself.

        Raises:
            OverflowError: the id has more than 64 bits.
        """
        if type(image_id) is int and not -MAX_ID <= image_id < MAX_ID:
            raise OverflowError(
                image_id
            )  # the database would fail later, for one row among thousands
        self.count += 1
        self._waiting.append((image_id, raw))
        if len(self._waiting) >= ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        self._database.executemany("INSERT INTO piece VALUES (?, ?)", self._waiting)
        self._waiting.clear()

    def find_stray(self) -> tuple[int, Id] | None:
        """Index (from 0) of the first piece without an image, and the image id that it names."""
        self._flush()
        row = self._database.execute(
            "SELECT rowid - 1, image FROM piece WHERE image NOT IN (SELECT id FROM image) "
            "ORDER BY rowid LIMIT 1"
        ).fetchone()
        return None if row is None else (int(row[0]), row[1])

    def last_piece(self) -> int | None:
        """The highest number of an image that a piece belongs to; None if there are no pieces."""
        self._flush()
        (highest,) = self._database.execute("SELECT max(image) FROM piece").fetchone()
        return None if highest is None else int(highest)

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
