"""Annotation projects: E43, E46 to E53."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Response
from msgspec import Meta, Struct, field
from msgspec.structs import replace

from layernext.errors import DataError, InvalidRequest, NotFound, Problem
from layernext.stack.api.access import HANDLER, Scope, check_thing, readable
from layernext.stack.api.audit import changing, note, note_nothing
from layernext.stack.api.error_map import JSON, envelope
from layernext.stack.api.messages import (
    Call,
    answer,
    answer_on_both_levels,
    check_name,
    read_message,
    read_path,
    read_query,
)
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.published.annotations import RawImage, raw_images
from layernext.stack.api.replay import change
from layernext.stack.api.services import services_of
from layernext.stack.api.transfer import url_of_image
from layernext.stack.store import TASK_STATUSES, ItemRow, ProjectRow, StoredSet
from layernext.wire.published import (
    ATTACH_RUNS_PATH,
    CLIENT,
    PAGE_SIZE,
    PROJECT_ANNOTATIONS_PATH,
    PROJECT_NAME_PATH,
    PROJECTS_PATH,
    RESERVE_PROJECT_PATH,
    STUDIO,
)

_TAG = "Published protocol"
MAX_PAGE_SIZE = 1_000
MAX_FRAMES = 100_000
DIRECTORY = "data"
_PROJECT = (Parameter("project_id", "The project's id."),)


class ReservedAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E46."""

    is_success: bool = True
    id: str


class FillQuery(Struct, frozen=True, rename="camel"):
    """What E47 does.

    Attributes:
        is_editable: True adds to a project, False fills a new one.
    """

    is_editable: bool = False


class FillRequest(Struct, frozen=True, rename="camel"):
    """E47.

    Attributes:
        selection_id: from E26.
        name: of a new project; null for additions.
        fps: of videos; a stack does not cut videos into frames, so a video is one item.
        frames_per_task: images in a task.
        assign_to_all, send_email: a stack has no annotators to assign or write to.
        default_shape_type: that annotators begin with.
        content_type: 2 images, 1 videos.
    """

    selection_id: str
    name: str | None = None
    fps: int = 0
    frames_per_task: Annotated[int, Meta(ge=1, le=MAX_FRAMES)] = 120
    assign_to_all: bool = False
    send_email: bool = False
    default_shape_type: Literal["rectangle", "polygon", "line"] = "rectangle"
    content_type: int = 2


class FillAnswer(
    Struct, frozen=True, kw_only=True, rename={"is_success": "isSuccess", "job": "jobId"}
):
    """The answer to E47. The work is done when it comes; the job says so, too."""

    is_success: bool = True
    id: str
    job_id: str
    job: str
    added: int


class DoneAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """It is done."""

    is_success: bool = True
    message: str = ""


class LabelsRequest(Struct, frozen=True, rename="camel"):
    """E49: references of labels."""

    add_list: list[str] = field(default_factory=list)
    remove_list: list[str] = field(default_factory=list)


class ListedProject(Struct, frozen=True, rename="camel", kw_only=True):
    """A project of a list."""

    id: str
    name: str
    content_type: int
    total_task_count: int
    task_counts: dict[str, int]
    image_count: int


class GroupRequest(Struct, frozen=True, rename="camel"):
    """E51."""

    label_group_id: str


class AttachRequest(Struct, frozen=True, rename="camel"):
    """E52."""

    project_id: str
    operation_id_array: list[str]


class NameRequest(Struct, frozen=True, rename="camel"):
    """E53."""

    project_id: str


class NameAnswer(Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """The answer to E53."""

    is_success: bool
    project_name: str | None = None
    message: str | None = None


class ProjectPageQuery(Struct, frozen=True, rename="camel"):
    """Which page of which projects.

    Attributes:
        page_no: counts from 0.
        page_size: images in a page.
        project_id_list: JSON list of projects.
        status_list: JSON list of states of tasks; empty for all.
        is_annotated_only: only images with a ground truth of the project.
    """

    page_no: Annotated[int, Meta(ge=0, lt=1_000_000_000)] = 0
    page_size: Annotated[int, Meta(ge=1, le=MAX_PAGE_SIZE)] = PAGE_SIZE
    project_id_list: str = "[]"
    status_list: str = "[]"
    is_annotated_only: str = "False"


class ProjectResource(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An image of a page."""

    file_name: str
    file_download_folder_location: str
    file_url: str | None = None
    is_media_file: bool | None = None
    width: int | None = None
    height: int | None = None
    raw_annotations: RawImage


class ProjectPage(Struct, frozen=True, kw_only=True, rename="camel"):
    """A page."""

    identifier: str
    format: str
    group_unique_name: str
    raw_file_name: str
    creatable_directories: list[str]
    next_page: bool
    resource_array: list[ProjectResource]


class ProjectPageAnswer(Struct, frozen=True):
    """The answer to E43."""

    data: ProjectPage


@operation(
    "GET",
    RESERVE_PROJECT_PATH,
    Operation(
        summary="E46: reserve a project",
        tag=_TAG,
        role="write",
        scope=Scope(needs_grant=True),
        action="reserve project",
        is_recorded=True,
        answer=ReservedAnswer,
    ),
)
async def reserve(request: Call) -> Response[bytes]:
    """The id of a project to be filled within a day. A GET that writes, as the protocol has it."""
    projects = services_of(request).store.projects

    def work() -> Response[bytes]:
        project_id = projects.reserve()
        note(request, subject=project_id)
        return answer(ReservedAnswer(id=project_id))

    return await change(request, work)


@operation(
    "POST",
    f"{STUDIO}/project/{{project_id:str}}/update",
    Operation(
        summary="E47: fill a project, or add to it",
        tag=_TAG,
        role="write",
        scope=Scope(path={"project_id": "project"}),
        action="fill project",
        is_recorded=True,
        path=_PROJECT,
        query=FillQuery,
        body=FillRequest,
        answer=FillAnswer,
        errors=(400, 404, 413, 422),
    ),
)
async def fill(request: Call) -> Response[bytes]:
    """Cuts a selection's images into tasks. Images that are in the project are passed over."""
    query, wanted = _fill_query(request), await read_message(request, FillRequest)
    if not query and wanted.name is None:
        raise DataError(Problem("name", "is missing; a new project needs one"))
    if wanted.name is not None:
        check_name(wanted.name, "name", "a project")
    await check_thing(request, "selection", wanted.selection_id)
    project_id, services = read_path(request, "project_id"), services_of(request)
    store = services.store

    def work() -> Response[bytes]:
        selection = store.selections.find(wanted.selection_id)
        count = store.projects.fill(
            project_id,
            selection,
            name=wanted.name,
            frames_per_task=wanted.frames_per_task,
            shape_type=wanted.default_shape_type,
            content_type=wanted.content_type or 2,
        )
        note(request, subject=wanted.name or project_id, count=count)
        job_id = store.jobs.keep(
            f"project {project_id} {wanted.selection_id}",
            "project.fill",
            name="Fill a project",
            status="completed",
            progress=100.0,
            details={"added": count},
        )
        return answer(FillAnswer(id=project_id, job_id=job_id, job=job_id, added=count))

    return await change(request, work, services.ingest)


def _fill_query(request: Call) -> bool:
    raw = read_query(request, _RawFillQuery)
    return raw.is_editable.lower() == "true"


class _RawFillQuery(Struct, frozen=True, rename="camel"):
    """As Python spells it: ``True`` or ``False``."""

    is_editable: str = "False"


@operation(
    "POST",
    f"{STUDIO}/project/{{project_id:str}}/delete",
    Operation(
        summary="E48: delete a project",
        tag=_TAG,
        role="write",
        scope=Scope(path={"project_id": "project"}),
        action="delete project",
        is_recorded=True,
        path=_PROJECT,
        answer=DoneAnswer,
        errors=(400, 404),
    ),
)
async def delete(request: Call) -> Response[bytes]:
    """Deletes a project. Its images and what was annotated stay."""
    projects, project_id = services_of(request).store.projects, read_path(request, "project_id")

    def work() -> Response[bytes]:
        projects.delete(project_id)
        note(request, subject=project_id)
        return answer(DoneAnswer())

    return await change(request, work)


@operation(
    "POST",
    f"{STUDIO}/project/{{project_id:str}}/updateLabel",
    Operation(
        summary="E49: labels of a project",
        tag=_TAG,
        role="write",
        scope=Scope(path={"project_id": "project"}),
        action="change labels of project",
        path=_PROJECT,
        body=LabelsRequest,
        answer=DoneAnswer,
        errors=(400, 404, 413, 422),
    ),
)
async def update_labels(request: Call) -> Response[bytes]:
    """Adds labels to a project, and takes others out."""
    wanted, services = await read_message(request, LabelsRequest), services_of(request)
    project_id, projects = read_path(request, "project_id"), services.store.projects
    note(request, subject=project_id, count=len(wanted.add_list) + len(wanted.remove_list))

    def work() -> None:
        unknown = projects.change_labels(project_id, wanted.add_list, wanted.remove_list)
        if unknown is not None:
            raise NotFound(f"there is no label {unknown[:100]!r}", status=404)

    await services.call(changing(request, work))
    return answer(DoneAnswer())


@operation(
    "GET",
    PROJECTS_PATH,
    Operation(
        summary="E50: list projects",
        tag=_TAG,
        role="read",
        scope=HANDLER,
        answer=list[ListedProject],
    ),
)
async def list_projects(request: Call) -> Response[bytes]:
    """Every project, oldest first."""
    services = services_of(request)
    rows = await services.call(services.store.projects.list_all, readable(request))
    return answer([_listed(row) for row in rows])


def _listed(row: ProjectRow) -> ListedProject:
    return ListedProject(
        id=row.id,
        name=row.name or "",
        content_type=row.content_type,
        total_task_count=sum(row.tasks.values()),
        task_counts=row.tasks,
        image_count=row.image_count,
    )


@operation(
    "POST",
    f"{STUDIO}/project/{{project_id:str}}/setLabelGroup",
    Operation(
        summary="E51: label group of a project",
        tag=_TAG,
        role="write",
        scope=Scope(path={"project_id": "project"}),
        action="set label group of project",
        path=_PROJECT,
        body=GroupRequest,
        answer=DoneAnswer,
        errors=(400, 404, 413, 422),
    ),
)
async def set_group(request: Call) -> Response[bytes]:
    """Gives a project a group of labels, in place of the one that it had."""
    wanted, services = await read_message(request, GroupRequest), services_of(request)
    project_id, projects = read_path(request, "project_id"), services.store.projects
    note(request, subject=project_id)

    def work() -> None:
        if not projects.set_group(project_id, wanted.label_group_id):
            raise NotFound(f"there is no label group {wanted.label_group_id[:100]!r}", status=404)

    await services.call(changing(request, work))
    return answer(DoneAnswer())


@operation(
    "POST",
    ATTACH_RUNS_PATH,
    Operation(
        summary="E52: attach model runs to a project",
        tag=_TAG,
        role="write",
        scope=HANDLER,
        action="attach runs to project",
        body=AttachRequest,
        answer=DoneAnswer,
        errors=(400, 404, 413, 422),
    ),
)
async def attach_runs(request: Call) -> Response[bytes]:
    """Attaches model runs, for annotators to begin from. All of them, or none."""
    wanted, services = await read_message(request, AttachRequest), services_of(request)
    await check_thing(request, "project", wanted.project_id)
    note(request, subject=wanted.project_id, count=len(wanted.operation_id_array))

    def work() -> str | None:
        unknown = services.store.projects.attach_runs(
            wanted.project_id, wanted.operation_id_array, readable(request)
        )
        if unknown is not None:
            note_nothing(request)
        return unknown

    unknown = await services.call(changing(request, work))
    if unknown is not None:
        text = f"there is no model run {unknown[:100]!r}"
        request_id: str | None = request.scope["state"].get("request_id")
        # 2.3.4 shows `details` of this status.
        body = envelope(422, text, request_id, details=text)
        return Response(body, status_code=422, media_type=JSON)
    return answer(DoneAnswer(message="attached"))


@operation(
    "POST",
    PROJECT_NAME_PATH,
    Operation(
        summary="E53: name of a project",
        tag=_TAG,
        role="read",
        scope=HANDLER,
        body=NameRequest,
        answer=NameAnswer,
        errors=(400, 413, 422),
    ),
)
async def project_name(request: Call) -> Response[bytes]:
    """The name of a project; `isSuccess` is false if there is none of this id."""
    wanted, services = await read_message(request, NameRequest), services_of(request)
    try:
        await check_thing(request, "project", wanted.project_id)
        found = await services.call(services.store.projects.get, wanted.project_id)
    except NotFound as error:
        return answer(NameAnswer(is_success=False, message=str(error)))
    return answer(NameAnswer(is_success=True, project_name=found.name or ""))


@operation(
    "GET",
    PROJECT_ANNOTATIONS_PATH,
    Operation(
        summary="E43: download what projects have",
        tag=_TAG,
        role="read",
        scope=HANDLER,
        query=ProjectPageQuery,
        answer=ProjectPageAnswer,
        errors=(400, 404, 422),
    ),
)
async def project_page(request: Call) -> Response[bytes]:
    """Images of projects in the order of their tasks, with the ground truth of the project."""
    query, services = read_query(request, ProjectPageQuery), services_of(request)
    projects = _names(query.project_id_list, "projectIdList")
    statuses = _names(query.status_list, "statusList")
    unknown = next((each for each in statuses if each not in TASK_STATUSES), None)
    if unknown is not None:
        known = ", ".join(TASK_STATUSES)
        raise InvalidRequest(f"statusList: {unknown[:60]!r} is none of {known}", status=422)
    for project_id in projects:
        await check_thing(request, "project", project_id)
    page = await services.ingest(_page, request, projects, statuses, query)
    return answer(ProjectPageAnswer(page))


@operation(
    "GET",
    f"{CLIENT}/getAnnotations/{{project_id:str}}/project",
    Operation(
        summary="Download what a project has, from layerx-sdk 0.1.1 and 1.0.1",
        tag=_TAG,
        role="read",
        scope=Scope(path={"project_id": "project"}),
        path=(Parameter("project_id", "The project."),),
        query=ProjectPageQuery,
        answer=ProjectPage,
        errors=(400, 404, 422),
    ),
)
async def early_project_page(request: Call) -> Response[bytes]:
    """Images of a project as in E43. Page 0 is empty: these clients read the file's name on page 1."""
    query, services = read_query(request, ProjectPageQuery), services_of(request)
    projects = [read_path(request, "project_id")]
    if query.page_no == 0:
        page = await services.ingest(_page, request, projects, [], replace(query, page_size=1))
        return answer_on_both_levels(replace(page, resource_array=[], next_page=True))
    earlier = replace(query, page_no=query.page_no - 1)
    return answer_on_both_levels(await services.ingest(_page, request, projects, [], earlier))


def _page(
    request: Call, projects: list[str], statuses: list[str], query: ProjectPageQuery
) -> ProjectPage:
    store = services_of(request).store
    rows = [store.projects.get(one) for one in projects]
    found = store.projects.images_of(
        projects, statuses, offset=query.page_no * query.page_size, limit=query.page_size + 1
    )
    is_unique = store.projects.has_many_places(projects)
    resources = []
    for project_id, image_id, _ in found[: query.page_size]:
        item = store.items.get(image_id)
        sets = store.sets_of_image(image_id, project_id, "human")
        if item is not None and (sets or query.is_annotated_only.lower() != "true"):
            name = item.unique_name if is_unique else item.name
            resources += _resources(request, item, name, sets)
    title = "_".join(row.name or row.id for row in rows[:3]) or "projects"
    return ProjectPage(
        identifier=",".join(projects) or "none",
        format="RAW",
        group_unique_name="".join(c if c.isalnum() or c in " _.-" else "_" for c in title)[:120],
        raw_file_name="annotations.json",
        creatable_directories=[DIRECTORY],
        next_page=len(found) > query.page_size,
        resource_array=resources,
    )


def _resources(
    request: Call, item: ItemRow, name: str, sets: list[StoredSet]
) -> list[ProjectResource]:
    """Of an image, under a name that no image of another collection has."""
    url = url_of_image(request, item.image_id, item.name) if item.has_file else None
    size = (item.width, item.height) if item.width and item.height else None
    raw = raw_images(name, sets, size) or [RawImage(name, msgspec.Raw(b"[]"))]
    return [
        ProjectResource(
            file_name=name.replace("/", "_"),
            file_download_folder_location=DIRECTORY,
            file_url=url,
            is_media_file=True,
            width=item.width,
            height=item.height,
            raw_annotations=each,
        )
        for each in raw
    ]


def _names(text: str, where: str) -> list[str]:
    try:
        found: Any = msgspec.json.decode(text or "null", type=list[str] | None)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidRequest(
            f"{where} is not a JSON list of strings: {error}", status=400
        ) from error
    return found or []


ROUTES = [
    reserve,
    fill,
    delete,
    update_labels,
    list_projects,
    set_group,
    attach_runs,
    project_name,
    project_page,
    early_project_page,
]
