"""Making files visible: images get the objects whose bytes are durable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from layernext.errors import Conflict
from layernext.stack.store.chunks import sorted_chunks
from layernext.stack.store.clock import now_text
from layernext.stack.store.collections import fields, images, naming
from layernext.stack.store.collections.keys import ImageKey
from layernext.stack.store.database import Database
from layernext.stack.store.files.records import NewFile
from layernext.stack.store.objects.dropped import drop
from layernext.stack.store.schema import collection, image, version_item

_NOT_IN_PATH = re.compile(r"[^A-Za-z0-9._-]+")
_PATH_NAME_LENGTH = 80


class StoredFile(Struct, frozen=True):
    """What became of a file that was to be stored.

    Attributes:
        image_id: its image.
        is_new: False if a file of this name was there.
        checksum: of the file that is there now.
        expected: what the look has to find, of a file that takes the place of a lost one.
    """

    image_id: int
    is_new: bool
    checksum: str | None
    expected: str | None = None


def object_path(place_id: str, token: str, name: str) -> str:
    """Where a file's bytes go: a path that no name can lead astray, and that people can read."""
    plain = _NOT_IN_PATH.sub("_", name)[-_PATH_NAME_LENGTH:].lstrip(".")
    return f"{place_id}/{token}-{plain}"


def store_files(
    database: Database,
    connection: sa.Connection,
    collection_id: int,
    new: Sequence[NewFile],
    *,
    conflicts: bool = True,
) -> list[StoredFile]:
    """Give images their files, whose bytes are durable; images that are not there are made.

    Args:
        database: for what its dialect needs.
        connection: the transaction.
        collection_id: row id of the collection that they belong to.
        new: the files, none of a name twice.
        conflicts: whether a file of the same name with other content raises; else it stays.

    Raises:
        Conflict: another file of the same name is there.
    """
    rows, existing = _locked(database, connection, collection_id, [file.name for file in new])
    head = connection.execute(
        sa.select(collection.c.storage_path, collection.c.storage_prefix).where(
            collection.c.id == collection_id
        )
    ).one()
    folder = head.storage_prefix or head.storage_path
    frozen = _frozen(connection, existing.values())
    now = now_text()
    stored: list[StoredFile] = []
    values, fields_by_image = [], {}
    replaced: list[str] = []
    owners: dict[str, tuple[int, int]] = {}
    taken: set[int] = set()
    for file, row in zip(new, rows, strict=True):
        old = existing[row.id]
        is_same = (old.checksum, old.size) == (file.checksum, file.size)
        is_frozen = row.id in frozen and not is_same
        is_lost = old.has_file and old.trashed_at is None and old.state == "missing"
        # If one of the checksums is not known yet, the inspection of the file compares.
        is_lost &= old.size == file.size
        is_lost &= is_same or old.checksum is None or file.checksum is None
        # A linked file that has changed where it lies.
        is_lost |= (
            old.has_file and old.trashed_at is None and _is_linked_again(old.object_path, file)
        )
        is_stored = old.has_file and old.trashed_at is None and not is_lost
        if row.id in taken or is_stored or is_frozen:
            if conflicts and not is_same:
                where = "the trash, and in a dataset version" if is_frozen else "the collection"
                raise Conflict(
                    f"{file.name!r} is in {where} already, with other content", status=409
                )
            stored.append(StoredFile(row.id, is_new=False, checksum=old.checksum))
            continue
        taken.add(row.id)
        # Of a file that was in the trash, or lost.
        replaced += [path for path in (old.object_path, old.thumbnail_path) if path]
        expected = old.checksum if is_lost and file.checksum is None else None
        stored.append(StoredFile(row.id, is_new=True, checksum=file.checksum, expected=expected))
        if not is_lost:
            fields_by_image[row.id] = file.fields
        path = old.storage_path or f"{folder}/{file.name}"
        owners[path] = (row.id, collection_id)
        values.append(
            {
                "changed": row.id,
                "new_path": file.object_path,
                "new_size": file.size,
                "new_checksum": file.checksum,
                "new_storage_path": path,
            }
        )
    if values:
        connection.execute(_having_file(now), values)
        fields.merge_into_images(database, connection, fields_by_image)
        drop(database, connection, replaced)
        naming.claim_paths(database, connection, owners)
    return stored


def _is_linked_again(earlier: str | None, file: NewFile) -> bool:
    """Whether a file is another version of the linked one at the same location."""
    if earlier is None or not earlier.startswith("linked/") or earlier == file.object_path:
        return False
    return earlier.rpartition("/")[0] == file.object_path.rpartition("/")[0]


def _locked(
    database: Database, connection: sa.Connection, collection_id: int, names: Sequence[str]
) -> tuple[list[images.ImageRow], dict[int, sa.Row[Any]]]:
    """The image of each name, made where there is none; and their rows, locked, by row id."""
    keys = [ImageKey("name", name) for name in names]
    while True:
        rows = images.resolve(database, connection, keys, collection_id)
        ids = {row.id for row in rows}
        matches: dict[int, sa.Row[Any]] = {}
        for chunk in sorted_chunks(ids):
            condition = image.c.id.in_(chunk)
            locked = sa.select(image).where(condition).order_by(image.c.id).with_for_update()
            matches |= {row.id: row for row in connection.execute(locked)}
        # One that was purged after it was found is created again.
        if len(matches) == len(ids):
            return rows, matches


def _frozen(connection: sa.Connection, rows: Iterable[sa.Row[Any]]) -> set[int]:
    """Images in the trash that versions of datasets have: their content stays."""
    trashed = [row.id for row in rows if row.has_file and row.trashed_at is not None]
    result: set[int] = set()
    for chunk in sorted_chunks(trashed):
        condition = version_item.c.image_id.in_(chunk)
        result |= set(
            connection.execute(sa.select(version_item.c.image_id).where(condition)).scalars()
        )
    return result


def _having_file(now: str) -> sa.Update:
    """Gives an image its file; what an earlier file's look has shown is forgotten."""
    forgotten = dict.fromkeys(
        ("content_type", "failure", "thumbnail_path", "width", "height", "frame_count",
         "frame_rate", "duration_s", "trashed_at")
    )  # fmt: skip
    return (
        sa.update(image)
        .where(image.c.id == sa.bindparam("changed"))
        .values(
            has_file=True,
            object_path=sa.bindparam("new_path"),
            size=sa.bindparam("new_size"),
            checksum=sa.bindparam("new_checksum"),
            storage_path=sa.bindparam("new_storage_path"),
            state="pending",
            updated_at=now,
            **forgotten,
        )
    )
