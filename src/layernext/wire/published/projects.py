"""Annotation projects (E43, E46 to E53)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from layernext.wire.published.annotations import RawImage
from layernext.wire.published.pages import MAX_PAGE_NUMBER, MAX_PAGE_SIZE, PAGE_SIZE
from layernext.wire.published.paths import CLIENT, STUDIO, PathTemplate

PROJECT_ANNOTATIONS_PATH = f"{STUDIO}/projects/getAnnotations"  # E43, GET, pages from 0
RESERVE_PROJECT_PATH = f"{STUDIO}/projects/initial/create"  # E46, GET
PROJECTS_PATH = f"{STUDIO}/projects/list"  # E50, GET
ATTACH_RUNS_PATH = f"{STUDIO}/projects/modelRun/attach"  # E52, POST
PROJECT_NAME_PATH = f"{STUDIO}/projects/get/projectName"  # E53, POST

fill_project_path = PathTemplate(f"{STUDIO}/project/{{project_id}}/update")
"""E47, POST."""

delete_project_path = PathTemplate(f"{STUDIO}/project/{{project_id}}/delete")
"""E48, POST."""

project_labels_path = PathTemplate(f"{STUDIO}/project/{{project_id}}/updateLabel")
"""E49, POST."""

project_label_group_path = PathTemplate(f"{STUDIO}/project/{{project_id}}/setLabelGroup")
"""E51, POST."""

early_project_path = PathTemplate(f"{CLIENT}/getAnnotations/{{project_id}}/project")
"""GET, as E43 for one project: what layerx-sdk 0.1.1 and 1.0.1 ask for."""

SHAPE_TYPES = ("rectangle", "polygon", "line")


MAX_FRAMES = 100_000


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

    page_no: Annotated[int, Meta(ge=0, lt=MAX_PAGE_NUMBER)] = 0
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


class SentFillQuery(Struct, frozen=True, rename="camel"):
    """E47's query as it is sent: a Boolean as Python spells it, ``True`` or ``False``."""

    is_editable: str = "False"
