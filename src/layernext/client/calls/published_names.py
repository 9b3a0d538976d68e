"""Methods of the published clients whose names or arguments the calls of today have replaced.

Each hands over to a call of today, so that a published script works as it stands. docs/migration.md
lists them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

from layernext.client import upload
from layernext.client.calls.base import check_text, renamed
from layernext.client.calls.files import FileCalls
from layernext.client.calls.projects import ProjectCalls
from layernext.client.file_sources import FileSource
from layernext.client.progress import ProgressChoice
from layernext.client.reports import (
    Done,
    DownloadReport,
    FileUploadReport,
    ProjectReport,
    UploadReport,
)
from layernext.client.sources import FileSource as AnnotationFile
from layernext.client.sources import Validate
from layernext.errors import DataError, NotFound, Problem
from layernext.wire import published


class PublishedNames(FileCalls, ProjectCalls):
    """What published scripts call, under the names that they use."""

    # -- files and annotations ----------------------------------------------------------------

    def file_upload(
        self,
        path: FileSource,
        collection_type: str | int,
        collection_name: str,
        meta_data_object: Mapping[str, Any] | str = "",
        override: bool = False,
    ) -> FileUploadReport:
        """Deprecated: use `upload_files_to_collection`, which this is.

        Args:
            path, collection_name, meta_data_object: as there.
            collection_type: its `content_type`, or as published 4 for videos, 5 for images, 7 for
                other files.
            override: its `meta_data_override`; no file is ever replaced.
        """
        warnings.warn("use upload_files_to_collection", DeprecationWarning, stacklevel=2)
        fields = None if isinstance(meta_data_object, str) else meta_data_object
        kind = _word(collection_type, published.CONTENT_TYPES, "collection_type")
        return self.upload_files_to_collection(path, kind, collection_name, fields, override)

    def upload_data(
        self,
        collection_name: str,
        file_path: FileSource,
        meta_data_object: Mapping[str, Any] | None,
        operation_unique_id: str,
        json_data_file_path: str | os.PathLike[str],
        is_normalized: bool | str = False,
        is_model_run: bool = False,
        is_model_run_in_1x: bool | None = None,
        *,
        shape_type: str | None = None,
    ) -> FileUploadReport:
        """Deprecated: use `upload_files_to_collection` with `annotation_data`, which this is.

        Args:
            collection_name, meta_data_object: as there.
            file_path: its `path`, to images.
            operation_unique_id, json_data_file_path, is_normalized, is_model_run: its
                `annotation_data`.
            is_model_run_in_1x: 1.x passes eight arguments: the shape type in place of
                `is_normalized`, then the two flags.
            shape_type: geometry of a form v1 file, which 1.x takes; None for form v2.
        """
        warnings.warn("use upload_files_to_collection", DeprecationWarning, stacklevel=2)
        if isinstance(is_normalized, str):
            shape_type, is_normalized = is_normalized, is_model_run
            is_model_run = bool(is_model_run_in_1x)
        annotations = {
            "json_data_file_path": json_data_file_path,
            "operation_unique_id": operation_unique_id,
            "is_normalized": is_normalized,
            "is_model_run": is_model_run,
            "shape_type": shape_type,
        }
        return self.upload_files_to_collection(
            file_path, "image", collection_name, meta_data_object, annotation_data=annotations
        )

    def upload_annotations_by_job_id(
        self,
        job_id: str,
        operation_unique_id: str,
        json_data_file_path: str | os.PathLike[str],
        is_normalized: bool,
        is_model_run: bool,
        *,
        validate: Validate = "first",
        resume: bool = False,
        progress: ProgressChoice = None,
    ) -> UploadReport:
        """Upload a form v2 file whose images are named as the files of an upload were.

        Args:
            job_id: from the report of `upload_files_to_collection`.
            operation_unique_id, json_data_file_path, is_normalized, is_model_run: as in
                `upload_annotations_for_collection`.
            validate, resume, progress: as in `upload_modelrun_from_json`, and so are the errors.

        Raises:
            NotFound: there is no such upload of files; nothing was sent.
        """
        job = check_text(job_id, "job_id", "a job")
        source = AnnotationFile(json_data_file_path, None, validate)
        answer = self._connection.transport.request_json("GET", published.job_path(job))
        fields = answer if isinstance(answer, dict) else {}
        collection = fields.get("collectionName")
        is_unknown = fields.get("isSuccess") is False and not collection
        if is_unknown or (self._connection.native is not None and not collection):
            raise NotFound(f"there is no upload of files with the job id {job!r}", status=200)
        request = self._request(collection, operation_unique_id, None, is_model_run, is_normalized)
        return upload.upload(
            self._connection, request, source, resume=resume, progress=progress, job_id=job
        )

    @renamed(model_id="operation_id")  # 0.x
    def download_annotations(
        self,
        collection_id: str,
        operation_id: str | None = None,
        custom_download_path: str | os.PathLike[str] | None = None,
        is_media_include: bool = True,
    ) -> DownloadReport:
        """Deprecated: use `download_collection`, which this is.

        Args:
            collection_id, custom_download_path, is_media_include: as there.
            operation_id: name of a model run or ground truth; None for all ground truth.

        Raises:
            NotFound: no such collection.
            DownloadIncomplete: the annotations, or some of the files, did not come.
        """
        warnings.warn("use download_collection", DeprecationWarning, stacklevel=3)
        kind, runs = ("human", []) if operation_id is None else ("all", [operation_id])
        return self.download_collection(
            collection_id, kind, runs, custom_download_path, is_media_include
        )

    # -- projects, as 0.0.21 calls them -------------------------------------------------------

    def create_studio_project_from_collection(
        self,
        project_name: str,
        collection_id: str,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
        fps: int = 4,
    ) -> ProjectReport:
        """`create_annotation_project_from_collection` under its name in 0.0.21; same arguments."""
        return self.create_annotation_project_from_collection(
            project_name, collection_id, query, filter, fps
        )

    def create_studio_project_from_datalake(
        self,
        project_name: str,
        query: str,
        filter: Mapping[str, Any] | None,
        object_type: str | int,
        fps: int = 4,
    ) -> ProjectReport:
        """`create_annotation_project_from_datalake` under its name in 0.0.21.

        Args:
            project_name, query, filter, fps: as there.
            object_type: ``image`` or ``video``, or as published 2 for images, 1 for videos.
        """
        kind = _word(object_type, published.ITEM_TYPES, "object_type")
        return self.create_annotation_project_from_datalake(project_name, query, filter, kind, fps)

    def update_objects_to_studio_project_from_collection(
        self,
        project_id: str,
        collection_id: str,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
        fps: int = 0,
    ) -> ProjectReport:
        """`add_files_to_annotation_project_from_collection` under its name in 0.0.21; same arguments."""
        return self.add_files_to_annotation_project_from_collection(
            project_id, collection_id, query, filter, fps
        )

    def update_objects_to_studio_project_from_datalake(
        self,
        project_id: str,
        query: str,
        filter: Mapping[str, Any] | None,
        object_type: str | int,
        fps: int = 0,
    ) -> ProjectReport:
        """`add_files_to_annotation_project_from_datalake` under its name in 0.0.21.

        Args:
            project_id, query, filter, fps: as there.
            object_type: as in `create_studio_project_from_datalake`.
        """
        kind = _word(object_type, published.ITEM_TYPES, "object_type")
        return self.add_files_to_annotation_project_from_datalake(
            project_id, query, filter, kind, fps
        )

    def delete_studio_project(self, project_id: str) -> Done:
        """`delete_annotation_project` under its name in 0.0.21; same arguments."""
        return self.delete_annotation_project(project_id)

    def get_studio_project_list(self) -> list[dict[str, Any]]:
        """`get_annotation_project_list` under its name in 0.0.21."""
        return self.get_annotation_project_list()


def _word(value: str | int, codes: Mapping[str, int], where: str) -> str:
    """The word of a published code; a word stays as it is."""
    if isinstance(value, str):
        return value
    words = {code: word for word, code in codes.items()}
    if value not in words:
        choices = ", ".join(f"{code} ({word})" for code, word in sorted(words.items()))
        raise DataError(Problem(where, f"is {value!r}, must be one of {choices}"))
    return words[value]
