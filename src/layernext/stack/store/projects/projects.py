"""Annotation projects: images to be annotated by people, cut into tasks.

What people make comes back as a ground truth whose name is the project's id; a project has no annotations of its
own. Each of the ten words of the published protocol is a state that a task can be in.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from layernext.errors import NotFound
from layernext.stack.store.access.grants import readable_projects
from layernext.stack.store.access.records import Within
from layernext.stack.store.clock import now_text, text_of
from layernext.stack.store.collections.records import Selection
from layernext.stack.store.database import Database
from layernext.stack.store.removal import walker
from layernext.stack.store.schema import (
    image,
    label,
    label_group,
    operation,
    operation_collection,
    project,
    project_image,
    project_label,
    project_run,
    project_task,
    selection_item,
)
from layernext.stack.store.storable import is_storable

NOT_STARTED = "not_started"
TASK_STATUSES = (
    NOT_STARTED, "in_progress", "completed", "qa_in_review", "qa_completed", "qa_rejected",
    "accepted", "rejected", "fixing", "fixed",
)  # fmt: skip
UNFILLED_HOURS = 24


class ProjectRow(Struct, frozen=True, kw_only=True):
    """A project as the database has it."""

    row_id: int
    id: str
    name: str | None
    content_type: int
    frames_per_task: int
    shape_type: str
    label_group: str | None
    labels: list[str]
    runs: list[str]
    tasks: dict[str, int]
    image_count: int
    created_at: str
    updated_at: str


class TaskRow(Struct, frozen=True, kw_only=True):
    """A task of a project."""

    number: int
    status: str
    image_count: int
    updated_at: str


class Projects:
    """The projects of a database.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self) -> str:
        """The id of a project that is filled later; those that never were are forgotten."""
        limit = text_of(datetime.now(timezone.utc) - timedelta(hours=UNFILLED_HOURS))
        public_id, now = secrets.token_hex(12), now_text()
        values = {
            "public_id": public_id,
            "content_type": 2,
            "frames_per_task": 0,
            "shape_type": "rectangle",
            "created_at": now,
            "updated_at": now,
        }
        stale = project.c.name.is_(None) & (project.c.created_at < limit)
        with self._database.write() as connection:
            connection.execute(sa.delete(project).where(stale))
            connection.execute(sa.insert(project).values(values))
        return public_id

    def fill(
        self,
        project_id: str,
        selection: Selection,
        *,
        name: str | None,
        frames_per_task: int,
        shape_type: str,
        content_type: int,
    ) -> int:
        """Give a project images; those that are in it are passed over. How many are new.

        Args:
            project_id: from `reserve`.
            selection: the images.
            name: of a new project; None leaves it.
            frames_per_task: images in a task.
            shape_type: that annotators begin with.
            content_type: 2 images, 1 videos.

        Raises:
            NotFound: there is no such project.
        """

        def work(connection: sa.Connection) -> int:
            row = _find(connection, project_id, is_locked=True)
            changes: dict[str, Any] = {"updated_at": now_text(), "shape_type": shape_type}
            if name is not None:
                changes |= {
                    "name": name,
                    "content_type": content_type,
                    "frames_per_task": frames_per_task,
                }
            connection.execute(sa.update(project).where(project.c.id == row.id).values(changes))
            is_there = (
                sa.select(project_image.c.image_id)
                .where(project_image.c.project_id == row.id, project_image.c.image_id == image.c.id)
                .exists()
            )
            query = (
                sa.select(image.c.id)
                .join(selection_item, selection_item.c.image_id == image.c.id)
                .where(selection_item.c.selection_id == selection.row_id)
                .where(~is_there, image.c.trashed_at.is_(None))
                .order_by(image.c.id)
            )
            ids = list(connection.execute(query).scalars())
            highest = sa.select(sa.func.max(project_task.c.number)).where(
                project_task.c.project_id == row.id
            )
            number = connection.execute(highest).scalar_one() or 0
            for start in range(0, len(ids), frames_per_task):
                number += 1
                _add_task(connection, row.id, number, ids[start : start + frames_per_task])
            return len(ids)

        return self._database.write_again(work)

    def delete(self, project_id: str) -> None:
        """Delete a project; images and annotations stay.

        Raises:
            NotFound: there is no such project.
        """

        def work(connection: sa.Connection) -> None:
            row = _find(connection, project_id, is_locked=True)
            walker.delete(connection, project, [row.id])

        self._database.write_again(work)

    def change_labels(
        self, project_id: str, added: Sequence[str], removed: Sequence[str]
    ) -> str | None:
        """Add and remove labels by reference; the first reference that is unknown, or None.

        Raises:
            NotFound: there is no such project.
        """

        def work(connection: sa.Connection) -> str | None:
            row = _find(connection, project_id, is_locked=True)
            usable = [ref for ref in {*added, *removed} if is_storable(ref)]
            query = sa.select(label.c.ref, label.c.id).where(label.c.ref.in_(usable))
            ids = {match.ref: match.id for match in connection.execute(query)}
            unknown = next((ref for ref in [*added, *removed] if ref not in ids), None)
            if unknown is not None:
                return unknown
            if added:
                insert = self._database.upsert(project_label).on_conflict_do_nothing()
                members = [
                    {"project_id": row.id, "label_id": ids[ref]} for ref in dict.fromkeys(added)
                ]
                connection.execute(insert, members)
            if removed:
                condition = project_label.c.label_id.in_([ids[ref] for ref in removed])
                clause = project_label.c.project_id == row.id
                connection.execute(sa.delete(project_label).where(clause, condition))
            return None

        return self._database.write_again(work)

    def set_group(self, project_id: str, group_id: str) -> bool:
        """Give a project a group of labels; False if there is no such group.

        Raises:
            NotFound: there is no such project.
        """

        def work(connection: sa.Connection) -> bool:
            row = _find(connection, project_id, is_locked=True)
            query = sa.select(label_group.c.id).where(label_group.c.public_id == group_id)
            value = connection.execute(query).scalar_one_or_none()
            if value is None:
                return False
            statement = sa.update(project).where(project.c.id == row.id)
            connection.execute(statement.values(label_group_id=value, updated_at=now_text()))
            return True

        return self._database.write_again(work) if is_storable(group_id) else False

    def attach_runs(
        self, project_id: str, runs: Sequence[str], within: Within = None
    ) -> str | None:
        """Attach model runs; the first that is unknown, or None if all are attached.

        With `within` runs count as unknown that have nothing in these collections.

        Raises:
            NotFound: there is no such project.
        """

        def work(connection: sa.Connection) -> str | None:
            row = _find(connection, project_id, is_locked=True)
            usable = [run for run in runs if is_storable(run)]
            query = sa.select(operation.c.name).where(operation.c.name.in_(usable))
            if within is not None:
                counted = operation_collection
                query = query.join(counted, counted.c.operation_id == operation.c.id)
                query = query.where(counted.c.collection_id.in_(within))
            names = set(connection.execute(query).scalars())
            unknown = next((run for run in runs if run not in names), None)
            if unknown is None and runs:
                insert = self._database.upsert(project_run).on_conflict_do_nothing()
                rows = [{"project_id": row.id, "run": run} for run in dict.fromkeys(runs)]
                connection.execute(insert, rows)
            return unknown

        return self._database.write_again(work)

    def set_status(self, project_id: str, numbers: Sequence[int], status: str) -> int:
        """Put tasks into a state; how many there were.

        Raises:
            NotFound: there is no such project.
        """

        def work(connection: sa.Connection) -> int:
            row = _find(connection, project_id, is_locked=True)
            condition = (project_task.c.project_id == row.id) & project_task.c.number.in_(
                list(numbers)
            )
            changed = sa.update(project_task).where(condition)
            values = {"status": status, "updated_at": now_text()}
            return connection.execute(changed.values(values)).rowcount

        return self._database.write_again(work)

    # -- reading ----------------------------------------------------------------------------

    def get(self, project_id: str) -> ProjectRow:
        """A project.

        Raises:
            NotFound: there is none of this id.
        """
        result = self._rows(project.c.public_id == project_id) if is_storable(project_id) else []
        if not result:
            raise NotFound(f"there is no project {project_id[:100]!r}", status=404)
        return result[0]

    def list_all(self, within: Within = None) -> list[ProjectRow]:
        """Every project that has been filled, oldest first; with `within` only of these collections."""
        is_filled = project.c.name.is_not(None)
        if within is None:
            return self._rows(is_filled)
        return self._rows(is_filled & project.c.id.in_(readable_projects(within)))

    def _rows(self, where: sa.ColumnElement[bool]) -> list[ProjectRow]:
        with self._database.read() as connection:
            query = (
                sa.select(project, label_group.c.public_id.label("group_ref"))
                .outerjoin(label_group, label_group.c.id == project.c.label_group_id)
                .where(where)
                .order_by(project.c.id)
            )
            rows = connection.execute(query).all()
            return [_project(connection, row) for row in rows]

    def has_many_places(self, project_ids: Sequence[str]) -> bool:
        """Whether the images of some projects are of more than one collection."""
        query = (
            sa.select(image.c.collection_id)
            .join(project_image, project_image.c.image_id == image.c.id)
            .join(project, project.c.id == project_image.c.project_id)
            .where(
                project.c.public_id.in_(
                    [project_id for project_id in project_ids if is_storable(project_id)]
                )
            )
            .distinct()
            .limit(2)
        )
        with self._database.read() as connection:
            return len(connection.execute(query).all()) > 1

    def list_tasks(self, project_id: str) -> list[TaskRow]:
        """The tasks of a project, by number.

        Raises:
            NotFound: there is no such project.
        """
        with self._database.read() as connection:
            row = _find(connection, project_id)
            images = sa.select(sa.func.count()).where(project_image.c.task_id == project_task.c.id)
            query = (
                sa.select(project_task, images.scalar_subquery().label("images"))
                .where(project_task.c.project_id == row.id)
                .order_by(project_task.c.number)
            )
            return [
                TaskRow(
                    number=task.number,
                    status=task.status,
                    image_count=task.images,
                    updated_at=task.updated_at,
                )
                for task in connection.execute(query)
            ]

    def images_of(
        self,
        project_ids: Sequence[str],
        statuses: Sequence[str],
        *,
        offset: int,
        limit: int,
    ) -> list[tuple[str, int, int]]:
        """Images of projects in the order of their tasks: project id, image's row id, task number."""
        query = (
            sa.select(project.c.public_id, project_image.c.image_id, project_task.c.number)
            .join(project_image, project_image.c.project_id == project.c.id)
            .join(project_task, project_task.c.id == project_image.c.task_id)
            .join(image, image.c.id == project_image.c.image_id)
            .where(
                project.c.public_id.in_(
                    [project_id for project_id in project_ids if is_storable(project_id)]
                )
            )
            .where(image.c.trashed_at.is_(None))
            .order_by(project.c.id, project_task.c.number, project_image.c.image_id)
            .offset(offset)
            .limit(limit)
        )
        if statuses:
            query = query.where(project_task.c.status.in_(list(statuses)))
        with self._database.read() as connection:
            return [(row.public_id, row.image_id, row.number) for row in connection.execute(query)]


def _find(connection: sa.Connection, project_id: str, *, is_locked: bool = False) -> sa.Row[Any]:
    query = sa.select(project).where(project.c.public_id == project_id)
    if is_locked:
        query = query.with_for_update()
    row = connection.execute(query).one_or_none() if is_storable(project_id) else None
    if row is None:
        raise NotFound(f"there is no project {project_id[:100]!r}", status=404)
    return row


def _add_task(
    connection: sa.Connection, project_id: int, number: int, image_ids: Sequence[int]
) -> None:
    values = {
        "project_id": project_id,
        "number": number,
        "status": NOT_STARTED,
        "updated_at": now_text(),
    }
    result = connection.execute(sa.insert(project_task).values(values)).inserted_primary_key
    task_id = int(result[0]) if result else 0
    rows = [
        {"project_id": project_id, "image_id": image_id, "task_id": task_id}
        for image_id in image_ids
    ]
    connection.execute(sa.insert(project_image), rows)


def _project(connection: sa.Connection, row: sa.Row[Any]) -> ProjectRow:
    statuses = (
        sa.select(project_task.c.status, sa.func.count().label("images"))
        .where(project_task.c.project_id == row.id)
        .group_by(project_task.c.status)
    )
    count = sa.select(sa.func.count()).where(project_image.c.project_id == row.id)
    labels = (
        sa.select(label.c.ref)
        .join(project_label, project_label.c.label_id == label.c.id)
        .where(project_label.c.project_id == row.id)
        .order_by(label.c.id)
    )
    runs = sa.select(project_run.c.run).where(project_run.c.project_id == row.id)
    return ProjectRow(
        row_id=row.id,
        id=row.public_id,
        name=row.name,
        content_type=row.content_type,
        frames_per_task=row.frames_per_task,
        shape_type=row.shape_type,
        label_group=row.group_ref,
        labels=list(connection.execute(labels).scalars()),
        runs=sorted(connection.execute(runs).scalars()),
        tasks={task.status: task.images for task in connection.execute(statuses)},
        image_count=connection.execute(count).scalar_one(),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
