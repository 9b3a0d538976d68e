"""Titles of the endpoints: what the stack's description calls them, by the numbers of docs/protocol.md."""

from __future__ import annotations

from layernext.wire.published.annotations import DELETE_ANNOTATIONS_PATH, annotations_path
from layernext.wire.published.collections import (
    COLLECTION_DETAILS_PATH,
    COLLECTION_ID_PATH,
    CREATE_COLLECTION_PATH,
    object_type_path,
)
from layernext.wire.published.datasets import (
    CREATE_DATASET_PATH,
    DELETE_VERSION_PATH,
    NEW_VERSION_PATH,
    UPDATE_VERSION_PATH,
    version_data_path,
)
from layernext.wire.published.embeddings import (
    EMBEDDING_MODEL_PATH,
    GET_EMBEDDINGS_PATH,
    INSERT_EMBEDDINGS_PATH,
)
from layernext.wire.published.files import (
    BEGIN_FILE_PATH,
    DOWNLOAD_URL_PATH,
    FINISH_FILE_PATH,
    PART_URLS_PATH,
    UPLOAD_METADATA_PATH,
    UPLOAD_PROGRESS_PATH,
    finish_upload_path,
)
from layernext.wire.published.handshake import handshake_path
from layernext.wire.published.items import (
    COUNT_PATH,
    ITEM_DETAILS_PATH,
    LIST_PATH,
    SELECTION_PATH,
    SYSTEM_DETAILS_PATH,
    TRASH_PATH,
    count_of_collection_path,
    list_of_collection_path,
)
from layernext.wire.published.jobs import UPDATE_JOB_PATH, job_path
from layernext.wire.published.labels import (
    COCO_LABEL_PATH,
    CREATE_LABEL_GROUP_PATH,
    CREATE_LABEL_PATH,
    LABEL_GROUPS_PATH,
    LABELS_PATH,
    add_to_label_group_path,
    remove_from_label_group_path,
)
from layernext.wire.published.left_out import ANALYTICS_PATHS
from layernext.wire.published.metadata import (
    METADATA_JSON_PATH,
    METADATA_OBJECT_PATH,
    VALIDATE_FIELDS_PATH,
    VALIDATE_TAGS_PATH,
)
from layernext.wire.published.operation_data import operation_path_v1, operation_path_v2
from layernext.wire.published.paths import PathTemplate
from layernext.wire.published.projects import (
    ATTACH_RUNS_PATH,
    PROJECT_ANNOTATIONS_PATH,
    PROJECT_NAME_PATH,
    PROJECTS_PATH,
    RESERVE_PROJECT_PATH,
    delete_project_path,
    early_project_path,
    fill_project_path,
    project_label_group_path,
    project_labels_path,
)
from layernext.wire.published.references import LABEL_REFERENCES_PATH
from layernext.wire.published.virtual_collections import VIRTUAL_COLLECTION_PATH

TITLES: dict[str | PathTemplate, str] = {
    early_project_path: "Download what a project has, from layerx-sdk 0.1.1 and 1.0.1",
    handshake_path: "E01: handshake",
    LABEL_REFERENCES_PATH: "E02: references of labels",
    operation_path_v1: "E03: annotation sets, from 0.0.5 and 1.x",
    operation_path_v2: "E04: annotation sets, from 2.3.4",
    COCO_LABEL_PATH: "E05: make a label of a COCO category",
    LABELS_PATH: "E06: list labels",
    CREATE_LABEL_PATH: "E07: make a label",
    LABEL_GROUPS_PATH: "E08: list label groups",
    CREATE_LABEL_GROUP_PATH: "E09: make a label group",
    add_to_label_group_path: "E10: add labels to a group",
    remove_from_label_group_path: "E11: take labels out of a group",
    UPLOAD_METADATA_PATH: "E12: open an upload of files",
    BEGIN_FILE_PATH: "E13: begin a file",
    PART_URLS_PATH: "E14: where the parts of a file go",
    FINISH_FILE_PATH: "E16: finish a file",
    finish_upload_path: "E17: finish an upload of files",
    UPLOAD_PROGRESS_PATH: "E18: how far an upload of files is",
    CREATE_COLLECTION_PATH: "E19: make a collection, or give it metadata",
    COLLECTION_ID_PATH: "E20: id of a collection",
    COLLECTION_DETAILS_PATH: "E21: fields of a collection",
    ITEM_DETAILS_PATH: "E22: fields of a file",
    object_type_path: "E23: kind of an object",
    DOWNLOAD_URL_PATH: "E24: the URL of a file",
    DELETE_ANNOTATIONS_PATH: "E25: remove the annotations of an operation",
    SELECTION_PATH: "E26: keep what a query finds",
    TRASH_PATH: "E27: put a selection into the trash",
    METADATA_JSON_PATH: "E28: metadata of files",
    METADATA_OBJECT_PATH: "E29: metadata of a collection",
    VALIDATE_TAGS_PATH: "E30: can these be tags?",
    VALIDATE_FIELDS_PATH: "E31: can these be metadata fields?",
    LIST_PATH: "E32: list files",
    COUNT_PATH: "E33: count files",
    list_of_collection_path: "E34: list the files of a collection",
    count_of_collection_path: "E35: count the files of a collection",
    SYSTEM_DETAILS_PATH: "E36: what the stack holds",
    job_path: "E37: status of a job",
    UPDATE_JOB_PATH: "E38: make or change a job of the client's own",
    INSERT_EMBEDDINGS_PATH: "E39: store embeddings",
    GET_EMBEDDINGS_PATH: "E40: embeddings of images",
    EMBEDDING_MODEL_PATH: "E41: make an embedding model",
    annotations_path: "E42: download annotations by pages",
    PROJECT_ANNOTATIONS_PATH: "E43: download what projects have",
    version_data_path: "E44: download a version by pages",
    RESERVE_PROJECT_PATH: "E46: reserve a project",
    fill_project_path: "E47: fill a project, or add to it",
    delete_project_path: "E48: delete a project",
    project_labels_path: "E49: labels of a project",
    PROJECTS_PATH: "E50: list projects",
    project_label_group_path: "E51: label group of a project",
    ATTACH_RUNS_PATH: "E52: attach model runs to a project",
    PROJECT_NAME_PATH: "E53: name of a project",
    CREATE_DATASET_PATH: "E54: make a dataset",
    UPDATE_VERSION_PATH: "E55: change a version",
    NEW_VERSION_PATH: "E56: make a version",
    DELETE_VERSION_PATH: "E57: delete a version",
    VIRTUAL_COLLECTION_PATH: "layernext-beta: add images to a virtual collection",
    **{
        path: f"E{number}: automatic analysis, which a stack does not do"
        for number, path in enumerate(ANALYTICS_PATHS, 58)
    },
}

PART_TITLE = "E15: a part of a file"
FILE_TITLE = "E45: a file"
"""Of URLs that the stack hands out: they are its own, and no client knows their form."""


def title_of(path: str | PathTemplate) -> str:
    """The title of the endpoint at a path, such as ``E06: list labels``."""
    return TITLES[path]
