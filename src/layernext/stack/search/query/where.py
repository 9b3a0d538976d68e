"""From the plan of a query to SQL over `image`, every value a bound parameter. Asks the database nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from layernext.stack.search.query.fields import METADATA
from layernext.stack.search.query.parse import Condition, Value
from layernext.stack.search.query.plan import (
    AllOf,
    Among,
    AnyOf,
    Constant,
    HasEmbedding,
    HasSet,
    HasTally,
    InCollections,
    InVersions,
    OfImage,
    Opposite,
    Plan,
    PlanNode,
    Test,
)
from layernext.stack.search.query.values import compare, is_among
from layernext.stack.store.schema import (
    annotation_set,
    collection,
    embedding,
    image,
    image_field,
    image_tally,
    operation,
    version_item,
)

Clause = sa.ColumnElement[bool]

MAX_JOINS = 8
"""PostgreSQL tries orders of joins, and a hundred would keep it busy for half a minute. Of a query with more
sub-selects than this each is looked up image by image instead."""


def where(plan: Plan) -> Clause:
    """What an image must fulfill."""
    has_many = _sub_selects(plan.root) > MAX_JOINS
    return _Where(is_sqlite=plan.is_sqlite, is_fenced=has_many).clause(plan.root)


class _Where:
    def __init__(self, *, is_sqlite: bool, is_fenced: bool) -> None:
        self._is_sqlite, self._is_fenced = is_sqlite, is_fenced and not is_sqlite

    def clause(self, node: PlanNode) -> Clause:
        if isinstance(node, Constant):
            return sa.true() if node.value else sa.false()
        if isinstance(node, AllOf):
            return sa.and_(*map(self.clause, node.parts))
        if isinstance(node, AnyOf):
            # In an OR it would read all that fits, of any collection, to have it in a hash table.
            fenced = _Where(is_sqlite=self._is_sqlite, is_fenced=True)
            return sa.or_(*map(fenced.clause, node.parts))
        if isinstance(node, Opposite):
            return sa.not_(self._test(node.test))
        if isinstance(node, Among):
            listed = self._is_among(image.c.id, node.image_ids.tolist())
            return sa.not_(listed) if node.is_negated else listed
        return self._test(node)

    def _test(self, test: Test) -> Clause:
        if isinstance(test, OfImage):
            return self._of_image(test.condition)
        if isinstance(test, InCollections):
            return self._is_among(image.c.collection_id, test.ids)
        if isinstance(test, HasTally):
            tally = image_tally.c
            fits = [
                compare(tally[part.field.name.removeprefix("run.")], part)
                for part in test.conditions
            ]
            return self._has(tally.image_id, self._is_of(tally.evaluation_id, test), *fits)
        if isinstance(test, HasSet):
            columns = annotation_set.c
            return self._has(columns.image_id, self._is_of(columns.operation_id, test))
        if isinstance(test, HasEmbedding):
            return self._has(embedding.c.image_id, self._is_of(embedding.c.model_id, test))
        return self._has(version_item.c.image_id, self._is_of(version_item.c.version_id, test))

    def _is_of(
        self, column: sa.ColumnElement[int], test: HasTally | HasSet | HasEmbedding | InVersions
    ) -> Clause:
        return self._is_among(column, test.ids)

    def _is_among(self, column: sa.ColumnElement[int], ids: Sequence[int]) -> Clause:
        return is_among(column, ids, is_sqlite=self._is_sqlite)

    def _has(self, image_id: sa.ColumnElement[int], *fits: Clause) -> Clause:
        """Whether there is a row that belongs to the image and fits."""
        return self._exists(sa.select(image_id).where(image_id == image.c.id, *fits))

    def _exists(self, select: sa.Select[Any]) -> Clause:
        select = select.correlate(image)
        # With OFFSET 0 PostgreSQL neither joins it nor hashes it.
        return (select.offset(0) if self._is_fenced else select).exists()

    def _of_image(self, condition: Condition) -> Clause:
        name = condition.field.name
        if name.startswith(METADATA):
            named = image_field.c.name == name[len(METADATA) :]
            return self._has(image_field.c.image_id, named, _of_metadata(condition))
        if name == "annotated":
            return sa.or_(*(annotated(str(value)) for value in condition.values))
        if name == "unique_name":
            path = collection.c.storage_path
            column = sa.case((path == "", image.c.name), else_=path + "_" + image.c.name)
            named = collection.c.id == image.c.collection_id
            return self._exists(sa.select(collection.c.id).where(named, compare(column, condition)))
        columns: dict[str, Any] = {
            "name": image.c.name,
            "created": image.c.created_at,
            "modified": sa.func.coalesce(image.c.updated_at, image.c.created_at),
            "size": image.c.size,
            "width": image.c.width,
            "height": image.c.height,
            "frame_count": image.c.frame_count,
            "frame_rate": image.c.frame_rate,
            "duration": image.c.duration_s,
            "has_file": image.c.has_file,
            "state": image.c.state,
        }
        # Never NULL, so that NOT means the rest.
        return sa.func.coalesce(compare(columns[name], condition), sa.false())


def _sub_selects(node: PlanNode) -> int:
    if isinstance(node, AllOf | AnyOf):
        return sum(map(_sub_selects, node.parts))
    return 0 if isinstance(node, Constant | Among) else 1


def _of_metadata(condition: Condition) -> Clause:
    """Metadata is compared as a number where both sides are one, else as text."""
    if condition.operator == "~":
        return compare(image_field.c.text, condition)
    if condition.operator == "=" and condition.until is None:
        return sa.or_(*(_equals(value) for value in condition.values))
    ends = [_number(value) for value in (condition.values[0], condition.until) if value is not None]
    if any(end is None for end in ends):
        return compare(image_field.c.text, condition)
    until = ends[1] if len(ends) > 1 else None
    numeric = Condition(condition.field, condition.operator, (ends[0] or 0.0,), until)
    return compare(image_field.c.number, numeric)


def _equals(value: Value) -> Clause:
    number = _number(value)
    same = image_field.c.text == str(value)
    return same if number is None else sa.or_(same, image_field.c.number == number)


def _number(value: Value) -> float | None:
    """A finite number; ``nan`` and ``inf`` are texts, for the databases compare them otherwise."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def annotated(word: str) -> Clause:
    """Images with a model run (``machine``), with ground truth (``human``), with neither (``raw``)."""
    modes = {"machine": ["machine"], "human": ["human"], "raw": ["machine", "human"]}[word]
    has_set = (
        sa.select(annotation_set.c.id)
        .join(operation, operation.c.id == annotation_set.c.operation_id)
        .where(annotation_set.c.image_id == image.c.id, operation.c.mode.in_(modes))
        .exists()
    )
    return sa.not_(has_set) if word == "raw" else has_set
