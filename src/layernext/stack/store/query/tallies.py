"""What evaluations have counted in each image, as conditions and as an order.

An image can be in several evaluations of a run: with other settings, against other ground truths. Of each run
in each collection the one is meant that is current, has the usual settings before special ones, a ground
truth before another run, and was computed last. Whatever is out of date is never looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from layernext.errors import DataError, Problem
from layernext.stack.store.evaluations import is_current
from layernext.stack.store.query.parse import All, Condition, Node
from layernext.stack.store.schema import collection, image
from layernext.stack.store.schema_evaluations import evaluation, image_tally

Clause = sa.ColumnElement[bool]
Compare = Callable[[Any, Condition], Clause]

_OPERATIONS = {"run": evaluation.c.run, "ground_truth": evaluation.c.truth}
_HINT = "start one with client.evaluate(…) or `layernext evaluate`"


def of_tallies(
    connection: sa.Connection,
    conditions: Sequence[Condition],
    names: Sequence[Condition],
    collection_id: int | None,
    compare: Compare,
) -> Clause:
    """Images whose tally fulfils all conditions.

    Args:
        connection: what evaluations are looked up by.
        conditions: about tallies.
        names: of the run and the ground truth; none given means any.
        collection_id: row id of the only collection that is asked about.
        compare: a column with a condition.

    Raises:
        DataError: there is no such evaluation, or none that is current.
    """
    ids = chosen_evaluations(connection, names, collection_id, compare)
    own = image_tally.c
    fits = (compare(own[one.field.name.removeprefix("run.")], one) for one in conditions)
    found = sa.select(own.image_id).where(own.evaluation_id.in_(ids), *fits)
    return image.c.id.in_(found)


def chosen_evaluations(
    connection: sa.Connection,
    names: Sequence[Condition],
    collection_id: int | None,
    compare: Compare,
) -> list[int]:
    """Row ids of the evaluations that are meant, one for each run in each collection.

    Raises:
        DataError: there is none, or none that is current.
    """
    own = evaluation.c
    hidden = sa.select(collection.c.id).where(collection.c.trashed_at.is_not(None))
    columns = [column for column in own if column.name != "result"]
    chosen = (
        sa.select(*columns)
        .where(own.computed_at.is_not(None), own.collection_id.not_in(hidden))
        .where(*(compare(_OPERATIONS[one.field.name], one) for one in names))
        .order_by(own.is_default.desc(), own.truth_mode, own.computed_at.desc(), own.id.desc())
    )
    if collection_id is not None:
        chosen = chosen.where(own.collection_id == collection_id)
    found: dict[tuple[int, str, str], int] = {}
    stale = None
    for row in connection.execute(chosen).all():
        place = (row.collection_id, row.run, row.run_mode)
        if place in found:
            continue
        if is_current(connection, row):
            found[place] = row.id
        else:
            stale = stale or row
    if not found:
        raise DataError(Problem("query", _missing(names, stale)), hint=_HINT)
    return sorted(found.values())


def _missing(names: Sequence[Condition], stale: Any) -> str:
    if stale is not None:
        return f"the evaluation of run {stale.run!r} against {stale.truth!r} is out of date"
    runs = [repr(one.values[0]) for one in names if one.field.name == "run"]
    return f"there is no evaluation of {'run ' + runs[0] if runs else 'any run'} here"


def named(node: Node | None) -> list[Condition]:
    """The runs and ground truths that a whole query is about: those in its outermost AND."""
    parts = node.parts if isinstance(node, All) else (node,)
    return [
        part for part in parts if isinstance(part, Condition) and part.field.name in _OPERATIONS
    ]
