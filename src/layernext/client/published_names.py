"""The published clients' methods, under their names on the client itself: one line each.

Each is a call of a group, with the same arguments, so that a published script runs as it stands.
docs/migration.md lists them. The few below the list take arguments as an earlier version passed them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from layernext.client.files.reports import FileDownloadReport
from layernext.client.files.sources import FileSource
from layernext.client.groups.analysis import Analysis
from layernext.client.groups.annotations import Annotations
from layernext.client.groups.collections import Collections
from layernext.client.groups.datasets import Datasets
from layernext.client.groups.embeddings import Embeddings
from layernext.client.groups.files import Files
from layernext.client.groups.items import Items
from layernext.client.groups.jobs import Jobs
from layernext.client.groups.labels import Labels
from layernext.client.groups.metadata import Metadata
from layernext.client.groups.projects import Projects
from layernext.client.groups.runs import Runs
from layernext.client.groups.trash import Trash
from layernext.client.metadata_files import MetadataSource
from layernext.client.other_names import CallOf, renamed
from layernext.client.reports import DownloadReport, FileUploadReport, MetadataReport, ProjectReport
from layernext.client.texts import check_text
from layernext.errors import DataError, Problem
from layernext.wire import published


class PublishedNames:
    """What published scripts call, under the names that they use."""

    collections: Collections
    files: Files
    metadata: Metadata
    projects: Projects

    # -- annotations and runs -----------------------------------------------------------------

    upload_annotations_for_collection = CallOf("annotations", Annotations.upload_for_collection)
    upload_annotations_by_unique_name = CallOf("annotations", Annotations.upload_by_unique_name)
    upload_annotations_by_storage_path = CallOf("annotations", Annotations.upload_by_storage_path)
    upload_annotations_by_job_id = CallOf("annotations", Annotations.upload_by_job)
    upload_annotations_for_folder = CallOf("annotations", Annotations.upload_for_folder)
    upload_annoations_for_folder = CallOf("annotations", Annotations.upload_for_folder)
    upload_annotation_from_cocojson = CallOf("annotations", Annotations.upload_coco)
    remove_annotations = CallOf("runs", Runs.delete)

    # -- files, items and collections ---------------------------------------------------------

    upload_files_to_collection = CallOf("files", Files.upload)
    get_upload_status = CallOf("files", Files.status)
    get_downloadable_url = CallOf("files", Files.url)
    download_files_from_collection = CallOf("files", Files.download_page)
    download_files_from_metalake = CallOf("files", Files.download_page_of_stack)
    get_item_list_from_datalake = CallOf("items", Items.page)
    get_item_list_from_collection = CallOf("items", Items.page_of_collection)
    get_item_count_from_metalake = CallOf("items", Items.count)
    get_item_count_from_collection = CallOf("items", Items.count_of_collection)
    get_file_details = CallOf("items", Items.details)
    get_system_stat_count = CallOf("items", Items.statistics)
    get_valid_sort_fields = staticmethod(Items.sort_fields)
    trash_objects_from_datalake = CallOf("trash", Trash.add)
    trash_objects_from_collection = CallOf("trash", Trash.add_from_collection)
    create_or_update_collection = CallOf("collections", Collections.create_or_update)
    get_collection_details = CallOf("collections", Collections.details)
    get_collection_id_by_name = CallOf("collections", Collections.get_id)
    download_collection = CallOf("collections", Collections.download)

    # -- metadata, labels and jobs ------------------------------------------------------------

    upload_metadata_by_unique_name = CallOf("metadata", Metadata.upload_by_unique_name)
    upload_metadata_by_storage_path = CallOf("metadata", Metadata.upload_by_storage_path)
    upload_metadata_by_job_id = CallOf("metadata", Metadata.upload_by_job)
    upload_metadata_for_collection = CallOf("metadata", Metadata.upload_for_collection)
    get_all_labels = CallOf("labels", Labels.list)
    get_labels_in_group = CallOf("labels", Labels.list_in_group)
    create_system_label = CallOf("labels", Labels.create)
    get_all_label_groups = CallOf("labels", Labels.groups)
    create_label_group = CallOf("labels", Labels.create_group)
    attach_labels_to_group = CallOf("labels", Labels.add_to_group)
    detach_labels_from_group = CallOf("labels", Labels.remove_from_group)
    detach_labels_to_group = CallOf("labels", Labels.remove_from_group)
    wait_for_job_complete = CallOf("jobs", Jobs.wait)
    create_or_update_job = CallOf("jobs", Jobs.update)

    # -- datasets, projects and embeddings ----------------------------------------------------

    create_dataset_from_collection = CallOf("datasets", Datasets.create)
    create_dataset_from_datalake = CallOf("datasets", Datasets.create_from_query)
    update_dataset_version_from_collection = CallOf("datasets", Datasets.add_version)
    update_dataset_version_from_datalake = CallOf("datasets", Datasets.add_version_from_query)
    delete_dataset_version = CallOf("datasets", Datasets.delete_version)
    download_dataset = CallOf("datasets", Datasets.download)
    create_annotation_project_from_collection = CallOf("projects", Projects.create)
    create_annotation_project_from_datalake = CallOf("projects", Projects.create_from_query)
    add_files_to_annotation_project_from_collection = CallOf("projects", Projects.add_files)
    add_files_to_annotation_project_from_datalake = CallOf(
        "projects", Projects.add_files_from_query
    )
    delete_annotation_project = CallOf("projects", Projects.delete)
    add_labels_to_studio_project = CallOf("projects", Projects.add_labels)
    remove_labels_from_studio_project = CallOf("projects", Projects.remove_labels)
    remove_labels_to_studio_project = CallOf("projects", Projects.remove_labels)
    attach_label_group_to_annotation_project = CallOf("projects", Projects.set_label_group)
    attach_model_run_to_project = CallOf("projects", Projects.attach_runs)
    get_annotation_project_list = CallOf("projects", Projects.list)
    get_annotation_project_name_by_id = CallOf("projects", Projects.get_name)
    download_annotation_projects = CallOf("projects", Projects.download)
    insert_image_embeddings = CallOf("embeddings", Embeddings.insert)
    insert_image_embeddings_batch = CallOf("embeddings", Embeddings.insert_batch)
    get_embedding_vector = CallOf("embeddings", Embeddings.get)

    # -- automatic analysis, which a stack refuses --------------------------------------------

    register_model = CallOf("analysis", Analysis.register_model)
    auto_tag_collection = CallOf("analysis", Analysis.auto_tag_collection)
    generate_auto_tags_to_metalake = CallOf("analysis", Analysis.generate_auto_tags_to_metalake)
    auto_annotate_project = CallOf("analysis", Analysis.auto_annotate_project)
    prompt_inference = CallOf("analysis", Analysis.prompt_inference)
    generate_embeddings_for_collection = CallOf(
        "analysis", Analysis.generate_embeddings_for_collection
    )
    generate_embeddings_to_metalake = CallOf("analysis", Analysis.generate_embeddings_to_metalake)

    # -- projects, as 0.0.21 calls them -------------------------------------------------------

    delete_studio_project = CallOf("projects", Projects.delete)
    get_studio_project_list = CallOf("projects", Projects.list)

    def create_studio_project_from_collection(
        self,
        project_name: str,
        collection_id: str,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
        fps: int = 4,
    ) -> ProjectReport:
        """`client.projects.create` under its name in 0.0.21; same arguments."""
        return self.projects.create(project_name, collection_id, query, filter, fps)

    def create_studio_project_from_datalake(
        self,
        project_name: str,
        query: str,
        filter: Mapping[str, Any] | None,
        object_type: str | int,
        fps: int = 4,
    ) -> ProjectReport:
        """`client.projects.create_from_query` under its name in 0.0.21.

        Args:
            project_name, query, filter, fps: as in `client.projects.create_from_query`.
            object_type: ``image`` or ``video``, or the published number: 2 for images, 1 for videos.
        """
        kind = _word(object_type, published.ITEM_TYPES, "object_type")
        return self.projects.create_from_query(project_name, query, filter, kind, fps)

    def update_objects_to_studio_project_from_collection(
        self,
        project_id: str,
        collection_id: str,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
        fps: int = 0,
    ) -> ProjectReport:
        """`client.projects.add_files` under its name in 0.0.21; same arguments."""
        return self.projects.add_files(project_id, collection_id, query, filter, fps)

    def update_objects_to_studio_project_from_datalake(
        self,
        project_id: str,
        query: str,
        filter: Mapping[str, Any] | None,
        object_type: str | int,
        fps: int = 0,
    ) -> ProjectReport:
        """`client.projects.add_files_from_query` under its name in 0.0.21.

        Args:
            project_id, query, filter, fps: as in `client.projects.add_files_from_query`.
            object_type: as in `create_studio_project_from_datalake`.
        """
        kind = _word(object_type, published.ITEM_TYPES, "object_type")
        return self.projects.add_files_from_query(project_id, query, filter, kind, fps)

    # -- other earlier forms ------------------------------------------------------------------

    @renamed(collection_base_path="collection_name")  # 1.x
    def upload_metadata_for_files(
        self,
        collection_name: str,
        content_type: str | os.PathLike[str] | Mapping[str, Any] = "image",
        json_data_file_path: MetadataSource | None = None,
    ) -> MetadataReport:
        """`client.metadata.upload`; same arguments.

        Args:
            collection_name, content_type, json_data_file_path: as in `client.metadata.upload`.
        """
        return self.metadata.upload(collection_name, content_type, json_data_file_path)

    def download_project_annotations(
        self,
        project_id: str,
        task_status_list: Sequence[str] | None = None,
        is_annotated_only: bool = False,
        custom_download_path: str | os.PathLike[str] | None = None,
        is_media_include: bool = True,
    ) -> FileDownloadReport:
        """`client.projects.download` of a single project.

        Args:
            project_id, task_status_list, is_annotated_only, custom_download_path,
                is_media_include: as in `client.projects.download`.

        Raises:
            NotFound, DownloadIncomplete: as in `client.projects.download`.
        """
        project = check_text(project_id, "project_id", "a project")
        return self.projects.download(
            [project], task_status_list, is_annotated_only, custom_download_path, is_media_include
        )

    @renamed(model_id="operation_id")  # 0.x
    def download_annotations(
        self,
        collection_id: str,
        operation_id: str | None = None,
        custom_download_path: str | os.PathLike[str] | None = None,
        is_media_include: bool = True,
    ) -> DownloadReport:
        """Deprecated: use `client.collections.download`.

        Args:
            collection_id, custom_download_path, is_media_include: as in `client.collections.download`.
            operation_id: name of a model run or ground truth; None for all ground truth.

        Raises:
            NotFound: no such collection.
            DownloadIncomplete: the annotations, or some of the files, could not be downloaded.
        """
        warnings.warn("use download_collection", DeprecationWarning, stacklevel=3)
        kind, runs = ("human", []) if operation_id is None else ("all", [operation_id])
        return self.collections.download(
            collection_id, kind, runs, custom_download_path, is_media_include
        )

    def file_upload(
        self,
        path: FileSource,
        collection_type: str | int,
        collection_name: str,
        meta_data_object: Mapping[str, Any] | str = "",
        override: bool = False,
    ) -> FileUploadReport:
        """Deprecated: use `client.files.upload`.

        Args:
            path, collection_name, meta_data_object: as in `client.files.upload`.
            collection_type: ``content_type`` there, or the published number: 4 for videos, 5 for images, 7
                for other files.
            override: ``meta_data_override`` there; no file is ever replaced.
        """
        warnings.warn("use upload_files_to_collection", DeprecationWarning, stacklevel=2)
        fields = None if isinstance(meta_data_object, str) else meta_data_object
        kind = _word(collection_type, published.CONTENT_TYPES, "collection_type")
        return self.files.upload(path, kind, collection_name, fields, override)

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
        """Deprecated: use `client.files.upload` with `annotation_data`.

        Args:
            collection_name, meta_data_object: as in `client.files.upload`.
            file_path: ``path`` there; images only.
            operation_unique_id, json_data_file_path, is_normalized, is_model_run: as in ``annotation_data``
                there.
            is_model_run_in_1x: 1.x passes eight arguments: the shape type in place of
                `is_normalized`, then the two flags.
            shape_type: geometry of a form v1 file, as in 1.x; None for form v2.
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
        return self.files.upload(
            file_path, "image", collection_name, meta_data_object, annotation_data=annotations
        )


def _word(value: str | int, codes: Mapping[str, int], where: str) -> str:
    """The word of a published code; a word stays as it is."""
    if isinstance(value, str):
        return value
    words = {code: word for word, code in codes.items()}
    if value not in words:
        choices = ", ".join(f"{code} ({word})" for code, word in sorted(words.items()))
        raise DataError(Problem(where, f"is {value!r}, must be one of {choices}"))
    return words[value]
