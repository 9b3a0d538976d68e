"""Collections: naming them, finding them, and claiming images that were named before them.

A published client names an image by one key, ``<collection>_<file>`` or ``<collection>/<file>``,
and the stack may not know the collection yet. Then a *provisional* collection is guessed (see
`images`). Once somebody names a collection outright, every image whose key begins with that name
moves there out of the provisional ones.
"""

from __future__ import annotations

import re
import secrets

import sqlalchemy as sa

from layernext.model import Collection
from layernext.stack.store import counters
from layernext.stack.store.clock import now_text
from layernext.stack.store.database import Database
from layernext.stack.store.records import CollectionRow
from layernext.stack.store.schema import annotation_set, collection, image, operation_collection
from layernext.wire.native import PageOf

UNNAMED = ""
"""The collection of images that were named without one."""

_NOT_IN_STORAGE_PATH = re.compile(r"[^A-Za-z0-9\-_ ]")


def normalized_name(name: str | None) -> str:
    """The name without trailing slashes: ``path1/path2/`` and ``path1/path2`` are one collection."""
    return (name or UNNAMED).rstrip("/")


def find_by_name(connection: sa.Connection, name: str) -> CollectionRow | None:
    """The collection of exactly this name."""
    found = sa.select(collection).where(collection.c.name == name)
    return _row(connection.execute(found).one_or_none())


def find_by_id(connection: sa.Connection, public_id: str) -> CollectionRow | None:
    """The collection with this public id."""
    found = sa.select(collection).where(collection.c.public_id == public_id)
    return _row(connection.execute(found).one_or_none())


def ensure(
    database: Database, connection: sa.Connection, name: str, *, is_provisional: bool = False
) -> CollectionRow:
    """The collection of this name, made if there is none.

    Naming one outright (`is_provisional` False) also claims the images that belong to it.
    """
    found = find_by_name(connection, name)
    if found and (is_provisional or not found.is_provisional):
        return found
    if found is None:
        values = {
            "public_id": secrets.token_hex(12),
            "name": name,
            "is_provisional": is_provisional,
            "created_at": now_text(),
        }
        insert = database.upsert(collection).on_conflict_do_nothing(index_elements=["name"])
        path = _free_storage_path(connection, name)
        connection.execute(insert.values(**values, storage_path=path))
    else:
        named = sa.update(collection).where(collection.c.id == found.row_id)
        connection.execute(named.values(is_provisional=False))
    made = find_by_name(connection, name)
    assert made is not None  # noqa: S101 - it was made in this transaction
    if not is_provisional and name != UNNAMED:
        _claim(connection, made)
    return made


def has_claims(connection: sa.Connection, name: str) -> bool:
    """Whether naming a collection `name` would bring images into it."""
    if name == UNNAMED:
        return False
    found = sa.select(image.c.id).where(_claimable(name)).limit(1)
    return connection.execute(found).one_or_none() is not None


def list_page(connection: sa.Connection, *, after: int, limit: int) -> PageOf[Collection]:
    """Collections by age, with their images counted; the unnamed one only if it has some."""
    count, waiting = sa.func.count(), sa.func.sum(sa.case((image.c.has_file, 0), else_=1))
    numbers = (
        sa.select(image.c.collection_id, count.label("images"), waiting.label("waiting"))
        .group_by(image.c.collection_id)
        .subquery()
    )
    images = sa.func.coalesce(numbers.c.images, 0).label("images")
    query = (
        sa.select(collection, images, sa.func.coalesce(numbers.c.waiting, 0).label("waiting"))
        .outerjoin(numbers, numbers.c.collection_id == collection.c.id)
        .where(collection.c.id > after, (collection.c.name != UNNAMED) | (images > 0))
        .order_by(collection.c.id)
        .limit(limit + 1)
    )
    rows = connection.execute(query).all()
    following = str(rows[limit - 1].id) if len(rows) > limit else None
    return PageOf([_record(row) for row in rows[:limit]], following)


def get(connection: sa.Connection, row_id: int) -> Collection:
    """One collection with its images counted."""
    (found,) = list_page(connection, after=row_id - 1, limit=1).items
    return found


def _record(row: sa.Row[tuple[object, ...]]) -> Collection:
    return Collection(
        id=row.public_id,
        name=row.name,
        image_count=int(row.images),
        awaiting_file_count=int(row.waiting),
        created_at=row.created_at,
    )


def _row(row: sa.Row[tuple[object, ...]] | None) -> CollectionRow | None:
    if row is None:
        return None
    return CollectionRow(
        row_id=row.id,
        id=row.public_id,
        name=row.name,
        storage_path=row.storage_path,
        is_provisional=bool(row.is_provisional),
        created_at=row.created_at,
    )


def _free_storage_path(connection: sa.Connection, name: str) -> str:
    """The name as the published clients expect it in keys; source: wire-contract 4.4."""
    base = path = _NOT_IN_STORAGE_PATH.sub("_", name.replace("%20", " ")) or "_"
    number = 0
    taken = sa.select(collection.c.id)
    while connection.execute(taken.where(collection.c.storage_path == path)).one_or_none():
        number += 1
        path = f"{base}_{number}"
    return path


def _claimable(name: str, storage_path: str | None = None) -> sa.ColumnElement[bool]:
    prefixes = {f"{name}/", f"{name}_", f"{storage_path or name}_"}
    key = image.c.object_key
    begins = sa.or_(*(sa.func.substr(key, 1, len(p)) == p for p in sorted(prefixes)))
    loose = sa.select(collection.c.id).where(
        collection.c.is_provisional | (collection.c.name == UNNAMED)
    )
    longer = sa.func.length(key) > len(name) + 1
    return begins & longer & image.c.collection_id.in_(loose)


def _claim(connection: sa.Connection, target: CollectionRow) -> None:
    """Move images whose key begins with the collection's name into it."""
    found = sa.select(image.c.id, image.c.object_key, image.c.collection_id, image.c.name)
    rows = connection.execute(found.where(_claimable(target.name, target.storage_path))).all()
    if not rows:
        return
    for row in rows:
        key: str = row.object_key
        prefix = target.name if key.startswith((f"{target.name}/", f"{target.name}_")) else None
        name = key[len(prefix if prefix is not None else target.storage_path) + 1 :]
        _move(connection, row.id, target.row_id, name)
    touched = {row.collection_id for row in rows} | {target.row_id}
    counters.recount(connection, touched)
    _drop_empty_provisional(connection, touched)


def _move(connection: sa.Connection, image_id: int, collection_id: int, name: str) -> None:
    there = sa.select(image.c.id).where(image.c.collection_id == collection_id)
    clash = connection.execute(
        there.where(image.c.name == name, image.c.id != image_id)
    ).scalar_one_or_none()
    own = annotation_set.c.image_id == image_id
    moved = {"collection_id": collection_id, "is_named": False}
    if clash is None:
        values = {"collection_id": collection_id, "name": name}
        connection.execute(sa.update(image).where(image.c.id == image_id).values(**values))
        connection.execute(sa.update(annotation_set).where(own).values(**moved))
        return
    # The image is there already: where both have a set of one operation, the newer one stays.
    for row in connection.execute(
        sa.select(annotation_set.c.id, annotation_set.c.operation_id, annotation_set.c.updated_at)
        .where(own)
    ).all():  # fmt: skip
        rival = connection.execute(
            sa.select(annotation_set.c.id, annotation_set.c.updated_at).where(
                annotation_set.c.image_id == clash,
                annotation_set.c.operation_id == row.operation_id,
            )
        ).one_or_none()
        loser = None
        if rival is not None:
            loser = row.id if rival.updated_at > row.updated_at else rival.id
            connection.execute(sa.delete(annotation_set).where(annotation_set.c.id == loser))
        if loser != row.id:
            stays = sa.update(annotation_set).where(annotation_set.c.id == row.id)
            connection.execute(stays.values(image_id=clash, **moved))
    connection.execute(sa.delete(image).where(image.c.id == image_id))


def _drop_empty_provisional(connection: sa.Connection, ids: set[int]) -> None:
    full = sa.select(image.c.id).where(image.c.collection_id == collection.c.id).exists()
    empty = sa.select(collection.c.id).where(
        collection.c.id.in_(ids), collection.c.is_provisional, ~full
    )
    gone = [row.id for row in connection.execute(empty)]
    if gone:
        counted = operation_collection.c.collection_id.in_(gone)
        connection.execute(sa.delete(operation_collection).where(counted))
        connection.execute(sa.delete(collection).where(collection.c.id.in_(gone)))
