"""Annotation sets: written a batch at a time in one transaction, read as a stream, removed."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import sqlalchemy as sa

from layernext.model import Mode
from layernext.stack.store import content, counters, images, uploads
from layernext.stack.store.clock import now_text
from layernext.stack.store.database import Database
from layernext.stack.store.labels import Labels
from layernext.stack.store.prepared import PreparedSet
from layernext.stack.store.records import StoredSet
from layernext.stack.store.schema import (
    BATCH_BITS,
    GEOMETRIES_BY_CODE,
    GEOMETRY_CODES,
    PLACE_BITS,
    annotation_set,
    image,
    operation,
    operation_collection,
)
from layernext.wire.native import BatchResult, RemoveResult

CHUNK = 5_000
FETCH = 200
"""Sets fetched at a time by a reader: a few MB."""

_REPLACED = (
    "collection_id", "position", "upload_id", "geometry", "normalized", "is_named",
    "annotation_count", "updated_at", "label_summary", "content",
)  # fmt: skip

LabelIds = Mapping[str, int]
Values = set[tuple[str, str, str]]


def write_batch(
    database: Database,
    labels: Labels,
    upload_id: str,
    sequence: int | None,
    digest: str,
    sets: Sequence[PreparedSet],
) -> BatchResult:
    """Store a batch, whole or not at all; see `Store.write_batch`."""
    wanted = {label for prepared in sets for label in prepared.label_counts}
    values: Values = set().union(*(prepared.attribute_values for prepared in sets))

    def work(connection: sa.Connection) -> tuple[BatchResult, LabelIds, Values]:
        row = uploads.lock(connection, upload_id)
        repeat = uploads.find_repeat(connection, row, sequence, digest)
        if repeat is not None:
            return repeat, {}, set()
        number = uploads.next_sequence(connection, row) if sequence is None else sequence
        value_labels = {label for label, _, _ in values}
        ids, new = labels.ensure_ids(connection, wanted | value_labels)
        registered = labels.ensure_values(connection, ids, values, limited=True)
        found = images.resolve(database, connection, [s.key for s in sets], row.collection_id)
        _write_sets(database, connection, row, number, sets, found, ids)
        result = BatchResult(
            images=len(sets),
            annotations=sum(prepared.annotation_count for prepared in sets),
            unmatched=len({one.id for one in found if not one.has_file}),
            new_labels=new,
            repeated=False,
        )
        uploads.add_batch(connection, row, number, digest, result)
        return result, ids, registered

    result, ids, registered = database.write_again(work)
    labels.remember(ids, registered)
    return result


def _write_sets(
    database: Database,
    connection: sa.Connection,
    row: uploads.UploadRow,
    sequence: int,
    sets: Sequence[PreparedSet],
    found: Sequence[images.ImageRow],
    label_ids: LabelIds,
) -> None:
    old = _existing(connection, row.operation_id, {one.id for one in found})
    rows: dict[int, dict[str, Any]] = {}
    now = now_text()
    first = (row.id << (BATCH_BITS + PLACE_BITS)) | (sequence << PLACE_BITS)
    for place, (prepared, one) in enumerate(zip(sets, found, strict=True)):
        new = {
            "operation_id": row.operation_id,
            "image_id": one.id,
            "collection_id": one.collection_id,
            "position": first | place,
            "upload_id": row.id,
            "geometry": GEOMETRY_CODES[prepared.geometry],
            "normalized": prepared.normalized,
            "is_named": prepared.is_named and prepared.key.name == one.name,
            "annotation_count": prepared.annotation_count,
            "updated_at": now,
            "label_summary": _summary(prepared.label_counts, label_ids),
            "content": prepared.content,
        }
        before = rows.get(one.id)
        if before is None and one.id in old and old[one.id].upload_id == row.id:
            before = _stored_values(connection, old[one.id].id)
        rows[one.id] = _merged(before, new) if before else new
    changes: dict[int, tuple[int, int]] = {}
    for image_id, values in rows.items():
        known = old.get(image_id)
        sets_more = 0 if known else 1
        more = values["annotation_count"] - (known.annotation_count if known else 0)
        count, total = changes.get(values["collection_id"], (0, 0))
        changes[values["collection_id"]] = (count + sets_more, total + more)
    if rows:
        # In one order everywhere, so that two uploads never wait for each other in a circle.
        ordered = [rows[image_id] for image_id in sorted(rows)]
        _upsert(database, connection, ordered)
        counters.add(database, connection, row.operation_id, changes)


def _upsert(database: Database, connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    insert = database.upsert(annotation_set)
    statement = insert.on_conflict_do_update(
        index_elements=["operation_id", "image_id"],
        set_={name: insert.excluded[name] for name in _REPLACED},
    )
    connection.execute(statement, rows)


def _existing(
    connection: sa.Connection, operation_id: int, image_ids: set[int]
) -> dict[int, sa.Row[Any]]:
    found: dict[int, sa.Row[Any]] = {}
    ordered = sorted(image_ids)
    for start in range(0, len(ordered), CHUNK):
        query = sa.select(
            annotation_set.c.id,
            annotation_set.c.image_id,
            annotation_set.c.upload_id,
            annotation_set.c.annotation_count,
        ).where(
            annotation_set.c.operation_id == operation_id,
            annotation_set.c.image_id.in_(ordered[start : start + CHUNK]),
        )
        found |= {row.image_id: row for row in connection.execute(query)}
    return found


def _stored_values(connection: sa.Connection, set_id: int) -> dict[str, Any]:
    query = sa.select(annotation_set).where(annotation_set.c.id == set_id)
    return dict(connection.execute(query).one()._mapping)  # noqa: SLF001 - SQLAlchemy's public name


def _merged(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, Any]:
    """Both sets of one upload as one, in the order of their batches."""
    first, second = (one, two) if one["position"] <= two["position"] else (two, one)
    counts = _read_summary(first["label_summary"])
    for label_id, count in _read_summary(second["label_summary"]).items():
        counts[label_id] = counts.get(label_id, 0) + count
    return {
        **two,
        "position": first["position"],
        "is_named": first["is_named"] and second["is_named"],
        "annotation_count": first["annotation_count"] + second["annotation_count"],
        "label_summary": _pack_summary(counts),
        "content": content.merge(first["content"], second["content"]),
    }


def _summary(label_counts: Mapping[str, int], label_ids: LabelIds) -> bytes:
    ids = map(label_ids.__getitem__, label_counts)
    return array("I", list(chain.from_iterable(zip(ids, label_counts.values(), strict=True)))).tobytes()


def _pack_summary(counts: Mapping[int, int]) -> bytes:
    return array("I", list(chain.from_iterable(counts.items()))).tobytes()


def _read_summary(packed: bytes) -> dict[int, int]:
    numbers = array("I", packed)
    return dict(zip(numbers[::2], numbers[1::2], strict=True))


def iter_sets(
    database: Database,
    collection_id: int | None,
    *,
    runs: Sequence[str],
    mode: Mode | None,
    image_name: str | None,
    after: tuple[int, int],
) -> Iterator[StoredSet]:
    """Sets as they stand at one moment; see `Store.iter_sets`."""
    with database.read() as connection:
        for op in _operations(connection, collection_id, runs, mode):
            if op.id < after[0]:
                continue
            position = after[1] if op.id == after[0] else -1
            query = (
                sa.select(
                    annotation_set.c.position,
                    annotation_set.c.geometry,
                    annotation_set.c.normalized,
                    annotation_set.c.is_named,
                    annotation_set.c.content,
                    image.c.name,
                )
                .join(image, image.c.id == annotation_set.c.image_id)
                .where(
                    annotation_set.c.operation_id == op.id, annotation_set.c.position > position
                )
                .order_by(annotation_set.c.position)
                .execution_options(yield_per=FETCH)
            )
            if collection_id is not None:
                query = query.where(annotation_set.c.collection_id == collection_id)
            if image_name is not None:
                query = query.where(image.c.name == image_name)
            for row in connection.execute(query):
                yield _stored_set(row, op)


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
        query = query.where(operation.c.name.in_(runs))
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
) -> tuple[list[tuple[int, str, list[StoredSet]]], bool]:
    """The next images that have sets, each with all of them (E42), and whether more follow."""
    with database.read() as connection:
        operations = {op.id: op for op in _operations(connection, collection_id, runs, mode)}
        chosen = annotation_set.c.operation_id.in_(operations) & (
            annotation_set.c.collection_id == collection_id
        )
        ids = list(
            connection.execute(
                sa.select(annotation_set.c.image_id)
                .where(chosen, annotation_set.c.image_id > after_image)
                .distinct()
                .order_by(annotation_set.c.image_id)
                .limit(limit + 1)
            ).scalars()
        )
        rows = connection.execute(
            sa.select(annotation_set, image.c.name)
            .join(image, image.c.id == annotation_set.c.image_id)
            .where(chosen, annotation_set.c.image_id.in_(ids[:limit]))
            .order_by(annotation_set.c.image_id, annotation_set.c.operation_id)
        )
        pages: dict[int, tuple[int, str, list[StoredSet]]] = {}
        for row in rows:
            stored = _stored_set(row, operations[row.operation_id])
            pages.setdefault(row.image_id, (row.image_id, row.name, []))[2].append(stored)
        return list(pages.values()), len(ids) > limit


def remove(
    connection: sa.Connection, collection_id: int | None, run: str, modes: Iterable[Mode]
) -> RemoveResult:
    """Delete the sets of a run in a collection, or in every collection with None."""
    ids = list(
        connection.execute(
            sa.select(operation.c.id).where(operation.c.name == run, operation.c.mode.in_(modes))
        ).scalars()
    )
    chosen = annotation_set.c.operation_id.in_(ids)
    counted = operation_collection.c.operation_id.in_(ids)
    if collection_id is not None:
        chosen &= annotation_set.c.collection_id == collection_id
        counted &= operation_collection.c.collection_id == collection_id
    numbers = connection.execute(
        sa.select(
            sa.func.count(), sa.func.coalesce(sa.func.sum(annotation_set.c.annotation_count), 0)
        ).where(chosen)
    ).one()
    connection.execute(sa.delete(annotation_set).where(chosen))
    connection.execute(sa.delete(operation_collection).where(counted))
    uploads.end_all(connection, ids)
    return RemoveResult(sets=int(numbers[0]), annotations=int(numbers[1]))
