"""Metadata of collections and images: a JSON object each, and for images also rows to query by.

The object is kept as it was given. `image_field` has one row for each scalar in it: lists give a row
for each element, objects give names with dots; what is deeper or longer than the limits is kept in the
object only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from layernext.errors import DataError, Problem
from layernext.model import find_names_problem, show
from layernext.stack.store.chunks import sorted_chunks
from layernext.stack.store.clock import now_text
from layernext.stack.store.database import Database
from layernext.stack.store.schema import collection, image, image_field

TAGS = "Tags"
MAX_BYTES = 256 << 10
"""Of the metadata of one image or collection, as JSON."""

MAX_DEPTH = 8
MAX_ROWS = 1_000
MAX_TEXT = 512


def check(values: Any, where: str) -> dict[str, Any]:
    """Metadata as somebody gave it.

    Raises:
        DataError: it is no JSON object, a name cannot be one, or `Tags` is no list of strings.
    """
    if not isinstance(values, dict):
        raise DataError(Problem(where, f"is {show(values)}, must be an object"))
    for name in values:
        problem = find_names_problem(name, "a metadata field")
        if problem:
            raise DataError(Problem(where, problem))
    tags = values.get(TAGS, [])
    if not isinstance(tags, list):
        raise DataError(Problem(f"{where}.{TAGS}", f"is {show(tags)}, must be a list of strings"))
    for number, tag in enumerate(tags):
        problem = find_names_problem(tag, "a tag")
        if problem:
            raise DataError(Problem(f"{where}.{TAGS}[{number}]", problem))
    if "\\u0000" in (text := _text(values)):
        raise DataError(Problem(where, "has U+0000 in it, which no text may have"))
    if len(text) > MAX_BYTES:
        raise DataError(Problem(where, f"is larger than {MAX_BYTES >> 10} KiB"))
    return values


def merge_into_collection(
    connection: sa.Connection, collection_id: int, fields: Mapping[str, Any]
) -> None:
    """Give a collection fields; those it has under other names stay."""
    if not fields:
        return
    condition = collection.c.id == collection_id
    old = connection.execute(sa.select(collection.c.fields).where(condition).with_for_update())
    merged = msgspec.json.decode(old.scalar_one()) | dict(fields)
    changed = sa.update(collection).where(condition)
    connection.execute(changed.values(fields=_text(merged), updated_at=now_text()))


def merge_into_images(
    database: Database, connection: sa.Connection, fields_by_image: Mapping[int, Mapping[str, Any]]
) -> None:
    """Give images fields; those they have under other names stay.

    Args:
        database: of the transaction.
        connection: a transaction that writes.
        fields_by_image: by the image's row id.
    """
    ids = sorted(item for item, fields in fields_by_image.items() if fields)
    _change_images(
        database, connection, ids, lambda row_id, old: old | dict(fields_by_image[row_id])
    )


def append_in_images(
    database: Database, connection: sa.Connection, image_ids: list[int], name: str, value: str
) -> int:
    """Append a value to a field that is a list; how many images did not have it.

    Args:
        database: of the transaction.
        connection: a transaction that writes.
        image_ids: row ids, ascending.
        name: of the field. A value in it that is not a list becomes the first element of one.
        value: what to append. Images that have it in the list are left as they are.
    """

    def append(_: int, old: dict[str, Any]) -> dict[str, Any] | None:
        values = old.get(name, [])
        if not isinstance(values, list):
            values = [values]
        return None if value in values else old | {name: [*values, value]}

    return _change_images(database, connection, image_ids, append)


def _change_images(
    database: Database,
    connection: sa.Connection,
    image_ids: list[int],
    change: Callable[[int, dict[str, Any]], dict[str, Any] | None],
) -> int:
    """Replace the metadata of images by what `change` makes of it, None for no change; how many changed."""
    count = 0
    for chunk in sorted_chunks(image_ids):
        rows = connection.execute(
            sa.select(image.c.id, image.c.fields)
            .where(image.c.id.in_(chunk))
            .order_by(image.c.id)
            .with_for_update()
        ).all()
        changes = {row.id: change(row.id, msgspec.json.decode(row.fields)) for row in rows}
        merged = {row_id: fields for row_id, fields in changes.items() if fields is not None}
        if not merged:
            continue
        changing = (
            sa.update(image)
            .where(image.c.id == sa.bindparam("changed"))
            .values(fields=sa.bindparam("new_fields"), updated_at=now_text())
        )
        values = [
            {"changed": row_id, "new_fields": _text(fields)} for row_id, fields in merged.items()
        ]
        connection.execute(changing, values)
        connection.execute(sa.delete(image_field).where(image_field.c.image_id.in_(list(merged))))
        fresh = [row for row_id, fields in merged.items() for row in _rows(row_id, fields)]
        if fresh:
            database.execute_many(connection, sa.insert(image_field), fresh)
        count += len(merged)
    return count


def forget(connection: sa.Connection, image_ids: Iterable[int]) -> None:
    """Remove the rows of images that are about to go."""
    condition = image_field.c.image_id.in_(list(image_ids))
    connection.execute(sa.delete(image_field).where(condition))


def _rows(image_id: int, fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for count, (name, value) in enumerate(_scalars(fields, "", MAX_DEPTH)):
        if count == MAX_ROWS:
            return
        text = value if isinstance(value, str) else _text(value)
        if len(name) <= MAX_TEXT:
            number = _number(value)
            yield {"image_id": image_id, "name": name, "text": text[:MAX_TEXT], "number": number}


def _scalars(value: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        if depth:
            for key, inner in value.items():
                yield from _scalars(inner, f"{name}.{key}" if name else key, depth - 1)
    elif isinstance(value, list):
        if depth:
            for inner in value:
                yield from _scalars(inner, name, depth - 1)
    else:
        yield name, value


def _number(value: Any) -> float | None:
    """What to compare by if it is a number, or a text that is one."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
