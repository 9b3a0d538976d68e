"""From what an upload calls an image to the image's row; rows are made where there are none.

The order of looking follows docs/protocol.md: the key as it was given before; an image that has
it as ``<collection>_<file>`` or ``<collection>/<file>``; the path in storage. What is not an image yet
becomes one, in the known collection with the longest fitting name, or else in a guessed one, which
is provisional (see `collections`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa
from msgspec import Struct

from layernext.stack.store.chunks import sorted_chunks
from layernext.stack.store.clock import now_text
from layernext.stack.store.collections import naming
from layernext.stack.store.collections.keys import ImageKey
from layernext.stack.store.database import Database
from layernext.stack.store.schema import collection, image

PREFIX_CHUNK = 1_000
"""Keys whose prefixes are looked up at a time: a key of 512 underscores has as many."""
DEFAULT_BUCKET = "DEFAULT"

# `img_0007.jpg` is one file name: the word before the number belongs to it.
_NUMBERED = re.compile(r"(?:.*_)?(?:img|image|frame|photo|dsc)", re.IGNORECASE | re.DOTALL)

Place: TypeAlias = tuple[int, str, str]
"""Where an image is: collection id, name, bucket; the bucket is empty but for storage paths."""


class ImageRow(Struct, frozen=True):
    """An image of the database."""

    id: int
    collection_id: int
    name: str
    has_file: bool
    width: int | None
    height: int | None
    declared: tuple[int | None, int | None]


_COLUMNS = (
    image.c.id, image.c.collection_id, image.c.name, image.c.bucket, image.c.has_file, image.c.width,
    image.c.height, image.c.declared_width, image.c.declared_height,
)  # fmt: skip


def resolve(
    database: Database,
    connection: sa.Connection,
    keys: Sequence[ImageKey],
    collection_id: int | None,
) -> list[ImageRow]:
    """The image of each key, in the order of the keys.

    Args:
        database: where to look.
        connection: the transaction that makes what is missing.
        keys: may repeat.
        collection_id: that of keys of the kind ``name``.
    """
    locations: dict[ImageKey, Place] = {}
    loose: list[ImageKey] = []
    for key in dict.fromkeys(keys):
        if key.kind == "name" and collection_id is not None:
            locations[key] = (collection_id, key.name, "")
        else:
            loose.append(key)
    rows_by_key = _resolve_loose(database, connection, loose, locations) if loose else {}
    ordered = {key: locations[key] for key in dict.fromkeys(keys) if key in locations}
    new_rows = _ensure(database, connection, ordered, is_plain=collection_id is not None)
    return [rows_by_key.get(key) or new_rows[locations[key]] for key in keys]


def _resolve_loose(
    database: Database,
    connection: sa.Connection,
    keys: Sequence[ImageKey],
    locations: dict[ImageKey, Place],
) -> dict[ImageKey, ImageRow]:
    """Images for keys without a collection; for those that have none yet, a location in `locations`."""
    rows_by_key = _by_object_key(connection, [key for key in keys if key.kind != "storage_path"])
    open_keys = [key for key in keys if key.kind != "storage_path" and key not in rows_by_key]
    candidates = _candidates(connection, open_keys)
    rows_by_location = _rows_at(
        connection, {address for candidate in candidates.values() for address in candidate}
    )
    for key, chunk in candidates.items():
        rows = [rows_by_location[location] for location in chunk if location in rows_by_location]
        if rows:
            rows_by_key[key] = rows[0]
    paths = [key for key in keys if key.kind != "unique_name" and key not in rows_by_key]
    rows_by_key |= _by_storage_path(connection, paths)
    rest = [key for key in keys if key not in rows_by_key]
    guessed = []
    for key in rest:
        if candidates.get(key):
            locations[key] = candidates[key][0]
        elif key.kind == "published":
            guessed.append(key)
        else:
            unnamed = naming.ensure(database, connection, naming.UNNAMED)
            is_path = key.kind == "storage_path"
            locations[key] = (
                (unnamed.row_id, _path(key), _bucket(key))
                if is_path
                else (unnamed.row_id, key.name, "")
            )
    for key, name, file in _guess(guessed):
        naming.refuse_other_kind(connection, name)
        row = naming.ensure(database, connection, name, is_provisional=name != naming.UNNAMED)
        locations[key] = (row.row_id, file, "")
    return rows_by_key


def _by_object_key(connection: sa.Connection, keys: Sequence[ImageKey]) -> dict[ImageKey, ImageRow]:
    """Images that were given the same key before."""
    rows: dict[str, ImageRow] = {}
    for chunk in sorted_chunks({key.name for key in keys}):
        query = sa.select(*_COLUMNS, image.c.object_key).where(image.c.object_key.in_(chunk))
        rows |= {row.object_key: _image(row) for row in connection.execute(query)}
    return {key: rows[key.name] for key in keys if key.name in rows}


def _by_storage_path(
    connection: sa.Connection, keys: Sequence[ImageKey]
) -> dict[ImageKey, ImageRow]:
    """Images that lie at that path in storage."""
    rows: dict[tuple[str, str], ImageRow] = {}
    for chunk in sorted_chunks({_path(key) for key in keys}):
        query = sa.select(*_COLUMNS, image.c.storage_path).where(image.c.storage_path.in_(chunk))
        rows |= {(row.storage_path, row.bucket): _image(row) for row in connection.execute(query)}
    locations_by_key = {key: (_path(key), _bucket(key)) for key in keys}
    return {key: rows[location] for key, location in locations_by_key.items() if location in rows}


def _candidates(connection: sa.Connection, keys: Sequence[ImageKey]) -> dict[ImageKey, list[Place]]:
    """Where each key can be by the collections that are known.

    Those that somebody named outright come first, and among them the longest name.
    """
    candidates = {}
    for start in range(0, len(keys), PREFIX_CHUNK):
        chunk = keys[start : start + PREFIX_CHUNK]
        known_prefixes = _known_prefixes(connection, (key.name for key in chunk))
        for key in chunk:
            fitting = [prefix for prefix in _prefixes(key.name) if prefix in known_prefixes]
            fitting.sort(key=lambda prefix: (known_prefixes[prefix][1], -len(prefix)))
            candidates[key] = [
                (known_prefixes[p][0], naming.remainder(key.name, p), "") for p in fitting
            ]
    return candidates


def find_by_unique_name(connection: sa.Connection, name: str) -> int | None:
    """The row id of the image, video or other file with this unique name."""
    return find_by_unique_names(connection, [name]).get(name)


def find_by_unique_names(connection: sa.Connection, names: Sequence[str]) -> dict[str, int]:
    """Row ids by unique name; names that nothing has are left out."""
    keys = [ImageKey("unique_name", name) for name in names]
    row_ids = {key.name: row.id for key, row in _by_object_key(connection, keys).items()}
    rest = [name for name in names if name not in row_ids]
    known_prefixes = _known_prefixes(connection, rest, any_kind=True)
    locations: dict[str, list[Place]] = {}
    for name in rest:
        fitting = [prefix for prefix in _prefixes(name) if prefix in known_prefixes]
        fitting.sort(key=lambda prefix: (known_prefixes[prefix][1], -len(prefix)))
        locations[name] = [
            (known_prefixes[prefix][0], naming.remainder(name, prefix), "") for prefix in fitting
        ]
    current = _rows_at(connection, {location for item in locations.values() for location in item})
    for name, chunk in locations.items():
        row_id = next((current[address].id for address in chunk if address in current), None)
        if row_id is not None:
            row_ids[name] = row_id
    return row_ids


def find_by_storage_paths(connection: sa.Connection, paths: Sequence[str]) -> dict[str, int]:
    """Row ids by path in the default bucket; paths where nothing lies are left out."""
    keys = [ImageKey("storage_path", path) for path in paths]
    return {key.name: row.id for key, row in _by_storage_path(connection, keys).items()}


def _prefixes(key: str) -> Iterator[str]:
    """Everything that could be a collection's part of the key, separator included."""
    for location, character in enumerate(key[:-1]):
        if character in "_/" and location:
            yield key[: location + 1]


def _known_prefixes(
    connection: sa.Connection, keys: Iterable[str], *, any_kind: bool = False
) -> dict[str, tuple[int, bool]]:
    """Prefix with separator to (collection id, is provisional), for those that are collections."""
    names = {prefix[:-1] for key in keys for prefix in _prefixes(key)}
    results: dict[str, tuple[int, bool]] = {}
    for chunk in sorted_chunks(names):
        is_one = collection.c.name.in_(chunk) | collection.c.storage_path.in_(chunk)
        query = sa.select(collection).where(is_one, collection.c.name != naming.UNNAMED)
        if not any_kind:
            query = query.where(collection.c.kind == naming.IMAGES)
        for row in connection.execute(query):
            entry = (row.id, bool(row.is_provisional))
            results.setdefault(f"{row.storage_path}_", entry)
            results[f"{row.name}_"] = results[f"{row.name}/"] = entry
    return results


def _guess(keys: Sequence[ImageKey]) -> Iterator[tuple[ImageKey, str, str]]:
    """A collection's name, and the file's, for each key that fits none.

    ``path/file`` (0.0.5) splits at the last slash. Of ``<collection>_<file>`` (1.1.1) only the
    whole request can tell: what all its keys have in common, back to an underscore.
    """
    joined = []
    for key in keys:
        folder, slash, file = key.name.rpartition("/")
        if slash and file:
            yield key, naming.normalized_name(folder), file
        else:
            joined.append(key)
    prefix = _common_prefix([key.name for key in joined])
    for key in joined:
        yield key, prefix, key.name[len(prefix) + 1 if prefix else 0 :]


def _common_prefix(names: Sequence[str]) -> str:
    common = names[0] if len(names) == 1 else os.path.commonprefix(names)  # noqa: RUF071 - meant
    prefix = common.rpartition("_")[0]
    is_before_number = all(name[len(prefix) + 1 :][:1].isdigit() for name in names)
    if is_before_number and _NUMBERED.fullmatch(prefix):
        prefix = prefix.rpartition("_")[0]
    return "" if any(len(name) <= len(prefix) + 1 for name in names) else prefix


def _ensure(
    database: Database,
    connection: sa.Connection,
    locations: Mapping[ImageKey, Place],
    *,
    is_plain: bool,
) -> dict[Place, ImageRow]:
    """The image at each location, created where there is none; `is_plain` if names are mere names.

    New ones get their ids in the order of `locations`, which is that of the upload.
    """
    rows = _rows_at(connection, set(locations.values()))
    if not database.is_sqlite and any(location not in rows for location in locations.values()):
        # One transaction at a time makes images of a collection: two that made the same ones in
        # different orders would wait for each other.
        _lock_collections(connection, {collection_id for collection_id, _, _ in locations.values()})
        rows = _rows_at(connection, set(locations.values()))
    missing = {address: key for key, address in locations.items() if address not in rows}
    if missing:
        now = now_text()
        plain_kinds = {"storage_path", "name"} if is_plain else {"storage_path"}
        values = [
            {
                "collection_id": address[0],
                "name": address[1],
                "bucket": address[2],
                "object_key": None if key.kind in plain_kinds else key.name,
                "storage_path": _path(key) if key.kind == "storage_path" else None,
                "has_file": False,
                "created_at": now,
            }
            for address, key in missing.items()
        ]
        insert = database.upsert(image).on_conflict_do_nothing()
        database.execute_many(connection, insert, values)
        rows |= _rows_at(connection, set(missing))
    return rows


def _lock_collections(connection: sa.Connection, ids: Iterable[int]) -> None:
    query = sa.select(collection.c.id).where(collection.c.id.in_(sorted(ids)))
    connection.execute(query.order_by(collection.c.id).with_for_update(key_share=True))


def _rows_at(connection: sa.Connection, locations: set[Place]) -> dict[Place, ImageRow]:
    by_collection: dict[int, list[str]] = {}
    for collection_id, name, _ in locations:
        by_collection.setdefault(collection_id, []).append(name)
    matches: dict[Place, ImageRow] = {}
    for collection_id, names in by_collection.items():
        for chunk in sorted_chunks(names):
            condition = (image.c.collection_id == collection_id) & image.c.name.in_(chunk)
            for row in connection.execute(sa.select(*_COLUMNS).where(condition)):
                matches[collection_id, row.name, row.bucket] = _image(row)
    return matches


def _image(row: Any) -> ImageRow:
    return ImageRow(
        row.id,
        row.collection_id,
        row.name,
        bool(row.has_file),
        row.width,
        row.height,
        (row.declared_width, row.declared_height),
    )


def _path(key: ImageKey) -> str:
    return key.name.removeprefix("/") or key.name


def _bucket(key: ImageKey) -> str:
    is_default = key.kind != "storage_path" or key.bucket in {None, DEFAULT_BUCKET}
    return "" if is_default else str(key.bucket)
