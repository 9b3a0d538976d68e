"""Collections: naming them, finding them, and claiming images that were named before them.

A published client names an image by one key, ``<collection>_<file>`` or ``<collection>/<file>``,
and the stack may not know the collection yet. Then a *provisional* collection is guessed (see
`images`). Once somebody names a collection outright, every image whose key begins with that name
moves there out of the provisional ones, for good. A request that may write and looks up a collection moves
them too (`Collections.adopt`), but that stays a guess: looking up another name that fits moves them again.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from layernext.errors import Conflict
from layernext.stack.store.clock import now_text
from layernext.stack.store.collections import counters
from layernext.stack.store.collections.records import CollectionRow
from layernext.stack.store.database import Database
from layernext.stack.store.removal import evaluations as evaluation_removal
from layernext.stack.store.removal import walker
from layernext.stack.store.schema import (
    annotation_set,
    collection,
    embedding,
    embedding_model,
    image,
    image_field,
    image_tally,
    upload,
    version_item,
    version_set,
)

UNNAMED = ""
"""The collection of images that were named without one."""

IMAGES = 5
"""The kind of collection that model runs are about."""

PATHS_AT_ONCE = 5_000

EMPTY_OF = (image, annotation_set, upload)
"""Tables of which no row refers to an empty collection."""

_NOT_IN_STORAGE_PATH = re.compile(r"[^A-Za-z0-9\-_ ]")


def normalized_name(name: str | None) -> str:
    """The name without trailing slashes: ``path1/path2/`` and ``path1/path2`` are one collection."""
    return (name or UNNAMED).rstrip("/")


def find_by_name(connection: sa.Connection, name: str, kind: int = IMAGES) -> CollectionRow | None:
    """The collection of exactly this name; each kind has names of its own."""
    query = sa.select(collection).where(collection.c.name == name, collection.c.kind == kind)
    return _row(connection.execute(query).one_or_none())


def find_there(
    connection: sa.Connection, name: str, kind: int | None = None
) -> CollectionRow | None:
    """The collection of this name that is not in the trash; of several kinds the one of images."""
    query = sa.select(collection).where(collection.c.name == name)
    if kind is not None:
        query = query.where(collection.c.kind == kind)
    query = query.where(collection.c.trashed_at.is_(None))
    rows = [_row(row) for row in connection.execute(query)]
    results = [row for row in rows if row is not None]
    return min(results, key=lambda row: (row.kind != IMAGES, row.kind), default=None)


def find_by_id(connection: sa.Connection, public_id: str) -> CollectionRow | None:
    """The collection with this public id."""
    query = sa.select(collection).where(collection.c.public_id == public_id)
    return _row(connection.execute(query).one_or_none())


def ensure(
    database: Database,
    connection: sa.Connection,
    name: str,
    *,
    is_provisional: bool = False,
    kind: int = IMAGES,
) -> CollectionRow:
    """The collection of this name, made if there is none.

    Naming one of images outright (`is_provisional` False) also claims the images that belong to it.
    """
    collection_row = find_by_name(connection, name, kind)
    if collection_row and collection_row.is_trashed:
        # Whoever names it wants it; the images that went to the trash with it stay there.
        statement = sa.update(collection).where(collection.c.id == collection_row.row_id)
        connection.execute(statement.values(trashed_at=None))
    if collection_row and (is_provisional or not collection_row.is_provisional):
        return collection_row
    claims = not is_provisional and name != UNNAMED and kind == IMAGES
    if claims:
        # From here on nobody puts images where this would have to find them.
        database.change_places(connection)
        collection_row = find_by_name(connection, name)
    if collection_row is None:
        collection_row = _make(database, connection, name, kind, is_provisional=is_provisional)
    elif claims:
        named = sa.update(collection).where(collection.c.id == collection_row.row_id)
        connection.execute(named.values(is_provisional=False))
    if claims:
        _claim(connection, collection_row)
    return collection_row


def refuse_other_kind(connection: sa.Connection, name: str) -> None:
    """Refuse a name that only a collection of videos or other files has: annotations are of images.

    Without this, annotating it would silently make a second collection of that name.

    Raises:
        Conflict: with the kind of the collection.
    """
    existing = find_there(connection, name)
    # In this order: a collection of images may be committed between the two statements.
    if existing is None or existing.kind == IMAGES or find_by_name(connection, name) is not None:
        return
    raise _not_images(name, existing.kind)


def refuse_files_of_other_kinds(connection: sa.Connection, row_ids: Iterable[int]) -> None:
    """Likewise, of the collections that annotated files were found in.

    Raises:
        Conflict: one of them is not of images; with its name.
    """
    query = sa.select(collection.c.name, collection.c.kind).where(
        collection.c.id.in_(sorted(set(row_ids))), collection.c.kind != IMAGES
    )
    row = connection.execute(query.limit(1)).one_or_none()
    if row is not None:
        raise _not_images(row.name, row.kind)


def _not_images(name: str, kind: int) -> Conflict:
    content = {4: "videos", 7: "files that are not images"}[kind]
    return Conflict(
        f"the collection {name!r} holds {content}, and annotations belong to images",
        hint="use the name of a collection of images, or upload images to this one first",
        status=409,
    )


def find_and_claim(database: Database, connection: sa.Connection, name: str) -> CollectionRow:
    """The collection of this name, with the images that it may be guessed to have."""
    database.change_places(connection)
    collection_row = find_by_name(connection, name)
    if collection_row is None:
        collection_row = _make(database, connection, name, IMAGES, is_provisional=True)
    _claim(connection, collection_row)
    return collection_row


def _make(
    database: Database, connection: sa.Connection, name: str, kind: int, *, is_provisional: bool
) -> CollectionRow:
    now = now_text()
    values = {
        "public_id": secrets.token_hex(12),
        "name": name,
        "kind": kind,
        "storage_path": _free_storage_path(connection, name),
        "is_provisional": is_provisional,
        "created_at": now,
        "updated_at": now,
    }
    insert = database.upsert(collection).on_conflict_do_nothing(index_elements=["name", "kind"])
    connection.execute(insert.values(**values))
    collection_row = find_by_name(connection, name, kind)
    assert collection_row is not None  # noqa: S101 - it was made in this transaction
    return collection_row


def has_claims(connection: sa.Connection, name: str, owner: CollectionRow | None) -> bool:
    """Whether naming a collection `name`, which may be there as `own`, would bring images into it."""
    if name == UNNAMED:
        return False
    query = sa.select(image.c.id).where(_claimable(name, owner)).limit(1)
    return connection.execute(query).one_or_none() is not None


def _row(row: sa.Row[tuple[object, ...]] | None) -> CollectionRow | None:
    if row is None:
        return None
    return CollectionRow(
        row_id=row.id,
        id=row.public_id,
        name=row.name,
        kind=row.kind,
        storage_path=row.storage_path,
        is_provisional=bool(row.is_provisional),
        is_trashed=row.trashed_at is not None,
        created_at=row.created_at,
    )


def _free_storage_path(connection: sa.Connection, name: str) -> str:
    """The name as the published clients expect it in keys; source: docs/protocol.md."""
    base = path = _NOT_IN_STORAGE_PATH.sub("_", name.replace("%20", " ")) or "_"
    number = 0
    taken = sa.select(collection.c.id)
    while connection.execute(taken.where(collection.c.storage_path == path)).one_or_none():
        number += 1
        path = f"{base}_{number}"
    return path


def _claimable(name: str, owner: CollectionRow | None) -> sa.ColumnElement[bool]:
    key = image.c.object_key
    prefixes = _key_prefixes(name, owner.storage_path if owner else None)
    begins = sa.or_(*(sa.func.substr(key, 1, len(p)) == p for p in prefixes))
    loose = sa.select(collection.c.id).where(
        collection.c.is_provisional | (collection.c.name == UNNAMED)
    )
    if owner:
        loose = loose.where(collection.c.id != owner.row_id)
    longer = sa.func.length(key) > len(name) + 1
    return begins & longer & image.c.collection_id.in_(loose)


def _key_prefixes(name: str, storage_path: str | None) -> list[str]:
    prefixes = [f"{name}/", f"{name}_", f"{storage_path or name}_"]
    return list(dict.fromkeys(prefixes))


def _name_behind(key: str, prefixes: Sequence[str]) -> str:
    """A key without the first prefix that it begins with."""
    prefix = next((prefix for prefix in prefixes if key.startswith(prefix)), "")
    return remainder(key, prefix)


def _claim(connection: sa.Connection, target: CollectionRow) -> None:
    """Move images whose key begins with the collection's name into it."""
    query = sa.select(image.c.id, image.c.object_key, image.c.collection_id)
    select = query.where(_claimable(target.name, target)).order_by(image.c.id)
    rows = connection.execute(select).all()
    if not rows:
        return
    prefixes = _key_prefixes(target.name, target.storage_path)
    owned = sa.select(image.c.name, image.c.id).where(image.c.collection_id == target.row_id)
    names_present = {row.name: row.id for row in connection.execute(owned)}
    names = {row.id: _name_behind(row.object_key, prefixes) for row in rows}
    free = {id_: name for id_, name in names.items() if names_present.setdefault(name, id_) == id_}
    _move(connection, free, target.row_id)
    for row_id, name in names.items():
        if row_id not in free:
            _join(connection, row_id, names_present[name], target.row_id)
    touched = {row.collection_id for row in rows} | {target.row_id}
    counters.recount(connection, touched)
    _drop_empty_provisional(connection, touched)


def claim_paths(
    database: Database, connection: sa.Connection, owners: Mapping[str, tuple[int, int]]
) -> None:
    """Let images that were only named by their path in storage become those that lie there.

    Args:
        database: where they are.
        connection: a transaction that writes.
        owners: path in the default bucket to the image that lies there, and its collection.
    """
    paths = sorted(owners)
    results: list[sa.Select[Any]] = [
        sa.select(image.c.id, image.c.storage_path, image.c.collection_id)
        .join(collection, collection.c.id == image.c.collection_id)
        .where(image.c.storage_path.in_(paths[start : start + PATHS_AT_ONCE]))
        .where(collection.c.name == UNNAMED, image.c.bucket == "", ~image.c.has_file)
        .order_by(image.c.id)
        for start in range(0, len(paths), PATHS_AT_ONCE)
    ]

    def find() -> list[sa.Row[Any]]:
        rows = [row for item in results for row in connection.execute(item)]
        return [row for row in rows if row.id != owners[row.storage_path][0]]

    if not find():
        return
    database.change_places(connection)
    touched = set()
    for row in find():
        image_id, collection_id = owners[row.storage_path]
        _join(connection, row.id, image_id, collection_id)
        touched |= {row.collection_id, collection_id}
    counters.recount(connection, touched)


def _move(connection: sa.Connection, names: Mapping[int, str], collection_id: int) -> None:
    """Give images, by their ids, new names in a collection that has none of these."""
    if not names:
        return
    renaming = (
        sa.update(image)
        .where(image.c.id == sa.bindparam("moved"))
        .values(collection_id=collection_id, name=sa.bindparam("new_name"))
    )
    connection.execute(
        renaming, [{"moved": entry, "new_name": name} for entry, name in names.items()]
    )
    condition = annotation_set.c.image_id == sa.bindparam("moved")
    moving = sa.update(annotation_set).where(condition)
    connection.execute(
        moving.values(collection_id=collection_id, is_named=False),
        [{"moved": item} for item in names],
    )


def _join(connection: sa.Connection, image_id: int, other_id: int, collection_id: int) -> None:
    """Let one image become another that is in the collection already.

    Where both have a set of one operation, that of the upload opened last stays.
    """
    age = (
        annotation_set.c.upload_id,
        annotation_set.c.updated_at,
        annotation_set.c.position,
    )
    owner = (annotation_set.c.id, annotation_set.c.operation_id, *age)
    query = sa.select(*owner)
    rivals = {
        row.operation_id: row
        for row in connection.execute(query.where(annotation_set.c.image_id == other_id))
    }
    moving = connection.execute(query.where(annotation_set.c.image_id == image_id)).all()
    counters.changed(connection, {row.operation_id for row in moving})
    for row in moving:
        rival = rivals.get(row.operation_id)
        loser = None
        if rival is not None:
            is_older = row[-len(age) :] < rival[-len(age) :]
            loser = row.id if is_older else rival.id
            connection.execute(sa.delete(annotation_set).where(annotation_set.c.id == loser))
        if loser != row.id:
            stays = sa.update(annotation_set).where(annotation_set.c.id == row.id)
            moved = {"image_id": other_id, "collection_id": collection_id, "is_named": False}
            connection.execute(stays.values(**moved))
    _give_fields(connection, image_id, other_id)
    _give_version_sets(connection, image_id, other_id)
    models = sa.select(embedding.c.model_id).where(embedding.c.image_id == image_id)
    newer = sa.update(embedding_model).where(embedding_model.c.id.in_(models))
    connection.execute(newer.values(version=embedding_model.c.version + 1))
    # The sets have changed with it, so no evaluation that this is of is current.
    connection.execute(sa.delete(image_tally).where(image_tally.c.image_id == image_id))
    leave = (annotation_set, image_field, version_set, image_tally)
    walker.move(connection, image, image_id, other_id, leave=leave)
    connection.execute(sa.delete(image).where(image.c.id == image_id))


def _give_fields(connection: sa.Connection, image_id: int, other_id: int) -> None:
    """Let the metadata of one image become another's, whose own goes before."""
    query = sa.select(image.c.id, image.c.fields).where(image.c.id.in_([image_id, other_id]))
    texts = {row.id: row.fields for row in connection.execute(query)}
    old, new = (msgspec.json.decode(texts[item]) for item in (image_id, other_id))
    if not old:
        return
    merged = msgspec.json.encode(old | new).decode()
    connection.execute(sa.update(image).where(image.c.id == other_id).values(fields=merged))
    condition = image_field.c.image_id == image_id
    double = image_field.c.name.in_([*new])
    connection.execute(sa.delete(image_field).where(condition, double))
    connection.execute(sa.update(image_field).where(condition).values(image_id=other_id))


def _give_version_sets(connection: sa.Connection, image_id: int, other_id: int) -> None:
    """Let the sets of one image in versions be another's, unless that is in the version itself."""
    versions = sa.select(version_item.c.version_id).where(version_item.c.image_id == other_id)
    is_old = version_set.c.image_id == image_id
    connection.execute(sa.delete(version_set).where(is_old, version_set.c.version_id.in_(versions)))
    connection.execute(sa.update(version_set).where(is_old).values(image_id=other_id))


def remainder(key: str, prefix: str) -> str:
    """The file's name in a key that begins with its collection's `prefix`, separator included."""
    rest = key[len(prefix) :]
    # `yard//a.jpg` is what a client makes of the base path `yard//`.
    return (rest.lstrip("/") or rest) if prefix.endswith("/") else rest


def _drop_empty_provisional(connection: sa.Connection, ids: set[int]) -> None:
    full = sa.select(image.c.id).where(image.c.collection_id == collection.c.id).exists()
    empty = sa.select(collection.c.id).where(
        collection.c.id.in_(ids), collection.c.is_provisional, ~full
    )
    results = [row.id for row in connection.execute(empty)]
    if results:
        evaluation_removal.remove_of_collections(connection, results)
        walker.delete(connection, collection, results, leave=EMPTY_OF)
