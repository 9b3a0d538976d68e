"""Annotation projects."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from layernext.errors import DataError, InvalidRequest, NotFound, Problem
from layernext.stack.api.access import HANDLER, Permissions, Scope
from layernext.stack.api.audit import Audit
from layernext.stack.api.error_map import envelope
from layernext.stack.api.messages import (
    Call,
    Encoded,
    answer_on_both_levels,
    check_name,
    encoded,
    read_query,
)
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.published.annotations import raw_images
from layernext.stack.api.services import Services
from layernext.stack.api.signature import FromRequest, RequestId
from layernext.stack.api.signed import Links
from layernext.stack.search import ItemRow
from layernext.stack.store import TASK_STATUSES, ProjectRow, Store, StoredSet
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
ProjectId: TypeAlias = Annotated[str, Meta(description="The project's id.")]


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
    ),
)
def reserve(store: Store, audit: Audit) -> ReservedAnswer:
    """The id of a project to be filled within a day. A GET that writes, as the protocol has it."""
    project_id = store.projects.reserve()
    audit.note(subject=project_id)
    return ReservedAnswer(id=project_id)


def _read_fill_query(request: Call) -> SentFillQuery:
    return read_query(request, SentFillQuery)


@operation(
    "POST",
    fill_project_path.route,
    Operation(
        summary=title_of(fill_project_path),
        tag=_TAG,
        role="write",
        scope=Scope(path={"project_id": "project"}),
        action="fill project",
        threads="ingest",
        is_recorded=True,
        errors=(400, 404, 413, 422),
    ),
)
def fill(
    project_id: ProjectId,
    sent_query: Annotated[SentFillQuery, FromRequest(_read_fill_query, query=FillQuery)],
    body: FillRequest,
    store: Store,
    permissions: Permissions,
    audit: Audit,
) -> FillAnswer:
    """Cuts a selection's images into tasks. Images that are in the project are passed over."""
    if sent_query.is_editable.lower() != "true" and body.name is None:
        raise DataError(Problem("name", "is missing; a new project needs one"))
    if body.name is not None:
        check_name(body.name, "name", "a project")
    permissions.check_thing("selection", body.selection_id)
    selection = store.selections.find(body.selection_id)
    count = store.projects.fill(
        project_id,
        selection,
        name=body.name,
        frames_per_task=body.frames_per_task,
        shape_type=body.default_shape_type,
        content_type=body.content_type or ITEM_TYPES["image"],
    )
    audit.note(subject=body.name or project_id, count=count)
    job_id = store.jobs.keep(
        f"project {project_id} {body.selection_id}",
        "project.fill",
        name="Fill a project",
        status="completed",
        progress=100.0,
        details={"added": count},
    )
    return FillAnswer(id=project_id, job_id=job_id, job=job_id, added=count)


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
        errors=(400, 404),
    ),
)
def delete(project_id: ProjectId, store: Store, audit: Audit) -> DoneAnswer:
    """Deletes a project. Its images and what was annotated stay."""
    store.projects.delete(project_id)
    audit.note(subject=project_id)
    return DoneAnswer()


@operation(
    "POST",
    project_labels_path.route,
    Operation(
        summary=title_of(project_labels_path),
        tag=_TAG,
        role="write",
        scope=Scope(path={"project_id": "project"}),
        action="change labels of project",
        errors=(400, 404, 413, 422),
    ),
)
def update_labels(
    project_id: ProjectId, body: LabelsRequest, store: Store, audit: Audit
) -> DoneAnswer:
    """Adds labels to a project, and takes others out."""
    audit.note(subject=project_id, count=len(body.add_list) + len(body.remove_list))
    unknown = store.projects.change_labels(project_id, body.add_list, body.remove_list)
    if unknown is not None:
        raise NotFound(f"there is no label {unknown[:100]!r}", status=404)
    return DoneAnswer()


@operation(
    "GET",
    PROJECTS_PATH,
    Operation(
        summary=title_of(PROJECTS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
    ),
)
def list_projects(store: Store, permissions: Permissions) -> list[ListedProject]:
    """Every project, oldest first."""
    return [_listed(row) for row in store.projects.list_all(permissions.readable)]


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
        errors=(400, 404, 413, 422),
    ),
)
def set_group(project_id: ProjectId, body: GroupRequest, store: Store, audit: Audit) -> DoneAnswer:
    """Gives a project a group of labels, in place of the one that it had."""
    audit.note(subject=project_id)
    if not store.projects.set_group(project_id, body.label_group_id):
        raise NotFound(f"there is no label group {body.label_group_id[:100]!r}", status=404)
    return DoneAnswer()


@operation(
    "POST",
    ATTACH_RUNS_PATH,
    Operation(
        summary=title_of(ATTACH_RUNS_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        action="attach runs to project",
        errors=(400, 404, 413, 422),
    ),
)
def attach_runs(
    body: AttachRequest, request_id: RequestId, store: Store, permissions: Permissions, audit: Audit
) -> Encoded[DoneAnswer]:
    """Attaches model runs, for annotators to begin from. All of them, or none."""
    permissions.check_thing("project", body.project_id)
    audit.note(subject=body.project_id, count=len(body.operation_id_array))
    unknown = store.projects.attach_runs(
        body.project_id, body.operation_id_array, permissions.readable
    )
    if unknown is None:
        return encoded(DoneAnswer(message="attached"))
    audit.note_nothing()
    text = f"there is no model run {unknown[:100]!r}"
    # 2.3.4 shows `details` of this status.
    return Encoded(envelope(422, text, request_id, details=text), status_code=422)


@operation(
    "POST",
    PROJECT_NAME_PATH,
    Operation(
        summary=title_of(PROJECT_NAME_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        errors=(400, 413, 422),
    ),
)
def project_name(body: NameRequest, store: Store, permissions: Permissions) -> NameAnswer:
    """The name of a project; `isSuccess` is false if there is none of this id."""
    try:
        permissions.check_thing("project", body.project_id)
        project = store.projects.get(body.project_id)
    except NotFound as error:
        return NameAnswer(is_success=False, message=str(error))
    return NameAnswer(is_success=True, project_name=project.name or "")


@operation(
    "GET",
    PROJECT_ANNOTATIONS_PATH,
    Operation(
        summary=title_of(PROJECT_ANNOTATIONS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        errors=(400, 404, 422),
        threads="ingest",
    ),
)
def project_page(
    query: ProjectPageQuery, services: Services, permissions: Permissions, links: Links
) -> ProjectPageAnswer:
    """Images of projects in the order of their tasks, with the ground truth of the project."""
    projects = _names(query.project_id_list, "projectIdList")
    statuses = _names(query.status_list, "statusList")
    unknown = next((status for status in statuses if status not in TASK_STATUSES), None)
    if unknown is not None:
        status_words = ", ".join(TASK_STATUSES)
        raise InvalidRequest(f"statusList: {unknown[:60]!r} is none of {status_words}", status=422)
    for project_id in projects:
        permissions.check_thing("project", project_id)
    return ProjectPageAnswer(_page(services, links, projects, statuses, query))


@operation(
    "GET",
    early_project_path.route,
    Operation(
        summary=title_of(early_project_path),
        tag=_TAG,
        role="read",
        scope=Scope(path={"project_id": "project"}),
        errors=(400, 404, 422),
        threads="ingest",
    ),
)
def early_project_page(
    project_id: ProjectId, query: ProjectPageQuery, services: Services, links: Links
) -> Encoded[ProjectPage]:
    """Images of a project, as `project_page` gives them. Page 0 is empty: these clients read the file's name on page 1."""
    if query.page_no == 0:
        page = _page(services, links, [project_id], [], replace(query, page_size=1))
        return answer_on_both_levels(replace(page, resource_array=[], next_page=True))
    earlier = replace(query, page_no=query.page_no - 1)
    return answer_on_both_levels(_page(services, links, [project_id], [], earlier))


def _page(
    services: Services,
    links: Links,
    projects: list[str],
    statuses: list[str],
    query: ProjectPageQuery,
) -> ProjectPage:
    store = services.store
    rows = [store.projects.get(project_id) for project_id in projects]
    image_rows = store.projects.images_of(
        projects, statuses, offset=query.page_no * query.page_size, limit=query.page_size + 1
    )
    is_unique = store.projects.has_many_places(projects)
    resources = []
    for project_id, image_id, _ in image_rows[: query.page_size]:
        item = services.search.items.get(image_id)
        sets = store.annotations.sets_of_image(image_id, project_id, "human")
        if item is not None and (sets or query.is_annotated_only.lower() != "true"):
            name = item.unique_name if is_unique else item.name
            resources += _resources(links, item, name, sets)
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
    links: Links, item: ItemRow, name: str, sets: list[StoredSet]
) -> list[ProjectResource]:
    """Of an image, under a name that no image of another collection has."""
    url = links.image(item.image_id, item.name) if item.has_file else None
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
