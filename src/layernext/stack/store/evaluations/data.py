"""What evaluations compare, read in parts, and what came of them, stored and read page by page.

A part is some images in the order of their row ids; both sets of an image come together, by a join in
that order. Each part is read in one transaction, which first makes sure that the sets are those that
the evaluation was planned with: so parts that are read in different processes never mix two states.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
import zstandard

from layernext.errors import NotFound
from layernext.model import EvaluationSettings
from layernext.stack.store.annotations import content
from layernext.stack.store.clock import now_text
from layernext.stack.store.database import Database
from layernext.stack.store.evaluations.rows import (
    EvaluationOutcome,
    ImagePair,
    Plan,
    SideSet,
    Source,
    Span,
)
from layernext.stack.store.evaluations.states import evaluation_state
from layernext.stack.store.files.rows import unique_name
from layernext.stack.store.schema import (
    GEOMETRIES_BY_CODE,
    annotation_set,
    collection,
    confusion_cell,
    dataset_version,
    evaluation,
    image,
    image_tally,
    operation,
    operation_collection,
    version_item,
    version_set,
)

FETCHED_PAIRS = 200
"""Rows that a reader holds at a time, still compressed."""


class Changed(Exception):
    """The sets are no longer those that were planned with: start over."""


class EvaluationData:
    """The sets behind evaluations, and their results.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- reading what is compared -----------------------------------------------------------

    def settings(self, evaluation_id: str) -> EvaluationSettings:
        """The settings of an evaluation.

        Raises:
            NotFound: it was deleted.
        """
        with self._database.read() as connection:
            return _settings(_row(connection, evaluation_id))

    def plan(self, evaluation_id: str, annotations_per_span: int, spans: int) -> Plan:
        """Divide an evaluation.

        Args:
            evaluation_id: which.
            annotations_per_span: no span has many more of them, of both sides together.
            spans: that there should be at least, where there are enough images.

        Raises:
            NotFound: it was deleted, or its run or ground truth was.
        """
        with self._database.stream() as connection:
            row = _row(connection, evaluation_id)
            settings = _settings(row)
            source = _source(connection, row, settings)
            # Lines and outlines are measured as far as they are inside the image.
            sizes = settings.geometry != "rectangle" or _uses_sizes(connection, source)
            state = evaluation_state(connection, row, settings.slices, uses_sizes=sizes)
            counted = connection.execute(_counts(source)).all()
            total = sum(entry.truths + entry.annotations for entry in counted)
            largest = max(1, min(annotations_per_span, -(-total // spans)))
            paired = sum(item.is_paired for item in counted)
            in_run = int(connection.execute(_run_images(source)).scalar_one())
        return Plan(
            source=source,
            spans=list(_divided(counted, largest)),
            images=len(counted),
            annotations=total,
            state=state,
            uses_sizes=sizes,
            unpaired=in_run - paired,
        )

    def iter_pairs(self, evaluation_id: str, plan: Plan, span: Span) -> Iterator[ImagePair]:
        """Both sets of each image of a span, by ascending image.

        Raises:
            Changed: they are not those of the plan any more.
        """
        with self._database.stream() as connection:
            self._check(connection, evaluation_id, plan)
            query = _pairs(plan.source, span.first, span.last)
            with connection.execute(query.execution_options(yield_per=FETCHED_PAIRS)) as rows:
                for row in rows:
                    yield _pair(row, plan.source)

    def sets_of_image(
        self, evaluation_id: str, image_id: int
    ) -> tuple[SideSet | None, SideSet | None, tuple[str, ...]]:
        """One image's sets of truth and run as they are now, and the labels that count.

        None for a set that is not there; no labels mean all.

        Raises:
            NotFound: the evaluation, its run or its ground truth was deleted.
        """
        with self._database.read() as connection:
            row = _row(connection, evaluation_id)
            source = _source(connection, row, _settings(row))
            if source.version_id is None:
                table_columns: Any = annotation_set.c
                sides = [
                    table_columns.operation_id == item
                    for item in (source.truth_operation, source.run_operation)
                ]
            else:
                table_columns = version_set.c
                names = [(source.truth, source.truth_mode), (source.run, source.run_mode)]
                of_version = table_columns.version_id == source.version_id
                sides = [
                    of_version & (table_columns.run == run) & (table_columns.mode == mode)
                    for run, mode in names
                ]
            columns = sa.select(
                table_columns.content, table_columns.geometry, table_columns.normalized
            )
            results: list[SideSet | None] = []
            for side in sides:
                query = columns.where(side, table_columns.image_id == image_id)
                match = connection.execute(query).one_or_none()
                results.append(None if match is None else _side(*match))
        return results[0], results[1], source.labels

    def _check(self, connection: sa.Connection, evaluation_id: str, plan: Plan) -> None:
        row = _row(connection, evaluation_id)
        slices = _settings(row).slices
        if evaluation_state(connection, row, slices, uses_sizes=plan.uses_sizes) != plan.state:
            raise Changed

    # -- storing what came of it ------------------------------------------------------------

    def store(self, evaluation_id: str, plan: Plan, outcome: EvaluationOutcome) -> None:
        """Put a result in the place of the one before, whole.

        Raises:
            NotFound: the evaluation was deleted.
            Changed: the sets are not those of the plan any more.
        """
        packed = content.compressor().compress(outcome.result)
        cells = [
            (position, _pack_cell(*result)) for position, result in sorted(outcome.cells.items())
        ]

        def work(connection: sa.Connection) -> None:
            self._check(connection, evaluation_id, plan)
            row = _row(connection, evaluation_id)
            for table in (image_tally, confusion_cell):
                connection.execute(sa.delete(table).where(table.c.evaluation_id == row.id))
            tallies = [
                {"evaluation_id": row.id, **msgspec.structs.asdict(tally)}
                for tally in outcome.tallies
            ]
            if tallies:
                self._database.execute_many(connection, sa.insert(image_tally), tallies)
            values = [
                {
                    "evaluation_id": row.id,
                    "truth_label": truth_label,
                    "run_label": said,
                    "images": images,
                }
                for (truth_label, said), images in cells
            ]
            if values:
                self._database.execute_many(connection, sa.insert(confusion_cell), values)
            done = {
                "computed_at": now_text(),
                "fingerprint": plan.state,
                "notes": msgspec.json.encode(outcome.notes).decode(),
                "summary": msgspec.json.encode(outcome.summary).decode(),
                "result": packed,
            }
            connection.execute(sa.update(evaluation).where(evaluation.c.id == row.id).values(done))

        self._database.write_again(work)


def _row(connection: sa.Connection, evaluation_id: str) -> Any:
    table_columns = evaluation.c
    columns = (
        table_columns.id, table_columns.collection_id, table_columns.version_id, table_columns.split, table_columns.run, table_columns.run_mode, table_columns.truth,
        table_columns.truth_mode, table_columns.settings,
    )  # fmt: skip
    query = sa.select(*columns).where(table_columns.public_id == evaluation_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound("the evaluation was deleted", status=404)
    return row


def _settings(row: Any) -> EvaluationSettings:
    return msgspec.json.decode(row.settings, type=EvaluationSettings)


def _source(connection: sa.Connection, row: Any, settings: EvaluationSettings) -> Source:
    labels: list[str] = []
    ids = [0, 0]
    if row.version_id is not None:
        query = sa.select(dataset_version.c.settings).where(dataset_version.c.id == row.version_id)
        labels = msgspec.json.decode(connection.execute(query).scalar_one())["labels"]
    else:
        for position, (name, mode) in enumerate(
            [(row.run, row.run_mode), (row.truth, row.truth_mode)]
        ):
            condition = (operation.c.name == name) & (operation.c.mode == mode)
            value = connection.execute(
                sa.select(operation.c.id).where(condition)
            ).scalar_one_or_none()
            if value is None:
                raise NotFound(f"there is no {name!r} any more", status=404)
            ids[position] = value
    return Source(
        collection_id=row.collection_id,
        version_id=row.version_id,
        split=row.split,
        run_operation=ids[0],
        truth_operation=ids[1],
        run=row.run,
        run_mode=row.run_mode,
        truth=row.truth,
        truth_mode=row.truth_mode,
        labels=tuple(labels),
        with_metadata=bool(settings.slices),
    )


# -- statements -----------------------------------------------------------------------------


def _joined(source: Source) -> tuple[Any, Any, Any, sa.ColumnElement[bool]]:
    """Images with their set of the truth and, where there is one, of the run."""
    if source.version_id is None:
        truth, run = annotation_set.alias("truth"), annotation_set.alias("run")
        condition = (run.c.operation_id == source.run_operation) & (
            run.c.image_id == truth.c.image_id
        )
        tables = truth.join(image, image.c.id == truth.c.image_id).outerjoin(run, condition)
        clause = sa.and_(
            truth.c.operation_id == source.truth_operation,
            # Plus 0: to go by the index that has the images in order, not by the one of uploads.
            truth.c.collection_id + 0 == source.collection_id,
            image.c.trashed_at.is_(None),
        )
        return tables, truth, run, clause
    truth, run = version_set.alias("truth"), version_set.alias("run")

    def own(table: Any, name: str, mode: str) -> sa.ColumnElement[bool]:
        return sa.and_(
            table.c.version_id == version_item.c.version_id,
            table.c.image_id == version_item.c.image_id,
            table.c.run == name,
            table.c.mode == mode,
        )

    tables = (
        version_item.join(truth, own(truth, source.truth, source.truth_mode))
        .join(image, image.c.id == truth.c.image_id)
        .outerjoin(run, own(run, source.run, source.run_mode))
    )
    clause = sa.and_(version_item.c.version_id == source.version_id, *_of_split(source))
    return tables, truth, run, clause


def _of_split(source: Source) -> list[sa.ColumnElement[bool]]:
    return [version_item.c.split == source.split] if source.split >= 0 else []


def _pairs(source: Source, first: int, last: int) -> sa.Select[Any]:
    tables, truth, run, select = _joined(source)
    columns = [
        image.c.id, image.c.name, image.c.bucket, image.c.width, image.c.height,
        truth.c.content.label("truth_content"),
        truth.c.geometry.label("truth_geometry"),
        truth.c.normalized.label("truth_normalized"),
        run.c.content.label("run_content"),
        run.c.geometry.label("run_geometry"),
        run.c.normalized.label("run_normalized"),
    ]  # fmt: skip
    if source.with_metadata:
        columns.append(image.c.fields)
    if source.version_id is not None:
        columns.append(collection.c.storage_path)
        tables = tables.join(collection, collection.c.id == image.c.collection_id)
    query = sa.select(*columns).select_from(tables)
    return query.where(select, truth.c.image_id.between(first, last)).order_by(truth.c.image_id)


def _counts(source: Source) -> sa.Select[Any]:
    tables, truth, run, query = _joined(source)
    return (
        sa.select(
            truth.c.image_id,
            truth.c.annotation_count.label("truths"),
            sa.func.coalesce(run.c.annotation_count, 0).label("annotations"),
            sa.case((run.c.id.is_(None), 0), else_=1).label("is_paired"),
        )
        .select_from(tables)
        .where(query)
        .order_by(truth.c.image_id)
    )


def _run_images(source: Source) -> sa.Select[Any]:
    """How many images have a set of the run."""
    if source.version_id is None:
        counted = operation_collection.c
        query = sa.select(sa.func.coalesce(sa.func.sum(counted.image_count), 0))
        return query.where(
            counted.operation_id == source.run_operation,
            counted.collection_id == source.collection_id,
        )
    columns = version_set.c
    query = (
        sa.select(sa.func.count())
        .select_from(version_set)
        .where(
            columns.version_id == source.version_id,
            columns.run == source.run,
            columns.mode == source.run_mode,
        )
    )
    if source.split >= 0:
        of_version = version_item.c.version_id == source.version_id
        inside = sa.select(version_item.c.image_id).where(of_version, *_of_split(source))
        query = query.where(columns.image_id.in_(inside))
    return query


def _uses_sizes(connection: sa.Connection, source: Source) -> bool:
    if source.version_id is None:
        columns = annotation_set.c
        condition = columns.operation_id.in_([source.run_operation, source.truth_operation])
        query = sa.select(columns.id).where(
            condition, columns.collection_id == source.collection_id
        )
        query = query.where(columns.normalized)
    else:
        query = sa.select(version_set.c.id).where(
            version_set.c.version_id == source.version_id, version_set.c.normalized
        )
    return connection.execute(query.limit(1)).first() is not None


def _divided(counted: Any, largest: int) -> Iterator[Span]:
    first = last = images = total = 0
    for item in counted:
        if not images:
            first = item.image_id
        last = item.image_id
        images += 1
        total += item.truths + item.annotations
        if total >= largest:
            yield Span(first, last, images)
            images = total = 0
    if images:
        yield Span(first, last, images)


def _pair(row: sa.Row[Any], source: Source) -> ImagePair:
    run = None
    if row.run_content is not None:
        run = _side(row.run_content, row.run_geometry, row.run_normalized)
    return ImagePair(
        image_id=row.id,
        name=_name(row, source),
        width=row.width,
        height=row.height,
        metadata=msgspec.json.decode(row.fields) if source.with_metadata else {},
        truth=_side(row.truth_content, row.truth_geometry, row.truth_normalized),
        run=run,
    )


def _name(row: sa.Row[Any], source: Source) -> str:
    """What no other image of the target is called: a version has images of any collection."""
    name: str = row.name
    if source.version_id is not None:
        name = unique_name(row.storage_path, name)
    return f"{name} ({row.bucket})" if row.bucket else name


def _side(packed: bytes, geometry: int, normalized: Any) -> SideSet:
    return SideSet(content.unpack(packed), GEOMETRIES_BY_CODE[geometry], bool(normalized))


def _pack_cell(ids: list[int], counts: list[int]) -> bytes:
    return content.compressor().compress(array("q", ids).tobytes() + array("I", counts).tobytes())


def unpack_cell(packed: bytes) -> tuple[list[int], list[int]]:
    """Row ids of the images behind a cell, and how often it is in each."""
    raw = zstandard.ZstdDecompressor().decompress(packed)
    count = len(raw) // 12
    return array("q", raw[: 8 * count]).tolist(), array("I", raw[8 * count :]).tolist()
