"""Images and other files, chosen by a query and a filter: listed, counted, selected, trashed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from layernext.errors import DataError, Problem
from layernext.stack.search.query import (
    Plan,
    annotated,
    chosen_evaluations,
    named,
    parse_query,
    plan_query,
    where,
)
from layernext.stack.search.set_index import SetIndex
from layernext.stack.store.access.records import Within
from layernext.stack.store.clock import now_text
from layernext.stack.store.collections import counters, images
from layernext.stack.store.collections.naming import IMAGES
from layernext.stack.store.collections.records import Selection
from layernext.stack.store.collections.selections import Selections
from layernext.stack.store.database import Database, Deadline
from layernext.stack.store.files.rows import unique_name
from layernext.stack.store.schema import (
    annotation_set,
    collection,
    image,
    image_tally,
    operation,
    selection_item,
    version_item,
)
from layernext.stack.store.storable import is_storable

CHUNK = 5_000
QUERY_SECONDS = 30.0
"""What a query may take, all its statements together."""

SortField = Literal["modified", "created", "name", "size", "id"]


class ItemFilter(Struct, frozen=True, kw_only=True):
    """What items are wanted.

    Attributes:
        query: in the query language.
        collection_id: row id of the only collection; None for all.
        kinds: kinds of collections they are in; None for all.
        annotated: ``raw``, ``machine``, ``human``; any of them; empty does not restrict.
        from_date, to_date: when they were uploaded, ends included: days or times, UTC.
        has_file: only those with a file, or only those without.
        is_in_dataset: only those that are in a version of a dataset.
        within: row ids of the only collections.
    """

    query: str = ""
    collection_id: int | None = None
    kinds: tuple[int, ...] | None = None
    annotated: tuple[str, ...] = ()
    from_date: str | None = None
    to_date: str | None = None
    has_file: bool | None = None
    is_in_dataset: bool = False
    within: Within = None


class ItemRow(Struct, frozen=True, kw_only=True):
    """An image or other file, with all that is known of it."""

    image_id: int
    name: str
    unique_name: str
    collection_id: str
    collection: str
    kind: int
    has_file: bool
    storage_path: str | None
    bucket: str
    size: int | None
    checksum: str | None
    content_type: str | None
    state: str | None
    failure: str | None
    has_thumbnail: bool
    width: int | None
    height: int | None
    declared_width: int | None
    declared_height: int | None
    frame_count: int | None
    frame_rate: float | None
    duration_s: float | None
    fields: dict[str, Any]
    created_at: str
    updated_at: str


class Items:
    """The images, videos and other files of a database.

    Args:
        database: where they are.
        selections: of the same.
        index: of its sets, for queries.
    """

    def __init__(self, database: Database, selections: Selections, index: SetIndex) -> None:
        self._database, self._selections, self._index = database, selections, index

    # -- listing ----------------------------------------------------------------------------

    def list_page(
        self,
        item_filter: ItemFilter,
        *,
        sort: SortField,
        descending: bool,
        offset: int,
        limit: int,
    ) -> list[ItemRow]:
        """Some items, in order.

        Raises:
            DataError: the query or a date is wrong, with the place.
        """
        order = _sorted(sort, descending=descending)
        with (
            self._database.read() as connection,
            self._database.limit(connection, QUERY_SECONDS) as deadline,
        ):
            clause = self._clause(connection, item_filter, deadline)
            ids = sa.select(image.c.id).where(clause).order_by(*order)
            ids = ids.offset(offset).limit(limit)
            return _items_of(connection, ids)

    def list_order(
        self, item_filter: ItemFilter, *, sort: SortField, descending: bool
    ) -> list[int]:
        """The row ids of all items that are wanted, in order.

        Raises:
            DataError: the query or a date is wrong, with the place.
        """
        with (
            self._database.read() as connection,
            self._database.limit(connection, QUERY_SECONDS) as deadline,
        ):
            query = sa.select(image.c.id).where(self._clause(connection, item_filter, deadline))
            ordered = query.order_by(*_sorted(sort, descending=descending))
            return list(connection.execute(ordered).scalars())

    def list_rows(self, image_ids: Sequence[int], within: Within = None) -> list[ItemRow]:
        """The items of some row ids, in their order; those that are not there are left out."""
        query = _rows().where(image.c.id.in_(list(image_ids)), _is_there())
        if within is not None:
            query = query.where(image.c.collection_id.in_(within))
        with self._database.read() as connection:
            rows = {row.id: row for row in connection.execute(query)}
        return [_item(rows[image_id]) for image_id in image_ids if image_id in rows]

    def list_siblings(
        self, image_id: int, names: Sequence[str], within: Within = None
    ) -> list[ItemRow]:
        """The items of some names in the collection of an image, in any order; none if the image may not be seen."""
        of_image = sa.select(image.c.collection_id).where(image.c.id == image_id)
        same_collection = image.c.collection_id == of_image.scalar_subquery()
        storable = [name for name in names if is_storable(name)]
        query = _rows().where(same_collection, image.c.name.in_(storable), _is_there())
        if within is not None:
            query = query.where(image.c.collection_id.in_(within))
        with self._database.read() as connection:
            return [_item(row) for row in connection.execute(query)]

    def list_after(self, item_filter: ItemFilter, *, after: int, limit: int) -> list[ItemRow]:
        """Items in the order they came, those behind one of them."""
        with (
            self._database.read() as connection,
            self._database.limit(connection, QUERY_SECONDS) as deadline,
        ):
            clause = self._clause(connection, item_filter, deadline) & (image.c.id > after)
            ids = sa.select(image.c.id).where(clause).order_by(image.c.id).limit(limit)
            return _items_of(connection, ids)

    def list_by_tally(
        self, item_filter: ItemFilter, column: str, *, descending: bool, offset: int, limit: int
    ) -> list[ItemRow]:
        """Items by what an evaluation has counted in them; those in none come last.

        The evaluation is that of the run that the query names, as `query.tallies` has it; of several runs
        the highest count decides, or the lowest if the lowest come first.

        Args:
            item_filter: which items.
            column: of the table of tallies.
            descending: whether the highest come first.
            offset, limit: which of them.

        Raises:
            DataError: there is no such evaluation that is current.
        """
        columns = image_tally.c
        reduced = (sa.func.max if descending else sa.func.min)(columns[column])
        with (
            self._database.read() as connection,
            self._database.limit(connection, QUERY_SECONDS) as deadline,
        ):
            plan = self._plan(connection, item_filter, deadline)
            names = named(parse_query(item_filter.query).root)
            ids = chosen_evaluations(self._database, connection, names, plan.collection_ids)
            values = (
                sa.select(columns.image_id, reduced.label("value"))
                .where(columns.evaluation_id.in_(ids))
                .group_by(columns.image_id)
                .subquery()
            )
            is_missing = sa.case((values.c.value.is_(None), 1), else_=0)
            order = values.c.value.desc() if descending else values.c.value
            query = (
                sa.select(image.c.id)
                .outerjoin(values, values.c.image_id == image.c.id)
                .where(*self._filters(item_filter), where(plan))
                .order_by(is_missing, order, image.c.id)
            )
            results = list(connection.execute(query.offset(offset).limit(limit)).scalars())
            rows = {
                row.id: row for row in connection.execute(_rows().where(image.c.id.in_(results)))
            }
        return [_item(rows[row_id]) for row_id in results if row_id in rows]

    def count(self, item_filter: ItemFilter) -> int:
        """How many items there are."""
        with (
            self._database.read() as connection,
            self._database.limit(connection, QUERY_SECONDS) as deadline,
        ):
            clause = self._clause(connection, item_filter, deadline)
            query = sa.select(sa.func.count()).select_from(image).where(clause)
            return int(connection.execute(query).scalar_one())

    def find(self, name: str) -> ItemRow | None:
        """The item with this unique name, that is not in the trash."""
        if not is_storable(name):
            return None
        with self._database.read() as connection:
            row_id = images.find_by_unique_name(connection, name)
            return None if row_id is None else _one(connection, row_id)

    def get(self, image_id: int) -> ItemRow | None:
        """The item of this image, unless it is in the trash."""
        with self._database.read() as connection:
            return _one(connection, image_id)

    def totals(self, within: Within = None) -> dict[int, tuple[int, int, int]]:
        """Files, bytes and frames of each kind of collection."""
        query = (
            sa.select(
                collection.c.kind,
                sa.func.count(),
                sa.func.coalesce(sa.func.sum(image.c.size), 0),
                sa.func.coalesce(sa.func.sum(sa.func.coalesce(image.c.frame_count, 1)), 0),
            )
            .join(collection, collection.c.id == image.c.collection_id)
            .where(_is_there())
            .group_by(collection.c.kind)
        )
        if within is not None:
            query = query.where(collection.c.id.in_(within))
        with self._database.read() as connection:
            return {row[0]: (row[1], int(row[2]), int(row[3])) for row in connection.execute(query)}

    def annotated_totals(self, within: Within = None) -> dict[str, int]:
        """How many images there are of each state of annotation."""
        totals = {}
        readable = sa.true() if within is None else image.c.collection_id.in_(within)
        with self._database.read() as connection:
            for word in ("raw", "machine", "human"):
                query = sa.select(sa.func.count()).select_from(image)
                clause = _is_there() & readable & _of_kinds((IMAGES,)) & annotated(word)
                totals[word] = int(connection.execute(query.where(clause)).scalar_one())
        return totals

    def _clause(
        self,
        connection: sa.Connection,
        item_filter: ItemFilter,
        deadline: Deadline,
        *,
        is_trashed: bool = False,
    ) -> sa.ColumnElement[bool]:
        filters = self._filters(item_filter, is_trashed=is_trashed)
        plan = self._plan(connection, item_filter, deadline, is_trashed=is_trashed)
        return sa.and_(*filters, where(plan))

    def _plan(
        self,
        connection: sa.Connection,
        item_filter: ItemFilter,
        deadline: Deadline,
        *,
        is_trashed: bool = False,
    ) -> Plan:
        return plan_query(
            self._database,
            self._index,
            connection,
            parse_query(item_filter.query),
            deadline=deadline,
            collection_id=item_filter.collection_id,
            within=item_filter.within,
            is_trashed=is_trashed,
        )

    @staticmethod
    def _filters(
        item_filter: ItemFilter, *, is_trashed: bool = False
    ) -> list[sa.ColumnElement[bool]]:
        clauses = [_is_trashed() if is_trashed else _is_there()]
        if item_filter.collection_id is not None:
            clauses.append(image.c.collection_id == item_filter.collection_id)
        if item_filter.within is not None:
            clauses.append(image.c.collection_id.in_(item_filter.within))
        if item_filter.kinds is not None:
            clauses.append(_of_kinds(item_filter.kinds))
        if item_filter.has_file is not None:
            clauses.append(image.c.has_file.is_(item_filter.has_file))
        if item_filter.is_in_dataset:
            clauses.append(sa.exists().where(version_item.c.image_id == image.c.id))
        if item_filter.annotated:
            clauses.append(sa.or_(*(annotated(word) for word in item_filter.annotated)))
        if item_filter.from_date:
            clauses.append(
                image.c.created_at >= _moment(item_filter.from_date, "fromDate", end=False)
            )
        if item_filter.to_date:
            clauses.append(image.c.created_at <= _moment(item_filter.to_date, "toDate", end=True))
        return clauses

    # -- selections -------------------------------------------------------------------------

    def select(self, item_filter: ItemFilter) -> Selection:
        """Keep what fits now as a selection."""

        def work(connection: sa.Connection) -> Selection:
            with self._database.limit(connection, QUERY_SECONDS) as deadline:
                query = sa.select(image.c.id).where(self._clause(connection, item_filter, deadline))
                return self._selections.create(connection, query)

        return self._database.write_again(work)

    def select_ids(
        self,
        image_ids: Sequence[int],
        collection_ids: Sequence[int] = (),
        version_ids: Sequence[int] = (),
    ) -> Selection:
        """Keep images by their row ids, and collections and dataset versions as wholes."""
        subquery = sa.select(version_item.c.image_id).where(
            version_item.c.version_id.in_(version_ids)
        )
        condition = image.c.collection_id.in_(list(collection_ids)) | image.c.id.in_(
            list(image_ids)
        )
        if version_ids:
            condition |= image.c.id.in_(subquery)
        query = sa.select(image.c.id).where(_is_there(), condition)
        return self._database.write_again(
            lambda connection: self._selections.create(connection, query, tuple(collection_ids))
        )

    # -- trash ------------------------------------------------------------------------------

    def trash(self, selection: Selection) -> int:
        """Hide a selection's images, and the collections that it has as wholes; how many images.

        Their annotations stay, hidden with them, until they are restored or purged.
        """
        now = now_text()

        def work(connection: sa.Connection) -> int:
            query = sa.select(selection_item.c.image_id).where(
                selection_item.c.selection_id == selection.row_id
            )
            condition = image.c.id.in_(query) & image.c.trashed_at.is_(None)
            collection_ids = self._places(connection, condition)
            hidden = connection.execute(sa.update(image).where(condition).values(trashed_at=now))
            whole = collection.c.id.in_(selection.collection_ids)
            connection.execute(sa.update(collection).where(whole).values(trashed_at=now))
            counters.recount(connection, collection_ids)
            return hidden.rowcount

        return self._database.write_again(work)

    def restore(self, item_filter: ItemFilter) -> int:
        """Take items out of the trash, and with them their collections; how many."""

        def work(connection: sa.Connection) -> int:
            with self._database.limit(connection, QUERY_SECONDS) as deadline:
                clause = self._clause(connection, item_filter, deadline, is_trashed=True)
                condition = image.c.id.in_(sa.select(image.c.id).where(clause))
                collection_ids = self._places(connection, condition)
            back = connection.execute(sa.update(image).where(condition).values(trashed_at=None))
            if item_filter.collection_id is not None:
                collection_ids.add(item_filter.collection_id)
            whole = collection.c.id.in_(sorted(collection_ids))
            connection.execute(sa.update(collection).where(whole).values(trashed_at=None))
            counters.recount(connection, collection_ids)
            return back.rowcount

        return self._database.write_again(work)

    def list_trash(self, item_filter: ItemFilter, *, after: int, limit: int) -> list[ItemRow]:
        """What is in the trash, in the order it came."""
        with (
            self._database.read() as connection,
            self._database.limit(connection, QUERY_SECONDS) as deadline,
        ):
            clause = self._clause(connection, item_filter, deadline, is_trashed=True)
            ids = sa.select(image.c.id).where(clause, image.c.id > after)
            ids = ids.order_by(image.c.id).limit(limit)
            return _items_of(connection, ids)

    def trashed_clause(
        self, connection: sa.Connection, item_filter: ItemFilter
    ) -> sa.ColumnElement[bool]:
        """Which images of the trash fit; for `Purge`, which removes them."""
        with self._database.limit(connection, QUERY_SECONDS) as deadline:
            return self._clause(connection, item_filter, deadline, is_trashed=True)

    @staticmethod
    def _places(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> set[int]:
        query = sa.select(image.c.collection_id).where(condition).distinct()
        return set(connection.execute(query).scalars())


def runs_of(connection: sa.Connection, image_ids: Iterable[int]) -> dict[int, list[str]]:
    """Names of the operations that have a set for each image."""
    query = (
        sa.select(annotation_set.c.image_id, operation.c.name)
        .join(operation, operation.c.id == annotation_set.c.operation_id)
        .where(annotation_set.c.image_id.in_(list(image_ids)))
        .order_by(operation.c.id)
    )
    matches: dict[int, list[str]] = {}
    for row in connection.execute(query):
        matches.setdefault(row.image_id, []).append(row.name)
    return matches


def _is_there() -> sa.ColumnElement[bool]:
    hidden = (
        sa.select(collection.c.id)
        .where(collection.c.id == image.c.collection_id, collection.c.trashed_at.is_not(None))
        .correlate(image)
        .exists()
    )
    return image.c.trashed_at.is_(None) & ~hidden


def _is_trashed() -> sa.ColumnElement[bool]:
    return image.c.trashed_at.is_not(None)


def _of_kinds(kinds: tuple[int, ...]) -> sa.ColumnElement[bool]:
    query = sa.select(collection.c.id).where(collection.c.kind.in_(kinds))
    return image.c.collection_id.in_(query)


def _sorted(sort: SortField, *, descending: bool) -> tuple[sa.ColumnElement[Any], ...]:
    columns: dict[SortField, sa.ColumnElement[Any]] = {
        "modified": sa.func.coalesce(image.c.updated_at, image.c.created_at),
        "created": image.c.created_at,
        "name": image.c.name,
        "size": image.c.size,
        "id": image.c.id,
    }
    column = columns[sort]
    return (column.desc(), image.c.id.desc()) if descending else (column, image.c.id)


def _one(connection: sa.Connection, row_id: int) -> ItemRow | None:
    row = connection.execute(_rows().where(image.c.id == row_id, _is_there())).one_or_none()
    return None if row is None else _item(row)


def _items_of(connection: sa.Connection, ids: sa.Select[tuple[int]]) -> list[ItemRow]:
    """The items of a query for row ids, in its order.

    PostgreSQL shows each statement what is there at its own start. If items were purged between the two, both
    are repeated: a page that is too short would be taken for the last one.
    """
    while True:
        row_ids = list(connection.execute(ids).scalars())
        query = _rows().where(image.c.id.in_(row_ids))
        rows = {row.id: row for row in connection.execute(query)}
        if len(rows) == len(row_ids):
            return [_item(rows[row_id]) for row_id in row_ids]


def _rows() -> sa.Select[Any]:
    return sa.select(
        image,
        collection.c.storage_path.label("folder"),
        collection.c.kind,
        collection.c.name.label("place"),
        collection.c.public_id.label("place_id"),
    ).join(collection, collection.c.id == image.c.collection_id)


def _item(row: sa.Row[Any]) -> ItemRow:
    return ItemRow(
        image_id=row.id,
        name=row.name,
        unique_name=unique_name(row.folder if row.place else "", row.name),
        collection_id=row.place_id,
        collection=row.place,
        kind=row.kind,
        has_file=bool(row.has_file),
        storage_path=row.storage_path,
        bucket=row.bucket,
        size=row.size,
        checksum=row.checksum,
        content_type=row.content_type,
        state=row.state,
        failure=row.failure,
        has_thumbnail=row.thumbnail_path is not None or _is_linked_image(row),
        width=row.width,
        height=row.height,
        declared_width=row.declared_width,
        declared_height=row.declared_height,
        frame_count=row.frame_count,
        frame_rate=row.frame_rate,
        duration_s=row.duration_s,
        fields=msgspec.json.decode(row.fields),
        created_at=row.created_at,
        updated_at=row.updated_at or row.created_at,
    )


def _is_linked_image(row: sa.Row[Any]) -> bool:
    """Whether its small picture is made when somebody looks at it."""
    path = row.object_path or ""
    return row.state == "ready" and row.kind == IMAGES and path.startswith("linked/")


def _moment(text: str, where: str, *, end: bool) -> str:
    """A day or a time as the database has it; of a day its beginning, or its end."""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        if end and len(text.strip()) == len("2026-01-31"):
            moment += timedelta(days=1) - timedelta(milliseconds=1)
        moment = moment.astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise DataError(
            Problem(where, f"is {text[:100]!r}, must be a date such as 2026-01-31")
        ) from error
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
