"""Annotation sets, read: as a stream in upload order, or image by image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from layernext.model import Mode
from layernext.stack.store.access.records import Within
from layernext.stack.store.annotations import content
from layernext.stack.store.annotations.records import ImageSets, StoredSet
from layernext.stack.store.database import Database
from layernext.stack.store.schema import (
    GEOMETRIES_BY_CODE,
    annotation_set,
    image,
    operation,
    operation_collection,
)
from layernext.stack.store.storable import is_storable

FETCHED_SETS = 200
FETCHED_ANNOTATIONS = 50_000
"""Whichever comes first bounds what a reader holds at a time: a few MB, still compressed."""

_COLUMNS = (
    annotation_set.c.id,
    annotation_set.c.image_id,
    annotation_set.c.operation_id,
    annotation_set.c.position,
    annotation_set.c.geometry,
    annotation_set.c.normalized,
    annotation_set.c.is_named,
    annotation_set.c.content,
    image.c.name,
    image.c.width,
    image.c.height,
)


def iter_sets(
    database: Database,
    collection_id: int | None,
    *,
    runs: Sequence[str],
    mode: Mode | None,
    image_name: str | None,
    after: tuple[int, int],
    within: Within = None,
) -> Iterator[StoredSet]:
    """Sets as they stand at one moment; see `Annotations.iter_sets`."""
    if image_name is not None and not is_storable(image_name):
        return
    with database.stream() as connection:
        image_ids = None
        if image_name is not None:
            image_ids = _image_ids(connection, collection_id, image_name)
        operations = _operations(connection, collection_id, runs, mode)
        is_first = after[0] < 0
        for number, op in enumerate(operations, start=1):
            if op.id < after[0]:
                continue
            condition = _of_operation(op.id, collection_id, image_ids, within)
            if op.id == after[0]:
                condition &= annotation_set.c.position > after[1]
            for ids in _ids_in_order(connection, condition):
                rows = {row.id: row for row in _fetch(connection, annotation_set.c.id.in_(ids))}
                for set_id in ids:
                    stored = _stored_set(rows[set_id], op)
                    if is_first:
                        later = (
                            _of_operation(other.id, collection_id, image_ids, within)
                            for other in operations[number:]
                        )
                        is_only = not any(_has_sets(connection, sets) for sets in later)
                        keys = _file_keys(connection, op.id, collection_id) if is_only else b""
                        stored = msgspec.structs.replace(
                            stored, is_only_run=is_only, file_keys=keys
                        )
                        is_first = False
                    yield stored


def _file_keys(connection: sa.Connection, operation_id: int, collection_id: int | None) -> bytes:
    """The keys of the files of a run; none if it is in several collections."""
    table = operation_collection.c
    query = sa.select(table.file_keys).where(table.operation_id == operation_id)
    if collection_id is not None:
        query = query.where(table.collection_id == collection_id)
    values = connection.execute(query.limit(2)).scalars().all()
    return (values[0] or "").encode() if len(values) == 1 else b""


def _of_operation(
    operation_id: int, collection_id: int | None, image_ids: list[int] | None, within: Within
) -> sa.ColumnElement[bool]:
    condition = annotation_set.c.operation_id == operation_id
    if image_ids is not None:
        condition &= annotation_set.c.image_id.in_(image_ids)
    elif collection_id is not None:
        condition &= annotation_set.c.collection_id == collection_id
    if within is not None:
        condition &= annotation_set.c.collection_id.in_(within)
    return condition


def _image_ids(connection: sa.Connection, collection_id: int | None, name: str) -> list[int]:
    named = sa.select(image.c.id).where(image.c.name == name)
    if collection_id is not None:
        named = named.where(image.c.collection_id == collection_id)
    return list(connection.execute(named).scalars())


def _has_sets(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> bool:
    """Whether some set of a selection is of an image that is not in the trash."""
    query = sa.select(annotation_set.c.id).where(condition & ~_is_hidden()).limit(1)
    return connection.execute(query).first() is not None


def _is_hidden() -> sa.ColumnElement[bool]:
    """Whether a set's image is in the trash.

    Not NOT IN: PostgreSQL reads a long list of hidden images again for every set.
    """
    hidden = sa.select(image.c.id).where(
        image.c.id == annotation_set.c.image_id, image.c.trashed_at.is_not(None)
    )
    return hidden.correlate(annotation_set).exists()


def _ids_in_order(
    connection: sa.Connection, condition: sa.ColumnElement[bool]
) -> Iterator[list[int]]:
    """Row ids in upload order, a handful at a time: sorting them moves no content."""
    columns = sa.select(annotation_set.c.id, annotation_set.c.annotation_count)
    query = columns.where(condition & ~_is_hidden()).order_by(annotation_set.c.position)
    ids: list[int] = []
    total = 0
    with connection.execute(query.execution_options(yield_per=10 * FETCHED_SETS)) as rows:
        for set_id, count in rows:
            ids.append(set_id)
            total += count
            if len(ids) >= FETCHED_SETS or total >= FETCHED_ANNOTATIONS:
                yield ids
                ids, total = [], 0
    if ids:
        yield ids


def _fetch(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> Sequence[Any]:
    joined = sa.select(*_COLUMNS).join(image, image.c.id == annotation_set.c.image_id)
    ordered = joined.where(condition).order_by(
        annotation_set.c.image_id, annotation_set.c.operation_id
    )
    return connection.execute(ordered).all()


def _stored_set(row: sa.Row[Any], op: sa.Row[Any]) -> StoredSet:
    raw = content.unpack(row.content)
    return StoredSet(
        cursor=f"{op.id}-{row.position}",
        run=op.name,
        mode=op.mode,
        geometry=GEOMETRIES_BY_CODE[row.geometry],
        normalized=bool(row.normalized),
        image=row.name,
        raw=raw if row.is_named else content.renamed(raw, row.name),
        width=row.width,
        height=row.height,
    )


def _operations(
    connection: sa.Connection, collection_id: int | None, runs: Sequence[str], mode: Mode | None
) -> list[sa.Row[Any]]:
    query = sa.select(operation).order_by(operation.c.id)
    if collection_id is not None:
        query = query.join(
            operation_collection,
            (operation_collection.c.operation_id == operation.c.id)
            & (operation_collection.c.collection_id == collection_id),
        )
    if runs:
        query = query.where(operation.c.name.in_([run for run in runs if is_storable(run)]))
    if mode is not None:
        query = query.where(operation.c.mode == mode)
    return list(connection.execute(query))


def image_page(
    database: Database,
    collection_id: int,
    *,
    runs: Sequence[str],
    mode: Mode | None,
    after_image: int,
    limit: int,
    with_files: bool,
) -> tuple[list[ImageSets], bool]:
    """The next images that have sets, each with all of them, and whether more follow.

    With `with_files` also those that only have a file.
    """
    with database.read() as connection:
        operations = {op.id: op for op in _operations(connection, collection_id, runs, mode)}
        of_runs = annotation_set.c.operation_id.in_(operations)
        # OFFSET 0: else PostgreSQL reads all sets of the runs for each page, to have them in a hash table.
        has_sets = (
            sa.select(annotation_set.c.id)
            .where(annotation_set.c.image_id == image.c.id, of_runs)
            .offset(0)
        )
        is_wanted: sa.ColumnElement[bool] = has_sets.exists()
        if with_files:
            is_wanted |= image.c.has_file
        query = sa.select(image.c.id, image.c.name, image.c.width, image.c.height).where(
            image.c.id > after_image,
            image.c.collection_id == collection_id,
            image.c.trashed_at.is_(None),
            is_wanted,
        )
        rows = connection.execute(query.order_by(image.c.id).limit(limit + 1)).all()
        pages = {
            row.id: ImageSets(
                row.id, row.name, (row.width, row.height) if row.width and row.height else None, []
            )
            for row in rows[:limit]
        }
        for row in _fetch(connection, annotation_set.c.image_id.in_(list(pages)) & of_runs):
            pages[row.image_id].sets.append(_stored_set(row, operations[row.operation_id]))
        return list(pages.values()), len(rows) > limit


def sets_of_image(database: Database, image_id: int, run: str, mode: Mode) -> list[StoredSet]:
    """The sets of one image under one operation; see `Annotations.sets_of_image`."""
    with database.read() as connection:
        operations = {op.id: op for op in _operations(connection, None, [run], mode)}
        condition = annotation_set.c.operation_id.in_(operations)
        rows = _fetch(connection, (annotation_set.c.image_id == image_id) & condition)
        return [_stored_set(row, operations[row.operation_id]) for row in rows]


def sets_of_images(
    database: Database, image_ids: Sequence[int], runs: Sequence[tuple[str, Mode]]
) -> list[tuple[int, StoredSet]]:
    """The sets of some images under some operations, as (row id of the image, set)."""
    with database.read() as connection:
        names_and_modes = {(name, mode) for name, mode in runs if is_storable(name)}
        named = (
            _operations(connection, None, [name for name, _ in names_and_modes], None)
            if names_and_modes
            else []
        )
        operations = {op.id: op for op in named if (op.name, op.mode) in names_and_modes}
        condition = annotation_set.c.operation_id.in_(operations)
        rows = _fetch(connection, annotation_set.c.image_id.in_(list(image_ids)) & condition)
        return [(row.image_id, _stored_set(row, operations[row.operation_id])) for row in rows]
