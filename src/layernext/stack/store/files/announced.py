"""What clients say that the bytes of files are which went past the stack, until somebody has compared it.

Parts that the stack took were compared when they came. Those that clients sent straight to a bucket are known by the
checksums that came when a file was finished; they are kept in `file_part` until the file is inspected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from msgspec import Struct

from layernext.stack.store.database import Database
from layernext.stack.store.files.records import FileRow, ItemPart
from layernext.stack.store.schema import file_item, file_part


class Announced(Struct, frozen=True, kw_only=True):
    """What a client says of a file that it sent.

    Attributes:
        checksum: SHA-256 of the file in hexadecimal, or None.
        parts: all that make up the file, by number, if it gave a SHA-256 of each and nobody has compared them.
    """

    checksum: str | None = None
    parts: list[ItemPart] = []


def keep(
    database: Database, connection: sa.Connection, item_id: int, parts: Sequence[ItemPart]
) -> None:
    """Keep these parts of a file, and only these, until it is inspected."""
    connection.execute(sa.delete(file_part).where(file_part.c.item_id == item_id))
    rows = [
        {
            "item_id": item_id,
            "number": part.number,
            "size": part.size,
            "checksum": part.checksum,
            "tag": part.tag,
        }
        for part in parts
    ]
    if rows:
        database.execute_many(connection, sa.insert(file_part), rows)


def find(connection: sa.Connection, files: Sequence[FileRow]) -> dict[int, Announced]:
    """What is known of some files, by the row id of the image."""
    of_paths = {file.object_path: file.image_id for file in files}
    rows = connection.execute(
        sa.select(
            file_item.c.object_path,
            file_item.c.checksum.label("whole"),
            file_part.c.number,
            file_part.c.size,
            file_part.c.checksum,
        )
        .outerjoin(file_part, file_part.c.item_id == file_item.c.id)
        .where(_of(of_paths.values()), file_item.c.object_path.in_(of_paths))
        .order_by(file_item.c.id, file_part.c.number)
    )
    matches: dict[int, Announced] = {}
    for row in rows:
        condition = matches.setdefault(
            of_paths[row.object_path], Announced(checksum=row.whole, parts=[])
        )
        if row.number is not None:
            condition.parts.append(ItemPart(row.number, row.size, row.checksum))
    return matches


def forget(connection: sa.Connection, files: Iterable[FileRow]) -> None:
    """The parts of these files have been compared."""
    paths = {file.object_path: file.image_id for file in files}
    items = sa.select(file_item.c.id).where(
        _of(paths.values()), file_item.c.object_path.in_(paths), file_item.c.is_stored
    )
    connection.execute(sa.delete(file_part).where(file_part.c.item_id.in_(items)))


def _of(image_ids: Iterable[int]) -> sa.ColumnElement[bool]:
    """By the image first, which has an index."""
    return file_item.c.image_id.in_(list(image_ids))
