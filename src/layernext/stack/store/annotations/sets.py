"""Annotation sets, written: a batch at a time, in one transaction. `reading` reads them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from layernext.errors import DataError, Problem, TooLarge
from layernext.model import Mode, find_problems_of_merged
from layernext.stack.store.access.records import CheckCollections
from layernext.stack.store.annotations import content, summaries, uploads
from layernext.stack.store.annotations.prepared import PreparedSet
from layernext.stack.store.chunks import sorted_chunks
from layernext.stack.store.clock import now_text
from layernext.stack.store.collections import counters, images, naming
from layernext.stack.store.database import Database
from layernext.stack.store.labels.labels import Labels, Seen
from layernext.stack.store.removal import evaluations as evaluation_removal
from layernext.stack.store.schema import (
    BATCH_BITS,
    GEOMETRIES_BY_CODE,
    GEOMETRY_CODES,
    PLACE_BITS,
    annotation_set,
    operation,
    operation_collection,
    run_statistics,
)
from layernext.stack.store.storable import is_storable
from layernext.wire.native import BatchResult, RemoveResult

MAX_BATCH_SETS = 1 << PLACE_BITS

_REPLACED = (
    "collection_id", "position", "upload_id", "geometry", "normalized", "is_named",
    "annotation_count", "updated_at", "label_summary", "parts", "content",
)  # fmt: skip

LabelIds = Mapping[str, int]


def write_batch(
    database: Database,
    labels: Labels,
    upload: str | uploads.PublishedUpload,
    sets: Sequence[PreparedSet],
    *,
    sequence: int | None,
    digest: str,
    check: CheckCollections | None = None,
) -> BatchResult:
    """Store a batch, whole or not at all; see `Annotations.write_batch`."""
    if len(sets) > MAX_BATCH_SETS:
        raise TooLarge(f"a batch has at most {MAX_BATCH_SETS} images", status=413)
    label_names = {label for prepared in sets for label in prepared.label_counts}
    values = set().union(*(prepared.attribute_values for prepared in sets))

    def work(connection: sa.Connection) -> tuple[BatchResult, Seen]:
        upload_id = (
            upload
            if isinstance(upload, str)
            else uploads.open_published(database, connection, upload)
        )
        row = uploads.lock(connection, upload_id)
        repeat = uploads.find_repeat(connection, row, sequence, digest)
        if repeat is not None:
            return repeat, Seen({})
        database.hold_places(connection)
        # Other uploads of the same run wait here, so that counts and merges stay exact.
        uploads.lock_operations(connection, [row.operation_id])
        number = uploads.next_sequence(connection, row) if sequence is None else sequence
        ids, new = labels.ensure_ids(connection, label_names)
        seen = labels.ensure_values(connection, ids, values, limited=True)
        image_rows = images.resolve(database, connection, [s.key for s in sets], row.collection_id)
        collection_ids = {item.collection_id for item in image_rows}
        if check is not None:
            check(collection_ids)
        naming.refuse_files_of_other_kinds(connection, collection_ids)
        _write_sets(
            database, connection, row, number, sets=sets, rows_of_images=image_rows, label_ids=ids
        )
        result = BatchResult(
            images=len(sets),
            annotations=sum(prepared.annotation_count for prepared in sets),
            unmatched=len({entry.id for entry in image_rows if not entry.has_file}),
            new_labels=new,
            repeated=False,
        )
        uploads.add_batch(connection, row, number, digest, result)
        return _with_measured_boxes(result, sets, image_rows), seen

    result, seen = database.write_again(work)
    labels.remember(seen)
    return result


def _with_measured_boxes(
    result: BatchResult, sets: Sequence[PreparedSet], image_rows: Sequence[images.ImageRow]
) -> BatchResult:
    measured, outside, first = 0, 0, None
    for prepared, entry in zip(sets, image_rows, strict=True):
        if prepared.boxes and entry.width and entry.height:
            measured += len(prepared.boxes)
            count = prepared.count_outside(entry.width, entry.height)
            outside += count
            first = entry.name if count and first is None else first
    return msgspec.structs.replace(
        result, measured_boxes=measured, outside_boxes=outside, outside_image=first
    )


def _write_sets(
    database: Database,
    connection: sa.Connection,
    row: uploads.UploadRow,
    sequence: int,
    *,
    sets: Sequence[PreparedSet],
    rows_of_images: Sequence[images.ImageRow],
    label_ids: LabelIds,
) -> None:
    first = (row.id << (BATCH_BITS + PLACE_BITS)) | (sequence << PLACE_BITS)
    by_image: dict[int, list[tuple[int, PreparedSet]]] = {}
    for position, (prepared, entry) in enumerate(zip(sets, rows_of_images, strict=True)):
        by_image.setdefault(entry.id, []).append((first | position, prepared))
    images_by_id = {item.id: item for item in rows_of_images}
    old = _existing(connection, row.operation_id, by_image)
    # Per image the upload that was opened last wins, however batches of two of them interleave: a
    # set it has written is complete, and what the earlier one still sends would have been replaced.
    for image_id in [image_id for image_id, existing in old.items() if existing.upload_id > row.id]:
        del by_image[image_id]
    started = _rows(connection, [o.id for o in old.values() if o.upload_id == row.id])
    common = {"operation_id": row.operation_id, "upload_id": row.id, "updated_at": now_text()}
    rows = []
    changes: dict[int, tuple[int, int]] = {}
    # In one order everywhere, so that two uploads never wait for each other in a circle.
    for image_id in sorted(by_image):
        entry, entries, before = images_by_id[image_id], by_image[image_id], started.get(image_id)
        if before is None and len(entries) == 1:
            values = _single(*entries[0], entry.name, label_ids)
        else:
            values = _merged(before, entries, entry.name, label_ids)
        rows.append(
            {**common, **values, "image_id": image_id, "collection_id": entry.collection_id}
        )
        current = old.get(image_id)
        count, total = changes.get(entry.collection_id, (0, 0))
        more = values["annotation_count"] - (current.annotation_count if current else 0)
        changes[entry.collection_id] = (count + (0 if current else 1), total + more)
    if rows:
        _upsert(database, connection, rows)
        counters.add(database, connection, row.operation_id, changes)


def _upsert(database: Database, connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    insert = database.upsert(annotation_set)
    statement = insert.on_conflict_do_update(
        index_elements=["operation_id", "image_id"],
        set_={name: insert.excluded[name] for name in _REPLACED},
    )
    database.execute_many(connection, statement, rows)


def _existing(
    connection: sa.Connection, operation_id: int, image_ids: Iterable[int]
) -> dict[int, sa.Row[Any]]:
    """What the operation has of these images, without the sets themselves."""
    matches: dict[int, sa.Row[Any]] = {}
    table = annotation_set.c
    columns = (table.id, table.image_id, table.upload_id, table.annotation_count)
    for chunk in sorted_chunks(image_ids):
        condition = (table.operation_id == operation_id) & table.image_id.in_(chunk)
        rows = connection.execute(sa.select(*columns).where(condition))
        matches |= {row.image_id: row for row in rows}
    return matches


def _rows(connection: sa.Connection, ids: Iterable[int]) -> dict[int, sa.Row[Any]]:
    """Whole rows, by image."""
    matches: dict[int, sa.Row[Any]] = {}
    for chunk in sorted_chunks(ids):
        rows = connection.execute(sa.select(annotation_set).where(annotation_set.c.id.in_(chunk)))
        matches |= {row.image_id: row for row in rows}
    return matches


def _single(position: int, prepared: PreparedSet, name: str, label_ids: LabelIds) -> dict[str, Any]:
    return {
        "position": position,
        "geometry": GEOMETRY_CODES[prepared.geometry],
        "normalized": prepared.normalized,
        "is_named": prepared.is_named and prepared.key.name == name,
        "annotation_count": prepared.annotation_count,
        "label_summary": summaries.pack(_pairs(prepared, label_ids), prepared.confidences),
        "parts": None,
        "content": prepared.content,
    }


def _merged(
    before: sa.Row[Any] | None,
    entries: Sequence[tuple[int, PreparedSet]],
    name: str,
    label_ids: LabelIds,
) -> dict[str, Any]:
    """Several sets of one image in one upload as one, in the order of their batches.

    Raises:
        DataError: they cannot be one: their coordinates mean different things, or they contradict each other.
    """
    parts: dict[int, content.Parts] = {}
    summed: list[tuple[summaries.Counts, bytes]] = []
    meanings = set()
    if before is not None:
        parts |= _split(before)
        summed.append(summaries.unpack(before.label_summary, before.annotation_count))
        meanings.add((before.geometry, bool(before.normalized)))
    for position, prepared in entries:
        parts[position] = content.parts_of(prepared.content)
        meanings.add((GEOMETRY_CODES[prepared.geometry], prepared.normalized))
        summed.append((dict(_pairs(prepared, label_ids)), prepared.confidences))
    if len(meanings) > 1:
        text = "comes several times in one upload, in pixels and normalized"
        raise DataError(Problem(f"image {name!r}", text))
    ((geometry, normalized),) = meanings
    ordered = sorted(parts)
    problems = find_problems_of_merged(
        [annotation for at in ordered for annotation in parts[at].annotations],
        GEOMETRIES_BY_CODE[geometry],
        f"image {name!r}",
    )
    if problems:
        raise DataError(problems)
    sizes = [number for at in ordered for number in (at, len(parts[at].annotations))]
    return {
        "position": ordered[0],
        "geometry": geometry,
        "normalized": normalized,
        "is_named": True,
        "annotation_count": sum(sizes[1::2]),
        "label_summary": summaries.merged(summed),
        "parts": array("Q", sizes).tobytes(),
        "content": content.merged(name, (parts[at] for at in ordered)),
    }


def _split(row: sa.Row[Any]) -> dict[int, content.Parts]:
    """A stored set as what it was merged from, by position."""
    whole = content.parts_of(row.content)
    sizes = array("Q", row.parts or b"").tolist() or [row.position, len(whole.annotations)]
    parts, start = {}, 0
    for position, count in zip(sizes[::2], sizes[1::2], strict=True):
        chunk = whole.annotations[start : start + count]
        parts[position] = content.Parts(whole.image, chunk, whole.storageName, whole.isNormalized)
        start += count
    return parts


def _pairs(prepared: PreparedSet, label_ids: LabelIds) -> Iterator[tuple[int, int]]:
    ids = map(label_ids.__getitem__, prepared.label_counts)
    return zip(ids, prepared.label_counts.values(), strict=True)


def remove(
    database: Database,
    connection: sa.Connection,
    collection_id: int | None,
    run: str,
    modes: Sequence[Mode],
) -> RemoveResult:
    """Delete the sets of a run in a collection, or in every collection with None."""
    if not is_storable(run):
        return RemoveResult(sets=0, annotations=0)
    database.hold_places(connection)
    named = (operation.c.name == run) & operation.c.mode.in_(modes)
    ids = list(connection.execute(sa.select(operation.c.id).where(named)).scalars())
    uploads.lock_operations(connection, ids)
    condition: sa.ColumnElement[bool] = annotation_set.c.operation_id.in_(ids)
    if collection_id is not None:
        condition &= annotation_set.c.collection_id == collection_id
    total = sa.func.coalesce(sa.func.sum(annotation_set.c.annotation_count), 0)
    count, annotations = connection.execute(
        sa.select(sa.func.count(), total).where(condition)
    ).one()
    connection.execute(sa.delete(annotation_set).where(condition))
    for table in (operation_collection, run_statistics):
        counted: sa.ColumnElement[bool] = table.c.operation_id.in_(ids)
        if collection_id is not None:
            counted &= table.c.collection_id == collection_id
        connection.execute(sa.delete(table).where(counted))
    counters.changed(connection, ids)
    uploads.end_all(connection, ids, collection_id)
    evaluation_removal.remove_of_run(connection, collection_id, run, modes)
    return RemoveResult(sets=int(count), annotations=int(annotations))
