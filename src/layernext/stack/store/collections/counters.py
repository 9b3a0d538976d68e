"""How many sets and annotations each operation has in each collection, kept with every change.

With the counts goes a text that is new with every change of the sets, so that what was computed from
them can tell whether it still holds.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from layernext.stack.store.clock import now_text
from layernext.stack.store.database import Database
from layernext.stack.store.schema import annotation_set, image, operation, operation_collection


def add(
    database: Database,
    connection: sa.Connection,
    operation_id: int,
    changes: Mapping[int, tuple[int, int]],
) -> None:
    """Add (sets, annotations), which may be negative, per collection id."""
    now = now_text()
    insert = database.upsert(operation_collection)
    statement = insert.on_conflict_do_update(
        index_elements=["operation_id", "collection_id"],
        set_={
            "image_count": operation_collection.c.image_count + insert.excluded.image_count,
            "annotation_count": operation_collection.c.annotation_count
            + insert.excluded.annotation_count,
            "state": insert.excluded.state,
            "updated_at": now,
        },
    )
    rows = [
        {
            "operation_id": operation_id,
            "collection_id": collection_id,
            "image_count": images,
            "annotation_count": annotations,
            "state": secrets.token_hex(8),
            "created_at": now,
            "updated_at": now,
        }
        for collection_id, (images, annotations) in sorted(changes.items())
    ]
    if rows:
        connection.execute(statement, rows)


def changed(connection: sa.Connection, operation_ids: Iterable[int]) -> None:
    """Note that sets of operations were moved or removed, maybe without a change of their state.

    That is so of sets in the trash, which are not counted. With it `set_index` knows that what it has
    of any collection is out of date.
    """
    condition = operation.c.id.in_(sorted(operation_ids))
    newer = sa.update(operation).where(condition).values(revision=operation.c.revision + 1)
    connection.execute(newer)


def recount(connection: sa.Connection, collection_ids: Iterable[int]) -> None:
    """Count again, from the sets themselves: after sets moved, or images went to the trash."""
    ids = sorted(collection_ids)
    condition = operation_collection.c.collection_id.in_(ids)
    old = {
        (row.operation_id, row.collection_id): row.created_at
        for row in connection.execute(sa.select(operation_collection).where(condition))
    }
    connection.execute(sa.delete(operation_collection).where(condition))
    numbers = (
        sa.select(
            annotation_set.c.operation_id,
            annotation_set.c.collection_id,
            sa.func.count().label("images"),
            sa.func.sum(annotation_set.c.annotation_count).label("annotations"),
        )
        .join(image, image.c.id == annotation_set.c.image_id)
        .where(annotation_set.c.collection_id.in_(ids), image.c.trashed_at.is_(None))
        .group_by(annotation_set.c.operation_id, annotation_set.c.collection_id)
    )
    now = now_text()
    rows = [
        {
            "operation_id": row.operation_id,
            "collection_id": row.collection_id,
            "image_count": row.images,
            "annotation_count": int(row.annotations),
            "state": secrets.token_hex(8),
            "created_at": old.get((row.operation_id, row.collection_id), now),
            "updated_at": now,
        }
        for row in connection.execute(numbers)
    ]
    if rows:
        connection.execute(sa.insert(operation_collection), rows)
