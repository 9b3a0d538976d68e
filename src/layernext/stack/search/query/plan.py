"""From the tree of a query to a plan: labels, collections, runs and evaluations looked up, the rest simplified.

All statements of a query but the last run here, on one connection and under the caller's time limit.
What they cost depends on the collections and runs that the query is about, not on what else the stack has.
`where` turns the plan into SQL without asking the database again.

Conditions about annotation sets that stand together in an AND speak of one set: the images that have such
a set are found by `sets`. NOT ends up at the leaves and AND in AND is one AND, so that the statement is no
deeper than the query means it to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import sqlalchemy as sa
from msgspec import Struct

from layernext.errors import DataError, Problem
from layernext.stack.search.query.parse import All, Condition, Either, Node, Not, Query
from layernext.stack.search.query.sets import SetConditions
from layernext.stack.search.query.tallies import chosen_evaluations
from layernext.stack.search.query.values import compare, is_among
from layernext.stack.search.set_index import Int64s, SetIndex, SetRange
from layernext.stack.store.access.records import Within
from layernext.stack.store.database import Database, Deadline
from layernext.stack.store.schema import (
    annotation_set,
    collection,
    dataset,
    dataset_version,
    embedding_model,
    image,
    label,
    operation,
    operation_collection,
)

MAX_DEPTH = 20
"""Levels of AND in OR in AND. SQLite's parser has room for 100 symbols, and takes three or so a level."""


class Constant(Struct, frozen=True):
    """Every image, or none."""

    value: bool


class Among(Struct, frozen=True, eq=False):
    """Images by their row ids; with `is_negated` all others."""

    image_ids: Int64s
    is_negated: bool = False


class OfImage(Struct, frozen=True):
    """A condition that the image's own row decides, or its metadata."""

    condition: Condition


class InCollections(Struct, frozen=True):
    """Images of some collections, by row id."""

    ids: tuple[int, ...]


class HasSet(Struct, frozen=True):
    """Images with an annotation set of some operations, by row id."""

    ids: tuple[int, ...]


class HasEmbedding(Struct, frozen=True):
    """Images with an embedding of some models, by row id."""

    ids: tuple[int, ...]


class InVersions(Struct, frozen=True):
    """Images in some versions of datasets, by row id."""

    ids: tuple[int, ...]


class HasTally(Struct, frozen=True):
    """Images whose tally in one of some evaluations fulfills all conditions."""

    ids: tuple[int, ...]
    conditions: tuple[Condition, ...]


Test: TypeAlias = OfImage | InCollections | HasSet | HasEmbedding | InVersions | HasTally


class Opposite(Struct, frozen=True):
    """Images that do not fulfill a test."""

    test: Test


class AllOf(Struct, frozen=True):
    """What holds together; has no `AllOf` and no `Constant` in it."""

    parts: tuple[PlanNode, ...]


class AnyOf(Struct, frozen=True):
    """What holds at least once; has no `AnyOf` and no `Constant` in it."""

    parts: tuple[PlanNode, ...]


PlanNode: TypeAlias = Constant | Among | Test | Opposite | AllOf | AnyOf


class Plan(Struct, frozen=True):
    """A query with everything looked up.

    Attributes:
        root: what an image must fulfill.
        collection_ids: row ids of the only collections that the query is about; None for all.
        is_sqlite: of which kind the database is that it was made for.
    """

    root: PlanNode
    collection_ids: tuple[int, ...] | None
    is_sqlite: bool


def plan_query(
    database: Database,
    index: SetIndex,
    connection: sa.Connection,
    query: Query,
    *,
    deadline: Deadline,
    collection_id: int | None = None,
    within: Within = None,
    is_trashed: bool = False,
) -> Plan:
    """Look up what a query is about.

    Args:
        database: where the images are.
        index: of its sets.
        connection: what is asked.
        query: the conditions.
        deadline: of the whole query.
        collection_id: row id of the only collection that is asked about.
        within: row ids of the only collections that may be looked at.
        is_trashed: the query is about images in the trash.

    Raises:
        DataError: it asks for tallies of an evaluation that is missing or out of date, or goes too deep.
        InvalidRequest: it takes too long.
    """
    scope = None if within is None else tuple(sorted(within))
    if collection_id is not None:
        scope = (collection_id,)
    if query.root is None:
        return Plan(Constant(value=True), scope, database.is_sqlite)
    planner = _Planner(database, index, connection, deadline, is_trashed=is_trashed)
    root = planner.node(query.root, scope)
    if _depth(root) > MAX_DEPTH:
        message = f"AND and OR in parentheses nest more than {MAX_DEPTH} levels deep"
        raise DataError(Problem("query", message))
    parts = query.root.parts if isinstance(query.root, All) else (query.root,)
    return Plan(root, planner.narrowed(parts, scope), database.is_sqlite)


class _Planner:
    def __init__(
        self,
        database: Database,
        index: SetIndex,
        connection: sa.Connection,
        deadline: Deadline,
        *,
        is_trashed: bool,
    ) -> None:
        self._database, self._index, self._connection = database, index, connection
        self._deadline, self._is_trashed = deadline, is_trashed
        self._evaluations: dict[object, tuple[int, ...]] = {}
        self._images: dict[object, Int64s] = {}

    def node(self, node: Node, scope: tuple[int, ...] | None) -> PlanNode:
        """The plan of a part of the query, about images of the collections in `scope`."""
        if isinstance(node, Not):
            return negated(self.node(node.part, scope))
        if isinstance(node, Either):
            return _combined([self.node(part, scope) for part in node.parts], is_all=False)
        parts = node.parts if isinstance(node, All) else (node,)
        return _combined(self._together(parts, self.narrowed(parts, scope)), is_all=True)

    def narrowed(
        self, parts: Sequence[Node], scope: tuple[int, ...] | None
    ) -> tuple[int, ...] | None:
        """The scope of an AND: the collections that it names are the only ones it can be about."""
        conditions = [
            part
            for part in map(_without_brackets, parts)
            if isinstance(part, Condition) and part.field.name == "collection"
        ]
        if not conditions:
            return scope
        fits = [compare(collection.c.name, condition) for condition in conditions]
        if scope is not None:
            fits.append(is_among(collection.c.id, scope, is_sqlite=self._database.is_sqlite))
        return self._ids(sa.select(collection.c.id).where(*fits))

    def _together(self, parts: Sequence[Node], scope: tuple[int, ...] | None) -> Iterable[PlanNode]:
        """Conditions of an AND: those about sets speak of one set, those about tallies of one tally."""
        of_sets: list[Condition] = []
        of_tallies: list[Condition] = []
        for part in parts:
            if not isinstance(part, Condition):
                yield self.node(part, scope)
            elif part.field.of_set:
                of_sets.append(part)
            elif part.field.of_tally:
                of_tallies.append(part)
            else:
                yield self._of_image(part)
        if of_tallies:
            names = [part for part in of_sets if part.field.name in {"run", "ground_truth"}]
            yield self._of_tallies(tuple(of_tallies), tuple(names), scope)
            # An evaluation has both a run and a ground truth; a set is of the run alone.
            of_sets = [part for part in of_sets if part.field.name != "ground_truth"]
            if all(part.field.name == "run" for part in of_sets):
                return
        if of_sets:
            yield self._of_sets(tuple(of_sets), scope)

    def _of_tallies(
        self,
        conditions: tuple[Condition, ...],
        names: tuple[Condition, ...],
        scope: tuple[int, ...] | None,
    ) -> PlanNode:
        key = (names, scope)
        if key not in self._evaluations:
            ids = chosen_evaluations(self._database, self._connection, names, scope)
            self._evaluations[key] = tuple(ids)
        return HasTally(self._evaluations[key], conditions)

    def _of_image(self, condition: Condition) -> PlanNode:
        name = condition.field.name
        if name == "collection":
            ids = self._ids(sa.select(collection.c.id).where(compare(collection.c.name, condition)))
            return InCollections(ids) if ids else Constant(value=False)
        if name == "embedding.model":
            named = compare(embedding_model.c.name, condition)
            ids = self._ids(sa.select(embedding_model.c.id).where(named))
            return HasEmbedding(ids) if ids else Constant(value=False)
        if name in {"dataset", "dataset.version"}:
            version = dataset_version.c.public_id if "." in name else dataset.c.name
            joined = sa.select(dataset_version.c.id).join(
                dataset, dataset.c.id == dataset_version.c.dataset_id
            )
            ids = self._ids(joined.where(compare(version, condition)))
            return InVersions(ids) if ids else Constant(value=False)
        return OfImage(condition)

    def _ids(self, select: sa.Select[Any]) -> tuple[int, ...]:
        return tuple(sorted(self._connection.execute(select).scalars().all()))

    # -- sets -------------------------------------------------------------------------------

    def _of_sets(
        self, conditions: tuple[Condition, ...], scope: tuple[int, ...] | None
    ) -> PlanNode:
        by_name: dict[str, list[Condition]] = {}
        for condition in conditions:
            by_name.setdefault(condition.field.name, []).append(condition)
        fits = [
            operation.c.mode == mode
            for name, mode in (("run", "machine"), ("ground_truth", "human"))
            if name in by_name
        ]
        for name in ("run", "ground_truth"):
            fits += [compare(operation.c.name, part) for part in by_name.pop(name, [])]
        if not by_name:
            ids = tuple(sorted({part.operation_id for part in self._set_ranges(fits, scope)}))
            return HasSet(ids) if ids else Constant(value=False)
        key = (conditions, scope)
        if key not in self._images:
            self._images[key] = self._images_with_set(by_name, fits, scope)
        return _among(self._images[key], is_negated=False)

    def _images_with_set(
        self,
        by_name: dict[str, list[Condition]],
        fits: Sequence[sa.ColumnElement[bool]],
        scope: tuple[int, ...] | None,
    ) -> Int64s:
        set_conditions = SetConditions(by_name, self._labels(by_name.get("annotation.label", [])))
        if set_conditions.is_impossible:
            return np.zeros(0, np.int64)
        ids = []
        for part in self._set_ranges(fits, scope):
            self._deadline.check()
            ids.append(set_conditions.find(self._connection, self._index, part))
        return np.unique(np.concatenate(ids)) if ids else np.zeros(0, np.int64)

    def _set_ranges(
        self, fits: Sequence[sa.ColumnElement[bool]], scope: tuple[int, ...] | None
    ) -> list[SetRange]:
        """The sets to look through, by operation and collection."""
        counted = operation_collection.c
        columns = (operation.c.id, counted.state, operation.c.revision)
        pairs = sa.select(*columns, counted.collection_id).join(
            operation, operation.c.id == counted.operation_id
        )
        collection_id: sa.ColumnElement[int] = counted.collection_id
        if self._is_trashed:
            # Counts leave the trash out, so what has sets there is found by its images.
            collection_id = image.c.collection_id
            is_counted = (counted.operation_id == operation.c.id) & (
                counted.collection_id == image.c.collection_id
            )
            pairs = (
                sa.select(*columns, image.c.collection_id)
                .distinct()
                .join_from(image, annotation_set, annotation_set.c.image_id == image.c.id)
                .join(operation, operation.c.id == annotation_set.c.operation_id)
                .outerjoin(operation_collection, is_counted)
                .where(image.c.trashed_at.is_not(None))
            )
        if scope is not None:
            pairs = pairs.where(is_among(collection_id, scope, is_sqlite=self._database.is_sqlite))
        ordered = pairs.where(*fits).order_by(operation.c.id, collection_id)
        return [
            SetRange(row.id, row.collection_id, row.revision, row.state)
            for row in self._connection.execute(ordered)
        ]

    def _labels(self, conditions: list[Condition]) -> dict[int, str] | None:
        """Row ids and names of the labels that fit; None if none are asked for."""
        if not conditions:
            return None
        clauses = [compare(label.c.name, condition) for condition in conditions]
        rows = self._connection.execute(sa.select(label.c.id, label.c.name).where(*clauses))
        return {row.id: row.name for row in rows}


def _without_brackets(node: Node) -> Node:
    while isinstance(node, All) and len(node.parts) == 1:
        node = node.parts[0]
    return node


# -- simplifying ----------------------------------------------------------------------------


def negated(node: PlanNode) -> PlanNode:
    """The opposite of a plan."""
    if isinstance(node, Constant):
        return Constant(value=not node.value)
    if isinstance(node, Among):
        return Among(node.image_ids, not node.is_negated)
    if isinstance(node, Opposite):
        return node.test
    if isinstance(node, AllOf | AnyOf):
        return _combined(map(negated, node.parts), is_all=isinstance(node, AnyOf))
    return Opposite(node)


def _combined(parts: Iterable[PlanNode], *, is_all: bool) -> PlanNode:
    """An AND or an OR: flat, each part once, at most one list of images."""
    kind = AllOf if is_all else AnyOf
    flat: list[PlanNode] = []
    for part in parts:
        flat += part.parts if isinstance(part, kind) else (part,)
    listed = [part for part in flat if isinstance(part, Among)]
    if listed:
        flat.append(_merged(listed, is_all=is_all))
    if Constant(value=not is_all) in flat:
        return Constant(value=not is_all)
    rest = [part for part in flat if not isinstance(part, Constant) and part not in listed]
    rest = list(dict.fromkeys(rest))
    if len(rest) == 1:
        return rest[0]
    return kind(tuple(rest)) if rest else Constant(value=is_all)


def _merged(lists: Sequence[Among], *, is_all: bool) -> PlanNode:
    if not is_all:
        return negated(_merged([Among(a.image_ids, not a.is_negated) for a in lists], is_all=True))
    inside = [part.image_ids for part in lists if not part.is_negated]
    outside = [part.image_ids for part in lists if part.is_negated]
    if not inside:
        return _among(reduce(np.union1d, outside), is_negated=True)
    left = reduce(lambda a, b: np.intersect1d(a, b, assume_unique=True), inside)
    for ids in outside:
        left = np.setdiff1d(left, ids, assume_unique=True)
    return _among(left, is_negated=False)


def _among(image_ids: Int64s, *, is_negated: bool) -> PlanNode:
    return Among(image_ids, is_negated) if len(image_ids) else Constant(value=is_negated)


def _depth(node: PlanNode) -> int:
    return 1 + max(map(_depth, node.parts)) if isinstance(node, AllOf | AnyOf) else 0
