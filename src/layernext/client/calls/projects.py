"""Calls about annotation projects."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec

from layernext.client.calls.annotations import AnnotationCalls
from layernext.client.calls.base import check_text
from layernext.client.calls.items import ItemCalls
from layernext.client.file_reports import FileDownloadReport
from layernext.client.page_download import PageDownload
from layernext.client.progress import ProgressChoice
from layernext.client.reports import Done, ProjectReport, UploadReport
from layernext.errors import DataError, InvalidRequest, NotFound, Problem
from layernext.formats import (
    ConversionReport,
    ExportOptions,
    Sample,
    in_pixels,
    read_format,
    write_export,
)
from layernext.model import ImageAnnotations, Project, Task, convert_trusted
from layernext.wire import native, published
from layernext.wire.paths import segment

HandOver = Literal["cvat", "label-studio"]
PARALLEL = 8
_COLLECTIONS = {4: "video", 5: "image"}


class ProjectCalls(ItemCalls, AnnotationCalls):
    """Annotation projects: images that people annotate, cut into tasks."""

    def create_annotation_project_from_collection(
        self,
        project_name: str,
        collection_id: str,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
        fps: int = 4,
        frames_per_task: int = 120,
        assign_to_all: bool = False,
        send_email: bool = False,
        default_shape_type: str = "rectangle",
    ) -> ProjectReport:
        """Make a project of a collection's images, cut into tasks.

        Args:
            project_name: display name.
            collection_id: id or name of a collection of images or videos.
            query, filter: which of them; see `get_item_list_from_datalake`.
            fps: no effect with our stacks: a video is one item.
            frames_per_task: images in a task.
            assign_to_all, send_email: no effect with our stacks, which know no annotators.
            default_shape_type: ``rectangle``, ``polygon`` or ``line``.

        Raises:
            DataError: an argument is wrong, or nothing fits; nothing was made.
            NotFound: no such collection.
        """
        fields = _fields(fps, frames_per_task, assign_to_all, send_email, default_shape_type)
        name = check_text(project_name, "project_name", "a project")
        tag, code = self._project_selection(collection_id, query, filter)
        return self._create(name, tag, code, fields)

    def create_annotation_project_from_datalake(
        self,
        project_name: str,
        datalake_query: str,
        datalake_filter: Mapping[str, Any] | None = None,
        content_type: str = "image",
        fps: int = 4,
        frames_per_task: int = 120,
        assign_to_all: bool = False,
        send_email: bool = False,
        default_shape_type: str = "rectangle",
    ) -> ProjectReport:
        """Make a project of images of any collection.

        Args:
            project_name, fps, frames_per_task, assign_to_all, send_email, default_shape_type: as in
                `create_annotation_project_from_collection`.
            datalake_query, datalake_filter: which images; one of them must be given.
            content_type: ``image`` or ``video``.

        Raises:
            DataError: an argument is wrong, or nothing fits; nothing was made.
        """
        fields = _fields(fps, frames_per_task, assign_to_all, send_email, default_shape_type)
        name = check_text(project_name, "project_name", "a project")
        tag, code = self._lake_selection(datalake_query, datalake_filter, content_type)
        return self._create(name, tag, code, fields)

    def add_files_to_annotation_project_from_collection(
        self,
        project_id: str,
        collection_id: str,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
        fps: int = 0,
        frames_per_task: int = 120,
        assign_to_all: bool = False,
        send_email: bool = False,
        default_shape_type: str = "rectangle",
    ) -> ProjectReport:
        """Add a collection's images to a project, in tasks of their own; those in it are passed over.

        Args:
            project_id: the project.
            collection_id, query, filter, fps, frames_per_task, assign_to_all, send_email,
                default_shape_type: as in `create_annotation_project_from_collection`.

        Raises:
            DataError: an argument is wrong, or nothing fits.
            NotFound: no such project or collection.
        """
        fields = _fields(fps, frames_per_task, assign_to_all, send_email, default_shape_type)
        given = check_text(project_id, "project_id", "a project")
        tag, code = self._project_selection(collection_id, query, filter)
        return self._fill(given, None, tag, code, fields)

    def add_files_to_annotation_project_from_datalake(
        self,
        project_id: str,
        query: str,
        filter: Mapping[str, Any] | None = None,
        content_type: str = "image",
        fps: int = 0,
        frames_per_task: int = 120,
        assign_to_all: bool = False,
        send_email: bool = False,
        default_shape_type: str = "rectangle",
    ) -> ProjectReport:
        """Add images of any collection to a project; arguments and errors as in the calls above.

        Args:
            project_id: the project.
            query, filter, content_type: which images; a query or a filter must be given.
            fps, frames_per_task, assign_to_all, send_email, default_shape_type: as in
                `create_annotation_project_from_collection`.
        """
        fields = _fields(fps, frames_per_task, assign_to_all, send_email, default_shape_type)
        given = check_text(project_id, "project_id", "a project")
        tag, code = self._lake_selection(query, filter, content_type)
        return self._fill(given, None, tag, code, fields)

    def _project_selection(
        self, collection_id: str, query: str, filter_: Mapping[str, Any] | None
    ) -> tuple[str, int]:
        word = _COLLECTIONS.get(self._object_type(collection_id))
        if word is None:
            message = f"{collection_id!r} is not a collection of images or videos"
            raise DataError(Problem("collection_id", message))
        tag = self._select(query, filter_, collection_id=collection_id)
        return tag, published.ITEM_TYPES[word]

    def _lake_selection(
        self, query: str, filter_: Mapping[str, Any] | None, content_type: str
    ) -> tuple[str, int]:
        if not (query or "").strip() and not filter_:
            raise DataError(
                Problem(
                    "query",
                    "pass a query or a filter; selecting all images by default is not supported",
                )
            )
        if content_type not in {"image", "video"}:
            message = f"is {content_type!r}, must be 'image' or 'video'"
            raise DataError(Problem("content_type", message))
        code = published.ITEM_TYPES[content_type]
        return self._select(query, filter_, content_type=code), code

    def _create(self, name: str, tag: str, code: int, fields: dict[str, Any]) -> ProjectReport:
        answer = self._object("GET", published.RESERVE_PROJECT_PATH, {})
        if answer.get("isSuccess") is False or not answer.get("id"):
            raise InvalidRequest("the stack returned no id for a project", status=200)
        return self._fill(str(answer["id"]), name, tag, code, fields)

    def _fill(
        self, project_id: str, name: str | None, tag: str, code: int, fields: dict[str, Any]
    ) -> ProjectReport:
        path = f"{published.project_path(project_id, 'update')}?isEditable={name is None}"
        body = {**fields, "selectionId": tag, "name": name, "contentType": code}
        answer = self._object("POST", path, body)
        return ProjectReport(
            id=str(answer.get("id") or project_id),
            job_id=str(answer.get("job_id") or answer.get("jobId") or ""),
            added=None if answer.get("added") is None else int(answer["added"]),
        )

    def delete_annotation_project(self, project_id: str) -> Done:
        """Delete a project; its images and what was annotated stay.

        Args:
            project_id: the project.

        Raises:
            NotFound: there is no such project.
        """
        given = check_text(project_id, "project_id", "a project")
        with self._connection.deleting():
            self._post(given, "delete", {})
        return Done(message="")

    def add_labels_to_studio_project(self, project_id: str, add_list: Sequence[str]) -> Done:
        """Give a project labels.

        Args:
            project_id: the project.
            add_list: references of labels.

        Raises:
            NotFound: there is no such project, or one of the labels does not exist.
        """
        body = {"addList": list(add_list), "removeList": []}
        return self._post(check_text(project_id, "project_id", "a project"), "updateLabel", body)

    def remove_labels_from_studio_project(
        self, project_id: str, remove_list: Sequence[str]
    ) -> Done:
        """Take labels out of a project; the labels themselves stay.

        Args:
            project_id: the project.
            remove_list: references of labels.

        Raises:
            NotFound: there is no such project, or one of the labels does not exist.
        """
        body = {"addList": [], "removeList": list(remove_list)}
        return self._post(check_text(project_id, "project_id", "a project"), "updateLabel", body)

    remove_labels_to_studio_project = remove_labels_from_studio_project  # as published

    def attach_label_group_to_annotation_project(self, project_id: str, group_id: str) -> Done:
        """Give a project a group of labels, in place of the one that it had.

        Args:
            project_id: the project.
            group_id: the group.

        Raises:
            NotFound: there is no such project or group.
        """
        body = {"labelGroupId": check_text(group_id, "group_id", "a group")}
        return self._post(check_text(project_id, "project_id", "a project"), "setLabelGroup", body)

    def _post(self, project_id: str, action: str, body: dict[str, Any]) -> Done:
        self._connection.transport.request(
            "POST", published.project_path(project_id, action), json=body
        )
        return Done(message="")

    def attach_model_run_to_project(
        self, project_id: str, operation_id_array: Sequence[str]
    ) -> Done:
        """Attach model runs to a project, for annotators to begin from: all of them, or none.

        Args:
            project_id: the project.
            operation_id_array: names of model runs; at least one.

        Raises:
            DataError: there are none, or one of them does not exist.
            NotFound: there is no such project.
        """
        if isinstance(operation_id_array, str) or not operation_id_array:
            raise DataError(Problem("operation_id_array", "must be a list of at least one name"))
        runs = [
            check_text(run, f"operation_id_array[{number}]", "a model run")
            for number, run in enumerate(operation_id_array)
        ]
        given = check_text(project_id, "project_id", "a project")
        body = {"projectId": given, "operationIdArray": runs}
        try:
            answer = self._object("POST", published.ATTACH_RUNS_PATH, body)
        except InvalidRequest as error:
            raise DataError(Problem("operation_id_array", str(error))) from error
        return Done(message=str(answer.get("message") or ""))

    def get_annotation_project_list(self) -> list[dict[str, Any]]:
        """``id``, ``name``, ``contentType``, ``totalTaskCount`` and more of every project."""
        found: list[dict[str, Any]] = self._connection.transport.request_json(
            "GET", published.PROJECTS_PATH, list[dict[str, Any]]
        )
        return found

    def get_annotation_project_name_by_id(self, project_id: str) -> dict[str, str]:
        """The name of a project, under ``projectName``.

        Args:
            project_id: the project.

        Raises:
            NotFound: there is no such project.
        """
        body = {"projectId": check_text(project_id, "project_id", "a project")}
        answer = self._object("POST", published.PROJECT_NAME_PATH, body)
        if answer.get("isSuccess") is False:
            raise NotFound(str(answer.get("message") or "there is no such project"), status=200)
        return {"projectName": str(answer.get("projectName") or "")}

    def get_project(self, project_id: str) -> Project:
        """A project with its labels, runs and the states of its tasks.

        Args:
            project_id: the project.

        Raises:
            NotFound: there is no such project.
        """
        self._connection.require_native("read a project")
        found: Project = self._connection.transport.request_json(
            "GET", _native_path(project_id), Project
        )
        return found

    def list_tasks(self, project_id: str) -> list[Task]:
        """The tasks of a project, by number.

        Args:
            project_id: the project.

        Raises:
            NotFound: there is no such project.
        """
        self._connection.require_native("list tasks")
        found: list[Task] = self._connection.transport.request_json(
            "GET", f"{_native_path(project_id)}/tasks", list[Task]
        )
        return found

    def set_task_status(self, project_id: str, tasks: int | Sequence[int], status: str) -> Project:
        """Put tasks into a state; any may follow any other.

        Args:
            project_id: the project.
            tasks: number of the task, or several.
            status: one of those of `Task`.

        Raises:
            DataError: there is no such state.
            NotFound: there is no such project or task.
        """
        self._connection.require_native("change tasks")
        numbers = [tasks] if isinstance(tasks, int) else list(tasks)
        found: Project = self._connection.transport.request_json(
            "POST",
            f"{_native_path(project_id)}/tasks",
            Project,
            json={"tasks": numbers, "status": status},
        )
        return found

    # -- downloads and hand-over --------------------------------------------------------------

    def download_annotation_projects(
        self,
        project_id_list: Sequence[str],
        task_status_list: Sequence[str] | None = None,
        is_annotated_only: bool = False,
        custom_download_path: str | os.PathLike[str] | None = None,
        is_media_include: bool = True,
        *,
        progress: ProgressChoice = None,
    ) -> FileDownloadReport:
        """Download what people made of projects, with the images.

        Args:
            project_id_list: the projects.
            task_status_list: only tasks in these states; None for all.
            is_annotated_only: only images that somebody annotated.
            custom_download_path: where to; the current directory by default.
            is_media_include: False for the annotations alone.
            progress: as in `upload_modelrun_from_json`.

        Raises:
            NotFound: there is no such project.
            DownloadIncomplete: it ended early; its report says what is there.
        """
        page = _page_path(project_id_list, task_status_list, is_annotated_only)
        folder = Path(custom_download_path or ".")
        work = PageDownload(self._connection, page, 0, folder, with_media=is_media_include)
        source = f"projects {','.join(project_id_list)}"
        return work.run(source, parallel=PARALLEL, progress=progress)

    def download_project_annotations(
        self,
        project_id: str,
        task_status_list: Sequence[str] | None = None,
        is_annotated_only: bool = False,
        custom_download_path: str | os.PathLike[str] | None = None,
        is_media_include: bool = True,
    ) -> FileDownloadReport:
        """`download_annotation_projects` of one project.

        Args:
            project_id, task_status_list, is_annotated_only, custom_download_path,
                is_media_include: as there.

        Raises:
            NotFound, DownloadIncomplete: as there.
        """
        given = [check_text(project_id, "project_id", "a project")]
        return self.download_annotation_projects(
            given, task_status_list, is_annotated_only, custom_download_path, is_media_include
        )

    def export_project(
        self,
        project_id: str,
        path: str | os.PathLike[str],
        format: HandOver = "cvat",
        *,
        with_predictions: bool = False,
        overwrite: bool = False,
    ) -> ConversionReport:
        """Hand a project over to a drawing tool, as its file format.

        Args:
            project_id: the project.
            path: the file, which appears only when it is whole.
            format: ``cvat`` (XML for images 1.1) or ``label-studio`` (JSON tasks).
            with_predictions: for Label Studio: write the shapes as predictions to begin from.
            overwrite: replace what is there.

        Raises:
            NotFound: there is no such project.
            DataError: the size of an image is not known yet.
            ConfigurationError: the file is there already.
        """
        page = _page_path([check_text(project_id, "project_id", "a project")], None, False)
        return write_export(
            self._project_samples(page),
            Path(path),
            format,
            ExportOptions(overwrite=overwrite, predictions=with_predictions),
        )

    def _project_samples(self, page: Any) -> Any:
        number = 0
        while True:
            answer = self._object("GET", page(number), {})
            data = answer["data"]
            for row in data["resourceArray"]:
                raw = row["rawAnnotations"]
                one = convert_trusted(raw, strict=False)
                width, height = row.get("width"), row.get("height")
                yield Sample(
                    image=one.image,
                    annotations=in_pixels(one, width, height),
                    width=width,
                    height=height,
                )
            if not data.get("nextPage"):
                return
            number += 1

    def import_project(
        self,
        project_id: str,
        collection: str,
        path: str | os.PathLike[str],
        format: HandOver = "cvat",
        *,
        progress: ProgressChoice = None,
    ) -> UploadReport:
        """Take over what people made in a drawing tool, as the project's ground truth.

        Args:
            project_id: the project.
            collection: where the images are, which the file calls by their names.
            path: the file.
            format: ``cvat`` or ``label-studio``.
            progress: as in `upload_modelrun_from_json`.

        Raises:
            FormatError: it is not such a file, with the place.
            NotFound: there is no such project.
        """
        given = check_text(project_id, "project_id", "a project")
        self.get_annotation_project_name_by_id(given)
        images = (
            ImageAnnotations(image=sample.image, annotations=sample.annotations)
            for sample in read_format(Path(path), format)
        )
        return self.upload_modelrun(collection, given, images, ground_truth=True, progress=progress)


def _native_path(project_id: str) -> str:
    given = check_text(project_id, "project_id", "a project")
    return f"{native.PROJECTS_PATH}/{segment(given)}"


def _page_path(
    project_ids: Sequence[str], statuses: Sequence[str] | None, only_annotated: bool
) -> Any:
    if isinstance(project_ids, str) or not project_ids:
        raise DataError(Problem("project_id_list", "must be a list of at least one project"))

    def path(number: int) -> str:
        query = {
            "pageNo": number,
            "pageSize": published.PAGE_SIZE,
            "statusList": msgspec.json.encode(list(statuses or [])).decode(),
            "isAnnotatedOnly": bool(only_annotated),
            "projectIdList": msgspec.json.encode(list(project_ids)).decode(),
            "operationIdList": "[]",
            "annotationType": "all",
        }
        return f"{published.PROJECT_ANNOTATIONS_PATH}?{urlencode(query)}"

    return path


def _fields(
    fps: int, frames_per_task: int, assign_to_all: bool, send_email: bool, shape_type: str
) -> dict[str, Any]:
    """What E47 takes, checked before anything is sent."""
    if shape_type not in published.SHAPE_TYPES:
        words = ", ".join(published.SHAPE_TYPES)
        raise DataError(Problem("default_shape_type", f"is {shape_type!r}, must be one of {words}"))
    given: Any = frames_per_task
    if not isinstance(given, int) or given < 1:
        raise DataError(Problem("frames_per_task", f"is {given!r}, must be 1 or more"))
    return {
        "fps": fps,
        "framesPerTask": frames_per_task,
        "assignToAll": bool(assign_to_all),
        "sendEmail": bool(send_email),
        "defaultShapeType": shape_type,
    }
