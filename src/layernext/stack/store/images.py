"""From what an upload calls an image to the image's row; rows are made where there are none.

The order of looking follows wire-contract 4.4: the key as it was given before, then
``<collection>_<file>`` and ``<collection>/<file>`` for the longest known collection, then the
path in storage. What still fits nothing goes to a guessed, provisional collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from layernext.stack.store import collections
from layernext.stack.store.clock import now_text
from layernext.stack.store.database import Database
from layernext.stack.store.prepared import ImageKey
from layernext.stack.store.schema import collection, image

CHUNK = 5_000
DEFAULT_BUCKET = "DEFAULT"

# `img_0007.jpg` is one file name: the word before the number belongs to it.
_NUMBERED = re.compile(r"^(?:.*_)?(?:img|image|frame|photo|dsc)$", re.IGNORECASE)


class ImageRow(Struct, frozen=True):
    """An image of the database."""

    id: int
    collection_id: int
    name: str
    has_file: bool


_COLUMNS = (image.c.id, image.c.collection_id, image.c.name, image.c.has_file)


def resolve(
    database: Database,
    connection: sa.Connection,
    keys: Sequence[ImageKey],
    collection_id: int | None,
) -> list[ImageRow]:
    """The image of each key, in the order of the keys.

    Args:
        database, connection: where to look, and make what is missing.
        keys: may repeat.
        collection_id: that of keys of the kind ``name``.
    """
    places: dict[ImageKey, tuple[int, str]] = {}
    found: dict[ImageKey, ImageRow] = {}
    extras: dict[ImageKey, dict[str, str | None]] = {}
    loose = []
    for key in dict.fromkeys(keys):
        if key.kind == "name" and collection_id is not None:
            places[key] = (collection_id, key.name)
        elif key.kind == "storage_path":
            extras[key] = {"storage_path": _path(key), "bucket": _bucket(key)}
            loose.append(key)
        else:
            loose.append(key)
    if loose:
        found |= _known_keys(connection, loose)
        _place(database, connection, [k for k in loose if k not in found], places, extras)
    # In the order of the keys, which the new rows' ids then keep.
    places = {key: places[key] for key in dict.fromkeys(keys) if key in places}
    made = _ensure(database, connection, places, extras)
    return [found.get(key) or made[places[key]] for key in keys]


def _known_keys(connection: sa.Connection, keys: Sequence[ImageKey]) -> dict[ImageKey, ImageRow]:
    """Images that were given the same key before, or lie at that path in storage."""
    by_key = {key.name: key for key in keys if key.kind != "storage_path"}
    by_path = {_path(key): key for key in keys if key.kind != "unique_name"}
    found: dict[ImageKey, ImageRow] = {}
    for column, wanted in ((image.c.storage_path, by_path), (image.c.object_key, by_key)):
        for chunk in _chunks(wanted):
            rows = connection.execute(
                sa.select(*_COLUMNS, column.label("key"), image.c.bucket).where(column.in_(chunk))
            )
            for row in rows:
                key = wanted[row.key]
                if key.kind != "storage_path" or row.bucket == _bucket(key):
                    found[key] = ImageRow(row.id, row.collection_id, row.name, row.has_file)
    return found


def _place(
    database: Database,
    connection: sa.Connection,
    keys: Sequence[ImageKey],
    places: dict[ImageKey, tuple[int, str]],
    extras: dict[ImageKey, dict[str, str | None]],
) -> None:
    """Choose a collection and a name for keys that no image has."""
    known = _known_prefixes(connection, (key.name for key in keys if key.kind != "storage_path"))
    unplaced = []
    for key in keys:
        if key.kind == "storage_path":
            unnamed = collections.ensure(database, connection, collections.UNNAMED)
            places[key] = (unnamed.row_id, _path(key))
            continue
        extras[key] = {"object_key": key.name}
        best = max(
            (prefix for prefix in _prefixes(key.name) if prefix in known),
            key=lambda prefix: (not known[prefix][1], len(prefix)),
            default=None,
        )
        if best is None:
            unplaced.append(key)
        else:
            places[key] = (known[best][0], key.name[len(best) :])
    guessed: dict[str, int] = {}
    for key, name in _guess([k for k in unplaced if k.kind == "published"]):
        if name not in guessed:
            row = collections.ensure(database, connection, name, is_provisional=name != "")
            guessed[name] = row.row_id
        places[key] = (guessed[name], key.name[len(name) + 1 if name else 0 :])
    for key in unplaced:
        if key not in places:
            unnamed = collections.ensure(database, connection, collections.UNNAMED)
            places[key] = (unnamed.row_id, key.name)


def _prefixes(key: str) -> Iterator[str]:
    """Everything that could be a collection's part of the key, separator included."""
    for place, character in enumerate(key[:-1]):
        if character in "_/" and place:
            yield key[: place + 1]


def _known_prefixes(
    connection: sa.Connection, keys: Iterable[str]
) -> dict[str, tuple[int, bool]]:
    """Prefix with separator to (collection id, is provisional), for those that are collections."""
    wanted = {prefix[:-1] for key in keys for prefix in _prefixes(key)}
    known: dict[str, tuple[int, bool]] = {}
    for chunk in _chunks(wanted):
        is_one = collection.c.name.in_(chunk) | collection.c.storage_path.in_(chunk)
        rows = connection.execute(
            sa.select(
                collection.c.id,
                collection.c.name,
                collection.c.storage_path,
                collection.c.is_provisional,
            ).where(is_one, collection.c.name != collections.UNNAMED)
        )
        for row in rows:
            entry = (row.id, bool(row.is_provisional))
            known.setdefault(f"{row.storage_path}_", entry)
            known[f"{row.name}_"] = known[f"{row.name}/"] = entry
    return known


def _guess(keys: Sequence[ImageKey]) -> Iterator[tuple[ImageKey, str]]:
    """A collection's name for each key that fits none.

    ``path/file`` (0.0.5) splits at the last slash. Of ``<collection>_<file>`` (1.1.1) only the
    whole request can tell: what all its keys have in common, back to an underscore.
    """
    joined = []
    for key in keys:
        folder, slash, file = key.name.rpartition("/")
        if slash and folder.strip("/") and file:
            yield key, folder
        else:
            joined.append(key)
    names = [key.name for key in joined]
    common = names[0] if len(names) == 1 else os.path.commonprefix(names)
    prefix = common.rpartition("_")[0]
    if _NUMBERED.match(prefix):
        prefix = prefix.rpartition("_")[0]
    if any(len(name) <= len(prefix) + 1 for name in names):
        prefix = ""
    for key in joined:
        yield key, prefix


def _ensure(
    database: Database,
    connection: sa.Connection,
    places: dict[ImageKey, tuple[int, str]],
    extras: dict[ImageKey, dict[str, str | None]],
) -> dict[tuple[int, str], ImageRow]:
    """The image of each place (collection, name), made where there is none."""
    rows = _rows_at(connection, set(places.values()))
    missing = {place: key for key, place in places.items() if place not in rows}
    if missing:
        now = now_text()
        empty: dict[str, Any] = {"object_key": None, "storage_path": None, "bucket": None}
        values = [
            {
                "collection_id": place[0],
                "name": place[1],
                "has_file": False,
                "created_at": now,
                **empty,
                **extras.get(key, {}),
            }
            for place, key in missing.items()
        ]
        insert = database.upsert(image).on_conflict_do_nothing()
        connection.execute(insert, values)
        rows |= _rows_at(connection, set(missing))
    return rows


def _rows_at(
    connection: sa.Connection, places: set[tuple[int, str]]
) -> dict[tuple[int, str], ImageRow]:
    by_collection: dict[int, list[str]] = {}
    for collection_id, name in places:
        by_collection.setdefault(collection_id, []).append(name)
    found: dict[tuple[int, str], ImageRow] = {}
    for collection_id, names in by_collection.items():
        for chunk in _chunks(names):
            chosen = (image.c.collection_id == collection_id) & image.c.name.in_(chunk)
            for row in connection.execute(sa.select(*_COLUMNS).where(chosen)):
                place = (row.collection_id, row.name)
                found[place] = ImageRow(row.id, row.collection_id, row.name, bool(row.has_file))
    return found


def _path(key: ImageKey) -> str:
    return key.name.removeprefix("/")


def _bucket(key: ImageKey) -> str | None:
    return None if key.bucket == DEFAULT_BUCKET else key.bucket


def _chunks(values: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(values)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]
