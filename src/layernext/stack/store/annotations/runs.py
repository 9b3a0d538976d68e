"""Model runs and ground truths."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from layernext.model import ModelRun
from layernext.stack.store.access.records import Within
from layernext.stack.store.database import Database
from layernext.stack.store.pages import read_pair
from layernext.stack.store.schema import collection, operation, operation_collection
from layernext.wire.native import PageOf


class Runs:
    """The model runs and ground truths of a database.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_page(
        self, collection_id: int | None, *, after: str | None, limit: int, within: Within = None
    ) -> PageOf[ModelRun]:
        """Model runs and ground truths per collection, oldest operation first."""
        counted = operation_collection
        cursor = read_pair(after)
        query = (
            sa.select(counted, operation.c.name, operation.c.mode, collection.c.name.label("place"))
            .join(operation, operation.c.id == counted.c.operation_id)
            .join(collection, collection.c.id == counted.c.collection_id)
            .where(
                sa.tuple_(counted.c.operation_id, counted.c.collection_id)
                > sa.tuple_(*map(sa.literal, cursor)),
                counted.c.image_count > 0,
            )
            .order_by(counted.c.operation_id, counted.c.collection_id)
            .limit(limit + 1)
        )
        if collection_id is not None:
            query = query.where(counted.c.collection_id == collection_id)
        if within is not None:
            query = query.where(counted.c.collection_id.in_(within))
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        items = [
            ModelRun(
                name=row.name,
                mode=row.mode,
                collection=row.place,
                image_count=row.image_count,
                annotation_count=row.annotation_count,
                created_at=row.created_at,
                updated_at=row.updated_at,
            )
            for row in rows[:limit]
        ]
        last = rows[limit - 1] if len(rows) > limit else None
        return PageOf(items, f"{last.operation_id}-{last.collection_id}" if last else None)

    def find_unknown(self, runs: Sequence[str], within: Within = None) -> str | None:
        """The first of these names that no model run and no ground truth ever had.

        With `within`: that none has in these collections.
        """
        if not runs:
            return None
        named = sa.select(operation.c.name).where(operation.c.name.in_(runs))
        if within is not None:
            counted = operation_collection
            named = named.join(counted, counted.c.operation_id == operation.c.id)
            named = named.where(counted.c.collection_id.in_(within))
        with self._database.read() as connection:
            values = set(connection.execute(named).scalars())
        return next((run for run in runs if run not in values), None)
