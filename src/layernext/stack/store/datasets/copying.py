"""Annotation sets of a version: copies of those that its images have when it is built."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from layernext.stack.store.annotations import summaries
from layernext.stack.store.datasets.records import VersionRow
from layernext.stack.store.schema import (
    annotation_set,
    operation,
    version_set,
)


def copy_sets(connection: sa.Connection, version: VersionRow, chunk: Sequence[int]) -> int:
    """Copy the sets of some images; how many annotations the copies have."""
    names = version.settings.operations
    if names is not None and not names:
        return 0
    table_columns = annotation_set.c
    query = (
        sa.select(
            sa.literal(version.row_id),
            table_columns.image_id,
            operation.c.name,
            operation.c.mode,
            table_columns.geometry,
            table_columns.normalized,
            table_columns.annotation_count,
            table_columns.content,
        )
        .join(operation, operation.c.id == table_columns.operation_id)
        .where(table_columns.image_id.in_(list(chunk)))
        .order_by(table_columns.image_id, table_columns.operation_id)
    )
    if names is not None:
        query = query.where(operation.c.name.in_(names))
    columns = [
        "version_id", "image_id", "run", "mode", "geometry", "normalized",
        "annotation_count", "content",
    ]  # fmt: skip
    connection.execute(sa.insert(version_set).from_select(columns, query))
    condition = version_set.c.version_id == version.row_id
    counted = sa.select(sa.func.coalesce(sa.func.sum(version_set.c.annotation_count), 0))
    clause = condition & version_set.c.image_id.in_(list(chunk))
    return int(connection.execute(counted.where(clause)).scalar_one())


def label_ids(connection: sa.Connection, version: VersionRow, chunk: Sequence[int]) -> set[int]:
    """The row ids of the labels of the sets that `copy_sets` copies."""
    columns = annotation_set.c
    query = (
        sa.select(columns.label_summary, columns.annotation_count)
        .join(operation, operation.c.id == columns.operation_id)
        .where(columns.image_id.in_(list(chunk)))
    )
    if version.settings.operations is not None:
        query = query.where(operation.c.name.in_(version.settings.operations))
    rows = connection.execute(query)
    return {item for row in rows for item in summaries.unpack(*row)[0]}
