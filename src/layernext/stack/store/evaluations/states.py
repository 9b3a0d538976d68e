"""Whether what an evaluation was computed from is still there: a fingerprint of all of it.

Each change of an operation's sets in a collection gives it another state (see `counters`). Metadata of
images go in where tables over them are asked for, their sizes where these matter.
A version of a dataset has sets that never change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from layernext.model import METHOD
from layernext.stack.store.schema import (
    image,
    image_field,
    operation,
    operation_collection,
    version_item,
)

GONE = "gone"

_CHANGES = {
    "1": "annotations of the run have changed",
    "2": "annotations of the ground truth have changed",
    "metadata": "metadata of images have changed",
    "sizes": "sizes of images have become known or changed",
}


def evaluation_state(
    connection: sa.Connection, row: Any, slices: Sequence[str], *, uses_sizes: bool
) -> str:
    """The fingerprint of everything that goes into an evaluation, now.

    Args:
        connection: of the moment that counts.
        row: of the table `evaluation`.
        slices: names of metadata that tables are made over.
        uses_sizes: whether sizes of images matter.
    """
    parts = [str(METHOD)]
    if row.collection_id is not None:
        parts += [
            set_state(connection, row.collection_id, row.run, row.run_mode) or GONE,
            set_state(connection, row.collection_id, row.truth, row.truth_mode) or GONE,
        ]
    if slices:
        parts.append("metadata " + _digest(connection.execute(_metadata(row, slices))))
    if uses_sizes:
        parts.append("sizes " + _digest(connection.execute(_sizes(row))))
    return "|".join(parts)


def set_state(connection: sa.Connection, collection_id: int, name: str, mode: str) -> str | None:
    """The state of an operation's sets in a collection; None if it has none there."""
    query = (
        sa.select(operation_collection.c.state, operation_collection.c.image_count)
        .join(operation, operation.c.id == operation_collection.c.operation_id)
        .where(
            operation_collection.c.collection_id == collection_id,
            operation.c.name == name,
            operation.c.mode == mode,
        )
    )
    row = connection.execute(query).one_or_none()
    if row is None or not row.image_count:
        return None
    return f"s{row.state}"


def difference(before: str, now: str) -> str | None:
    """What has changed between two fingerprints, in words; None if nothing has."""
    if before == now:
        return None
    old, new = before.split("|"), now.split("|")
    if old[0] != new[0]:
        return "it was made by a version of the stack that counted otherwise"
    if GONE in new:
        return "the run or the ground truth is no longer there"
    for position, (item, other) in enumerate(zip(old, new, strict=False)):
        if item != other:
            kind = item.partition(" ")[0]
            return _CHANGES.get(kind) or _CHANGES[str(position)]
    return "it was computed from other data"


def _digest(rows: Iterable[Any]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for row in rows:
        digest.update(repr(tuple(row)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _images(row: Any) -> sa.ColumnElement[bool]:
    if row.collection_id is not None:
        condition: sa.ColumnElement[bool] = image.c.collection_id == row.collection_id
        return condition
    clause = version_item.c.version_id == row.version_id
    return image.c.id.in_(sa.select(version_item.c.image_id).where(clause))


def _metadata(row: Any, slices: Sequence[str]) -> sa.Select[Any]:
    columns = (image_field.c.image_id, image_field.c.name, image_field.c.text)
    query = sa.select(*columns).join(image, image.c.id == image_field.c.image_id)
    return query.where(_images(row), image_field.c.name.in_(list(slices))).order_by(*columns)


def _sizes(row: Any) -> sa.Select[Any]:
    columns = (image.c.id, image.c.width, image.c.height)
    return sa.select(*columns).where(_images(row)).order_by(image.c.id)
