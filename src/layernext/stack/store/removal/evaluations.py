"""Evaluations go with what they are of: the run, the ground truth, the collection, the version."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from layernext.model import Mode
from layernext.stack.store.jobs.jobs import Jobs
from layernext.stack.store.removal import walker
from layernext.stack.store.schema import evaluation


def remove_of_run(
    connection: sa.Connection, collection_id: int | None, run: str, modes: Sequence[Mode]
) -> None:
    """Delete what was computed of a run or against it, in a collection or (None) in each."""
    columns = evaluation.c
    condition = (columns.run == run) & columns.run_mode.in_(modes)
    condition |= (columns.truth == run) & columns.truth_mode.in_(modes)
    clause = (
        columns.collection_id.is_not(None)
        if collection_id is None
        else columns.collection_id == collection_id
    )
    query = sa.select(columns.id).where(condition, clause)
    delete_rows(connection, list(connection.execute(query).scalars()))


def remove_of_version(connection: sa.Connection, version_id: int) -> None:
    """Delete what was computed of a dataset version, by its row id."""
    query = sa.select(evaluation.c.id).where(evaluation.c.version_id == version_id)
    delete_rows(connection, list(connection.execute(query).scalars()))


def remove_of_collections(connection: sa.Connection, collection_ids: list[int]) -> None:
    """Delete what was computed of collections, by their row ids."""
    query = sa.select(evaluation.c.id).where(evaluation.c.collection_id.in_(collection_ids))
    delete_rows(connection, list(connection.execute(query).scalars()))


def delete_rows(connection: sa.Connection, ids: list[int]) -> None:
    """Delete evaluations by their row ids, and what compared them; jobs that compute either end."""
    if not ids:
        return
    query = sa.select(evaluation.c.job_id, evaluation.c.public_id)
    rows = connection.execute(query.where(evaluation.c.id.in_(ids))).all()
    Jobs.cancel_in(connection, [row.job_id for row in rows], "what it was for is gone")
    Jobs.forget_comparisons(connection, [row.public_id for row in rows])
    walker.delete(connection, evaluation, ids)
