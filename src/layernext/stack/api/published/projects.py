"""Annotation projects."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response
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
from layernext.stack.api.published.annotations import raw_images
from layernext.stack.api.replay import change
from layernext.stack.api.services import services_of
from layernext.stack.api.transfer import url_of_image
from layernext.stack.search import ItemRow
from layernext.stack.store import TASK_STATUSES, ProjectRow, StoredSet
from layernext.wire.published import (
    ATTACH_RUNS_PATH,
    ITEM_TYPES,
    PROJECT_ANNOTATIONS_PATH,
    PROJECT_NAME_PATH,
    PROJECTS_PATH,
    RESERVE_PROJECT_PATH,
    AttachRequest,
    DoneAnswer,
    FillAnswer,
    FillQuery,
    FillRequest,
    GroupRequest,
    LabelsRequest,
    ListedProject,
    NameAnswer,
    NameRequest,
    ProjectPage,
    ProjectPageAnswer,
    ProjectPageQuery,
    ProjectResource,
    RawImage,
    ReservedAnswer,
    SentFillQuery,
    delete_project_path,
    early_project_path,
    fill_project_path,
    project_label_group_path,
    project_labels_path,
    title_of,
)

_TAG = "Published protocol"
MAX_PAGE_SIZE = 1_000
DIRECTORY = "data"
_PROJECT = (Parameter("project_id", "The project's id."),)


@operation(
    "GET",
    RESERVE_PROJECT_PATH,
    Operation(
        summary=title_of(RESERVE_PROJECT_PATH),
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
    fill_project_path.route,
    Operation(
        summary=title_of(fill_project_path),
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
    query, message = _fill_query(request), await read_message(request, FillRequest)
    if not query and message.name is None:
        raise DataError(Problem("name", "is missing; a new project needs one"))
    if message.name is not None:
        check_name(message.name, "name", "a project")
    await check_thing(request, "selection", message.selection_id)
    project_id, services = read_path(request, "project_id"), services_of(request)
    store = services.store

    def work() -> Response[bytes]:
        selection = store.selections.find(message.selection_id)
        count = store.projects.fill(
            project_id,
            selection,
            name=message.name,
            frames_per_task=message.frames_per_task,
            shape_type=message.default_shape_type,
            content_type=message.content_type or ITEM_TYPES["image"],
        )
        note(request, subject=message.name or project_id, count=count)
        job_id = store.jobs.keep(
            f"project {project_id} {message.selection_id}",
            "project.fill",
            name="Fill a project",
            status="completed",
            progress=100.0,
            details={"added": count},
        )
        return answer(FillAnswer(id=project_id, job_id=job_id, job=job_id, added=count))

    return await change(request, work, services.ingest)


def _fill_query(request: Call) -> bool:
    raw = read_query(request, SentFillQuery)
    return raw.is_editable.lower() == "true"


@operation(
    "POST",
    delete_project_path.route,
    Operation(
        summary=title_of(delete_project_path),
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
    project_labels_path.route,
    Operation(
        summary=title_of(project_labels_path),
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
    message, services = await read_message(request, LabelsRequest), services_of(request)
    project_id, projects = read_path(request, "project_id"), services.store.projects
    note(request, subject=project_id, count=len(message.add_list) + len(message.remove_list))

    def work() -> None:
        unknown = projects.change_labels(project_id, message.add_list, message.remove_list)
        if unknown is not None:
            raise NotFound(f"there is no label {unknown[:100]!r}", status=404)

    await services.call(changing(request, work))
    return answer(DoneAnswer())


@operation(
    "GET",
    PROJECTS_PATH,
    Operation(
        summary=title_of(PROJECTS_PATH),
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
    project_label_group_path.route,
    Operation(
        summary=title_of(project_label_group_path),
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
    message, services = await read_message(request, GroupRequest), services_of(request)
    project_id, projects = read_path(request, "project_id"), services.store.projects
    note(request, subject=project_id)

    def work() -> None:
        if not projects.set_group(project_id, message.label_group_id):
            raise NotFound(f"there is no label group {message.label_group_id[:100]!r}", status=404)

    await services.call(changing(request, work))
    return answer(DoneAnswer())


@operation(
    "POST",
    ATTACH_RUNS_PATH,
    Operation(
        summary=title_of(ATTACH_RUNS_PATH),
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
    message, services = await read_message(request, AttachRequest), services_of(request)
    await check_thing(request, "project", message.project_id)
    note(request, subject=message.project_id, count=len(message.operation_id_array))

    def work() -> str | None:
        unknown = services.store.projects.attach_runs(
            message.project_id, message.operation_id_array, readable(request)
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
        summary=title_of(PROJECT_NAME_PATH),
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
    message, services = await read_message(request, NameRequest), services_of(request)
    try:
        await check_thing(request, "project", message.project_id)
        project = await services.call(services.store.projects.get, message.project_id)
    except NotFound as error:
        return answer(NameAnswer(is_success=False, message=str(error)))
    return answer(NameAnswer(is_success=True, project_name=project.name or ""))


@operation(
    "GET",
    PROJECT_ANNOTATIONS_PATH,
    Operation(
        summary=title_of(PROJECT_ANNOTATIONS_PATH),
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
    unknown = next((status for status in statuses if status not in TASK_STATUSES), None)
    if unknown is not None:
        status_words = ", ".join(TASK_STATUSES)
        raise InvalidRequest(f"statusList: {unknown[:60]!r} is none of {status_words}", status=422)
    for project_id in projects:
        await check_thing(request, "project", project_id)
    page = await services.ingest(_page, request, projects, statuses, query)
    return answer(ProjectPageAnswer(page))


@operation(
    "GET",
    early_project_path.route,
    Operation(
        summary=title_of(early_project_path),
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
    """Images of a project, as `project_page` gives them. Page 0 is empty: these clients read the file's name on page 1."""
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
    rows = [store.projects.get(project_id) for project_id in projects]
    image_rows = store.projects.images_of(
        projects, statuses, offset=query.page_no * query.page_size, limit=query.page_size + 1
    )
    is_unique = store.projects.has_many_places(projects)
    resources = []
    for project_id, image_id, _ in image_rows[: query.page_size]:
        item = services_of(request).search.items.get(image_id)
        sets = store.annotations.sets_of_image(image_id, project_id, "human")
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
        next_page=len(image_rows) > query.page_size,
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
            raw_annotations=annotations,
        )
        for annotations in raw
    ]


def _names(text: str, where: str) -> list[str]:
    try:
        names: Any = msgspec.json.decode(text or "null", type=list[str] | None)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidRequest(
            f"{where} is not a JSON list of strings: {error}", status=400
        ) from error
    return names or []


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
