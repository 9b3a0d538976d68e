"""Annotation projects: images that people annotate, divided into tasks."""

from __future__ import annotations

import builtins
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from layernext.client.annotations.sources import ItemSource
from layernext.client.files.pages import PageDownload
from layernext.client.files.reports import FileDownloadReport
from layernext.client.groups.group import Group
from layernext.client.progress import ProgressChoice
from layernext.client.published import downloads, projects
from layernext.client.reports import Done, ProjectReport, UploadReport
from layernext.client.run_uploads import upload_request, upload_source
from layernext.client.texts import check_text
from layernext.errors import DataError, InvalidRequest, Problem
from layernext.formats import ConversionReport, ExportOptions, read_format, write_export
from layernext.model import ImageAnnotations, Project, Task
from layernext.wire import native, published
from layernext.wire.paths import segment
from layernext.wire.published import NameAnswer, wire_fields

HandOver: TypeAlias = Literal["cvat", "label-studio"]
PARALLEL = 8


class Projects(Group):
    """Images that people annotate, divided into tasks."""

    def create(
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
        """Create a project from a collection's images, divided into tasks.

        Args:
            project_name: display name.
            collection_id: id or name of a collection of images or videos.
            query, filter: which of the files; see `client.items.page`.
            fps: no effect with our stacks: a video is one item.
            frames_per_task: images in a task.
            assign_to_all, send_email: no effect with our stacks, which do not manage annotators.
            default_shape_type: ``rectangle``, ``polygon`` or ``line``.

        Raises:
            DataError: an argument is wrong, or nothing matches; nothing was created.
            NotFound: no such collection.
        """
        fields = projects.task_fields(
            fps, frames_per_task, assign_to_all, send_email, default_shape_type
        )
        name = check_text(project_name, "project_name", "a project")
        selection = projects.select_in_collection(self._transport, collection_id, query, filter)
        return projects.create_project(self._transport, name, selection, fields)

    def create_from_query(
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
        """Create a project from images of any collection.

        Args:
            project_name, fps, frames_per_task, assign_to_all, send_email, default_shape_type: as in
                `create`.
            datalake_query, datalake_filter: which images; one of them must be given.
            content_type: ``image`` or ``video``.

        Raises:
            DataError: an argument is wrong, or nothing matches; nothing was created.
        """
        fields = projects.task_fields(
            fps, frames_per_task, assign_to_all, send_email, default_shape_type
        )
        name = check_text(project_name, "project_name", "a project")
        selection = projects.select_anywhere(
            self._transport, datalake_query, datalake_filter, content_type
        )
        return projects.create_project(self._transport, name, selection, fields)

    def add_files(
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
        """Add a collection's images to a project, in new tasks; images that it already has are skipped.

        Args:
            project_id: the project.
            collection_id, query, filter, fps, frames_per_task, assign_to_all, send_email,
                default_shape_type: as in `create`.

        Raises:
            DataError: an argument is wrong, or nothing matches.
            NotFound: no such project or collection.
        """
        fields = projects.task_fields(
            fps, frames_per_task, assign_to_all, send_email, default_shape_type
        )
        project = _checked(project_id)
        selection = projects.select_in_collection(self._transport, collection_id, query, filter)
        return projects.fill_project(self._transport, project, None, selection, fields)

    def add_files_from_query(
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
        """Add images of any collection to a project; images that it already has are skipped.

        Args:
            project_id: the project.
            query, filter, content_type: which images; a query or a filter must be given.
            fps, frames_per_task, assign_to_all, send_email, default_shape_type: as in `create`.

        Raises:
            DataError, NotFound: as in `add_files`.
        """
        fields = projects.task_fields(
            fps, frames_per_task, assign_to_all, send_email, default_shape_type
        )
        project = _checked(project_id)
        selection = projects.select_anywhere(self._transport, query, filter, content_type)
        return projects.fill_project(self._transport, project, None, selection, fields)

    def delete(self, project_id: str) -> Done:
        """Delete a project; its images and their annotations stay.

        Args:
            project_id: the project.

        Raises:
            NotFound: there is no such project.
        """
        project = _checked(project_id)
        with self._connection.deleting():
            projects.delete_project(self._transport, project)
        return Done(message="")

    def add_labels(self, project_id: str, add_list: Sequence[str]) -> Done:
        """Add labels to a project.

        Args:
            project_id: the project.
            add_list: references of labels.

        Raises:
            NotFound: there is no such project, or one of the labels does not exist.
        """
        return projects.change_labels(self._transport, _checked(project_id), add=add_list)

    def remove_labels(self, project_id: str, remove_list: Sequence[str]) -> Done:
        """Remove labels from a project; the labels themselves stay.

        Args:
            project_id: the project.
            remove_list: references of labels.

        Raises:
            NotFound: there is no such project, or one of the labels does not exist.
        """
        return projects.change_labels(self._transport, _checked(project_id), remove=remove_list)

    def set_label_group(self, project_id: str, group_id: str) -> Done:
        """Assign a group of labels to a project; replaces its earlier group.

        Args:
            project_id: the project.
            group_id: the group.

        Raises:
            NotFound: there is no such project or group.
        """
        group = check_text(group_id, "group_id", "a group")
        return projects.set_label_group(self._transport, _checked(project_id), group)

    def attach_runs(self, project_id: str, operation_id_array: Sequence[str]) -> Done:
        """Attach model runs to a project, for annotators to start from: all of the runs, or none.

        Args:
            project_id: the project.
            operation_id_array: names of model runs; at least one.

        Raises:
            DataError: no run is given, or one of them does not exist.
            NotFound: there is no such project.
        """
        if isinstance(operation_id_array, str) or not operation_id_array:
            raise DataError(Problem("operation_id_array", "must be a list of at least one name"))
        runs = [
            check_text(run, f"operation_id_array[{number}]", "a model run")
            for number, run in enumerate(operation_id_array)
        ]
        try:
            return projects.attach_runs(self._transport, _checked(project_id), runs)
        except InvalidRequest as error:
            raise DataError(Problem("operation_id_array", str(error))) from error

    def get_name(self, project_id: str) -> dict[str, str]:
        """The name of a project, under ``projectName``.

        Args:
            project_id: the project.

        Raises:
            NotFound: there is no such project.
        """
        name = projects.project_name(self._transport, _checked(project_id))
        return wire_fields(NameAnswer, project_name=name)

    def get(self, project_id: str) -> Project:
        """A project with its labels, runs and the states of its tasks.

        Args:
            project_id: the project.

        Raises:
            NotFound: there is no such project.
        """
        self._connection.require_native("read a project")
        project: Project = self._transport.request_json("GET", _path(project_id), Project)
        return project

    def tasks(self, project_id: str) -> builtins.list[Task]:
        """The tasks of a project, by number.

        Args:
            project_id: the project.

        Raises:
            NotFound: there is no such project.
        """
        self._connection.require_native("list tasks")
        tasks: builtins.list[Task] = self._transport.request_json(
            "GET", f"{_path(project_id)}/tasks", builtins.list[Task]
        )
        return tasks

    def set_task_status(self, project_id: str, tasks: int | Sequence[int], status: str) -> Project:
        """Set the state of tasks; any state may follow any other.

        Args:
            project_id: the project.
            tasks: number of a task, or several numbers.
            status: one of the states of `Task`.

        Raises:
            DataError: there is no such state.
            NotFound: there is no such project or task.
        """
        self._connection.require_native("change tasks")
        numbers = [tasks] if isinstance(tasks, int) else list(tasks)
        project: Project = self._transport.request_json(
            "POST",
            f"{_path(project_id)}/tasks",
            Project,
            json={"tasks": numbers, "status": status},
        )
        return project

    # -- downloads, and hand-over to drawing tools --------------------------------------------

    def download(
        self,
        project_id_list: Sequence[str],
        task_status_list: Sequence[str] | None = None,
        is_annotated_only: bool = False,
        custom_download_path: str | os.PathLike[str] | None = None,
        is_media_include: bool = True,
        *,
        progress: ProgressChoice = None,
    ) -> FileDownloadReport:
        """Download what people annotated in projects, with the images.

        Args:
            project_id_list: the projects.
            task_status_list: only tasks in these states; None for all.
            is_annotated_only: only images that somebody annotated.
            custom_download_path: target folder; the current directory by default.
            is_media_include: False for the annotations alone.
            progress: as in `client.upload_modelrun_from_json`.

        Raises:
            NotFound: there is no such project.
            DownloadIncomplete: the download ended early; the error's report says what arrived.
        """
        pages = downloads.project_pages(
            project_id_list, task_status_list, is_annotated_only=is_annotated_only
        )
        folder = Path(custom_download_path or ".")
        work = PageDownload(self._transport, pages, 0, folder, with_media=is_media_include)
        source = f"projects {','.join(project_id_list)}"
        return work.run(source, parallel=PARALLEL, progress=progress)

    def export(
        self,
        project_id: str,
        path: str | os.PathLike[str],
        format: HandOver = "cvat",
        *,
        with_predictions: bool = False,
        overwrite: bool = False,
    ) -> ConversionReport:
        """Write a project as a file for an annotation tool.

        Args:
            project_id: the project.
            path: the file, which appears only once it is complete.
            format: ``cvat`` (XML for images 1.1) or ``label-studio`` (JSON tasks).
            with_predictions: for Label Studio: write the shapes as predictions to start from.
            overwrite: replace an existing target.

        Raises:
            NotFound: there is no such project.
            DataError: the size of an image is not known yet.
            ConfigurationError: the file exists already.
        """
        pages = downloads.project_pages([_checked(project_id)], None, is_annotated_only=False)
        return write_export(
            projects.iter_samples(self._transport, pages),
            Path(path),
            format,
            ExportOptions(overwrite=overwrite, predictions=with_predictions),
        )

    def import_file(
        self,
        project_id: str,
        collection: str,
        path: str | os.PathLike[str],
        format: HandOver = "cvat",
        *,
        progress: ProgressChoice = None,
    ) -> UploadReport:
        """Upload annotations from an annotation tool as the project's ground truth.

        Args:
            project_id: the project.
            collection: collection of the images that the file names.
            path: the file.
            format: ``cvat`` or ``label-studio``.
            progress: as in `client.upload_modelrun_from_json`.

        Raises:
            FormatError: the file does not have this format; the message has the location.
            NotFound: there is no such project.
        """
        project = _checked(project_id)
        projects.project_name(self._transport, project)
        images = (
            ImageAnnotations(image=sample.image, annotations=sample.annotations)
            for sample in read_format(Path(path), format)
        )
        request = upload_request(collection, project, None, is_model_run=False)
        return upload_source(self._connection, request, ItemSource(images, None), progress=progress)

    def list(self) -> builtins.list[dict[str, Any]]:
        """``id``, ``name``, ``contentType``, ``totalTaskCount`` and more of every project."""
        rows: builtins.list[dict[str, Any]] = self._transport.request_json(
            "GET", published.PROJECTS_PATH, builtins.list[dict[str, Any]]
        )
        return rows


def _checked(project_id: str) -> str:
    return check_text(project_id, "project_id", "a project")


def _path(project_id: str) -> str:
    return f"{native.PROJECTS_PATH}/{segment(_checked(project_id))}"
