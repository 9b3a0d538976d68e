"""What evaluations have counted in each image, as conditions and as an order.

An image can be in several evaluations of a run: with other settings, against other ground truths. Of each run
in each collection the one is meant that is current, has the usual settings before special ones, a ground
truth before another run, and was computed last. Whatever is out of date is never looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from layernext.errors import DataError, Problem
from layernext.stack.search.query.parse import All, Condition, Node
from layernext.stack.search.query.values import compare, is_among
from layernext.stack.store.database import Database
from layernext.stack.store.evaluations.evaluations import is_current
from layernext.stack.store.schema import collection, evaluation

_OPERATIONS = {"run": evaluation.c.run, "ground_truth": evaluation.c.truth}
_HINT = "start one with client.evaluate(…) or `layernext evaluate`"


def chosen_evaluations(
    database: Database,
    connection: sa.Connection,
    names: Sequence[Condition],
    collection_ids: Sequence[int] | None,
) -> list[int]:
    """Row ids of the evaluations that are meant, one for each run in each collection.

    Args:
        database: where they are.
        connection: what is asked.
        names: of the run and the ground truth; none given means any.
        collection_ids: row ids of the only collections that are asked about; None for all.

    Raises:
        DataError: there is none, or none that is current.
    """
    table_columns = evaluation.c
    is_shown = (
        sa.select(collection.c.id)
        .where(collection.c.id == table_columns.collection_id, collection.c.trashed_at.is_(None))
        .exists()
    )
    columns = [column for column in table_columns if column.name != "result"]
    query = (
        sa.select(*columns)
        .where(table_columns.computed_at.is_not(None), is_shown)
        .where(*(compare(_OPERATIONS[name.field.name], name) for name in names))
        .order_by(
            table_columns.is_default.desc(),
            table_columns.truth_mode,
            table_columns.computed_at.desc(),
            table_columns.id.desc(),
        )
    )
    if collection_ids is not None:
        query = query.where(
            is_among(table_columns.collection_id, collection_ids, is_sqlite=database.is_sqlite)
        )
    evaluation_ids: dict[tuple[int, str, str], int] = {}
    stale = None
    for row in connection.execute(query).all():
        key = (row.collection_id, row.run, row.run_mode)
        if key in evaluation_ids:
            continue
        if is_current(connection, row):
            evaluation_ids[key] = row.id
        else:
            stale = stale or row
    if not evaluation_ids:
        raise DataError(Problem("query", _missing(names, stale)), hint=_HINT)
    return sorted(evaluation_ids.values())


def _missing(names: Sequence[Condition], stale: Any) -> str:
    if stale is not None:
        return f"the evaluation of run {stale.run!r} against {stale.truth!r} is out of date"
    runs = [repr(name.values[0]) for name in names if name.field.name == "run"]
    return f"there is no evaluation of {'run ' + runs[0] if runs else 'any run'} here"


def named(node: Node | None) -> list[Condition]:
    """The runs and ground truths that a whole query is about: those in its outermost AND."""
    parts = node.parts if isinstance(node, All) else (node,)
    return [
        part for part in parts if isinstance(part, Condition) and part.field.name in _OPERATIONS
    ]
