"""How a run did, image by image: pages of an evaluation's tallies in any order, filtered by a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from layernext.model import StoredTally, TallyOrder
from layernext.stack.search import items
from layernext.stack.search.query import parse_query, plan_query, where
from layernext.stack.search.set_index import SetIndex
from layernext.stack.store.database import Database, Deadline
from layernext.stack.store.evaluations.data import unpack_cell
from layernext.stack.store.evaluations.evaluations import find_row
from layernext.stack.store.files.rows import unique_name
from layernext.stack.store.schema import collection, confusion_cell, image, image_tally

CHUNK = 5_000

Clause = sa.ColumnElement[bool]


class Tallies:
    """The tallies of a database's evaluations.

    Args:
        database: where they are.
        index: of its sets, for queries.
    """

    def __init__(self, database: Database, index: SetIndex) -> None:
        self._database, self._index = database, index

    def page(
        self, evaluation_id: str, *, order: TallyOrder, query: str, offset: int, limit: int
    ) -> tuple[list[StoredTally], int]:
        """Some tallies from the `offset`-th on, and how many there are in all.

        Images in the trash are not among them.

        Raises:
            NotFound: there is no such evaluation.
            DataError: the query is wrong, with the place.
        """
        with (
            self._database.read() as connection,
            self._database.limit(connection, items.QUERY_SECONDS) as deadline,
        ):
            condition = self._wanted(connection, evaluation_id, query, deadline)
            total = sa.select(sa.func.count()).select_from(image_tally).where(condition)
            ids = sa.select(image_tally.c.image_id).where(condition).order_by(*tally_order(order))
            values = connection.execute(ids.offset(offset).limit(limit)).scalars().all()
            return (
                _rows(connection, condition, values),
                int(connection.execute(total).scalar_one()),
            )

    def _wanted(
        self, connection: sa.Connection, evaluation_id: str, query: str, deadline: Deadline
    ) -> Clause:
        row = find_row(connection, evaluation_id)
        condition = _of(row.id)
        if query.strip():
            plan = plan_query(
                self._database,
                self._index,
                connection,
                parse_query(query),
                deadline=deadline,
                collection_id=row.collection_id,
            )
            fits = where(plan)
            condition &= image_tally.c.image_id.in_(sa.select(image.c.id).where(fits))
        return condition

    def list_order(self, evaluation_id: str, order: TallyOrder, query: str = "") -> list[int]:
        """Row ids of all images in order, those in the trash left out.

        Args:
            evaluation_id: which.
            order: by what.
            query: only images that this finds.

        Raises:
            NotFound: there is no such evaluation.
            DataError: the query is wrong, with the place.
        """
        with (
            self._database.read() as connection,
            self._database.limit(connection, items.QUERY_SECONDS) as deadline,
        ):
            condition = self._wanted(connection, evaluation_id, query, deadline)
            ids = sa.select(image_tally.c.image_id).where(condition).order_by(*tally_order(order))
            return list(connection.execute(ids).scalars())

    def cell(
        self, evaluation_id: str, truth_label: int, run_label: int, *, offset: int, limit: int
    ) -> tuple[list[StoredTally], int]:
        """Images behind a cell of the confusion matrix, where it is counted most often first.

        Args:
            evaluation_id: which.
            truth_label, run_label: row and column.
            offset, limit: as in `page`.

        Raises:
            NotFound: there is no such evaluation.
        """
        with self._database.read() as connection:
            row_id = find_row(connection, evaluation_id).id
            columns = confusion_cell.c
            query = sa.select(columns.images).where(
                columns.evaluation_id == row_id,
                columns.truth_label == truth_label,
                columns.run_label == run_label,
            )
            packed = connection.execute(query).scalar_one_or_none()
            if packed is None:
                return [], 0
            counts = dict(zip(*unpack_cell(packed), strict=True))
            existing = _not_in_trash(connection, sorted(counts))
            ordered = sorted(existing, key=lambda item: (-counts[item], item))
            chunk = ordered[offset : offset + limit]
            condition = image_tally.c.evaluation_id == row_id
            return _rows(connection, condition, chunk, counts), len(ordered)


def _not_in_trash(connection: sa.Connection, ids: Sequence[int]) -> list[int]:
    results: list[int] = []
    for start in range(0, len(ids), CHUNK):
        condition = image.c.id.in_(list(ids[start : start + CHUNK]))
        query = sa.select(image.c.id).where(condition, image.c.trashed_at.is_(None))
        results += connection.execute(query).scalars()
    return results


def _of(evaluation_row_id: int) -> Clause:
    """Of an evaluation, without images in the trash."""
    # Under a name of its own: a statement around it may join the table of images, too.
    trashed = image.alias()
    hidden = sa.select(trashed.c.id).where(
        trashed.c.id == image_tally.c.image_id, trashed.c.trashed_at.is_not(None)
    )
    return (image_tally.c.evaluation_id == evaluation_row_id) & ~hidden.exists()


def tally_order(order: TallyOrder) -> list[sa.ColumnElement[Any]]:
    """What tallies are sorted by; the image last, so that pages never overlap."""
    columns = image_tally.c
    wrong = columns.false_positives + columns.missed
    orders: dict[TallyOrder, list[sa.ColumnElement[Any]]] = {
        "worst": [_last(columns.f1), columns.f1, wrong.desc()],
        "best": [_last(columns.f1), columns.f1.desc(), wrong],
        "similarity": [_last(columns.mean_similarity), columns.mean_similarity],
        "image": [],
    }
    if order not in orders:
        return [columns[order].desc(), columns.image_id]
    return [*orders[order], columns.image_id]


def _last(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Sorts what is undefined to the end; the two databases differ in where NULL goes."""
    return sa.case((column.is_(None), 1), else_=0)


def _rows(
    connection: sa.Connection,
    condition: Clause,
    ids: Sequence[int],
    counts: dict[int, int] | None = None,
) -> list[StoredTally]:
    query = (
        sa.select(
            image_tally,
            image.c.name,
            image.c.has_file,
            image.c.width,
            image.c.height,
            collection.c.storage_path,
        )
        .join(image, image.c.id == image_tally.c.image_id)
        .join(collection, collection.c.id == image.c.collection_id)
    )
    matches: dict[int, StoredTally] = {}
    for start in range(0, len(ids), CHUNK):
        clause = image_tally.c.image_id.in_(list(ids[start : start + CHUNK]))
        for row in connection.execute(query.where(condition, clause)):
            matches[row.image_id] = StoredTally(
                id=f"{row.image_id:024x}",
                image=row.name,
                unique_name=unique_name(row.storage_path, row.name),
                has_file=bool(row.has_file),
                width=row.width,
                height=row.height,
                truths=row.truths,
                annotations=row.annotations,
                true_positives=row.true_positives,
                false_positives=row.false_positives,
                missed=row.missed,
                mislabelled=row.mislabelled,
                mean_similarity=row.mean_similarity,
                f1=row.f1,
                count=None if counts is None else counts[row.image_id],
            )
    return [matches[row_id] for row_id in ids if row_id in matches]
