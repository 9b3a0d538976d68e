"""From the tree of a query to SQL over `image`, every value a bound parameter.

Conditions about annotation sets that stand together in an AND speak of one set: the images that have
such a set are found first (`sets`), and go into the statement as one parameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from layernext.stack.store.database import Database
from layernext.stack.store.query.fields import METADATA
from layernext.stack.store.query.parse import All, Condition, Either, Node, Not, Query, Value
from layernext.stack.store.query.sets import SetConditions
from layernext.stack.store.query.tallies import of_tallies
from layernext.stack.store.schema import (
    annotation_set,
    collection,
    image,
    image_field,
    label,
    operation,
)
from layernext.stack.store.schema_datasets import dataset, dataset_version, version_item
from layernext.stack.store.schema_embeddings import embedding, embedding_model
from layernext.stack.store.set_index import Int64s, SetIndex

Clause = sa.ColumnElement[bool]


def compile_query(
    database: Database,
    index: SetIndex,
    connection: sa.Connection,
    query: Query,
    collection_id: int | None = None,
) -> Clause:
    """What an image must fulfil; sets are looked through on the same connection.

    Args:
        database: where the images are.
        index: of its sets.
        connection: what sets and evaluations are looked up by.
        query: the conditions.
        collection_id: row id of the only collection that is asked about, if it is only one.

    Raises:
        DataError: it asks for tallies of an evaluation that is not there or out of date.
    """
    if query.root is None:
        return sa.true()
    return _Compiler(database, index, connection, collection_id).clause(query.root)


class _Compiler:
    def __init__(
        self,
        database: Database,
        index: SetIndex,
        connection: sa.Connection,
        collection_id: int | None,
    ) -> None:
        self._database, self._index, self._connection = database, index, connection
        self._collection_id = collection_id

    def clause(self, node: Node) -> Clause:
        if isinstance(node, Condition):
            if node.field.of_set:
                return self._of_sets((node,))
            return self._of_tallies((node,), ()) if node.field.of_tally else self._of_image(node)
        if isinstance(node, Not):
            return sa.not_(self.clause(node.part))
        if isinstance(node, Either):
            return sa.or_(*(self.clause(part) for part in node.parts))
        assert isinstance(node, All)  # noqa: S101 - the last kind
        return sa.and_(*self._together(node.parts))

    def _together(self, parts: Sequence[Node]) -> Iterator[Clause]:
        """Conditions of an AND: those about sets speak of one set, those about tallies of one tally."""
        of_sets: list[Condition] = []
        of_tallies: list[Condition] = []
        for part in parts:
            if isinstance(part, Condition) and part.field.of_set:
                of_sets.append(part)
            elif isinstance(part, Condition) and part.field.of_tally:
                of_tallies.append(part)
            else:
                yield self.clause(part)
        if of_tallies:
            names = [one for one in of_sets if one.field.name in {"run", "ground_truth"}]
            yield self._of_tallies(of_tallies, names)
            # An evaluation has both a run and a ground truth; a set is of the run alone.
            of_sets = [one for one in of_sets if one.field.name != "ground_truth"]
            if all(one.field.name == "run" for one in of_sets):
                return
        if of_sets:
            yield self._of_sets(tuple(of_sets))

    def _of_tallies(self, conditions: Sequence[Condition], names: Sequence[Condition]) -> Clause:
        return of_tallies(self._connection, conditions, names, self._collection_id, compare)

    # -- images -----------------------------------------------------------------------------

    def _of_image(self, node: Condition) -> Clause:
        name = node.field.name
        if name.startswith(METADATA):
            return _of_metadata(node, name[len(METADATA) :])
        if name == "annotated":
            return sa.or_(*(annotated(str(value)) for value in node.values))
        if name == "embedding.model":
            chosen = (
                sa.select(embedding.c.image_id)
                .join(embedding_model, embedding_model.c.id == embedding.c.model_id)
                .where(embedding.c.image_id == image.c.id, compare(embedding_model.c.name, node))
            )
            return chosen.exists()
        if name in {"dataset", "dataset.version"}:
            version = dataset_version.c.public_id if "." in name else dataset.c.name
            chosen = (
                sa.select(version_item.c.image_id)
                .join(dataset_version, dataset_version.c.id == version_item.c.version_id)
                .join(dataset, dataset.c.id == dataset_version.c.dataset_id)
                .where(version_item.c.image_id == image.c.id, compare(version, node))
            )
            return chosen.exists()
        if name in {"collection", "unique_name"}:
            column: sa.ColumnElement[str] = collection.c.name
            if name == "unique_name":
                path = collection.c.storage_path
                column = sa.case((path == "", image.c.name), else_=path + "_" + image.c.name)
            chosen = sa.select(collection.c.id).where(
                collection.c.id == image.c.collection_id, compare(column, node)
            )
            return chosen.correlate(image).exists()
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
        return sa.func.coalesce(compare(columns[name], node), sa.false())

    # -- sets -------------------------------------------------------------------------------

    def _of_sets(self, conditions: tuple[Condition, ...]) -> Clause:
        by_name: dict[str, list[Condition]] = {}
        for condition in conditions:
            by_name.setdefault(condition.field.name, []).append(condition)
        chosen = annotation_set.c.image_id == image.c.id
        prefilter = [
            operation.c.mode == mode
            for name, mode in (("run", "machine"), ("ground_truth", "human"))
            if name in by_name
        ]
        for name in ("run", "ground_truth"):
            prefilter += [compare(operation.c.name, one) for one in by_name.pop(name, [])]
        if not by_name:
            found = (
                sa.select(annotation_set.c.id)
                .join(operation, operation.c.id == annotation_set.c.operation_id)
                .where(chosen, *prefilter)
            )
            return found.exists()
        wanted = SetConditions(by_name, self._labels(by_name.get("annotation.label", [])))
        chosen_operations = sa.select(operation.c.id).where(*prefilter).order_by(operation.c.id)
        ids = [
            wanted.find(self._connection, self._index, each)
            for each in self._connection.execute(chosen_operations).scalars().all()
        ]
        return self._has_id(np.unique(np.concatenate(ids)) if ids else np.zeros(0, np.int64))

    def _has_id(self, ids: Int64s) -> Clause:
        if not len(ids):
            return sa.false()
        if self._database.is_sqlite:
            text = sa.bindparam(None, msgspec.json.encode(ids.tolist()).decode(), sa.Text)
            each = sa.func.json_each(text).table_valued("value")
            return image.c.id.in_(sa.select(each.c.value))
        listed = sa.bindparam(None, ids.tolist(), postgresql.ARRAY(sa.BigInteger))
        return image.c.id == sa.any_(listed)

    def _labels(self, conditions: list[Condition]) -> dict[int, str] | None:
        """Row ids and names of the labels that fit; None if none are asked for."""
        if not conditions:
            return None
        clauses = [compare(label.c.name, one) for one in conditions]
        rows = self._connection.execute(sa.select(label.c.id, label.c.name).where(*clauses))
        return {row.id: row.name for row in rows}


def compare(column: Any, node: Condition) -> Clause:
    """A column compared as a condition has it."""
    first = node.values[0]
    result: Clause
    if node.until is not None:
        result = column.between(first, node.until)
    elif node.operator == "=":
        result = column == first if len(node.values) == 1 else column.in_(list(node.values))
    elif node.operator == "~":
        result = column.ilike(_like(str(first)), escape="\\")
    else:
        result = column.op(node.operator, is_comparison=True)(first)
    return result


def _like(pattern: str) -> str:
    """A pattern with ``*`` and ``?`` as SQL has it; without them, a text to contain."""
    escaped = re.sub(r"([\\%_])", r"\\\1", pattern)
    if "*" in pattern or "?" in pattern:
        return escaped.replace("*", "%").replace("?", "_")
    return f"%{escaped}%"


def _of_metadata(node: Condition, name: str) -> Clause:
    """Metadata is compared as a number where both sides are one, else as text."""
    mine = (image_field.c.image_id == image.c.id) & (image_field.c.name == name)
    clause: Clause
    if node.operator == "~":
        clause = compare(image_field.c.text, node)
    elif node.operator == "=" and node.until is None:
        clause = sa.or_(*(_equals(value) for value in node.values))
    else:
        ends = [_number(value) for value in (node.values[0], node.until) if value is not None]
        if all(end is not None for end in ends):
            numeric = Condition(
                node.field, node.operator, (ends[0] or 0.0,), ends[1] if len(ends) > 1 else None
            )
            clause = compare(image_field.c.number, numeric)
        else:
            clause = compare(image_field.c.text, node)
    return sa.select(image_field.c.id).where(mine, clause).exists()


def _equals(value: Value) -> Clause:
    number = _number(value)
    same = image_field.c.text == str(value)
    return same if number is None else sa.or_(same, image_field.c.number == number)


def _number(value: Value | None) -> float | None:
    try:
        return float(value) if value is not None else None
    except ValueError:
        return None


def annotated(word: str) -> Clause:
    """Images with a model run (``machine``), with ground truth (``human``), with neither (``raw``)."""
    modes = {"machine": ["machine"], "human": ["human"], "raw": ["machine", "human"]}[word]
    found = (
        sa.select(annotation_set.c.id)
        .join(operation, operation.c.id == annotation_set.c.operation_id)
        .where(annotation_set.c.image_id == image.c.id, operation.c.mode.in_(modes))
        .exists()
    )
    return sa.not_(found) if word == "raw" else found
