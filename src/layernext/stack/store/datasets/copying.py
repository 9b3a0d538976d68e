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


def copy_sets(connection: sa.Connection, version: VersionRow, some: Sequence[int]) -> int:
    """Copy the sets of some images; how many annotations the copies have."""
    names = version.settings.operations
    if names is not None and not names:
        return 0
    own = annotation_set.c
    chosen = (
        sa.select(
            sa.literal(version.row_id),
            own.image_id,
            operation.c.name,
            operation.c.mode,
            own.geometry,
            own.normalized,
            own.annotation_count,
            own.content,
        )
        .join(operation, operation.c.id == own.operation_id)
        .where(own.image_id.in_(list(some)))
        .order_by(own.image_id, own.operation_id)
    )
    if names is not None:
        chosen = chosen.where(operation.c.name.in_(names))
    columns = [
        "version_id", "image_id", "run", "mode", "geometry", "normalized",
        "annotation_count", "content",
    ]  # fmt: skip
    connection.execute(sa.insert(version_set).from_select(columns, chosen))
    mine = version_set.c.version_id == version.row_id
    counted = sa.select(sa.func.coalesce(sa.func.sum(version_set.c.annotation_count), 0))
    here = mine & version_set.c.image_id.in_(list(some))
    return int(connection.execute(counted.where(here)).scalar_one())


def label_ids(connection: sa.Connection, version: VersionRow, some: Sequence[int]) -> set[int]:
    """The row ids of the labels of the sets that `copy_sets` copies."""
    own = annotation_set.c
    chosen = (
        sa.select(own.label_summary, own.annotation_count)
        .join(operation, operation.c.id == own.operation_id)
        .where(own.image_id.in_(list(some)))
    )
    if version.settings.operations is not None:
        chosen = chosen.where(operation.c.name.in_(version.settings.operations))
    rows = connection.execute(chosen)
    return {one for row in rows for one in summaries.unpack(*row)[0]}
