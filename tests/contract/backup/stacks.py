"""Stacks without a server, for backups: a database of either kind, filled, and a store of objects."""

from __future__ import annotations

import hashlib
import random
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import sqlalchemy as sa

from layernext.stack.backup import Manifest, Target, back_up, restore
from layernext.stack.objects import ObjectStore
from layernext.stack.store import Database, Store, open_snapshot
from layernext.stack.store.schema import image, metadata

ROWS = 12
BIG = 2**53
# SQLite itself stores -0.0 as 0.0.
FLOATS = [0.1 + 0.2, 1e308, 5e-324, float("inf"), 298.28999999999996, 243.0]
TEXTS = ["", "é\U0001f600", "two\nlines", "'quoted\"", "%s ? :x", "\u2028", " "]


@dataclass
class Parts:
    """A stack's database, its objects, and the folder that they are in if it is not a bucket."""

    database: Database
    objects: ObjectStore
    root: Path = Path()


NewParts: TypeAlias = Callable[..., Parts]


def show_nothing(what: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
    """Progress that nobody sees."""
    del what, total

    @contextmanager
    def shown() -> Iterator[Callable[[int], None]]:
        yield lambda _count: None

    return shown()


def content_of(path: str, size: int = 500) -> bytes:
    """What an object at a path has: nobody needs to remember it."""
    return (hashlib.sha256(path.encode()).digest() * (size // 32 + 1))[:size]


def add_file(parts: Parts, name: str, size: int = 500, *, collection: str = "yard") -> str:
    """A file whose row and object are there; the object's path."""
    path = f"{collection}/{secrets.token_hex(12)}-{name}"
    content = content_of(path, size)
    parts.objects.put([(path, content)])
    store = Store(parts.database)
    store.collections.ensure(collection)
    row = store.collections.find(collection)
    assert row is not None
    values = {
        "collection_id": row.row_id,
        "name": name,
        "bucket": "",
        "has_file": True,
        "object_path": path,
        "size": size,
        "checksum": hashlib.sha256(content).hexdigest(),
        "state": "ready",
        "created_at": "2026-01-01T00:00:00.000Z",
    }
    with parts.database.write() as connection:
        connection.execute(sa.insert(image).values(values))
    return path


def rows_of(database: Database) -> dict[str, list[str]]:
    """Every row of every table, so written that 1, 1.0 and True differ."""
    with open_snapshot(database) as snapshot:
        columns = {table: snapshot.columns(table) for table in snapshot.tables}
        return {
            table: sorted(
                repr(sorted(zip(columns[table], row, strict=True))) for row in snapshot.rows(table)
            )
            for table in snapshot.tables
        }


def fill(parts: Parts, seed: int) -> None:
    """Rows in every table, with values that are easily lost, and the objects that they name."""
    Store(parts.database)  # has a name of its own from now on
    rng = random.Random(seed)
    keys: dict[sa.Column[Any], list[Any]] = {}
    with parts.database.write() as connection:
        for table in metadata.sorted_tables:
            rows = _rows(table, rng, keys)
            connection.execute(sa.insert(table), rows)
            for column in table.primary_key.columns:
                keys[column] = [row[column.name] for row in rows]
    with open_snapshot(parts.database) as snapshot:
        named = list(snapshot.objects())
    parts.objects.put([(named.path, content_of(named.path)) for named in named])


def _rows(
    table: sa.Table, rng: random.Random, keys: dict[sa.Column[Any], list[Any]]
) -> list[dict[str, Any]]:
    unique = [table.primary_key.columns, *(
        constraint.columns
        for constraint in table.constraints
        if isinstance(constraint, sa.UniqueConstraint)
    )]  # fmt: skip
    taken: set[tuple[Any, ...]] = set()
    rows: list[dict[str, Any]] = []
    for _ in range(50 * ROWS):
        number = len(rows)
        row = {column.name: _value(column, rng, number, keys) for column in table.columns}
        row |= _file_values(row)
        values = {
            (position, *(row[column.name] for column in columns))
            for position, columns in enumerate(unique)
        }
        if not values & taken:
            taken |= values
            rows.append(row)
        if len(rows) == ROWS:
            break
    return rows


def _value(
    column: sa.Column[Any], rng: random.Random, number: int, keys: dict[sa.Column[Any], list[Any]]
) -> Any:
    target = next((key.column for key in column.foreign_keys), None)
    if column.nullable and rng.random() < 0.2:
        return None
    if target is not None:
        return rng.choice(keys[target])
    if column.name.endswith("_path") or column.name == "path":
        return f"folder-{rng.randrange(3)}/{rng.getrandbits(64):016x}.bin"
    return _plain_value(column, rng, number)


def _plain_value(column: sa.Column[Any], rng: random.Random, number: int) -> Any:
    is_key = bool(column.primary_key)
    makers: list[tuple[type[Any], Callable[[], Any]]] = [
        (sa.Boolean, lambda: rng.random() < 0.5),
        (sa.SmallInteger, lambda: rng.randrange(-(2**15), 2**15)),
        (sa.BigInteger, lambda: BIG + 1 + number if is_key else rng.randrange(-(2**63), 2**63)),
        (sa.Integer, lambda: rng.randrange(-(2**31), 2**31)),
        (sa.Double, lambda: rng.choice(FLOATS)),
        (sa.LargeBinary, lambda: rng.randbytes(32 if is_key else rng.choice([0, 1, 300, 100_000]))),
        (sa.Text, lambda: f"{rng.choice(TEXTS)}{rng.getrandbits(64):x}"),
    ]
    return next(make() for kind, make in makers if isinstance(column.type, kind))


def _file_values(row: dict[str, Any]) -> dict[str, Any]:
    """Size and checksum of the object that a row names."""
    path = row.get("object_path")
    if "checksum" not in row or path is None or "handle" in row:
        return {"has_file": False} if "has_file" in row else {}
    digest = hashlib.sha256(content_of(path)).hexdigest()
    return {"size": 500, "checksum": digest} | ({"has_file": True} if "has_file" in row else {})


def taken(parts: Parts, target: Target) -> Manifest:
    return back_up(parts.database, parts.objects, target, show_nothing)


def brought_back(target: Target, manifest: Manifest, parts: Parts) -> object:
    return restore(target, manifest, parts.database, parts.objects, show_nothing)


def contents(target: Target) -> set[str]:
    """Places of the contents that a target has."""
    return {info.path for info in target.store.list_objects("objects")}


def paths_of(parts: Parts) -> set[str]:
    return {info.path for info in parts.objects.list_objects()}


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
