"""Datasets: made and changed (E54 to E57), downloaded by pages (E44)."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from layernext.wire.published.pages import MAX_PAGE_NUMBER, MAX_PAGE_SIZE, PAGE_SIZE
from layernext.wire.published.paths import DATASET, PathTemplate

CREATE_DATASET_PATH = f"{DATASET}/create"  # E54, GET
UPDATE_VERSION_PATH = f"{DATASET}/updateExistingVersion"  # E55, GET
NEW_VERSION_PATH = f"{DATASET}/updateNewVersion"  # E56, GET
DELETE_VERSION_PATH = f"{DATASET}/deleteVersion"  # E57, GET

version_data_path = PathTemplate("/dataset/api/dataset/getVersionData/{version_id}/{export_type}/")
"""E44, GET, pages from 1."""

EXPORT_TYPES = ("RAW", "YOLO Darknet", "COCO", "Pascal VOC", "Semantic Segmentation")


class SelectionQuery(Struct, frozen=True, rename="camel"):
    """Which selection, and of which version.

    Attributes:
        dataset_selection_id: from E26.
        dataset_version_id: the version that is followed by another one.
    """

    dataset_selection_id: str
    dataset_version_id: str | None = None


class VersionQuery(Struct, frozen=True, rename="camel"):
    """Which version.

    Attributes:
        dataset_version_id: its id.
    """

    dataset_version_id: str


class VersionRequest(Struct, frozen=True, rename="camel"):
    """E54 to E56.

    Attributes:
        name: of a new dataset.
        split_info: percentages of train, test and validation.
        labels: only annotations with these; empty for all.
        export_types: ``RAW``, ``YOLO Darknet``, ``COCO``, ``Pascal VOC``, ``Semantic Segmentation``.
        operations: names of model runs and ground truths; null for all.
        augmentations: more pictures of the images of the train split (docs/datasets.md); null for none.
        seed, stratify: of the division; no published client sends them.
    """

    split_info: dict[str, float]
    name: str | None = None
    labels: list[str] = field(default_factory=list)
    export_types: list[str] = field(default_factory=list)
    operations: list[str] | None = None
    augmentations: Any = None
    seed: Annotated[int, Meta(ge=0, lt=1 << 53)] = 0
    stratify: bool = False


class VersionAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E54 to E56: a job builds the version."""

    is_success: bool = True
    dataset_id: str
    dataset_version_id: str
    version_id: str
    version: str
    job_id: str
    message: str


class DeleteVersionAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E57."""

    is_success: bool = True


class DataQuery(Struct, frozen=True, rename="camel"):
    """Which page.

    Attributes:
        page_no: counts from 1.
        page_size: images in a page.
        annotation_type: without meaning; layerx-sdk before 1.0.15 does not send it.
    """

    page_no: Annotated[int, Meta(ge=1, lt=MAX_PAGE_NUMBER)] = 1
    page_size: Annotated[int, Meta(ge=1, le=MAX_PAGE_SIZE)] = PAGE_SIZE
    annotation_type: str | None = None


class VersionResource(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A file of a page."""

    file_name: str
    file_download_folder_location: str
    file_url: str | None = None
    is_media_file: bool | None = None
    writing_path_file_name: str | None = None


class VersionPage(Struct, frozen=True, kw_only=True, rename="camel"):
    """A page."""

    identifier: str
    format: str
    group_unique_name: str
    raw_file_name: str = "annotations.json"
    creatable_directories: list[str]
    next_page: bool
    resource_array: list[VersionResource]


class VersionPageAnswer(Struct, frozen=True):
    """The answer to E44."""

    data: VersionPage
