"""Annotation projects and their tasks."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from layernext.errors import DataError, NotFound, Problem
from layernext.model import ContentType, Project, Task
from layernext.stack.api.access import Scope
from layernext.stack.api.audit import Audit
from layernext.stack.api.operation import Operation, operation
from layernext.stack.store import TASK_STATUSES, ProjectRow, Store
from layernext.wire.native import PROJECTS_PATH

ProjectId: TypeAlias = Annotated[str, Meta(description="The project's id.")]
_TYPES: dict[int, ContentType] = {2: "image", 1: "video"}


class StatusRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which tasks go into which state."""

    tasks: Annotated[list[int], Meta(min_length=1, max_length=10_000)]
    status: str


@operation(
    "GET",
    f"{PROJECTS_PATH}/{{project_id:str}}",
    Operation(
        summary="Look at a project",
        tag="Projects",
        role="read",
        scope=Scope(path={"project_id": "project"}),
        errors=(400, 404),
    ),
)
def get_project(project_id: ProjectId, store: Store) -> Project:
    """A project with its labels, runs and the states of its tasks."""
    return _record(store.projects.get(project_id))


@operation(
    "GET",
    f"{PROJECTS_PATH}/{{project_id:str}}/tasks",
    Operation(
        summary="List the tasks of a project",
        tag="Projects",
        role="read",
        scope=Scope(path={"project_id": "project"}),
        errors=(400, 404),
    ),
)
def list_tasks(project_id: ProjectId, store: Store) -> list[Task]:
    """The tasks, by number."""
    return [
        Task(
            number=row.number,
            status=row.status,
            image_count=row.image_count,
            updated_at=row.updated_at,
        )
        for row in store.projects.list_tasks(project_id)
    ]


@operation(
    "POST",
    f"{PROJECTS_PATH}/{{project_id:str}}/tasks",
    Operation(
        summary="Put tasks into a state",
        tag="Projects",
        role="write",
        scope=Scope(path={"project_id": "project"}),
        action="set task status",
        errors=(400, 404, 413, 422),
    ),
)
def set_status(project_id: ProjectId, body: StatusRequest, store: Store, audit: Audit) -> Project:
    """Puts tasks into a state; any may follow any other. All of them, or none."""
    if body.status not in TASK_STATUSES:
        statuses = ", ".join(TASK_STATUSES)
        raise DataError(Problem("status", f"is {body.status[:60]!r}, must be one of {statuses}"))
    numbers = {task.number for task in store.projects.list_tasks(project_id)}
    unknown = next((number for number in body.tasks if number not in numbers), None)
    if unknown is not None:
        raise NotFound(f"the project has no task {unknown}", status=404)
    store.projects.set_status(project_id, body.tasks, body.status)
    audit.note(subject=project_id, count=len(body.tasks))
    return _record(store.projects.get(project_id))


def _record(row: ProjectRow) -> Project:
    return Project(
        id=row.id,
        name=row.name or "",
        content_type=_TYPES.get(row.content_type, "image"),
        default_shape_type=row.shape_type,
        frames_per_task=row.frames_per_task,
        label_group=row.label_group,
        labels=row.labels,
        runs=row.runs,
        tasks=row.tasks,
        image_count=row.image_count,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


ROUTES = [get_project, list_tasks, set_status]
