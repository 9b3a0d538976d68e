"""Annotation projects and their tasks."""

from __future__ import annotations

from typing import Annotated

from litestar import Response
from msgspec import Meta, Struct

from layernext.errors import DataError, NotFound, Problem
from layernext.model import ContentType, Project, Task
from layernext.stack.api.access import Scope
from layernext.stack.api.audit import changing, note
from layernext.stack.api.messages import Call, answer, read_message, read_path
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.services import services_of
from layernext.stack.store import TASK_STATUSES, ProjectRow
from layernext.wire.native import PROJECTS_PATH

_PROJECT = (Parameter("project_id", "The project's id."),)
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
        path=_PROJECT,
        answer=Project,
        errors=(400, 404),
    ),
)
async def get_project(request: Call) -> Response[bytes]:
    """A project with its labels, runs and the states of its tasks."""
    services, project_id = services_of(request), read_path(request, "project_id")
    return answer(_record(await services.call(services.store.projects.get, project_id)))


@operation(
    "GET",
    f"{PROJECTS_PATH}/{{project_id:str}}/tasks",
    Operation(
        summary="List the tasks of a project",
        tag="Projects",
        role="read",
        scope=Scope(path={"project_id": "project"}),
        path=_PROJECT,
        answer=list[Task],
        errors=(400, 404),
    ),
)
async def list_tasks(request: Call) -> Response[bytes]:
    """The tasks, by number."""
    services, project_id = services_of(request), read_path(request, "project_id")
    rows = await services.call(services.store.projects.list_tasks, project_id)
    return answer(
        [
            Task(
                number=row.number,
                status=row.status,
                image_count=row.image_count,
                updated_at=row.updated_at,
            )
            for row in rows
        ]
    )


@operation(
    "POST",
    f"{PROJECTS_PATH}/{{project_id:str}}/tasks",
    Operation(
        summary="Put tasks into a state",
        tag="Projects",
        role="write",
        scope=Scope(path={"project_id": "project"}),
        action="set task status",
        path=_PROJECT,
        body=StatusRequest,
        answer=Project,
        errors=(400, 404, 413, 422),
    ),
)
async def set_status(request: Call) -> Response[bytes]:
    """Puts tasks into a state; any may follow any other. All of them, or none."""
    wanted, services = await read_message(request, StatusRequest), services_of(request)
    if wanted.status not in TASK_STATUSES:
        known = ", ".join(TASK_STATUSES)
        raise DataError(Problem("status", f"is {wanted.status[:60]!r}, must be one of {known}"))
    project_id, projects = read_path(request, "project_id"), services.store.projects

    def work() -> ProjectRow:
        known = {task.number for task in projects.list_tasks(project_id)}
        unknown = next((number for number in wanted.tasks if number not in known), None)
        if unknown is not None:
            raise NotFound(f"the project has no task {unknown}", status=404)
        projects.set_status(project_id, wanted.tasks, wanted.status)
        return projects.get(project_id)

    note(request, subject=project_id, count=len(wanted.tasks))
    return answer(_record(await services.call(changing(request, work))))


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
